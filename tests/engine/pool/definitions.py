"""Random pools and outcomes for the machine's laws: few addresses, few deployments, all policies."""

from typing import Any

import attrs
from hypothesis import strategies as st

from engine.errors import Failure
from engine.pool.messages import ABANDONED, BROKEN, SUCCEEDED, UNSENT
from engine.snapshot import AllOpen, Backoff, CircuitPolicy, Fallback, Limits, Pool, Provider, Strategy
from tests.engine.pool.conversation import MS, S, failed, fell, took

LIMITS = st.builds(
    Limits,
    max_concurrent=st.sampled_from([None, None, None, None, None, 4, 2, 1, 0]),
    requests_per_second=st.sampled_from([None, None, 10.0, 2.9, 1.0, 0.5]),
    burst=st.sampled_from([None, 1, 3, 5]),
)
PROVIDERS = st.builds(
    Provider,
    name=st.just("set below"),
    url=st.sampled_from(["http://one.example/", "http://two.example/"]),
    model=st.sampled_from([None, None, "m"]),
    credential=st.sampled_from([None, "env:A", "env:B"]),
    weight=st.sampled_from([1, 1, 1, 3, 3, 0]),
    limits=LIMITS,
    deployment=st.sampled_from([None, None, "d", "e"]),
    priority=st.sampled_from([None, None, 0, 1]),
    cost=st.sampled_from([0.0, 0.5, 2.25]),
)
BACKOFFS = st.builds(
    Backoff,
    initial_ms=st.sampled_from([0.0, 1.0, 100.0]),
    max_ms=st.just(300.0),
    factor=st.just(2.0),
    jitter=st.sampled_from(["full", "none"]),
)
FALLBACKS = st.builds(
    Fallback,
    enabled=st.sampled_from([True, True, True, False]),
    on_rate_limit=st.booleans(),
    with_replacement=st.booleans(),
    max_attempts=st.sampled_from([None, 1, 5]),
    backoff=st.none() | BACKOFFS,
    max_total_backoff_ms=st.sampled_from([None, None, 250.0]),
)
CIRCUITS = st.builds(
    CircuitPolicy,
    enabled=st.sampled_from([True, True, True, False]),
    failures=st.sampled_from([1, 2, 3]),
    open_on_status=st.sampled_from([(), (503,)]),
    cooldowns_s=st.sampled_from([(1.0,), (1.0, 2.0, 5.0), (60.0, 300.0, 900.0)]),
    when_all_open=st.sampled_from(AllOpen),
)


def named(providers: list[Provider]) -> tuple[Provider, ...]:
    """Each has its place for a name."""
    return tuple(attrs.evolve(one, name=str(place)) for place, one in enumerate(providers))


POOLS = st.builds(
    Pool,
    alias=st.just("chat"),
    providers=st.one_of(*[st.lists(PROVIDERS, min_size=least, max_size=5) for least in (3, 2, 1, 0)]).map(named),
    strategy=st.sampled_from(Strategy),
    limits=LIMITS,
    fallback=FALLBACKS,
    circuit=CIRCUITS,
)

OUTCOMES = st.sampled_from(
    [
        SUCCEEDED,
        took(20),
        ABANDONED,
        UNSENT,
        BROKEN,
        failed(500),
        failed(503),
        failed(429),
        failed(429, told_s=2),
        failed(401),
        failed(404),
        fell(Failure.CONNECT),
        fell(Failure.CREDENTIAL),
    ]
)
FAILURES = st.sampled_from([failed(500), failed(500), BROKEN, failed(429, told_s=2), failed(401)])
WAITS = st.sampled_from([0, 1, 50 * MS, 200 * MS, 300 * MS, S, S, 2 * S, 61 * S, 301 * S])


def changes_of(pool: Pool) -> st.SearchStrategy[Pool]:
    """The same pool with something changed; its providers perhaps in another order, and one of them gone."""
    whole = pool.providers
    every = st.builds(
        lambda weight, limits, credential: tuple(
            attrs.evolve(one, weight=weight, limits=limits, credential=credential) for one in whole
        ),
        st.integers(0, 3),
        LIMITS,
        st.sampled_from([None, "env:A", "env:C"]),
    )
    fewer = st.builds(lambda order, gone: named(list(order[gone:])), st.permutations(whole), st.integers(0, 1))
    fields: dict[str, st.SearchStrategy[Any]] = {
        "limits": LIMITS,
        "strategy": st.sampled_from(Strategy),
        "circuit": CIRCUITS,
        "fallback": FALLBACKS,
    }
    return st.one_of(
        *[st.builds(lambda providers: attrs.evolve(pool, providers=providers), some) for some in (every, fewer)],
        *[values.map(lambda value, name=name: attrs.evolve(pool, **{name: value})) for name, values in fields.items()],
    )
