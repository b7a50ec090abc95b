"""All actors' state at one moment, from which what followed can be computed again.

Law: a checkpoint shares nothing that changes with the running actors, and keeps what they share among themselves (a
deployment's meter stays one); two states are equal where their `facts` are.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, TypeVar, cast

import attrs

from engine.caller import CallerState
from engine.limiter import Limiter
from engine.names import Alias
from engine.pool.circuit import Circuit
from engine.pool.meter import Meter, Meters
from engine.pool.state import Journey, PoolState, Slot

T = TypeVar("T")


@attrs.frozen
class Checkpoint:
    seq: int
    "Of the journal's last entry before it; 0: nothing has happened yet."
    pools: Mapping[Alias, PoolState]
    callers: CallerState
    meters: Meters
    "The table that all pools count deployments on."

    def copy(self) -> "Checkpoint":
        """Another one that can be worked on. What cannot change is shared."""
        meters = {id(meter): _meter(meter) for meter in self.meters.shared.values()}
        pools = {alias: _pool(state, meters) for alias, state in self.pools.items()}
        table = Meters({name: meters[id(meter)] for name, meter in self.meters.shared.items()})
        for state in pools.values():
            state.meters = table
        keys = {key_id: _twin(key, limiter=_own(key.limiter)) for key_id, key in self.callers.keys.items()}
        return Checkpoint(self.seq, pools, CallerState(keys, dict(self.callers.tickets)), table)


def beginning() -> Checkpoint:
    """Before the first entry of a process."""
    return Checkpoint(0, {}, CallerState(), Meters())


def _pool(state: PoolState, meters: dict[int, Meter]) -> PoolState:
    slots: dict[int, Slot] = {}
    for slot in (*state.slots, *state.draining, *_held(state)):
        if id(slot) not in slots:
            meter = meters.get(id(slot.meter)) or _meter(slot.meter)
            slots[id(slot)] = _twin(slot, meter=meter, health=_twin(slot.health), credential=_twin(slot.credential))
    return _twin(
        state,
        limiter=_own(state.limiter),
        slots=[slots[id(slot)] for slot in state.slots],
        draining=[slots[id(slot)] for slot in state.draining],
        journeys={
            ticket: _twin(
                journey,
                slot=slots[id(journey.slot)] if journey.slot is not None else None,
                tried={slots[id(slot)]: attempt for slot, attempt in journey.tried.items()} if journey.tried else None,
            )
            for ticket, journey in state.journeys.items()
        },
        dice=_twin(state.dice),
        alarms=state.alarms.copy(),
    )


def _held(state: PoolState) -> Iterator[Slot]:
    """Slots that are gone from the pool, but not yet from what a request has tried."""
    return (slot for journey in state.journeys.values() for slot in journey.tried or ())


def _meter(meter: Meter) -> Meter:
    return _twin(meter, limiter=_own(meter.limiter))


def _own(limiter: Limiter | None) -> Limiter | None:
    return None if limiter is None else _twin(limiter)


def _twin(value: T, **others: Any) -> T:
    """A value of the same class with the same fields, but for those given. `copy.copy` takes ten times as long."""
    kind: Any = type(value)
    twin = kind.__new__(kind)
    for name in _names(kind):
        setattr(twin, name, others[name] if name in others else getattr(value, name))
    return cast("T", twin)


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in attrs.fields(kind))


def facts_of_pool(state: PoolState) -> dict[str, Any]:
    """Everything in a pool's state that can make a difference later, as plain values."""
    return {
        "position": state.position,
        "pool": state.pool,
        "tokens": _bucket(state.limiter),
        "draws": state.dice.count,
        "retries": state.retries,
        "budgets_exhausted": state.budgets_exhausted,
        "providers": [_slot(slot) for slot in state.slots],
        "draining": [_slot(slot) for slot in state.draining],
        "requests": {ticket: _journey(journey) for ticket, journey in state.journeys.items()},
    }


def facts_of_callers(state: CallerState) -> dict[str, Any]:
    """The same for the keys."""
    keys = {key_id: (key.active, key.limits, key.position, _bucket(key.limiter)) for key_id, key in state.keys.items()}
    return {"keys": keys, "requests": dict(state.tickets)}


def _slot(slot: Slot) -> dict[str, Any]:
    return {
        "name": slot.name,
        "active": slot.active,
        "running": slot.meter.active,
        "tokens": _bucket(slot.meter.limiter),
        "latency_ns": slot.latency_ns,
        "sampled_at": slot.sampled_at,
        "circuit": _circuit(slot.health),
        "credential": _circuit(slot.credential),
    }


def _journey(journey: Journey) -> dict[str, Any]:
    return {
        "provider": journey.slot.name if journey.slot is not None else None,
        "attempts": journey.attempts,
        "affinity": journey.affinity,
        "credential": journey.credential,
        "tried": {slot.name: attempt for slot, attempt in (journey.tried or {}).items()},
        "due": journey.due,
        "paused_ns": journey.paused_ns,
    }


def _circuit(circuit: Circuit) -> dict[str, Any]:
    return attrs.asdict(circuit, recurse=False)


def _bucket(limiter: Limiter | None) -> tuple[Any, int] | None:
    return None if limiter is None else (limiter.rate, limiter.full_at)
