"""A new definition of a running pool: what stays, and what it turns into.

Law: the k-th old slot of an identity goes on as the k-th new provider of it (ADOPT-2, ADOPT-7), with its leases, its
limiter's balance and its circuits as they are; a limit's new numbers hold from here on and cancel nothing (CL-5); a
credential that changed resets the credential's fault and nothing else; what is gone drains, and a lease that ends
late finds its slot (ADOPT-3).
"""

from fractions import Fraction

import attrs

from engine.limiter import adjusted
from engine.names import Nanoseconds
from engine.pool.health import renew_credential, trust_again
from engine.pool.ring import ring_of
from engine.pool.selection import strategy_of
from engine.pool.state import PoolState, Slot
from engine.pool.terms import terms_of
from engine.snapshot import DEFAULT_TIMEOUTS, Pool, Provider, Strategy, Timeouts

_PARTS = 10**15
"""Of one unit of cost: prices per token are small, whatever the unit is."""


def adopt(state: PoolState, pool: Pool | None, at: Nanoseconds) -> None:
    """Go on under a definition; None: the alias is gone."""
    waiting: dict[tuple[str, str | None, str | None], list[Slot]] = {}
    for slot in (*state.slots, *state.draining):
        waiting.setdefault(slot.provider.identity, []).append(slot)
    slots: list[Slot] = []
    for place, provider in enumerate(pool.providers if pool else ()):
        same = waiting.get(provider.identity)
        slot = same.pop(0) if same else Slot(provider, state.meters.attach(provider))
        slots.append(slot)
        if pool is not None:
            _define(slot, provider, place, pool, at)
    state.draining = []
    for slot in (slot for same in waiting.values() for slot in same):
        if slot.active:
            state.draining.append(slot)
            if pool is not None and not pool.circuit.enabled:
                # It may come back, and must not wait for a probe whose end is not noted any more.
                trust_again(slot)
        else:
            state.meters.detach(slot.provider, slot.meter)
    state.pool, state.slots = pool, slots
    if pool is None:
        return
    state.terms = terms_of(pool)
    state.limiter = adjusted(state.limiter, pool.limits, at)
    state.choose = strategy_of(pool.strategy)
    state.ring = ring_of(pool.providers) if pool.strategy is Strategy.CONSISTENT_HASH else None


def release(state: PoolState, slot: Slot) -> None:
    """A lease of a slot has ended; the last one of a slot that drains takes it along."""
    slot.active -= 1
    slot.meter.active -= 1
    if not slot.active and state.draining and slot in state.draining:
        state.draining.remove(slot)
        state.meters.detach(slot.provider, slot.meter)


def _define(slot: Slot, provider: Provider, place: int, pool: Pool, at: Nanoseconds) -> None:
    if slot.provider.credential != provider.credential:
        renew_credential(slot)
    if not pool.circuit.enabled:
        trust_again(slot)
    slot.provider, slot.name, slot.weight = provider, provider.name, provider.weight
    slot.timeouts = _complete(provider.timeouts.over(pool.timeouts).over(DEFAULT_TIMEOUTS))
    slot.score = _score(slot, place, pool.strategy)
    slot.meter.adopt(provider.limits, at)


def _complete(timeouts: Timeouts) -> Timeouts:
    """The head comes within the total, too."""
    bounds = [bound for bound in (timeouts.first_byte_s, timeouts.total_s) if bound is not None]
    return attrs.evolve(timeouts, first_byte_s=min(bounds, default=None))


def _score(slot: Slot, place: int, strategy: Strategy) -> int:
    match strategy:
        case Strategy.PRIORITY:
            return place if slot.provider.priority is None else slot.provider.priority
        case Strategy.COST:
            return int(Fraction(str(slot.provider.cost)) * _PARTS)
        case _:
            return 0
