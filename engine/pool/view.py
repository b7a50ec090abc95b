"""Pools' and keys' live state as observers see it: cheap, consistent, without secrets (LB-15, WS-1)."""

from collections.abc import Mapping
from typing import Final

import attrs

from engine.caller import KeyState
from engine.limiter import Limiter
from engine.names import Alias, Nanoseconds, Position, ProviderName
from engine.pool.circuit import Circuit
from engine.pool.state import PoolState, Slot

_S = 10**9


@attrs.frozen
class RateView:
    """A rate limit's bucket."""

    burst: int
    remaining: int
    "Whole tokens there are now."


@attrs.frozen
class CircuitView:
    phase: str = "closed"
    "closed, open or half_open."
    failures: int = 0
    "In a row."
    reopens_in_s: int | None = None
    "Whole seconds until it may be probed, rounded up; None: it is not open."


_CLOSED: Final = CircuitView()


@attrs.frozen
class ProviderView:
    name: ProviderName
    url: str
    weight: int
    active: int
    limit: int | None
    rate: RateView | None = None
    "None: no rate limit of its own."
    circuit: CircuitView = _CLOSED
    credential: CircuitView = _CLOSED
    "The same, for the gateway's credential there."
    latency_ms: float | None = None
    "Moving average of the time to an answer's head; None: it has not answered yet."
    deployment: str | None = None
    openings: int = 0
    "How often one of its circuits was opened."
    draining: bool = False
    "The provider is gone from the definition and its last requests are ending."
    chosen: int = 0
    "Attempts it was given since this gateway runs it."


@attrs.frozen
class PoolView:
    alias: Alias
    position: Position
    "Of the definition the pool runs."
    strategy: str
    active: int
    "Requests in the pool, between attempts included."
    limit: int | None
    fallback: bool
    rules: int
    keys: int | None
    "How many keys it lists; None: no list of its own."
    providers: tuple[ProviderView, ...]
    rate: RateView | None = None
    "None: no rate limit."
    waiting: int = 0
    "Of the active ones, in a pause before the next attempt."
    retries: int = 0
    "Additional attempts since the pool runs (FB-9)."
    budgets_exhausted: int = 0
    "Requests whose attempts ended for want of backoff time (FB-9)."
    refused: Mapping[str, int] = attrs.field(factory=dict)
    "Requests that got no attempt since the pool runs, by why (`engine.pool.messages.Refusal`)."


@attrs.frozen
class KeyView:
    """What a limited key has in flight and has left, across all pools."""

    active: int
    limit: int | None = None
    rate: RateView | None = None
    "None: no rate limit."


def view(state: PoolState, at: Nanoseconds) -> PoolView | None:
    """The read model at a time; None once the alias is gone."""
    pool = state.pool
    if pool is None:
        return None
    listed = [(slot, False) for slot in state.slots] + [(slot, True) for slot in state.draining]
    return PoolView(
        alias=state.alias,
        position=state.position,
        strategy=pool.strategy.value,
        active=len(state.journeys),
        waiting=sum(journey.due is not None for journey in state.journeys.values()) if state.alarms else 0,
        limit=pool.limits.max_concurrent,
        rate=_rate(state.limiter, at),
        fallback=pool.fallback.enabled,
        rules=len(pool.rules),
        keys=None if pool.keys is None else len(pool.keys),
        retries=state.retries,
        budgets_exhausted=state.budgets_exhausted,
        refused={why.value: count for why, count in state.refused.items()} if state.refused else {},
        providers=tuple(_provider(slot, at, draining=draining) for slot, draining in listed),
    )


def key_view(state: KeyState, at: Nanoseconds) -> KeyView:
    return KeyView(state.active, state.limits.max_concurrent, _rate(state.limiter, at))


def _provider(slot: Slot, at: Nanoseconds, *, draining: bool) -> ProviderView:
    provider = slot.provider
    return ProviderView(
        name=provider.name,
        url=provider.url,
        weight=provider.weight,
        active=slot.active,
        limit=provider.limits.max_concurrent,
        rate=_rate(slot.meter.limiter, at),
        circuit=_circuit(slot.health, at),
        credential=_circuit(slot.credential, at),
        latency_ms=slot.latency_ns // 1000 / 1000 if slot.latency_ns else None,
        deployment=provider.deployment,
        openings=slot.openings,
        draining=draining,
        chosen=slot.chosen,
    )


def _rate(limiter: Limiter | None, at: Nanoseconds) -> RateView | None:
    if limiter is None:
        return None
    quota = limiter.quota(at)
    return RateView(quota.limit, quota.remaining)


def _circuit(circuit: Circuit, at: Nanoseconds) -> CircuitView:
    if circuit.until is None and not circuit.failures:
        return _CLOSED
    wait = None if circuit.until is None or circuit.until <= at else -(-(circuit.until - at) // _S)
    return CircuitView(circuit.phase(at).value, circuit.failures, wait)
