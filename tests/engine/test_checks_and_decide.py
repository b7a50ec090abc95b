"""What a table must satisfy, and the events that make it so."""

import math
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.access import is_open, refusal
from engine.checks import problems_of
from engine.commands import ApplyManifest, ChangeSettings, Command, DefineKey, DefinePool, RemoveKey, RemovePool
from engine.decide import decide
from engine.errors import Rejected
from engine.events import (
    Event,
    KeyDefined,
    KeyRemoved,
    PoolDefined,
    PoolRemoved,
    ProviderDefined,
    ProviderRemoved,
    RuleDefined,
    RuleRemoved,
    SettingsChanged,
)
from engine.snapshot import (
    Action,
    Affinity,
    Backoff,
    CircuitPolicy,
    Fallback,
    Limits,
    Manifest,
    Pool,
    RoutingSnapshot,
    Rule,
    Settings,
    Strategy,
    Timeouts,
)
from projections.routing import empty
from tests.engine.manifests import manifests
from tests.engine.tables import deny, folded, key, manifest, plain, pool, provider, redirect, table

A, B, C, D = (provider(name) for name in "abcd")
Where = tuple[str | int, ...]
CHAT: Where = ("pools", "chat")
FIRST: Where = (*CHAT, "providers", 0)


def chat(**fields: Any) -> Manifest:
    return manifest([pool("chat", A, **fields)], [key("k")])


def served_by(**fields: Any) -> Manifest:
    return manifest([pool("chat", attrs.evolve(A, **fields))], [key("k")])


def with_key(**fields: Any) -> Manifest:
    return manifest([], [attrs.evolve(key("k"), **fields)])


def backoff(*fields: Any) -> Manifest:
    return chat(fallback=Fallback(backoff=Backoff(*fields)))


BROKEN: list[tuple[Manifest, Where, str]] = [
    (Manifest(settings=Settings(max_idle_per_host=-1)), ("settings", "max_idle_per_host"), "negative"),
    (Manifest(settings=Settings(idle_timeout_s=-0.5)), ("settings", "idle_timeout_s"), "no time"),
    (Manifest(settings=Settings(idle_timeout_s=math.nan)), ("settings", "idle_timeout_s"), "no time"),
    (Manifest(keys={"other": key("k")}), ("keys", "other"), "not its name"),
    (Manifest(keys={"": attrs.evolve(key("k"), key_id="")}), ("keys", ""), "empty"),
    (with_key(digest=b"short"), ("keys", "k", "digest"), "SHA-256"),
    (manifest([], [key("k"), attrs.evolve(key("l"), digest=key("k").digest)]), ("keys", "l", "digest"), "same secret"),
    (with_key(limits=Limits(-1)), ("keys", "k", "max_concurrent"), "negative"),
    (Manifest({"other": pool("chat", A)}), ("pools", "other"), "model name"),
    (manifest([pool("", A)]), ("pools", ""), "model name"),
    (manifest([pool("x" * 257, A)]), ("pools", "x" * 257), "model name"),
    (manifest([pool("a\nb", A)]), ("pools", "a\nb"), "model name"),
    (chat(keys=frozenset({"k", "gone"})), (*CHAT, "keys"), "'gone'"),
    (chat(limit=-1), (*CHAT, "max_concurrent"), "negative"),
    (manifest([attrs.evolve(pool("chat", A), limits=Limits(None, 0))]), (*CHAT, "requests_per_second"), "no rate"),
    (manifest([attrs.evolve(pool("chat", A), limits=Limits(None, -3))]), (*CHAT, "requests_per_second"), "no rate"),
    (manifest([attrs.evolve(pool("chat", A), limits=Limits(None, math.inf))]), (*CHAT, "requests_per_second"), "rate"),
    (manifest([attrs.evolve(pool("chat", A), limits=Limits(None, math.nan))]), (*CHAT, "requests_per_second"), "rate"),
    (with_key(limits=Limits(None, math.nan)), ("keys", "k", "requests_per_second"), "no rate"),
    (with_key(limits=Limits(None, 1, 0)), ("keys", "k", "burst"), "nothing through"),
    (chat(circuit=CircuitPolicy(failures=0)), (*CHAT, "circuit", "failures"), "never happen"),
    (chat(circuit=CircuitPolicy(open_on_status=(5, 600))), (*CHAT, "circuit", "open_on_status", 1), "no status"),
    (chat(circuit=CircuitPolicy(cooldowns_s=())), (*CHAT, "circuit", "cooldowns_s"), "empty"),
    (chat(circuit=CircuitPolicy(cooldowns_s=(1.0, 0.0))), (*CHAT, "circuit", "cooldowns_s", 1), "no waiting time"),
    (chat(circuit=CircuitPolicy(cooldowns_s=(math.inf,))), (*CHAT, "circuit", "cooldowns_s", 0), "no waiting time"),
    (chat(circuit=CircuitPolicy(cooldowns_s=(math.nan,))), (*CHAT, "circuit", "cooldowns_s", 0), "no waiting time"),
    (chat(circuit=CircuitPolicy(max_retry_after_s=-1)), (*CHAT, "circuit", "max_retry_after_s"), "no time"),
    (chat(circuit=CircuitPolicy(max_retry_after_s=math.inf)), (*CHAT, "circuit", "max_retry_after_s"), "no time"),
    (chat(timeouts=Timeouts(connect_s=0)), (*CHAT, "timeouts", "connect_s"), "no waiting time"),
    (chat(timeouts=Timeouts(idle_s=math.nan)), (*CHAT, "timeouts", "idle_s"), "no waiting time"),
    (chat(timeouts=Timeouts(first_byte_s=3, total_s=2)), (*CHAT, "timeouts", "total_s"), "before a part of them"),
    (chat(timeouts=Timeouts(connect_s=3, total_s=2)), (*CHAT, "timeouts", "total_s"), "before a part of them"),
    (chat(affinity=Affinity("X-Session")), (*CHAT, "affinity", "header"), "names no header"),
    (chat(affinity=Affinity("x session")), (*CHAT, "affinity", "header"), "names no header"),
    (chat(affinity=Affinity("")), (*CHAT, "affinity", "header"), "names no header"),
    (chat(affinity=Affinity(max_load_percent=99)), (*CHAT, "affinity", "max_load_percent"), "less than"),
    (manifest([attrs.evolve(pool("chat", A), limits=Limits(None, 1, 0))]), (*CHAT, "burst"), "nothing through"),
    (chat(fallback=Fallback(max_attempts=0)), (*CHAT, "fallback", "max_attempts"), "serve nobody"),
    (chat(fallback=Fallback(on_status=(5, 0))), (*CHAT, "fallback", "on_status", 1), "matches no status"),
    (chat(fallback=Fallback(on_status=(600,))), (*CHAT, "fallback", "on_status", 0), "matches no status"),
    (backoff(-1.0), (*CHAT, "fallback", "backoff", "initial_ms"), "out of range"),
    (backoff(1.0, 1e308), (*CHAT, "fallback", "backoff", "max_ms"), "out of range"),
    (backoff(1.0, math.nan), (*CHAT, "fallback", "backoff", "max_ms"), "out of range"),
    (backoff(1.0, 2.0, 0.5), (*CHAT, "fallback", "backoff", "factor"), "out of range"),
    (backoff(1.0, 2.0, 2.0, "some"), (*CHAT, "fallback", "backoff", "jitter"), "unknown"),
    (chat(fallback=Fallback(max_total_backoff_ms=-1)), (*CHAT, "fallback", "max_total_backoff_ms"), "no time"),
    (chat(response_headers={"a b": "1"}), (*CHAT, "response_headers", "a b"), "cannot be set"),
    (chat(response_headers={"Content-Length": "1"}), (*CHAT, "response_headers", "Content-Length"), "cannot be set"),
    (chat(response_headers={"x": "1\r\n2"}), (*CHAT, "response_headers", "x"), "control character"),
    (manifest([pool("chat", A, B, A)]), (*CHAT, "providers", 2, "name"), "a second 'a'"),
    (served_by(url="https://h/v1"), (*FIRST, "url"), "end in /"),
    (served_by(url="nowhere"), (*FIRST, "url"), "not absolute"),
    (served_by(name=""), (*FIRST, "name"), "response header"),
    (served_by(name="ä"), (*FIRST, "name"), "response header"),
    (served_by(weight=-1), (*FIRST, "weight"), "out of range"),
    (served_by(weight=2**32), (*FIRST, "weight"), "out of range"),
    (served_by(auth_header="x y"), (*FIRST, "auth_header"), "cannot carry"),
    (served_by(auth_header="Host"), (*FIRST, "auth_header"), "cannot carry"),
    (served_by(auth_prefix="a\n"), (*FIRST, "auth_prefix"), "control"),
    (served_by(timeouts=Timeouts(first_byte_s=0)), (*FIRST, "timeouts", "first_byte_s"), "no waiting time"),
    (served_by(timeouts=Timeouts(total_s=math.inf)), (*FIRST, "timeouts", "total_s"), "no waiting time"),
    (served_by(cost=-0.5), (*FIRST, "cost"), "no cost"),
    (served_by(cost=math.nan), (*FIRST, "cost"), "no cost"),
    (served_by(cost=1e308), (*FIRST, "cost"), "no cost"),
    (served_by(timeouts=Timeouts(idle_s=1e308)), (*FIRST, "timeouts", "idle_s"), "no waiting time"),
    (served_by(priority=-1), (*FIRST, "priority"), "out of range"),
    (served_by(priority=2**32), (*FIRST, "priority"), "out of range"),
    (served_by(deployment=""), (*FIRST, "deployment"), "no name"),
    (served_by(deployment="a\n"), (*FIRST, "deployment"), "no name"),
    (manifest([pool("chat", A, attrs.evolve(B, priority=1))]), (*FIRST, "priority"), "provider 'b' of this pool has"),
    (
        manifest(
            [pool("one", provider("x", deployment="gpu")), pool("chat", provider("y", limit=1, deployment="gpu"))]
        ),
        (*FIRST, "deployment"),
        "provider 'y' of pool 'chat' gives 'gpu' other limits than provider 'x' of pool 'one' does: max",
    ),
    (
        manifest([pool("chat", *(provider(name, limit=place, deployment="d") for place, name in enumerate("ab")))]),
        (*CHAT, "providers", 1, "deployment"),
        "other limits",
    ),
    (served_by(limits=Limits(-1)), (*FIRST, "max_concurrent"), "negative"),
    (served_by(response_headers={"te": "1"}), (*FIRST, "response_headers", "te"), "cannot be set"),
    (chat(rules=(deny(), redirect("chat"))), (*CHAT, "rules", 1, "target"), "its own alias"),
    (chat(rules=(redirect("gone"),)), (*CHAT, "rules", 0, "target"), "'gone'"),
    (chat(rules=(Rule({}, Action.REDIRECT),)), (*CHAT, "rules", 0, "target"), "None"),
]


@pytest.mark.parametrize(
    ("here", "there", "differing"),
    [
        (Limits(1), Limits(), "max_concurrent 1, not none"),
        (Limits(0), Limits(8, 2.5), "max_concurrent 0, not 8, requests_per_second none, not 2.5"),
        (Limits(None, 2.5, 3), Limits(None, 2.5), "burst 3, not none"),
        (Limits(None, 1.0, 4), Limits(None, 1.5, 5), "requests_per_second 1, not 1.5, burst 4, not 5"),
        (Limits(None, 3.0), Limits(None, 2.0), "requests_per_second 3, not 2"),
        (Limits(2**32 - 1), Limits(2**32 - 2), "max_concurrent 4294967295, not 4294967294"),
        (Limits(8, 2.5, 2), Limits(8, 2.5), None),
        (Limits(None, 0.1), Limits(None, 0.1, 1), None),
        (Limits(None, 2), Limits(None, 2.0), None),
        (Limits(None, None, 3), Limits(), None),
    ],
)
def test_a_deployments_limits_are_compared_by_what_they_do(here: Limits, there: Limits, differing: str | None) -> None:
    """SYNC-17: each field that differs with both values; a burst that the rate alone gives is no difference."""
    first, second = (provider(name, deployment="gpu") for name in "ab")
    wished = manifest([pool("chat", attrs.evolve(first, limits=there), attrs.evolve(second, limits=here))])
    assert [problem.what.partition(" does: ")[2] for problem in problems_of(wished)] == (
        [differing] if differing is not None else []
    )


@pytest.mark.parametrize("broken", [Limits(-1), Limits(None, math.nan), Limits(None, math.inf), Limits(None, 1, 0)])
def test_a_deployments_invalid_limits_differ_from_nobodys(broken: Limits) -> None:
    """SYNC-17: they have one problem, their own."""
    first, second = (provider(name, deployment="gpu", limit=1) for name in "ab")
    for providers in ((attrs.evolve(first, limits=broken), second), (first, attrs.evolve(second, limits=broken))):
        (problem,) = problems_of(manifest([pool("chat", *providers)]))
        assert problem.where[-1] != "deployment"


@pytest.mark.parametrize(("wished", "where", "what"), BROKEN)
def test_each_fault_is_found_where_it_is(wished: Manifest, where: Where, what: str) -> None:
    """RULE-10, DEF-29, DEF-31, DEF-48, DEF-81, CL-7, CFG-12, SYNC-17: one problem, its path, what is wrong and what
    is valid.
    """
    (problem,) = problems_of(wished)
    assert problem.where == where
    assert what in problem.what
    assert problem.valid


def test_the_edges_are_valid() -> None:
    """CL-7, DEF-9: a limit of 0 closes, fractional rates count, the heaviest weight and a drained one are allowed; a
    timeout may be as long as the whole, and one deployment may stand in several pools, and twice in one.
    """
    limits = Limits(0, 0.5, 1)
    shared = [provider(name, limit=1, deployment="gpu", priority=2**32 - 1) for name in "xy"]
    wished = manifest(
        [
            pool("x" * 256, attrs.evolve(A, weight=2**32 - 1, limits=limits), attrs.evolve(B, weight=0)),
            pool("e", keys=frozenset()),
            pool("f", *shared, timeouts=Timeouts(2.0, 2.0, 9.0, 2.0), affinity=Affinity("x-s", 100)),
            pool("g", shared[0], circuit=CircuitPolicy(failures=1, cooldowns_s=(0.1,), max_retry_after_s=0)),
        ],
        [attrs.evolve(key("k"), limits=limits)],
        settings=Settings(max_idle_per_host=0, idle_timeout_s=0),
    )
    assert list(problems_of(wished)) == []


def test_a_rejection_names_every_problem_at_once() -> None:
    """RULE-10: all faults of the table in one answer, and nothing changed."""
    wished = manifest([pool("chat", attrs.evolve(A, weight=-1), rules=(redirect("gone"),)), pool("", B)])
    with pytest.raises(Rejected) as caught:
        decide(empty(), ApplyManifest(wished))
    assert [problem.where for problem in caught.value.problems] == [
        (*FIRST, "weight"),
        (*CHAT, "rules", 0, "target"),
        ("pools", ""),
    ]


def after(snapshot: RoutingSnapshot, command: Command) -> RoutingSnapshot:
    return folded(snapshot, decide(snapshot, command))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(first=manifests(), second=manifests())
def test_the_fold_of_what_is_decided_is_the_wish(first: Manifest, second: Manifest) -> None:
    """DELTA-7: from any table to any other exactly, order of providers and rules included; no event where it holds."""
    snapshot = after(empty(), ApplyManifest(first))
    there = after(snapshot, ApplyManifest(second))
    assert dict(there.pools) == second.pools
    assert dict(there.keys) == second.keys
    assert there.settings == second.settings
    assert dict(there.callers) == {one.digest: one for one in second.keys.values()}
    assert there.global_keys == sum(one.opens_all_pools for one in second.keys.values())
    assert decide(there, ApplyManifest(second)) == ()
    back = Manifest(snapshot.pools, snapshot.keys, snapshot.settings)
    assert plain(after(there, ApplyManifest(back))) == plain(snapshot)


def doors(snapshot: RoutingSnapshot) -> Iterator[tuple[str, str | None]]:
    """Which key opens which pool; None stands for everybody."""
    for alias, one in snapshot.pools.items():
        if is_open(snapshot, one):
            yield alias, None
        else:
            yield from (
                (alias, key_id) for key_id, known in snapshot.keys.items() if refusal(snapshot, known, one) is None
            )


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(first=manifests(), second=manifests())
def test_a_pool_is_never_more_open_in_between(first: Manifest, second: Manifest) -> None:
    """DEF-3, DEF-44: event by event, whom a pool lets in it lets in before the change or after it."""
    before = after(empty(), ApplyManifest(first))
    events = decide(before, ApplyManifest(second))
    allowed = set(doors(before)) | set(doors(folded(before, events)))
    for count in range(1, len(events)):
        for alias, key_id in doors(folded(before, events[:count])):
            assert (alias, key_id) in allowed or (alias, None) in allowed


def test_a_key_that_stops_being_global_opens_nothing_on_its_way() -> None:
    """DEF-3: the pool it alone had closed gets its own list first."""
    before = table([pool("chat", A)], [key("k", opens_all=True)])
    wished = manifest([pool("chat", A, keys=frozenset({"k"}))], [key("k")])
    assert [type(event) for event in decide(before, ApplyManifest(wished))] == [PoolDefined, KeyDefined]


WIDE = manifest(
    [
        pool("chat", A, B, C, rules=(deny(tier="free"), redirect("mini", purpose="batch"))),
        pool("mini", D, keys=frozenset({"k"})),
    ],
    [key("k"), key("l")],
)


def changed(alias: str, **fields: Any) -> ApplyManifest:
    pools = {**WIDE.pools, alias: attrs.evolve(WIDE.pools[alias], **fields)}
    return ApplyManifest(attrs.evolve(WIDE, pools=pools))


HEAVY = attrs.evolve(B, weight=7)
OPENING = attrs.evolve(redirect("mini", purpose="batch"), opens_target=True)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (ApplyManifest(attrs.evolve(WIDE, settings=Settings(strict_mode=True))), [SettingsChanged]),
        (ApplyManifest(attrs.evolve(WIDE, keys={"k": key("k")})), [KeyRemoved]),
        (ApplyManifest(attrs.evolve(WIDE, keys={"k": key("k", tier="x"), "l": key("l")})), [KeyDefined]),
        (changed("chat", strategy=Strategy.PRIORITY), [PoolDefined]),
        (changed("chat", circuit=CircuitPolicy(enabled=False)), [PoolDefined]),
        (changed("chat", timeouts=Timeouts(idle_s=1.0)), [PoolDefined]),
        (changed("chat", affinity=Affinity("x-session")), [PoolDefined]),
        (changed("chat", fallback=Fallback(on_maybe_executed=False)), [PoolDefined]),
        (changed("chat", providers=(A, HEAVY, C)), [ProviderDefined]),
        (changed("chat", providers=(A, attrs.evolve(B, deployment="gpu"), C)), [ProviderDefined]),
        (changed("chat", providers=(A, B, C, D)), [ProviderDefined]),
        (changed("chat", providers=(A, C)), [ProviderRemoved]),
        (changed("chat", providers=(A, C, B)), [ProviderDefined] * 2),
        (changed("chat", rules=(deny(tier="free"),)), [RuleRemoved]),
        (changed("chat", rules=()), [RuleRemoved] * 2),
        (changed("chat", rules=(deny(tier="free"), OPENING)), [RuleDefined]),
        (changed("chat", rules=(deny(tier="x"), redirect("mini", purpose="batch"))), [RuleDefined]),
        (DefinePool(pool("new", A)), [PoolDefined, ProviderDefined]),
        (DefinePool(WIDE.pools["chat"]), []),
        (RemovePool("chat"), [PoolRemoved]),
        (RemovePool("nothing"), []),
        (DefineKey(key("m")), [KeyDefined]),
        (DefineKey(key("k")), []),
        (RemoveKey("l"), [KeyRemoved]),
        (RemoveKey("nobody"), []),
        (ChangeSettings(Settings(max_idle_per_host=1)), [SettingsChanged]),
        (ChangeSettings(Settings()), []),
    ],
)
def test_a_change_is_stated_in_as_few_events_as_it_needs(command: Command, expected: list[type[Event]]) -> None:
    """DELTA-7: only what differs; the ten events of the whole table are never said again for one change."""
    snapshot = after(empty(), ApplyManifest(WIDE))
    assert snapshot.position == 10
    assert [type(event) for event in decide(snapshot, command)] == expected


def test_a_removed_key_leaves_its_pools_closed() -> None:
    """DEF-3: the last key of a list goes, the list stays: nobody passes; other pools are not touched."""
    snapshot = after(empty(), ApplyManifest(WIDE))
    events = decide(snapshot, RemoveKey("k"))
    assert [type(event) for event in events] == [PoolDefined, KeyRemoved]
    closed: Pool = folded(snapshot, events).pools["mini"]
    assert closed.keys == frozenset()
    assert closed.providers == (D,)


def test_a_redirects_target_cannot_be_removed() -> None:
    """RULE-10: a command is checked against the whole table it would leave."""
    snapshot = after(empty(), ApplyManifest(WIDE))
    with pytest.raises(Rejected) as caught:
        decide(snapshot, RemovePool("mini"))
    assert caught.value.problems[0].where == (*CHAT, "rules", 1, "target")


@given(st.permutations("abcd"), st.permutations("abcd"), st.integers(0, 4))
def test_any_order_of_providers_is_reached(first: list[str], second: list[str], count: int) -> None:
    """LB-5: rank is what the priority strategy goes by."""
    before = table([pool("chat", *(provider(name) for name in first))])
    wished = pool("chat", *(provider(name) for name in second[:count]))
    assert after(before, DefinePool(wished)).pools["chat"] == wished
