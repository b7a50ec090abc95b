"""Random pools for the machine's laws: few addresses, few deployments, all policies."""

import attrs
from hypothesis import strategies as st

from engine.snapshot import AllOpen, Backoff, CircuitPolicy, Fallback, Limits, Pool, Provider, Strategy

LIMITS = st.builds(
    Limits,
    max_concurrent=st.sampled_from([None, None, None, 1, 2, 4, 0]),
    requests_per_second=st.sampled_from([None, None, None, 0.5, 1.0, 2.9, 10.0]),
    burst=st.sampled_from([None, 1, 3, 5]),
)
PROVIDERS = st.builds(
    Provider,
    name=st.just("set below"),
    url=st.sampled_from(["http://one.example/", "http://two.example/"]),
    model=st.sampled_from([None, None, "m"]),
    credential=st.sampled_from([None, "env:A", "env:B"]),
    weight=st.sampled_from([1, 1, 3, 0]),
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
    providers=st.one_of(st.lists(PROVIDERS, min_size=2, max_size=5), st.lists(PROVIDERS, max_size=5)).map(named),
    strategy=st.sampled_from(Strategy),
    limits=LIMITS,
    fallback=FALLBACKS,
    circuit=CIRCUITS,
)
