"""A pool's definition in the machine's units, worked out once for each definition.

Law: nothing here changes between two `Reconfigure`s; times are whole nanoseconds, so that what decides is exact.
"""

import attrs

from engine.names import Nanoseconds
from engine.snapshot import AllOpen, Backoff, Pool, Strategy

_MS, _S = 10**6, 10**9
_LONGEST_NS = 2**62


@attrs.frozen
class Terms:
    strategy: Strategy
    budget: int
    "Attempts a request may have (LB-10)."
    repeats: bool
    "Whether a provider that was tried stays in the choice (LB-11)."
    heeds_rate: bool
    "Whether a provider without a token is passed over instead of refusing for it (RL-5)."
    max_concurrent: int | None
    has_circuits: bool
    threshold: int
    open_on_status: tuple[int, ...]
    cooldowns_ns: tuple[Nanoseconds, ...]
    told_at_most_ns: Nanoseconds
    probes_early: bool
    max_load_percent: int
    backoff: Backoff | None
    max_backoff_ns: Nanoseconds
    "All pauses of a request together."


def terms_of(pool: Pool) -> Terms:
    fallback, circuit = pool.fallback, pool.circuit
    total_ms = fallback.max_total_backoff_ms
    return Terms(
        strategy=pool.strategy,
        # Without fallback there is one attempt, whatever the definition says (DEF-48).
        budget=(fallback.max_attempts or len(pool.providers)) if fallback.enabled else 1,
        repeats=fallback.with_replacement and pool.strategy is Strategy.WEIGHTED_RANDOM,
        heeds_rate=fallback.enabled and fallback.on_rate_limit,
        max_concurrent=pool.limits.max_concurrent,
        has_circuits=circuit.enabled,
        threshold=circuit.failures,
        open_on_status=circuit.open_on_status,
        cooldowns_ns=tuple(_whole(seconds, _S) for seconds in circuit.cooldowns_s),
        told_at_most_ns=_whole(circuit.max_retry_after_s, _S),
        probes_early=circuit.when_all_open is AllOpen.PROBE,
        max_load_percent=pool.affinity.max_load_percent,
        backoff=fallback.backoff if fallback.enabled else None,
        max_backoff_ns=_LONGEST_NS if total_ms is None else _whole(total_ms, _MS),
    )


def pause_of(backoff: Backoff, failures: int) -> Nanoseconds:
    """The longest pause before the attempt after so many failures, jitter apart (FB-8)."""
    try:
        grown = backoff.initial_ms * backoff.factor ** (failures - 1)
    except OverflowError:
        grown = backoff.max_ms
    return _whole(min(grown, backoff.max_ms), _MS)


def _whole(amount: float, unit: Nanoseconds) -> Nanoseconds:
    return min(_LONGEST_NS, round(amount * unit))
