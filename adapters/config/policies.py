"""The parts of a target that are objects of their own: limits, timeouts, affinity, circuit, fallback, rules.

Law: one object of the document gives one value of the engine; what is absent has the engine's default.
"""

from typing import Any

from adapters.config.sections import Section
from engine.snapshot import (
    Action,
    Affinity,
    AllOpen,
    Backoff,
    CircuitPolicy,
    Exhausted,
    Fallback,
    Limits,
    Rule,
    Timeouts,
)


def limits(section: Section) -> Limits:
    """`rate_limit` and `concurrency_limit` of a key, a pool or a provider (CFG-4, CFG-5)."""
    rate, concurrency = section.within("rate_limit"), section.within("concurrency_limit")
    return Limits(
        max_concurrent=whole(concurrency.get("max_concurrent_requests")),
        requests_per_second=real(rate.get("requests_per_second")),
        burst=whole(rate.get("burst_size")),
    )


def timeouts(section: Section) -> Timeouts:
    """DEF-40."""
    return Timeouts(
        connect_s=real(section.get("connect_secs")),
        first_byte_s=real(section.get("first_byte_secs")),
        idle_s=real(section.get("idle_secs")),
        total_s=real(section.get("total_secs")),
    )


def affinity(section: Section) -> Affinity:
    """Header names are the same in any case; the engine knows them in lower case."""
    header = section.get("header")
    return Affinity(
        header=None if header is None else header.lower(),
        max_load_percent=int(section.get("max_load_percent", 125)),
    )


def circuit(section: Section) -> CircuitPolicy:
    """HEALTH-6."""
    return CircuitPolicy(
        enabled=section.get("enabled", default=True),
        failures=int(section.get("failures", 3)),
        open_on_status=tuple(int(pattern) for pattern in section.get("open_on_status", ())),
        cooldowns_s=tuple(float(cooldown) for cooldown in section.get("cooldown_secs", (60, 300, 900))),
        max_retry_after_s=float(section.get("max_retry_after_secs", 60)),
        when_all_open=AllOpen(section.get("when_all_open", AllOpen.PROBE.value)),
    )


def fallback(section: Section) -> Fallback:
    """CFG-14."""
    return Fallback(
        enabled=section.get("enabled", default=False),
        on_status=tuple(int(pattern) for pattern in section.get("on_status", ())),
        on_rate_limit=section.get("on_rate_limit", default=False),
        with_replacement=section.get("with_replacement", default=False),
        max_attempts=whole(section.get("max_attempts")),
        backoff=_backoff(section.within("backoff")),
        max_total_backoff_ms=real(section.get("max_total_backoff_ms")),
        on_connect_error=section.get("on_connect_error", default=True),
        on_timeout=section.get("on_timeout", default=True),
        on_maybe_executed=section.get("on_maybe_executed", default=True),
        on_embedded_error=section.get("on_embedded_error"),
        exhausted=Exhausted(section.get("exhausted", Exhausted.RELAY.value)),
    )


def rule(section: Section) -> Rule:
    """CFG-15. A broken rule denies everyone, so that its place in the order stays taken."""
    action = section.within("action")
    kind = action.get("type", Action.DENY.value)
    target = action.get("target")
    labels = dict(section.get("match_labels", {}))
    if kind == Action.REDIRECT.value and target is not None:
        return Rule(labels, Action.REDIRECT, target, action.get("opens_target", default=False))
    return Rule(labels, Action.DENY)


def whole(value: Any) -> int | None:
    """An integer as the schema means it: 2.0 is 2."""
    return None if value is None else int(value)


def real(value: Any) -> float | None:
    return None if value is None else float(value)


def _backoff(section: Section) -> Backoff | None:
    initial = real(section.get("initial_ms"))
    if initial is None:
        return None
    return Backoff(
        initial_ms=initial,
        max_ms=float(section.get("max_ms", 5000.0)),
        factor=float(section.get("factor", 2.0)),
        jitter=section.get("jitter", "full"),
    )
