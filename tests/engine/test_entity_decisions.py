"""Facts of the control plane to events: exactly what is not so yet, and all that follows from it."""

from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.codec import EVENTS
from engine.access import is_open, refusal
from engine.commands import ChangeEntities, DefineKeys, DefinePool
from engine.decide import decide
from engine.errors import Reason, Rejected
from engine.events import (
    NIL,
    BatchDefaultChanged,
    ComponentDefined,
    ComponentRemoved,
    CompositeDefined,
    CompositeRemoved,
    CreditsBooked,
    CreditsCheckpointed,
    DeploymentDefined,
    DeploymentRemoved,
    EndpointDefined,
    EndpointRemoved,
    EntityEvent,
    EscalationChanged,
    Event,
    FundsExhausted,
    FundsRestored,
    GrantAdded,
    GroupDefined,
    KeyRemoved,
    MemberAdded,
    TariffDefined,
    TokenDefined,
    TrafficRuleDefined,
    TrafficRuleRemoved,
    UserDefined,
    UserRemoved,
)
from engine.snapshot import RoutingSnapshot
from projections import routing
from tests.engine.tables import folded, key, pool, provider, redirect
from tests.projections.worlds import DEFINITIONS, TURNS, content, worlds

REMOVED_WITH = {
    "EndpointRemoved": "endpoints",
    "DeploymentRemoved": "deployments",
    "CompositeRemoved": "composites",
    "GroupRemoved": "groups",
    "TariffRemoved": "tariffs",
    "TokenRemoved": "token_ids",
}
"""Events that end an entity, and the map it is in."""


def asked(snapshot: RoutingSnapshot, *facts: EntityEvent) -> tuple[Event, ...]:
    return decide(snapshot, ChangeEntities(facts), change=routing.change)


def after(snapshot: RoutingSnapshot, *facts: EntityEvent) -> RoutingSnapshot:
    return folded(snapshot, asked(snapshot, *facts))


@settings(max_examples=300, deadline=None)
@given(worlds(), DEFINITIONS | TURNS)
def test_what_was_decided_holds(snapshot: RoutingSnapshot, fact: EntityEvent) -> None:
    """DELTA-7: asked again, nothing is left; rejected, all is as it was; what is let through can be stored."""
    untouched = content(snapshot)
    try:
        events = asked(snapshot, fact)
    except Rejected as rejected:
        told = rejected.problems
        assert told
        assert all(problem.where and problem.what and problem.valid for problem in told)
        assert content(snapshot) == untouched
        return
    there = folded(snapshot, events)
    assert content(snapshot) == untouched
    if not isinstance(fact, CreditsBooked):
        assert asked(there, fact) == ()
    for event in events:
        stored = EVENTS.encode(event)
        assert EVENTS.decode(stored.type, stored.schema, stored.payload) == event


@settings(max_examples=300, deadline=None)
@given(worlds(), DEFINITIONS | TURNS)
def test_no_event_is_about_nothing(snapshot: RoutingSnapshot, fact: EntityEvent) -> None:
    """DELTA-7: each event of a decision changes the table when it comes; none names what is not there."""
    try:
        events = asked(snapshot, fact)
    except Rejected:
        return
    for event in events:
        following = folded(snapshot, [event])
        assert content(following) != content(snapshot), event
        there = REMOVED_WITH.get(type(event).__name__)
        if there is not None:
            before: Any = getattr(snapshot.catalogue, there)
            assert len(getattr(following.catalogue, there)) == len(before) - 1
        snapshot = following


def doors(snapshot: RoutingSnapshot) -> Iterator[tuple[str, str | None]]:
    """Which key opens which pool; None stands for everybody."""
    for alias, one in snapshot.pools.items():
        if is_open(snapshot, one):
            yield alias, None
        else:
            yield from ((alias, one_id) for one_id, known in snapshot.keys.items() if not refusal(snapshot, known, one))


@settings(max_examples=300, deadline=None)
@given(worlds(), DEFINITIONS | TURNS)
def test_nobody_gets_in_on_the_way(snapshot: RoutingSnapshot, fact: EntityEvent) -> None:
    """DEF-3: between two events of one decision nobody may do what they may neither before nor after it."""
    try:
        events = asked(snapshot, fact)
    except Rejected:
        return
    allowed = {*doors(snapshot), *doors(folded(snapshot, events))}
    for count in range(1, len(events)):
        assert {*doors(folded(snapshot, events[:count]))} <= allowed


@settings(max_examples=100, deadline=None)
@given(worlds(), st.lists(DEFINITIONS | TURNS, max_size=5))
def test_several_facts_are_decided_one_on_the_other(snapshot: RoutingSnapshot, facts: list[EntityEvent]) -> None:
    """DELTA-7: together they come to what they come to one after the other, or to nothing at all."""
    there, events = snapshot, list[Event]()
    try:
        for fact in facts:
            decided = asked(there, fact)
            events += decided
            there = folded(there, decided)
    except Rejected:
        with pytest.raises(Rejected):
            asked(snapshot, *facts)
        return
    assert asked(snapshot, *facts) == tuple(events)


E, D = EndpointDefined("e", "https://e.example/v1"), DeploymentDefined("d", "small", "real/small", "e")
C = CompositeDefined("c", "both")


def world(*more: EntityEvent) -> RoutingSnapshot:
    return after(routing.empty(), E, D, C, ComponentDefined("c", "d"), UserDefined("u"), GroupDefined("g"), *more)


def test_a_deployment_goes_with_its_places_and_the_rules_that_lead_to_it() -> None:
    """SYNC-3, DEF-4: each is an event of its own, and the model's comes last."""
    there = world(TrafficRuleDefined("c", "batch", "redirect", "d"), TrafficRuleDefined("c", "x", "deny"))
    events = asked(there, DeploymentRemoved("d"))
    assert events == (ComponentRemoved("c", "d"), TrafficRuleRemoved("c", "batch"), DeploymentRemoved("d"))
    left = folded(there, events)
    assert [rule.purpose for rule in left.catalogue.rules["c"]] == ["x"]
    assert left.catalogue.composites_of.get("d") is None
    assert [*left.pools] == ["both"]
    assert "no component can serve it" in left.faults["both"][0]


def test_a_composite_goes_with_the_rules_that_lead_to_it() -> None:
    """SYNC-3."""
    there = world(TrafficRuleDefined("d", "batch", "redirect", "c"))
    assert asked(there, CompositeRemoved("c")) == (TrafficRuleRemoved("d", "batch"), CompositeRemoved("c"))


def test_a_user_goes_with_its_keys() -> None:
    """DELTA-3: another user of that id does not get them back, nor the money or the memberships."""
    there = world(MemberAdded("g", "u"), CreditsBooked("u", 0, "purchase", "5"))
    mine = attrs.evolve(key("mine"), user_id="u")
    there = folded(there, decide(there, DefineKeys((mine, key("other")))))
    events = asked(there, UserRemoved("u"))
    assert events == (KeyRemoved("mine"), UserRemoved("u"))
    again = after(folded(there, events), UserDefined("u"))
    assert [*again.keys] == ["other"]
    assert again.users["u"] == attrs.evolve(again.users["u"], groups=frozenset(), is_funded=False)
    assert not again.catalogue.ledgers


def test_a_removed_users_keys_leave_the_lists_of_pools() -> None:
    """DELTA-3, DEF-3: a later key of such an id is not let in by an old list; an empty list stays one, open to nobody;
    on the way there is no moment at which a list is gone and no list names a key that is.
    """
    there = world()
    mine = attrs.evolve(key("mine"), user_id="u")
    there = folded(there, decide(there, DefineKeys((mine, key("other")))))
    for alias, keys in (("alone", {"mine"}), ("shared", {"mine", "other"}), ("apart", {"other"})):
        there = folded(there, decide(there, DefinePool(pool(alias, provider("a"), keys=frozenset(keys)))))
    events = asked(there, UserRemoved("u"))
    assert [type(event).__name__ for event in events] == ["PoolDefined", "PoolDefined", "KeyRemoved", "UserRemoved"]
    for event in events:
        there = folded(there, [event])
        lists = [there.pools[alias].keys for alias in ("alone", "shared", "apart")]
        assert all(keys is not None and keys <= {*there.keys} for keys in lists)
    assert lists == [frozenset(), {"other"}, {"other"}]
    assert [one.name for one in there.pools["shared"].providers] == ["a"]
    there = folded(there, decide(there, DefineKeys((attrs.evolve(mine, user_id=None),))))
    assert refusal(there, there.keys["mine"], there.pools["shared"]) is Reason.FORBIDDEN


def test_a_booking_gets_the_next_number_and_tells_of_zero() -> None:
    """SYNC-5, SYNC-6: crossing it is an event, once."""
    there = world()
    assert asked(there, CreditsBooked("u", 0, "purchase", "5")) == (
        CreditsBooked("u", 1, "purchase", "5"),
        FundsRestored("u"),
    )
    there = after(there, CreditsBooked("u", 0, "purchase", "5"))
    assert asked(there, CreditsBooked("u", 0, "usage", "4")) == (CreditsBooked("u", 2, "usage", "4"),)
    assert asked(there, CreditsBooked("u", 7, "usage", "5"))[1:] == (FundsExhausted("u"),)


def test_what_a_pools_rule_leads_to_is_not_taken_away() -> None:
    """RULE-10: pools that were defined by themselves may redirect to models; their rules stay good."""
    there = world()
    leading = pool("own", provider("a"), rules=(redirect("small", purpose="batch"),))
    there = folded(there, decide(there, DefinePool(leading)))
    for fact in (DeploymentRemoved("d"), attrs.evolve(D, alias="tiny")):
        with pytest.raises(Rejected) as caught:
            asked(there, fact)
        assert "pool 'own' has a rule that leads to 'small'" in caught.value.problems[0].what
    assert asked(there, attrs.evolve(D, model_name="other"))


@pytest.mark.parametrize(
    ("fact", "where", "what"),
    [
        (EndpointDefined("e", "nowhere"), "url", "not absolute"),
        (EndpointDefined("e", "http://e.example/" + "x" * 3000), "url", "too long"),
        (EndpointDefined("e", E.url, "a\nb"), "credential", "printable"),
        (EndpointDefined("-e", E.url), "endpoint_id", "no id"),
        (EndpointDefined("e", E.url, auth_header="Host"), "auth_header", "cannot carry"),
        (EndpointRemoved("e"), "endpoint_id", "1 deployment(s) are at it: d"),
        (attrs.evolve(D, endpoint_id="f"), "endpoint_id", "no endpoint"),
        (attrs.evolve(D, model_id="c", alias="new"), "model_id", "composite"),
        (attrs.evolve(D, alias="both"), "alias", "model c"),
        (attrs.evolve(D, max_concurrent=-1), "max_concurrent", "negative"),
        (attrs.evolve(D, max_concurrent=2**60), "max_concurrent", "too large"),
        (attrs.evolve(D, requests_per_second=0.0), "requests_per_second", "no rate"),
        (attrs.evolve(D, requests_per_second=float("nan")), "requests_per_second", "no rate"),
        (attrs.evolve(D, burst=0), "burst", "nothing"),
        (attrs.evolve(D, batch_capacity=0), "batch_capacity", "nothing"),
        (attrs.evolve(D, batch_capacity=-1), "batch_capacity", "nothing"),
        (attrs.evolve(C, model_id="d", alias="new"), "model_id", "deployment"),
        (attrs.evolve(C, alias="small"), "alias", "model d"),
        (attrs.evolve(C, strategy="tides"), "strategy", "unknown"),
        (attrs.evolve(C, fallback_on_status=(66036,)), "fallback_on_status", "matches no status"),
        (attrs.evolve(C, fallback_max_attempts=0), "fallback_max_attempts", "serve nobody"),
        (ComponentDefined("d", "d"), "composite_id", "no composite"),
        (ComponentDefined("c", "c"), "deployment_id", "no deployment"),
        (ComponentDefined("c", "d", 0), "weight", "out of range"),
        (ComponentDefined("c", "d", 101), "weight", "out of range"),
        (TrafficRuleDefined("gone", "x", "deny"), "model_id", "no model"),
        (TrafficRuleDefined("c", "x", "ponder"), "action", "unknown"),
        (TrafficRuleDefined("c", "x", "deny", "d"), "target_id", "leads nowhere"),
        (TrafficRuleDefined("c", "x", "redirect"), "target_id", "no model"),
        (TrafficRuleDefined("c", "x", "redirect", "gone"), "target_id", "no model"),
        (TrafficRuleDefined("c", "x", "redirect", "c"), "target_id", "its own"),
        (TrafficRuleDefined("c", "", "deny"), "purpose", "empty"),
        (BatchDefaultChanged(0), "batch_capacity", "nothing"),
        (UserDefined(NIL), "user_id", "system user"),
        (GroupDefined(NIL), "group_id", "public group"),
        (MemberAdded(NIL, "u"), "group_id", "no group"),
        (MemberAdded("g", "gone"), "user_id", "no user"),
        (GrantAdded("gone", "d"), "group_id", "no group"),
        (GrantAdded("g", "gone"), "model_id", "no model"),
        (CreditsBooked("gone", 0, "usage", "1"), "user_id", "no user"),
        (CreditsBooked("u", -1, "usage", "1"), "seq", "follow"),
        (CreditsBooked("u", 0, "usage", "-1"), "amount", "no amount"),
        (CreditsBooked("u", 0, "usage", "NaN"), "amount", "no amount"),
        (CreditsBooked("u", 0, "usage", "1e-30"), "amount", "no amount"),
        (CreditsCheckpointed("u", "1e99", 1), "balance", "no amount"),
        (FundsRestored("gone"), "user_id", "no user"),
        (TariffDefined("t", "gone", "1", "1"), "model_id", "no model"),
        (TariffDefined("t", "d", "-1", "1"), "input_price", "no amount"),
        (TariffDefined("t", "d", "1", "1", 5, 5), "valid_until", "no time"),
        (TariffDefined("t", "d", "1", "1", None, 2**54), "valid_until", "too large"),
        (EscalationChanged(("small", "")), "aliases", "empty"),
        (TokenDefined("t", "00", "read"), "digest", "SHA-256"),
        (TokenDefined("t", "00" * 32, "all"), "scope", "unknown"),
    ],
)
def test_what_is_wrong_is_told_at_its_field(fact: EntityEvent, where: str, what: str) -> None:
    """DEF-4, DEF-9, DEF-10, DEF-19, RULE-10, SYNC-3: at write time, with what would be valid."""
    with pytest.raises(Rejected) as caught:
        asked(world(), fact)
    (problem,) = caught.value.problems
    assert problem.where[0] == where
    assert what in problem.what
    assert problem.valid


def test_a_name_that_a_pool_has_is_no_models_and_the_other_way_round() -> None:
    """DEF-19, SYNC-16: collisions are refused, whoever was first."""
    there = folded(world(), decide(world(), DefinePool(pool("own", provider("a")))))
    with pytest.raises(Rejected):
        asked(there, attrs.evolve(D, alias="own"))
    with pytest.raises(Rejected):
        decide(there, DefinePool(pool("small", provider("a"))))


def test_every_problem_of_every_fact_is_told_at_once() -> None:
    """RULE-10: with the place of the fact that has it; and of them all nothing is done."""
    with pytest.raises(Rejected) as caught:
        asked(world(), UserDefined("v"), attrs.evolve(D, burst=0, batch_capacity=0), MemberAdded("g", "gone"))
    assert [problem.where for problem in caught.value.problems] == [(1, "burst"), (1, "batch_capacity"), (2, "user_id")]
