"""Models as pools: the worked example of the specification, and what its sections say one by one."""

from hashlib import sha256

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.access import admit, refusal
from engine.commands import ChangeEntities, DefineKeys
from engine.decide import decide
from engine.errors import Reason, Refused
from engine.events import (
    NIL,
    BatchDefaultChanged,
    ComponentDefined,
    ComponentRemoved,
    CompositeDefined,
    CreditsBooked,
    DeploymentDefined,
    DeploymentRemoved,
    EndpointDefined,
    EntityEvent,
    EscalationChanged,
    GrantAdded,
    GroupDefined,
    GroupRemoved,
    MemberAdded,
    TariffDefined,
    TrafficRuleDefined,
    UserDefined,
)
from engine.snapshot import Action, Fallback, Grants, Key, Limits, Pool, Provider, RoutingSnapshot, Rule, Strategy
from projections import routing
from projections.diff import differences
from tests.engine.tables import folded, recorded

NOW = 1_800_000_000
E = EndpointDefined("E", "https://e.example/v1", "ek")
D = DeploymentDefined("D", "d", "real/d", "E", 8, 2.9, trusted=True)
C = CompositeDefined("C", "c", max_concurrent=20)
FACTS: tuple[EntityEvent, ...] = (
    *(E, D, C, ComponentDefined("C", "D", 1)),
    *(UserDefined("u"), UserDefined("v"), GroupDefined("g"), GroupDefined("h")),
    *(MemberAdded("g", "u"), MemberAdded("h", "v"), GrantAdded("g", "D"), GrantAdded("g", "C"), GrantAdded("h", "C")),
    CreditsBooked("u", 0, "purchase", "3"),
    TariffDefined("T", "D", "0.1", "0.2"),
    TrafficRuleDefined("C", "batch", "redirect", "D"),
)
K1 = Key("K1", sha256(b"s1").digest(), limits=Limits(None, 0.5), user_id="u", purpose="realtime")
K2 = Key("K2", sha256(b"s2").digest(), user_id="v", purpose="batch")


def world(*more: EntityEvent, first: tuple[EntityEvent, ...] = FACTS) -> RoutingSnapshot:
    there = routing.empty()
    there = folded(there, decide(there, ChangeEntities((*first, *more)), change=routing.change))
    keys = tuple(key for key in (K1, K2) if key.user_id in there.users)
    return folded(there, decide(there, DefineKeys(keys)))


PROVIDER = Provider(
    "d",
    "https://e.example/v1/",
    model="real/d",
    credential="ek",
    limits=Limits(8, 2.9),
    deployment="D",
    trusted=True,
    open_responses_adapter=True,
)


def test_the_worked_example() -> None:
    """SYNC-31, SYNC-9, SYNC-10, SYNC-14, SYNC-15, FB-14, DEF-9: each field, and the fractional limits as stated."""
    there = world()
    assert there.pools["d"] == Pool("d", (PROVIDER,), grants=Grants(frozenset({"g"}), is_free=False))
    assert there.pools["c"] == Pool(
        "c",
        (PROVIDER,),
        grants=Grants(frozenset({"g", "h"}), is_free=True),
        limits=Limits(20),
        fallback=Fallback(enabled=True, on_status=(429, 500, 502, 503, 504), on_rate_limit=True),
        rules=(Rule({"purpose": "batch"}, Action.REDIRECT, "d"),),
        open_responses_adapter=True,
    )
    opened = {
        key: [alias for alias in "cd" if not refusal(there, there.keys[key], there.pools[alias])] for key in there.keys
    }
    assert opened == {"K1": ["c", "d"], "K2": ["c"]}
    assert there.keys["K1"].all_labels == {"purpose": "realtime"}
    assert there.keys["K1"].limits == Limits(None, 0.5)
    assert there.global_keys == 0
    assert not there.faults


def test_a_redirect_leads_nobody_where_he_may_not_go() -> None:
    """DEF-26, RULE-7: K2 on C is sent to D, which it has no access to; unless the rule says that it opens it."""
    with pytest.raises(Refused) as caught:
        admit(world(), "c", K2.digest, NOW)
    assert caught.value.reason is Reason.FORBIDDEN
    opening = world(TrafficRuleDefined("C", "batch", "redirect", "D", opens_target=True))
    assert admit(opening, "c", K2.digest, NOW).pool.alias == "d"
    assert admit(opening, "c", K1.digest, NOW).pool.alias == "c"


def test_a_composites_components_lend_it_no_access() -> None:
    """SYNC-7: its own groups and its own tariffs decide, and one who may use it needs no more."""
    there = world(DeploymentDefined("X", "x", "real/x", "E"), CompositeDefined("Y", "y"), ComponentDefined("Y", "X"))
    assert there.pools["y"].grants == Grants()
    assert refusal(there, there.keys["K1"], there.pools["y"]) is Reason.FORBIDDEN


@given(st.permutations([("a", 1, 5), ("b", 0, 1), ("c", 0, 9), ("d", 0, 9)]))
def test_components_are_in_a_total_order(parts: list[tuple[str, int, int]]) -> None:
    """SYNC-11, DEF-18, SYNC-30: by sort order, then the heavier first, then by id, however they came in."""
    facts: list[EntityEvent] = [E, C]
    for model, order, weight in parts:
        facts += [DeploymentDefined(model, f"alias-{model}", "m", "E"), ComponentDefined("C", model, weight, order)]
    there = world(first=tuple(facts))
    expected = [("alias-c", 9), ("alias-d", 9), ("alias-b", 1), ("alias-a", 5)]
    assert [(one.name, one.weight) for one in there.pools["c"].providers] == expected


def test_what_is_not_usable_is_left_out() -> None:
    """SYNC-11, SYNC-12, T15: disabled components and removed deployments; with none left the pool stays, empty."""
    off = world(ComponentDefined("C", "D", enabled=False))
    assert off.pools["c"].providers == ()
    assert off.pools["c"].rules
    assert off.faults["c"] == ("no component can serve it: enable or add one",)
    with pytest.raises(Refused) as caught:
        admit(off, "c", K1.digest, NOW)
    assert caught.value.reason is Reason.UNAVAILABLE
    assert world(ComponentRemoved("C", "D")).pools["c"].providers == ()
    assert "d" not in world(DeploymentRemoved("D")).pools


def test_a_faulty_endpoint_takes_down_what_is_at_it_and_nothing_else() -> None:
    """SYNC-13, DEF-2: the alias stays and answers 503, the fault is told, a repaired URL brings all back."""
    broken = EndpointDefined("F", "https://[nowhere", "ek")
    more = (broken, DeploymentDefined("X", "x", "real/x", "F"), ComponentDefined("C", "X"), GrantAdded("g", "X"))
    there = routing.empty()
    wished = ChangeEntities((*FACTS, *more), may_be_faulty=True)
    there = folded(there, decide(there, wished, change=routing.change))
    there = folded(there, decide(there, DefineKeys((K1,))))
    assert there.pools["x"].providers == ()
    assert [one.name for one in there.pools["c"].providers] == ["d"]
    assert "deployment X: the URL of endpoint F" in there.faults["x"][0]
    assert {*there.faults} == {"c", "x"}
    with pytest.raises(Refused) as caught:
        admit(there, "x", K1.digest, NOW)
    assert caught.value.reason is Reason.UNAVAILABLE
    repaired = folded(there, [attrs.evolve(broken, url="http://f.example")])
    assert not repaired.faults
    assert [one.url for one in repaired.pools["x"].providers] == ["http://f.example/"]


def test_what_a_stored_rule_does_not_say_clearly_denies() -> None:
    """DEF-4, RULE-10: an unknown action and a target that is gone fail closed, and are told."""
    unknown = folded(world(), [TrafficRuleDefined("D", "x", "ponder")])
    assert unknown.pools["d"].rules == (Rule({"purpose": "x"}, Action.DENY),)
    assert "unknown" in unknown.faults["d"][0]
    dangling = folded(world(), [DeploymentRemoved("D")])
    assert dangling.pools["c"].rules == (Rule({"purpose": "batch"}, Action.DENY),)
    assert any("target D is not defined" in fault for fault in dangling.faults["c"])


def test_a_rule_follows_its_targets_name() -> None:
    """SYNC-14, DELTA-2: it leads to a model, whatever that is called."""
    renamed = folded(world(), [attrs.evolve(D, alias="other")])
    assert renamed.pools["c"].rules == (Rule({"purpose": "batch"}, Action.REDIRECT, "other"),)
    assert "d" not in renamed.pools
    taken = folded(world(), [DeploymentDefined("X", "d", "real/x", "E")])
    assert taken.pools["c"].rules == (Rule({"purpose": "batch"}, Action.DENY),)


def test_rules_are_one_a_purpose_in_their_order() -> None:
    """RULE-9: the first by purpose, and a second one of a purpose is instead of the first."""
    there = world(TrafficRuleDefined("C", "alpha", "deny"), TrafficRuleDefined("C", "batch", "deny"))
    assert there.pools["c"].rules == tuple(Rule({"purpose": one}, Action.DENY) for one in ("alpha", "batch"))
    with pytest.raises(Refused):
        admit(there, "c", K2.digest, NOW)
    assert admit(there, "c", K1.digest, NOW).pool.alias == "c"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Fallback(enabled=True, on_status=(429, 500, 502, 503, 504), on_rate_limit=True)),
        ({"fallback_enabled": False, "fallback_max_attempts": 3}, Fallback()),
        (
            {"fallback_on_status": (), "fallback_on_rate_limit": False, "fallback_with_replacement": True},
            Fallback(enabled=True, with_replacement=True),
        ),
        (
            {"fallback_on_status": (5,), "fallback_max_attempts": 2},
            Fallback(enabled=True, on_status=(5,), on_rate_limit=True, max_attempts=2),
        ),
        (
            {"fallback_on_status": (5,), "fallback_max_attempts": 0},
            Fallback(enabled=True, on_status=(5,), on_rate_limit=True),
        ),
    ],
)
def test_a_composites_fallback(fields: dict[str, object], expected: Fallback) -> None:
    """FB-14, SYNC-10: what is not stated has its default; off is none at all; fewer attempts than 1 say nothing."""
    there = folded(world(), [attrs.evolve(C, **fields)])
    assert there.pools["c"].fallback == expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [(None, Strategy.WEIGHTED_RANDOM), ("priority", Strategy.PRIORITY), ("tides", Strategy.WEIGHTED_RANDOM)],
)
def test_a_composites_strategy(word: str | None, expected: Strategy) -> None:
    """SYNC-10: NULL and what is unknown are weighted; the unknown is told."""
    there = folded(world(), [attrs.evolve(C, strategy=word)])
    assert there.pools["c"].strategy is expected
    assert ("c" in there.faults) == (word == "tides")


def test_a_deployments_limits_are_one_wherever_it_stands() -> None:
    """SYNC-17, DEF-20: both providers are of one deployment, with the same limits, so they have one meter."""
    there = world()
    (alone,), (inside,) = there.pools["d"].providers, there.pools["c"].providers
    assert alone.deployment == inside.deployment == "D"
    assert alone.limits == inside.limits
    changed = folded(there, [attrs.evolve(D, max_concurrent=3)])
    assert {one.limits for alias in "cd" for one in changed.pools[alias].providers} == {Limits(3, 2.9)}


def test_batch_capacity() -> None:
    """CAP-1, CAP-2, CAP-3, DEF-22: of every model, in the same table as its pool; gone with it."""
    there = world(attrs.evolve(D, batch_capacity=4))
    assert dict(there.capacities) == {"d": 4, "c": 10}
    assert dict(folded(there, [attrs.evolve(D, batch_capacity=-1)]).capacities) == {"d": 10, "c": 10}
    wide = folded(there, [BatchDefaultChanged(25)])
    assert dict(wide.capacities) == {"d": 4, "c": 25}
    assert dict(folded(wide, [DeploymentRemoved("D")]).capacities) == {"c": 25}
    assert dict(folded(wide, [attrs.evolve(D, alias="e")]).capacities) == {"e": 25, "c": 25}


def test_a_capacity_that_is_stated_does_not_follow_the_default() -> None:
    """CAP-1, DEF-22: not even where it is what the default was; and a table that was read stays as it is."""
    there = world(attrs.evolve(D, batch_capacity=10))
    assert dict(there.capacities) == {"d": 10, "c": 10}
    wide = folded(there, [BatchDefaultChanged(25)])
    told = [(one.kind, one.name, one.fields[0].after) for one in differences(there, wide)]
    assert told == [("batch_default", "", 25), ("capacity", "c", 25)]
    assert dict(folded(wide, [attrs.evolve(D, batch_capacity=None)]).capacities) == {"d": 25, "c": 25}
    assert dict(there.capacities) == {"d": 10, "c": 10}
    assert "x" not in there.capacities


def test_who_may_use_a_model_is_all_that_changes_with_its_grants_and_prices() -> None:
    """DELTA-2, ADOPT-6: the providers are the same objects as before, in every pool that the fold names."""
    there = world()
    for fact in (GroupRemoved("g"), GrantAdded("h", "D"), EscalationChanged(("d",)), TariffDefined("p", "C", "1", "1")):
        after, touched = routing.fold(there, [recorded(there.position + 1, fact)])
        assert touched
        for alias in touched:
            assert after.pools[alias].grants != there.pools[alias].grants
            assert attrs.evolve(after.pools[alias], grants=there.pools[alias].grants) == there.pools[alias]
            assert after.pools[alias].providers is there.pools[alias].providers


def test_escalation_is_by_name_and_for_batch_keys() -> None:
    """SYNC-4: the model that has the name, for as long as it has it."""
    there = world(EscalationChanged(("d",)), CreditsBooked("v", 0, "purchase", "1"))
    assert [refusal(there, there.keys[name], there.pools["d"]) for name in ("K1", "K2")] == [None, None]
    renamed = folded(there, [attrs.evolve(D, alias="other")])
    assert refusal(renamed, renamed.keys["K2"], renamed.pools["other"]) is Reason.FORBIDDEN


def test_the_public_group_is_everybody() -> None:
    """SYNC-2, SYNC-4: and only those who can pay, where it costs."""
    there = world(GrantAdded(NIL, "D"))
    assert refusal(there, there.keys["K2"], there.pools["d"]) is Reason.PAYMENT_REQUIRED
    paid = folded(
        there, decide(there, ChangeEntities((CreditsBooked("v", 0, "purchase", "1"),)), change=routing.change)
    )
    assert refusal(paid, paid.keys["K2"], paid.pools["d"]) is None
