"""What differs between two tables."""

from typing import Any

import attrs
import pytest
from hypothesis import given, settings

from engine.commands import ChangeEntities
from engine.events import (
    CompositeDefined,
    DeploymentDefined,
    EndpointDefined,
    GroupDefined,
    KeyDefined,
    MemberAdded,
    SettingsChanged,
    TariffDefined,
    TokenDefined,
    UserDefined,
)
from engine.snapshot import (
    Affinity,
    Backoff,
    CircuitPolicy,
    Fallback,
    Grants,
    Key,
    Limits,
    Pool,
    Provider,
    RoutingSnapshot,
    Settings,
    Timeouts,
)
from projections import routing
from projections.diff import Difference, FieldChange, differences
from projections.kinds import KINDS
from tests.engine.tables import deny, key, pool, provider, redirect, unchecked
from tests.projections.worlds import FIRST, content, decided, told, worlds


def one(before: RoutingSnapshot, after: RoutingSnapshot) -> Difference:
    (difference,) = differences(before, after)
    return difference


@settings(max_examples=60, deadline=None)
@given(worlds(), worlds())
def test_a_difference_is_found_exactly_where_there_is_one(one: RoutingSnapshot, other: RoutingSnapshot) -> None:
    """Issue 4: nothing between a table and itself, however it was made; something wherever any map differs."""
    again = told(routing.empty(), ())
    assert differences(one, one) == differences(again, again) == []
    moved = attrs.evolve(one, position=one.position + 7, streams=other.streams)
    assert differences(one, moved) == []
    found = differences(one, other)
    assert bool(found) == (content(one) != content(other))
    assert len({(each.kind, each.name) for each in found}) == len(found)
    assert all(each.sentence.isprintable() for each in found)
    back = differences(other, one)
    turned = {"added": "removed", "removed": "added", "changed": "changed"}
    assert [(each.kind, each.name, turned[each.change]) for each in back] == [
        (each.kind, each.name, each.change) for each in found
    ]


SOME: dict[type, Any] = {
    bool: True,
    int: 7,
    float: 7.5,
    str: "seven",
    bytes: b"7" * 32,
    type(None): "seven",
    tuple: ("7",),
    frozenset: frozenset({"seven"}),
    dict: {"x-seven": "7"},
    Limits: Limits(7),
    Fallback: Fallback(enabled=True),
    CircuitPolicy: CircuitPolicy(failures=7),
    Timeouts: Timeouts(idle_s=7.0),
    Affinity: Affinity("x-seven"),
}


def other_value(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if hasattr(type(value), "__members__"):
        return next(one for one in type(value) if one is not value)
    return SOME[type(value)]


def cases(value: Any, told: dict[str, str] | None = None) -> list[Any]:
    """Each field of a value, with what it is told as."""
    return [
        pytest.param(
            value, field.name, (told or {}).get(field.name, field.name), id=f"{type(value).__name__}.{field.name}"
        )
        for field in attrs.fields(type(value))
        if field.init and field.name not in {"alias", "key_id", "name", "rules", "providers", "groups", "grants"}
    ]


@pytest.mark.parametrize(
    ("value", "field", "named"),
    [
        *cases(Key("k", b"1" * 32, previous=b"2" * 32), {"digest": "secret", "previous": "previous_secret"}),
        *cases(Pool("chat")),
        *cases(provider("one")),
        *cases(Settings()),
    ],
)
def test_every_field_that_changed_is_told(value: Any, field: str, named: str) -> None:
    """Of pools, keys, providers and settings, each by the name it has in a document; digests only as a secret."""
    moments = {"expires_at", "previous_until"}
    now = attrs.evolve(value, **{field: 7 if field in moments else other_value(getattr(value, field))})
    tables = []
    for each in (value, now):
        table = routing.empty()
        if isinstance(each, Key):
            table = attrs.evolve(table, keys={"k": each})
        elif isinstance(each, Settings):
            table = attrs.evolve(table, settings=each)
        else:
            table = attrs.evolve(table, pools={"chat": each if isinstance(each, Pool) else pool("chat", each)})
        tables.append(table)
    difference = one(*tables)
    assert difference.change == "changed"
    (change,) = difference.fields
    expected = f"providers[one].{named}" if isinstance(value, Provider) else named
    assert change.field.startswith(expected)
    if named in {"secret", "previous_secret"}:
        assert (change.before, change.after) == ("one", "another")
        assert "31" * 3 not in difference.sentence


@pytest.mark.parametrize(
    "fact",
    [
        EndpointDefined("x", "http://e.example/"),
        DeploymentDefined("x", "small", "real", "e1"),
        CompositeDefined("x", "both"),
        UserDefined("x"),
        GroupDefined("x"),
        TariffDefined("x", "m1", "1", "1"),
        TokenDefined("x", "a1" * 32, "read"),
        KeyDefined("x", "a1" * 32, False, {}),
        SettingsChanged(False, 100, 90.0),
    ],
    ids=lambda fact: type(fact).__name__,
)
def test_every_field_of_an_event_makes_a_difference(fact: Any) -> None:
    """What an event can state is told, whichever entity it is of."""
    before = told(routing.empty(), [*FIRST, fact])
    for field in attrs.fields(type(fact)):
        if field.name.endswith("_id") and getattr(fact, field.name) == "x":
            continue
        wished: Any = SOME[type(getattr(fact, field.name))]
        if "digest" in field.name:
            wished = "b2" * 32
        elif field.name.endswith("_id") and field.name != "user_id":
            wished = "m3"
        elif "price" in field.name:
            wished = "7"
        elif field.name in {"max_concurrent", "burst", "batch_capacity", "valid_from", "valid_until", "expires_at",
                            "previous_until", "requests_per_second", "fallback_max_attempts"}:  # fmt: skip
            wished = 7
        elif field.name == "fallback_on_status":
            wished = (7,)
        elif field.name.startswith("fallback") or field.name == "open_responses_adapter":
            wished = True
        after = told(before, [attrs.evolve(fact, **{field.name: wished})])
        changed = [each for each in differences(before, after) if each.name in {"x", ""}]
        assert changed, field.name
        assert "a1a1" not in repr(changed)


def test_a_pools_providers_go_by_name_and_its_rules_by_place() -> None:
    """LB-5: a place in the order is told where it is not what it was with the new ones at the end."""
    a, b, c = provider("a"), provider("b", weight=2), provider("c.example", limit=3)
    before = unchecked([pool("chat", a, b, rules=(deny(tier="free"),)), pool("mini")])
    lighter = attrs.evolve(b, weight=1)
    after = unchecked([pool("chat", lighter, c, rules=(deny(tier="free"), redirect("mini"))), pool("mini")])
    difference = one(before, after)
    assert (difference.kind, difference.name, difference.change) == ("pool", "chat", "changed")
    told = {change.field: change for change in difference.fields}
    assert set(told) == {"providers[a]", "providers[b].weight", "providers[c.example]", "rules[1]"}
    assert told["providers[b].weight"] == FieldChange("providers[b].weight", 2, 1)
    assert told["providers[a]"].after is None
    assert told["providers[c.example]"].after["limits"]["max_concurrent"] == 3
    assert told["rules[1]"].after["target"] == "mini"
    assert difference.sentence == (
        "pool chat: provider a removed, provider b (weight 2 → 1), "
        "provider c.example at http://c.example.example/v1/ (limit 3) added, rule 1: none → redirect to mini for []"
    )
    turned = one(unchecked([pool("chat", a, b)]), unchecked([pool("chat", b, a)]))
    assert turned.fields == (FieldChange("providers.order", ["a", "b"], ["b", "a"]),)


def test_parts_of_one_entity_are_entities_of_their_own() -> None:
    """One more member of a large group is one line, and a model's pool is told beside the model."""
    before = decided(routing.empty(), ChangeEntities(FIRST))
    after = decided(before, ChangeEntities((UserDefined("u2", "Bob"), MemberAdded("g1", "u2"))))
    assert [(each.kind, each.name, each.change) for each in differences(before, after)] == [
        ("user", "u2", "added"),
        ("member", "g1/u2", "added"),
    ]
    renamed = decided(before, ChangeEntities((EndpointDefined("e1", "https://f.example"),)))
    found = differences(before, renamed)
    assert [(each.kind, each.name) for each in found] == [("endpoint", "e1"), ("pool", "both"), ("pool", "small")]
    assert FieldChange("url", "https://e.example/v1", "https://f.example") in found[0].fields
    assert found[2].fields[0].field == "providers[small].url"


def test_sentences_name_what_was_added_and_leave_out_what_is_as_usual() -> None:
    """For people: one line each, what is at its default untold."""
    before, after = unchecked(), unchecked([pool("chat", provider("a"), limit=4)], [key("k", opens_all=True)])
    found = {each.kind: each for each in differences(before, after)}
    assert found["pool"].sentence == "pool chat was added: provider a at http://a.example/v1/, limit 4"
    assert found["key"].sentence == "key k was added: opens all pools"
    assert [each.sentence for each in differences(after, before)] == ["key k was removed", "pool chat was removed"]
    listed = one(unchecked([pool("p", keys=frozenset("ab"))]), unchecked([pool("p", keys=frozenset("bc"))]))
    assert listed.sentence == "pool p: keys +c -a"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (pool("p", limit=3), pool("p", limit=5), "limit 3 → 5"),
        (
            pool("p"),
            pool("p", fallback=Fallback(enabled=True, on_status=(429, 5), backoff=Backoff(10.0))),
            (
                "fallback off → on, fallback statuses [] → [429, 5xx], backoff none → "
                "[backoff ms 10, longest backoff ms 5000, backoff factor 2, backoff jitter full]"
            ),
        ),
        (
            pool("p", provider("[::1]:80", url="http://[::1]/")),
            pool("p", provider("[::1]:80", url="http://[::1]/", limit=2, weight=3)),
            "provider [::1]:80 (weight 1 → 3, limit none → 2)",
        ),
        (pool("p", grants=Grants()), pool("p", grants=Grants(frozenset({"g"}))), "groups +g"),
        (pool("p", provider("a"), provider("b")), pool("p", provider("b"), provider("a")), "order [a, b] → [b, a]"),
    ],
)
def test_changes_are_told_in_the_words_of_the_trade(before: Any, after: Any, said: str) -> None:
    """Issue 5, item 3: providers by name, limits and terms as the log says them; no paths."""
    assert one(unchecked([before]), unchecked([after])).sentence == f"pool p: {said}"


def test_what_only_follows_is_not_told_with_it() -> None:
    """A new model's capacity and its tariff's phase are no news."""
    facts = (*FIRST, TariffDefined("t", "m1", "1", "2", 5))
    added = differences(routing.empty(), decided(routing.empty(), ChangeEntities(facts)))
    assert not [each for each in added if each.kind == "capacity"]
    told = {each.kind: each.sentence for each in added if each.name in {"t", "u1", "small"}}
    assert told["tariff"] == "tariff t was added: model m1, input price 1, output price 2, from 1970-01-01"
    assert told["pool"] == "pool small was added: provider small at https://e.example/v1/"


def test_every_map_of_a_table_is_of_some_kind() -> None:
    """`KINDS` is the whole of a table but for what is made from the rest: a map that is added must be put there."""
    made = {"position", "streams", "callers", "global_keys", "catalogue", "tokens", "models", "deployments_at"}
    made |= {"composites_of", "redirects_to", "grants", "tariffs_of", "token_ids"}
    sources = "pools keys users faults released settings endpoints deployments composites components rules"
    told = set(sources.split()) | {"groups", "members", "granted", "tariffs", "ledgers", "escalation", "batch_capacity"}
    names = {field.name for field in attrs.fields(RoutingSnapshot)}
    names |= {field.name for field in attrs.fields(type(routing.empty().catalogue))}
    assert names == made | told
    assert len(KINDS) == len(told) + 2  # tokens, by their ids, and capacities, which are made when they are asked for
