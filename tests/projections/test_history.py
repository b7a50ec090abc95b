"""The log in sentences: what changed, for every event, and never a secret."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events import (
    Event,
    KeyDefined,
    KeyRemoved,
    PoolDefined,
    PoolRemoved,
    ProviderDefined,
    ProviderRemoved,
    Recorded,
    RuleDefined,
    RuleRemoved,
    SettingsChanged,
)
from engine.snapshot import RoutingSnapshot
from projections import routing
from projections.history import sentence

DIGEST, OTHER_DIGEST = "9f" * 32, "a0" * 32
CHAT = PoolDefined("chat", "weighted_random", ("a", "b"), fallback_enabled=True, fallback_on_status=(429, 5))
TRIED = "fallback on 429, 5xx, connect error, timeout, maybe executed"
PROVIDER = ProviderDefined("chat", "one", 0, "http://one.example/", credential="env:KEY", max_concurrent=0)


def told(*events: Event) -> str:
    """The sentence of the last of these events, after all the others."""
    table, said = routing.empty(), ""
    for position, event in enumerate(events, 1):
        recorded = Recorded(position, event, f"{position:032x}", "test", 0)
        said = sentence(table, recorded)
        table = routing.apply(table, recorded)
    return said


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ((SettingsChanged(True, 100, 30.5),), "settings: strict mode off → on, idle seconds 90 → 30.5"),
        ((SettingsChanged(False, 100, 90),), "settings: stated again, nothing changed"),
        ((KeyDefined("a", DIGEST, False, {}),), "key a was created"),
        (
            (KeyDefined("a", DIGEST, True, {"team": "x", "env": "prod"}, 0, 2.5, 10),),
            "key a was created: opens all pools, labels [env=prod, team=x], limit 0, requests per second 2.5, burst 10",
        ),
        (
            (KeyDefined("a", DIGEST, False, {}), KeyDefined("a", OTHER_DIGEST, False, {"team": "x"}, 4)),
            "key a: a new secret, labels [] → [team=x], limit none → 4",
        ),
        ((KeyDefined("a", DIGEST, False, {}), KeyRemoved("a")), "key a was removed"),
        ((KeyRemoved("a"),), "key a was not there; nothing changed"),
        ((CHAT,), f"pool chat was created: weighted_random, 2 key(s), {TRIED}"),
        ((PoolDefined("chat", "priority", None, 7),), "pool chat was created: priority, no key list, limit 7"),
        (
            (CHAT, PoolDefined("chat", "priority", ("b", "c"), fallback_enabled=True, fallback_on_status=(50,))),
            "pool chat: strategy weighted_random → priority, keys +c -a, fallback statuses [429, 5xx] → [50x]",
        ),
        (
            (PoolDefined("chat", "cost", None, fallback_enabled=True),),
            "pool chat was created: cost, no key list, fallback on connect error, timeout, maybe executed",
        ),
        (
            (
                PoolDefined(
                    "chat",
                    "cost",
                    None,
                    fallback_enabled=True,
                    fallback_on_status=(52,),
                    fallback_on_rate_limit=True,
                    fallback_on_timeout=False,
                    fallback_on_embedded_error=True,
                ),
            ),
            (
                "pool chat was created: cost, no key list, fallback on timeout off, "
                "fallback on 52x, rate limit, connect error, maybe executed, embedded error"
            ),
        ),
        (
            (
                PoolDefined(
                    "chat",
                    "cost",
                    None,
                    fallback_enabled=True,
                    fallback_on_connect_error=False,
                    fallback_on_timeout=False,
                    fallback_on_maybe_executed=False,
                ),
            ),
            (
                "pool chat was created: cost, no key list, fallback on connect error off, fallback on timeout off, "
                "fallback on maybe executed off, fallback on its own credentials alone"
            ),
        ),
        (
            (PoolDefined("chat", "cost", None, fallback_on_embedded_error=True),),
            "pool chat was created: cost, no key list, fallback on embedded error",
        ),
        (
            (PoolDefined("chat", "cost", None, circuit_enabled=False, fallback_on_timeout=False),),
            "pool chat was created: cost, no key list, fallback on timeout off, circuits off",
        ),
        (
            (
                PoolDefined(
                    "chat",
                    "consistent_hash",
                    None,
                    fallback_on_embedded_error=False,
                    fallback_exhausted="mask",
                    circuit_failures=5,
                    circuit_open_on_status=(401, 5),
                    circuit_cooldowns_s=(30.0, 120.5),
                    circuit_max_retry_after_s=0.0,
                    circuit_when_all_open="refuse",
                    connect_timeout_s=1.5,
                    first_byte_timeout_s=30.0,
                    idle_timeout_s=60.0,
                    total_timeout_s=90.0,
                    affinity_header="x-session-id",
                    affinity_max_load_percent=150,
                ),
            ),
            (
                "pool chat was created: consistent_hash, no key list, fallback on embedded error off, "
                "when exhausted mask, circuits open after failures 5, circuits open at once on [401, 5xx], "
                "cooldown seconds [30, 120.5], longest retry-after seconds 0, with all circuits open refuse, "
                "connect seconds 1.5, first byte seconds 30, idle seconds 60, total seconds 90, "
                "affinity header x-session-id, affinity load percent 150"
            ),
        ),
        (
            (
                CHAT,
                PoolDefined(
                    "chat",
                    "weighted_random",
                    ("a", "b"),
                    fallback_enabled=True,
                    fallback_on_status=(429, 5),
                    fallback_on_embedded_error=True,
                    circuit_enabled=False,
                    circuit_cooldowns_s=(60.0,),
                    total_timeout_s=90.0,
                ),
            ),
            (
                "pool chat: fallback on embedded error none → on, circuits on → off, "
                "cooldown seconds [60, 300, 900] → [60], total seconds none → 90"
            ),
        ),
        ((CHAT, PROVIDER, PoolRemoved("chat")), "pool chat was removed, 1 provider(s) and 0 rule(s) with it"),
        ((PoolRemoved("chat"),), "pool chat was not there; nothing changed"),
        (
            (CHAT, PROVIDER),
            "provider one of pool chat was created: http://one.example/, weight 1, credential env:KEY, limit 0",
        ),
        (
            (
                CHAT,
                ProviderDefined(
                    "chat", "one", 0, "http://one/", deployment="gpu", priority=1, cost=0.5, header_timeout_s=30.0
                ),
            ),
            (
                "provider one of pool chat was created: http://one/, weight 1, deployment gpu, priority 1, cost 0.5, "
                "first byte seconds 30"
            ),
        ),
        (
            (CHAT, PROVIDER, ProviderDefined("chat", "one", 0, "http://one.example/", None, "env:KEY", weight=5)),
            "provider one of pool chat: weight 1 → 5, limit 0 → none",
        ),
        (
            (
                CHAT,
                PROVIDER,
                ProviderDefined("chat", "two", 1, "http://two/"),
                ProviderDefined("chat", "two", 0, "http://two/"),
            ),
            "provider two of pool chat: place 1 → 0",
        ),
        ((CHAT, PROVIDER, PROVIDER), "provider one of pool chat: stated again, nothing changed"),
        ((PROVIDER,), "provider one of pool chat: nothing changed, for there is no such pool"),
        ((CHAT, PROVIDER, ProviderRemoved("chat", "one")), "provider one of pool chat was removed"),
        (
            (CHAT, ProviderRemoved("chat", "one")),
            "provider one of pool chat was not there; nothing changed",
        ),
        (
            (CHAT, RuleDefined("chat", 0, {"tier": "free"}, "redirect", "small")),
            "rule 0 of pool chat was created: redirect callers with tier=free to small",
        ),
        (
            (CHAT, RuleDefined("chat", 0, {"tier": "free"}, "deny"), RuleDefined("chat", 0, {}, "deny")),
            "rule 0 of pool chat: deny callers with tier=free → deny all callers with a key",
        ),
        (
            (
                CHAT,
                RuleDefined("chat", 0, {}, "redirect", "small"),
                RuleDefined("chat", 0, {}, "redirect", "small", True),
            ),
            (
                "rule 0 of pool chat: redirect all callers with a key to small → "
                "redirect all callers with a key to small, which opens it"
            ),
        ),
        (
            (CHAT, RuleDefined("chat", 0, {"tier": "free"}, "throttle")),
            "rule 0 of pool chat was created: deny, for throttle is unknown here, callers with tier=free",
        ),
        ((CHAT, RuleDefined("chat", 0, {}, "deny"), RuleRemoved("chat", 0)), "rule 0 of pool chat was removed"),
        ((CHAT, RuleRemoved("chat", 3)), "rule 3 of pool chat was not there; nothing changed"),
    ],
)
def test_a_sentence_says_what_changed(events: tuple[Event, ...], expected: str) -> None:
    """Against the table before it; what an event restates is not repeated, and what is not there is not assumed."""
    assert told(*events) == expected


names = st.sampled_from(["a", "b", "a\n\x1b[31m", "\u202eé"])
maybe = st.none() | st.integers(0, 9)
labels: st.SearchStrategy[Any] = st.dictionaries(names, names, max_size=2)
flags: st.SearchStrategy[Any] = st.booleans()
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(SettingsChanged),
    st.builds(KeyDefined, names, st.sampled_from([DIGEST, OTHER_DIGEST]), flags, labels, maybe),
    st.builds(KeyRemoved, names),
    st.builds(
        PoolDefined,
        names,
        st.sampled_from(["weighted_random", "priority"]),
        st.none() | st.tuples(names),
        maybe,
        fallback_enabled=flags,
        fallback_on_status=st.lists(st.integers(-5, 700), max_size=2).map(tuple),
        backoff_initial_ms=st.none() | st.floats(),
        circuit_enabled=flags,
        circuit_open_on_status=st.lists(st.integers(-5, 700), max_size=2).map(tuple),
        circuit_cooldowns_s=st.lists(st.floats(), max_size=2).map(tuple),
        affinity_header=st.none() | names,
        total_timeout_s=st.none() | st.floats(),
    ),
    st.builds(PoolRemoved, names),
    st.builds(ProviderDefined, names, names, st.integers(-2, 3), names, response_headers=labels),
    st.builds(ProviderRemoved, names, names),
    st.builds(
        RuleDefined,
        names,
        st.integers(0, 3),
        labels,
        st.sampled_from(["deny", "redirect", "a\n"]),
        st.none() | names,
        flags,
    ),
    st.builds(RuleRemoved, names, st.integers(0, 3)),
)


@given(st.lists(events, max_size=12))
def test_every_event_has_one_printable_line_without_a_digest(log: list[Event]) -> None:
    """Total, on any table; a name cannot make the reader's terminal do anything."""
    table: RoutingSnapshot = routing.empty()
    for position, event in enumerate(log, 1):
        recorded = Recorded(position, event, f"{position:032x}", "test", 0)
        said = sentence(table, recorded)
        assert said
        assert said.isprintable()
        assert DIGEST not in said
        assert OTHER_DIGEST not in said
        table = routing.apply(table, recorded)
        again = sentence(table, recorded)
        if not isinstance(event, ProviderDefined | RuleDefined | RuleRemoved):
            assert "nothing changed" in again or "nan" in said
