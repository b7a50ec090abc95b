"""All actors' state at one moment, from which what followed can be computed again.

Law: a checkpoint shares nothing that changes with the running actors, and keeps what they share among themselves (a
deployment's meter stays one); two states are equal where their `facts` are.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import attrs

from engine.caller import CallerState
from engine.limiter import Limiter
from engine.names import Alias
from engine.pool.circuit import Circuit
from engine.pool.meter import Meters
from engine.pool.state import Journey, PoolState, Slot


@attrs.frozen
class Checkpoint:
    seq: int
    "Of the journal's last entry before it; 0: nothing has happened yet."
    pools: Mapping[Alias, PoolState]
    callers: CallerState
    meters: Meters
    "The table that all pools count deployments on."

    def copy(self) -> "Checkpoint":
        """Another one that can be worked on."""
        frozen = [state.pool for state in self.pools.values()] + [state.terms for state in self.pools.values()]
        # What cannot change is shared, and not looked into.
        memo = {id(one): one for one in frozen}
        pools, callers, meters = deepcopy((dict(self.pools), self.callers, self.meters), memo)
        return Checkpoint(self.seq, pools, callers, meters)


def beginning() -> Checkpoint:
    """Before the first entry of a process."""
    return Checkpoint(0, {}, CallerState(), Meters())


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
        "circuit": _circuit(slot.health),
        "credential": _circuit(slot.credential),
    }


def _journey(journey: Journey) -> dict[str, Any]:
    return {
        "provider": journey.slot.name if journey.slot is not None else None,
        "attempts": journey.attempts,
        "tried": {slot.name: attempt for slot, attempt in (journey.tried or {}).items()},
        "due": journey.due,
        "paused_ns": journey.paused_ns,
    }


def _circuit(circuit: Circuit) -> dict[str, Any]:
    return attrs.asdict(circuit, recurse=False)


def _bucket(limiter: Limiter | None) -> tuple[Any, int] | None:
    return None if limiter is None else (limiter.rate, limiter.full_at)
