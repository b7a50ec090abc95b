"""The fold of every event type, in whatever pieces the log is read: one table, and indexes that say what is there."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.catalogue import Catalogue
from engine.events import NIL, Event
from engine.snapshot import RoutingSnapshot
from projections import routing
from projections.models import project
from projections.table import Table
from tests.engine.tables import recorded
from tests.projections.any_events import TYPES, of_type, some
from tests.projections.worlds import content, worlds


def in_pieces(events: Sequence[Event], sizes: Iterable[int]) -> RoutingSnapshot:
    """The fold, so many events at a time; what is left over in one."""
    snapshot, start = routing.empty(), 0
    for size in (*sizes, len(events)):
        piece = events[start : start + size]
        made = [recorded(number, event) for number, event in enumerate(piece, start + 1)]
        snapshot, _ = routing.fold(snapshot, made)
        start += len(piece)
    return snapshot


def whole(snapshot: RoutingSnapshot) -> Mapping[str, Any]:
    """As `content`, with where it stands in the log."""
    return {**content(snapshot), "position": snapshot.position, "streams": dict(snapshot.streams)}


def test_every_type_has_its_events() -> None:
    """DELTA-4 is about all of them: none is left out here."""
    assert len(TYPES) == 41
    assert set(routing._FOLDS) == set(TYPES)


@settings(max_examples=300, deadline=None)
@given(some(), st.lists(st.integers(1, 9), max_size=20))
def test_a_table_does_not_depend_on_how_the_log_was_read(events: list[Event], sizes: list[int]) -> None:
    """DELTA-4, SYNC-30: one by one, in pieces and all at once, and nothing stops the fold, sensible or not."""
    at_once = whole(in_pieces(events, ()))
    assert whole(in_pieces(events, [1] * len(events))) == at_once
    assert whole(in_pieces(events, sizes)) == at_once


@settings(max_examples=200, deadline=None)
@given(some(40))
def test_what_may_differ_is_told(events: list[Event]) -> None:
    """SYNC-29, DELTA-5: a pool that is not named by the fold is the same one, and so are its actors."""
    snapshot = routing.empty()
    for event in events:
        after, touched = routing.fold(snapshot, [recorded(snapshot.position + 1, event)])
        names = {*snapshot.pools, *after.pools}
        assert {alias for alias in names if snapshot.pools.get(alias) != after.pools.get(alias)} <= touched
        snapshot = after


@settings(max_examples=200, deadline=None)
@given(some(40), st.data())
def test_an_event_says_all_of_what_it_is_about(events: list[Event], data: st.DataObject) -> None:
    """House style, events: the whole state of what they name, so that the same one again changes nothing."""
    before = in_pieces(events, ())
    event = data.draw(st.sampled_from(TYPES).flatmap(of_type))
    once = routing.change(before, [event])
    if type(event).__name__ not in {"CreditsBooked", "RuleRemoved"}:
        assert content(routing.change(once, [event])) == content(once)


def links(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, dict[Any, None]]:
    found: dict[Any, dict[Any, None]] = {}
    for one, other in pairs:
        found.setdefault(one, {})[other] = None
    return found


def plain(mapping: Mapping[Any, Mapping[Any, None]]) -> dict[Any, dict[Any, None]]:
    return {one: dict(others) for one, others in mapping.items()}


def assert_indexes_fit(snapshot: RoutingSnapshot) -> None:
    """What is written down twice is the same twice, worked out here from the entities alone."""
    there: Catalogue = snapshot.catalogue
    models: dict[str, Any] = {**there.deployments, **there.composites}
    assert len(models) == len(there.deployments) + len(there.composites)
    assert plain(there.deployments_at) == links((one.endpoint_id, one.model_id) for one in there.deployments.values())
    parts = [part for of in there.components.values() for part in of]
    assert plain(there.composites_of) == links((part.deployment_id, part.composite_id) for part in parts)
    rules = [rule for of in there.rules.values() for rule in of]
    assert plain(there.redirects_to) == links((rule.target_id, rule.model_id) for rule in rules if rule.target_id)
    assert plain(there.members) == links(
        (group, one.user_id) for one in snapshot.users.values() for group in one.groups
    )
    assert plain(there.granted) == links((group, model) for model, groups in there.grants.items() for group in groups)
    priced = links((tariff.defined.model_id, tariff_id) for tariff_id, tariff in there.tariffs.items())
    assert {model: dict.fromkeys(ids) for model, ids in there.tariffs_of.items()} == priced
    for digest, token in snapshot.tokens.items():
        assert there.token_ids[token.token_id] == digest
    for named in (there.components, there.rules, there.grants, there.tariffs_of):
        assert {*named} <= {*models}
        assert all(named.values())
    assert {*there.ledgers} <= {*snapshot.users}
    assert {group for one in snapshot.users.values() for group in one.groups} <= {*there.groups}
    assert {group for groups in there.grants.values() for group in groups} <= {NIL, *there.groups}
    # A name is one model's, and its pool is that model's.
    assert all(models[model_id].alias == alias for alias, model_id in there.models.items())
    assert {alias for alias, pool in snapshot.pools.items() if pool.grants is not None} == {*there.models}
    stated = {alias: models[model_id].batch_capacity or 0 for alias, model_id in there.models.items()}
    taken = {alias: capacity if capacity > 0 else there.batch_capacity for alias, capacity in stated.items()}
    assert dict(snapshot.capacities) == taken
    assert {*snapshot.faults} <= {*there.models}
    # A secret leads to a key that is there and has it.
    for digest, key in snapshot.callers.items():
        assert snapshot.keys[key.key_id] is key
        assert digest in {key.digest, key.previous}
    assert snapshot.global_keys == sum(key.opens_all_pools for key in snapshot.keys.values())


@settings(max_examples=300, deadline=None)
@given(some())
def test_indexes_say_what_the_entities_say(events: list[Event]) -> None:
    """DELTA-2, DELTA-4: after any events, also such as no command would have led to."""
    assert_indexes_fit(in_pieces(events, ()))


@settings(max_examples=150, deadline=None)
@given(worlds())
def test_indexes_are_whole_where_commands_led(snapshot: RoutingSnapshot) -> None:
    """DELTA-4: every model has its name, every secret its key, every token its digest."""
    assert_indexes_fit(snapshot)
    there = snapshot.catalogue
    models: dict[str, Any] = {**there.deployments, **there.composites}
    assert {one.alias: model_id for model_id, one in models.items()} == dict(there.models)
    secrets = {digest: key for key in snapshot.keys.values() for digest in (key.digest, key.previous) if digest}
    assert dict(snapshot.callers) == secrets
    assert {token.token_id: digest for digest, token in snapshot.tokens.items()} == dict(there.token_ids)


@settings(max_examples=200, deadline=None)
@given(some())
def test_no_pool_is_older_than_what_it_is_made_of(events: list[Event]) -> None:
    """DELTA-2, DELTA-4: every model's pool is what it would be if all were projected again."""
    snapshot = in_pieces(events, [1] * len(events))
    table = Table(snapshot)
    table.stale.update(snapshot.catalogue.models.values())
    project(table)
    assert content(table.closed()) == content(snapshot)


@pytest.mark.parametrize("first", TYPES, ids=lambda one: one.__name__)
@settings(max_examples=5, deadline=None)
@given(st.data())
def test_every_event_is_taken_by_an_empty_table(first: type[Any], data: st.DataObject) -> None:
    """House §2: a projection is total: what makes no sense moves the position and the stream, and that is all."""
    event = data.draw(of_type(first))
    snapshot = in_pieces([event], ())
    assert snapshot.position == 1
    assert len(snapshot.streams) == 1
    assert attrs.evolve(snapshot, position=0, streams={}).position == 0
