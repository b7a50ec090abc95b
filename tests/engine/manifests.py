"""Random tables that `decide` lets through, small enough that names meet each other."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import attrs
from hypothesis import strategies as st

from engine.snapshot import (
    Action,
    Affinity,
    AllOpen,
    Backoff,
    CircuitPolicy,
    Exhausted,
    Fallback,
    Key,
    Limits,
    Manifest,
    Pool,
    Provider,
    Rule,
    Settings,
    Strategy,
    Timeouts,
)

ALIASES, KEY_IDS, NAMES = ("chat", "mini", "vision"), ("k1", "k2", "k3"), ("a", "b", "c", "d")
LABELS: st.SearchStrategy[Mapping[str, str]] = st.dictionaries(
    st.sampled_from(["tier", "purpose"]), st.sampled_from(["free", "batch"]), max_size=2
)
HEADERS = st.dictionaries(st.sampled_from(["x-one", "x-two"]), st.sampled_from(["1", "ä"]), max_size=1)
MAYBE = st.sampled_from([None, True, False])

LIMITS = st.builds(
    Limits,
    max_concurrent=st.sampled_from([None, 0, 1, 5]),
    requests_per_second=st.sampled_from([None, 0.5, 10]),
    burst=st.sampled_from([None, 1, 20]),
)
FALLBACKS = st.builds(
    Fallback,
    enabled=st.booleans(),
    on_status=st.sampled_from([(), (5, 429), (429, 5)]),
    on_rate_limit=st.booleans(),
    with_replacement=st.booleans(),
    max_attempts=st.sampled_from([None, 1, 4]),
    backoff=st.none() | st.builds(Backoff, st.sampled_from([0.0, 100.0]), jitter=st.sampled_from(["full", "none"])),
    max_total_backoff_ms=st.sampled_from([None, 0, 1000.5]),
    on_connect_error=st.booleans(),
    on_timeout=st.booleans(),
    on_maybe_executed=st.booleans(),
    on_embedded_error=MAYBE,
    exhausted=st.sampled_from(Exhausted),
)
CIRCUITS = st.builds(
    CircuitPolicy,
    enabled=st.booleans(),
    failures=st.sampled_from([1, 3]),
    open_on_status=st.sampled_from([(), (401, 5)]),
    cooldowns_s=st.sampled_from([(60.0, 300.0, 900.0), (1.5,)]),
    max_retry_after_s=st.sampled_from([0.0, 60.0]),
    when_all_open=st.sampled_from(AllOpen),
)
TIMEOUTS = st.builds(
    Timeouts,
    connect_s=st.sampled_from([None, 1.5]),
    first_byte_s=st.sampled_from([None, 1.5, 30.0]),
    idle_s=st.sampled_from([None, 60.0]),
    total_s=st.sampled_from([None, 30.0]),
)
AFFINITIES = st.builds(
    Affinity, header=st.sampled_from([None, "x-session-id"]), max_load_percent=st.sampled_from([100, 125])
)
DEPLOYMENTS: st.SearchStrategy[tuple[str | None, Limits]] = st.one_of(
    st.tuples(st.none(), st.just(Limits()) | LIMITS),
    st.sampled_from([("gpu-1", Limits(2, 0.5, 1)), ("gpu-2", Limits())]),
)
"""A deployment's name says its limits, which are therefore the same wherever it is named."""
SETTINGS = st.builds(Settings, strict_mode=st.booleans(), max_idle_per_host=st.sampled_from([0, 100]))


def keys() -> st.SearchStrategy[dict[str, Key]]:
    """Some of three keys, whose secrets are a permutation of three: ids and secrets change places."""
    one = st.tuples(st.booleans(), st.booleans(), LABELS, LIMITS)

    def build(order: list[int], drawn: list[tuple[bool, bool, Mapping[str, str], Limits]]) -> dict[str, Key]:
        return {
            key_id: Key(key_id, sha256(b"%d" % number).digest(), opens_all, labels, limits)
            for key_id, number, (exists, opens_all, labels, limits) in zip(KEY_IDS, order, drawn, strict=True)
            if exists
        }

    return st.builds(build, st.permutations([1, 2, 3]), st.lists(one, min_size=3, max_size=3))


def providers() -> st.SearchStrategy[tuple[Provider, ...]]:
    one = st.builds(
        _provider,
        name=st.sampled_from(NAMES),
        url=st.sampled_from(["http://one.example/v1/", "http://two.example/"]),
        model=st.sampled_from([None, "m"]),
        credential=st.sampled_from([None, "env:NAME"]),
        weight=st.sampled_from([0, 1, 3]),
        behind=DEPLOYMENTS,
        cost=st.sampled_from([0.0, 0.5]),
        timeouts=st.just(Timeouts()) | TIMEOUTS,
        response_headers=HEADERS,
        sanitize_response=st.booleans(),
        trusted=MAYBE,
        propagate_trace_context=MAYBE,
        open_responses_adapter=MAYBE,
    )
    some = st.lists(one, max_size=4, unique_by=lambda provider: provider.name)
    return st.builds(_with_priorities, some, st.none() | st.lists(st.integers(0, 2), min_size=4, max_size=4))


def _provider(*, behind: tuple[str | None, Limits], **fields: Any) -> Provider:
    deployment, limits = behind
    return Provider(deployment=deployment, limits=limits, **fields)


def _with_priorities(some: list[Provider], priorities: list[int] | None) -> tuple[Provider, ...]:
    """All of a pool's providers have one, or none has."""
    if priorities is None:
        return tuple(some)
    return tuple(attrs.evolve(one, priority=level) for one, level in zip(some, priorities, strict=False))


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    defined = draw(keys())
    aliases = draw(st.sets(st.sampled_from(ALIASES)))
    lists = st.none() | st.sets(st.sampled_from(sorted(defined))).map(frozenset) if defined else st.none()
    pools = {}
    for alias in sorted(aliases):
        others = sorted(aliases - {alias})
        rule: st.SearchStrategy[Rule] = st.builds(Rule, LABELS, st.just(Action.DENY))
        if others:
            rule |= st.builds(Rule, LABELS, st.just(Action.REDIRECT), st.sampled_from(others), st.booleans())
        fields: dict[str, Any] = {
            "strategy": draw(st.sampled_from(Strategy)),
            "keys": draw(lists | st.just(frozenset())),
            "rules": draw(st.lists(rule, max_size=3).map(tuple)),
            "affinity": draw(st.just(Affinity()) | AFFINITIES),
            "fallback": draw(st.just(Fallback()) | FALLBACKS),
            "circuit": draw(st.just(CircuitPolicy()) | CIRCUITS),
            "timeouts": draw(st.just(Timeouts()) | TIMEOUTS),
            "limits": draw(st.just(Limits()) | LIMITS),
            "response_headers": draw(HEADERS),
            "sanitize_response": draw(st.booleans()),
            "open_responses_adapter": draw(MAYBE),
        }
        pools[alias] = Pool(alias, draw(providers()), **fields)
    return Manifest(pools, defined, draw(SETTINGS))
