"""The routing table as a fold."""

import gc
import tracemalloc
from collections.abc import Callable

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.definitions import define_key, define_pool, define_provider, define_rule, define_settings
from engine.events import (
    Event,
    KeyRemoved,
    PoolRemoved,
    ProviderRemoved,
    RuleDefined,
    RuleRemoved,
    stream_of,
)
from engine.snapshot import Action, AllOpen, Exhausted, Key, Pool, RoutingSnapshot, Rule, Settings, Strategy
from projections.routing import apply, empty, fold
from tests.engine.manifests import ALIASES, KEY_IDS, NAMES, SETTINGS, keys, manifests, providers
from tests.engine.tables import deny, folded, key, plain, pool, provider, recorded, redirect, secret_of

RANKS = st.integers(0, 5)
SOME_POOLS = manifests().map(lambda one: list(one.pools.values())).filter(bool).flatmap(st.sampled_from)
SOME_KEYS = keys().map(lambda found: list(found.values())).filter(bool).flatmap(st.sampled_from)
SOME_PROVIDERS = providers().filter(bool).flatmap(st.sampled_from)
ALIAS = st.sampled_from((*ALIASES, "unknown"))
EVENTS: st.SearchStrategy[Event] = st.one_of(
    SETTINGS.map(define_settings),
    SOME_KEYS.map(define_key),
    st.builds(KeyRemoved, st.sampled_from(KEY_IDS)),
    SOME_POOLS.map(define_pool),
    st.builds(PoolRemoved, ALIAS),
    st.builds(define_provider, ALIAS, RANKS, SOME_PROVIDERS),
    st.builds(ProviderRemoved, ALIAS, st.sampled_from(NAMES)),
    st.builds(define_rule, ALIAS, RANKS, st.sampled_from([deny(tier="free"), redirect("chat")])),
    st.builds(RuleRemoved, ALIAS, RANKS),
)


def indexes_agree(snapshot: RoutingSnapshot) -> bool:
    """The digest index holds defined keys only, and the global ones are counted."""
    return all(snapshot.keys.get(one.key_id) == one for one in snapshot.callers.values()) and (
        snapshot.global_keys == sum(one.opens_all_pools for one in snapshot.keys.values())
    )


@settings(max_examples=100, deadline=None)
@given(st.lists(EVENTS, max_size=12))
def test_any_events_in_any_order_are_taken(events: list[Event]) -> None:
    """House style: a projection never refuses; each event moves the position by its own, and the fold repeats."""
    snapshot = folded(empty(), events)
    assert snapshot.position == len(events)
    assert indexes_agree(snapshot)
    assert all(alias == one.alias for alias, one in snapshot.pools.items())
    for one in snapshot.pools.values():
        assert len({each.name for each in one.providers}) == len(one.providers)
    assert plain(folded(empty(), events)) == plain(snapshot)


@settings(max_examples=100, deadline=None)
@given(st.lists(EVENTS, max_size=8), EVENTS)
def test_applying_whole_state_twice_changes_nothing(events: list[Event], event: Event) -> None:
    """DELTA-7: an event is the whole state of what it names; but a rule's removal shifts those behind it, and a
    rule past the end is put at the end.
    """
    once = folded(empty(), [*events, event])
    past_the_end = False
    if isinstance(event, RuleDefined) and (found := once.pools.get(event.alias)) is not None:
        past_the_end = event.rank >= len(found.rules) - 1
    if not isinstance(event, RuleRemoved) and not past_the_end:
        assert plain(folded(once, [event])) == plain(once)


@settings(max_examples=100, deadline=None)
@given(st.lists(EVENTS, max_size=8), EVENTS)
def test_an_event_touches_the_pool_it_says(events: list[Event], event: Event) -> None:
    """DELTA-7: every other pool is the identical object, so nobody else has to be told."""
    before = folded(empty(), events)
    now, touched = fold(before, [recorded(before.position + 1, event)])
    for alias in set(before.pools) | set(now.pools):
        if alias not in touched:
            assert now.pools.get(alias) is before.pools.get(alias)
    for alias in touched:
        assert stream_of(event) == f"pool:{alias}"
        assert now.keys is before.keys


@pytest.mark.parametrize(
    "event",
    [
        define_provider("unknown", 0, provider("a")),
        ProviderRemoved("unknown", "a"),
        define_rule("unknown", 0, deny()),
        RuleRemoved("unknown", 0),
        PoolRemoved("unknown"),
        KeyRemoved("unknown"),
        ProviderRemoved("chat", "unknown"),
        RuleRemoved("chat", 7),
    ],
)
def test_events_about_what_is_not_there_change_only_the_position(event: Event) -> None:
    """House style: the fold is total."""
    before = folded(empty(), [define_pool(pool("chat")), define_provider("chat", 0, provider("a"))])
    now = folded(before, [event])
    assert now.position == before.position + 1
    assert plain(now) == plain(before)


def test_a_pools_definition_keeps_its_providers_and_rules() -> None:
    """DELTA-7: they are entities of their own; removing the pool removes them."""
    a = provider("a")
    parts: list[Event] = [define_pool(pool("chat")), define_provider("chat", 0, a), define_rule("chat", 0, deny())]
    again = folded(empty(), [*parts, define_pool(pool("chat", limit=3))])
    assert again.pools["chat"] == pool("chat", a, limit=3, rules=(deny(),))
    anew = folded(again, [PoolRemoved("chat"), define_pool(pool("chat"))])
    assert anew.pools["chat"] == pool("chat")


def test_a_rank_is_a_place_in_the_order() -> None:
    """LB-5: a provider stated again moves to its rank; past the end is the end."""
    a, b, c = (provider(name) for name in "abc")
    events: list[Event] = [define_pool(pool("chat")), *(define_provider("chat", 9, one) for one in (a, b, c))]
    assert folded(empty(), events).pools["chat"].providers == (a, b, c)
    moved = folded(empty(), [*events, define_provider("chat", 0, c)])
    assert moved.pools["chat"].providers == (c, a, b)
    assert folded(moved, [ProviderRemoved("chat", "a")]).pools["chat"].providers == (c, b)


def test_a_key_with_a_new_secret_is_found_by_it_only() -> None:
    """AUTH-5, CFG-12: the digest index moves with the definition."""
    old = key("k", opens_all=True)
    new = attrs.evolve(old, digest=secret_of("another"), opens_all_pools=False)
    before = folded(empty(), [define_key(old)])
    assert (before.callers[old.digest], before.global_keys) == (old, 1)
    now = folded(before, [define_key(new)])
    assert dict(now.callers) == {new.digest: new}
    assert (dict(now.keys), now.global_keys) == ({"k": new}, 0)
    gone = folded(now, [KeyRemoved("k")])
    assert (dict(gone.callers), dict(gone.keys)) == ({}, {})


def test_keys_may_exchange_their_secrets() -> None:
    """CFG-12: between the two events two keys have one secret; after them each has its own."""
    k, m = key("k"), key("m")
    swapped = [attrs.evolve(k, digest=m.digest), attrs.evolve(m, digest=k.digest)]
    now = folded(empty(), [define_key(one) for one in (k, m, *swapped)])
    assert dict(now.callers) == {one.digest: one for one in swapped}


def test_global_keys_are_counted() -> None:
    """AUTH-4, CFG-11: defined twice is one; no longer global, or gone, is none."""
    g, h = key("g", opens_all=True), key("h", opens_all=True)
    counts = []
    snapshot = empty()
    for event in (
        define_key(g),
        define_key(g),
        define_key(h),
        define_key(attrs.evolve(g, opens_all_pools=False)),
        KeyRemoved("g"),
        KeyRemoved("h"),
        KeyRemoved("h"),
    ):
        snapshot = folded(snapshot, [event])
        counts.append(snapshot.global_keys)
    assert counts == [1, 1, 2, 1, 1, 0, 0]


@pytest.fixture(scope="module")
def large() -> RoutingSnapshot:
    """10,000 pools and 100,000 keys."""
    shared = define_provider("", 0, provider("a"))
    snapshot = empty()
    for number in range(10_000):
        alias = f"pool-{number}"
        snapshot = folded(snapshot, [define_pool(pool(alias)), attrs.evolve(shared, alias=alias)])
    blank = define_key(key("k"))
    for number in range(100_000):
        snapshot = folded(snapshot, [attrs.evolve(blank, key_id=f"key-{number}", digest=f"{number:064x}")])
    return snapshot


ONE_CHANGE: list[Event] = [
    define_settings(Settings(strict_mode=True)),
    define_key(key("new")),
    define_key(key("key-5000", opens_all=True)),
    KeyRemoved("key-77"),
    define_pool(pool("pool-5000", limit=3)),
    define_pool(pool("new")),
    PoolRemoved("pool-77"),
    define_provider("pool-5000", 0, provider("b")),
    define_rule("pool-5000", 0, deny()),
]


@pytest.mark.parametrize("event", ONE_CHANGE, ids=stream_of)
def test_one_event_costs_what_it_names(large: RoutingSnapshot, event: Event) -> None:
    """DELTA-7: at 10,000 pools and 100,000 keys, every other pool and key is the identical object, and the memory
    one event takes is that of a table of ten, give or take the depth of a trie: kilobytes, not the maps' megabytes.
    """
    now = apply(large, recorded(large.position + 1, event))
    same_pools = sum(now.pools.get(alias) is one for alias, one in large.pools.items())
    same_keys = sum(now.keys.get(key_id) is one for key_id, one in large.keys.items())
    same_callers = sum(now.callers.get(digest) is one for digest, one in large.callers.items())
    assert same_pools >= len(large.pools) - 1
    assert same_keys >= len(large.keys) - 1
    assert same_callers >= len(large.callers) - 1
    assert grown_by(lambda: apply(large, recorded(large.position + 1, event))) < 32_768


def grown_by(make: Callable[[], object]) -> int:
    """The most bytes that were allocated at once while making it."""
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        made = make()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert made is not None
    return peak - before


def test_a_copy_would_be_noticed(large: RoutingSnapshot) -> None:
    """The yardstick of the test above: copying the map of pools takes hundreds of kilobytes."""
    assert grown_by(lambda: dict(large.pools)) > 200_000


def test_what_is_stated_is_read_back() -> None:
    """DELTA-7, `engine/definitions.py`: every field of a key, a pool, a provider and a rule survives the fold."""
    whole_key = Key("k", secret_of("k"), True, {"tier": "x"}, limits=attrs.evolve(pool("p").limits, burst=7))
    whole = Pool(
        "chat", (attrs.evolve(provider("a"), trusted=False),), frozenset({"k"}), rules=(redirect("mini", a="b"),)
    )
    snapshot = folded(
        empty(),
        [
            define_key(whole_key),
            define_pool(whole),
            define_provider("chat", 0, whole.providers[0]),
            define_rule("chat", 0, whole.rules[0]),
        ],
    )
    assert dict(snapshot.pools) == {"chat": whole}
    assert dict(snapshot.keys) == {"k": whole_key}


@settings(max_examples=200, deadline=None)
@given(SOME_POOLS)
def test_every_field_that_a_table_can_have_is_read_back(whole: Pool) -> None:
    """DELTA-7, `engine/definitions.py`: circuits, timeouts, affinity and all the others, whatever their values."""
    events: list[Event] = [define_pool(whole)]
    events += [define_provider(whole.alias, rank, one) for rank, one in enumerate(whole.providers)]
    events += [define_rule(whole.alias, rank, one) for rank, one in enumerate(whole.rules)]
    assert folded(empty(), events).pools[whole.alias] == whole


def test_an_action_from_a_newer_version_denies() -> None:
    """RULE-10, DEF-4: a rule this version does not understand is not skipped, and the fold does not stop."""
    stored = RuleDefined("chat", 0, {"purpose": "batch"}, "throttle", "mini", opens_target=True)
    rules = folded(empty(), [define_pool(pool("chat")), stored, define_rule("chat", 1, deny())]).pools["chat"].rules
    assert rules == (Rule({"purpose": "batch"}, Action.DENY, "mini", opens_target=True), deny())


def test_other_words_from_a_newer_version_have_their_default() -> None:
    """House style: a projection never refuses."""
    stored = attrs.evolve(
        define_pool(pool("chat")),
        strategy="tides",
        circuit_when_all_open="wait",
        fallback_exhausted="hide",
    )
    read = folded(empty(), [stored]).pools["chat"]
    assert (read.strategy, read.circuit.when_all_open) == (Strategy.WEIGHTED_RANDOM, AllOpen.PROBE)
    assert read.fallback.exhausted is Exhausted.RELAY
