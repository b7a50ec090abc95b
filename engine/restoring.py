"""Running state again, from what `engine.checkpoint` keeps of it.

Law: under the definition it was kept under, a state that is restored behaves as the one it was kept from, and what is
kept of it is equal.
"""

from collections.abc import Mapping

import attrs

from engine.caller import CallerState, KeyState
from engine.checkpoint import KeptBucket, KeptKey, KeptMeter, KeptPool, KeptSlot, keep_meter
from engine.limiter import Limiter, Rate
from engine.names import Alias, KeyId
from engine.pool.adoption import adopt
from engine.pool.circuit import Circuit
from engine.pool.messages import Refusal
from engine.pool.meter import Meter, Meters
from engine.pool.state import Journey, PoolState, Slot
from engine.snapshot import Pool, Provider


def restore_pool(alias: Alias, kept: KeptPool, pool: Pool | None, meters: Meters) -> PoolState:
    """The running state again. `pool` is the definition of `defined_at`; `meters` has its deployments' meters, and
    they stay as they are.
    """
    state = PoolState(alias, kept.seed, meters)
    names = _deployments(pool)
    before = {name: keep_meter(meters.shared[name]) for name in names if name in meters.shared}
    adopt(state, pool, 0)
    for name in names:
        if name in before:
            _restore_meter(meters.shared[name], before[name])
        elif kept.is_gone:
            # The pool counts on it no longer, and nobody else does.
            del meters.shared[name]
    draining = tuple(Slot(one.provider, Meter()) for one in kept.draining if one.provider is not None)
    for slot, one in zip(state.slots, kept.slots, strict=not kept.is_gone):
        _restore_slot(slot, one)
    for slot, one in zip(draining, kept.draining, strict=True):
        slot.name = slot.provider.name
        if slot.provider.deployment is not None:
            slot.meter = meters.shared.setdefault(slot.provider.deployment, Meter())
        _restore_slot(slot, one)
    if kept.is_gone:
        state.pool, state.slots = None, []
    state.draining = list(draining)
    state.position, state.defined_at = kept.position, kept.defined_at
    state.limiter = _limiter(kept.bucket)
    state.dice.count = kept.draws
    state.retries, state.budgets_exhausted = kept.retries, kept.budgets_exhausted
    state.refused = {Refusal(why): count for why, count in kept.refused.items()}
    _restore_journeys(state, kept)
    return state


def restore_meter(kept: KeptMeter) -> Meter:
    meter = Meter()
    _restore_meter(meter, kept)
    return meter


def restore_keys(kept: Mapping[KeyId, KeptKey], state: CallerState) -> None:
    """Put keys back into a state that knows nothing of them."""
    for key_id, one in kept.items():
        state.keys[key_id] = KeyState(one.limits, one.position, _limiter(one.bucket), one.active)
        state.tickets.update(dict.fromkeys(one.tickets, key_id))


def _restore_slot(slot: Slot, kept: KeptSlot) -> None:
    slot.active, slot.latency_ns, slot.sampled_at = kept.active, kept.latency_ns, kept.sampled_at
    slot.health, slot.credential = _circuit(kept.health), _circuit(kept.credential)
    slot.is_barred, slot.openings, slot.chosen = kept.is_barred, kept.openings, kept.chosen
    if kept.meter is not None:
        slot.meter = restore_meter(kept.meter)


def _restore_meter(meter: Meter, kept: KeptMeter) -> None:
    meter.limit, meter.limiter, meter.active, meter.slots = kept.limit, _limiter(kept.bucket), kept.active, kept.slots


def _deployments(pool: Pool | None) -> set[str]:
    providers = pool.providers if pool is not None else ()
    return {provider.deployment for provider in providers if provider.deployment is not None}


def _restore_journeys(state: PoolState, kept: KeptPool) -> None:
    slots = dict(enumerate((*state.slots, *state.draining)))
    slots |= {-1 - place: Slot(Provider(name, ""), Meter(), name) for place, name in enumerate(kept.gone)}
    for ticket, one in kept.journeys.items():
        journey = Journey(
            affinity=one.affinity,
            slot=None if one.slot is None else slots[one.slot],
            attempts=one.attempts,
            tried={slots[place]: attempt for place, attempt in one.tried.items()} or None,
            paused_ns=one.paused_ns,
            credential=one.credential,
        )
        state.journeys[ticket] = journey
        if one.due is not None:
            state.wait(ticket, journey, one.due)


def _circuit(kept: Circuit | None) -> Circuit:
    return Circuit() if kept is None else attrs.evolve(kept)


def _limiter(kept: KeptBucket | None) -> Limiter | None:
    return None if kept is None else Limiter(Rate(int(kept.units), int(kept.interval), kept.burst), int(kept.full_at))
