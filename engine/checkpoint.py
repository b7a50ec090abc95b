"""The state of actors at one moment as plain values, from which what followed can be computed again.

Law: what is kept shares nothing with the running actors. Definitions are not kept but named by their positions: they
are in the event log. Numbers that may be larger than 64 bits are decimal text.
"""

from collections.abc import Iterable, Mapping

import attrs

from engine.caller import CallerState, KeyState
from engine.limiter import Limiter
from engine.names import CredentialId, KeyId, Nanoseconds, Position, ProviderName, Ticket
from engine.pool.circuit import Circuit
from engine.pool.meter import Meter
from engine.pool.state import Journey, PoolState, Slot
from engine.snapshot import Limits, Provider


@attrs.frozen
class KeptBucket:
    """A rate limiter."""

    units: str
    interval: str
    burst: int
    full_at: str


@attrs.frozen
class KeptMeter:
    limit: int | None
    bucket: KeptBucket | None
    active: int
    slots: int


@attrs.frozen
class KeptSlot:
    active: int = 0
    meter: KeptMeter | None = None
    "None: its deployment's."
    latency_ns: Nanoseconds = 0
    sampled_at: Nanoseconds = 0
    health: Circuit | None = None
    "None: as new, like `credential`."
    credential: Circuit | None = None
    is_barred: bool = False
    openings: int = 0
    provider: Provider | None = None
    "Of a slot that drains; the others have the definition's, in its order."
    chosen: int = 0


@attrs.frozen
class KeptJourney:
    slot: int | None
    "The place of what it holds: the definition's providers first, then those that drain."
    attempts: int
    affinity: int | None
    tried: Mapping[int, int]
    "Place to attempt; -1 and below: providers that are gone altogether."
    due: Nanoseconds | None
    paused_ns: Nanoseconds
    credential: CredentialId | None


@attrs.frozen
class KeptPool:
    seed: int
    position: Position
    "Of the definition it runs."
    defined_at: Position
    "Of the last one that was not a farewell."
    is_gone: bool
    bucket: KeptBucket | None
    draws: int
    retries: int
    budgets_exhausted: int
    slots: tuple[KeptSlot, ...]
    draining: tuple[KeptSlot, ...]
    gone: tuple[ProviderName, ...]
    journeys: Mapping[Ticket, KeptJourney]
    refused: Mapping[str, int] = attrs.field(factory=dict)
    "Requests, by the reason."


@attrs.frozen
class KeptKey:
    limits: Limits
    position: Position
    bucket: KeptBucket | None
    active: int
    tickets: tuple[Ticket, ...]
    "Of its requests in flight."


def keep_pool(state: PoolState) -> KeptPool:
    places = {id(slot): place for place, slot in enumerate((*state.slots, *state.draining))}
    gone: dict[int, Slot] = {}
    journeys = {ticket: _kept_journey(journey, places, gone) for ticket, journey in state.journeys.items()}
    return KeptPool(
        seed=state.seed,
        position=state.position,
        defined_at=state.defined_at,
        is_gone=state.pool is None,
        bucket=_kept_bucket(state.limiter),
        draws=state.dice.count,
        retries=state.retries,
        budgets_exhausted=state.budgets_exhausted,
        slots=tuple([_kept_slot(slot, None) for slot in state.slots]),
        draining=tuple([_kept_slot(slot, slot.provider) for slot in state.draining]),
        gone=tuple([slot.name for slot in gone.values()]),
        journeys=journeys,
        refused={why.value: count for why, count in state.refused.items()} if state.refused else {},
    )


def keep_meter(meter: Meter) -> KeptMeter:
    return KeptMeter(meter.limit, _kept_bucket(meter.limiter), meter.active, meter.slots)


def keep_keys(state: CallerState, key_ids: Iterable[KeyId]) -> dict[KeyId, KeptKey]:
    """Those of the keys that there is something to remember of."""
    tickets = tickets_by_key(state)
    wanted = ((key_id, state.keys.get(key_id)) for key_id in key_ids)
    return {key_id: keep_key(key, tickets.get(key_id, ())) for key_id, key in wanted if key is not None}


def tickets_by_key(state: CallerState) -> dict[KeyId, list[Ticket]]:
    """The requests in flight of each key, in the order in which they came."""
    tickets: dict[KeyId, list[Ticket]] = {}
    for ticket, key_id in state.tickets.items():
        tickets.setdefault(key_id, []).append(ticket)
    return tickets


def keep_key(key: KeyState, tickets: Iterable[Ticket]) -> KeptKey:
    """`tickets`: of its requests in flight."""
    return KeptKey(key.limits, key.position, _kept_bucket(key.limiter), key.active, tuple(tickets))


def _kept_slot(slot: Slot, provider: Provider | None) -> KeptSlot:
    return KeptSlot(
        slot.active,
        keep_meter(slot.meter) if slot.provider.deployment is None else None,
        slot.latency_ns,
        slot.sampled_at,
        _kept_circuit(slot.health),
        _kept_circuit(slot.credential),
        slot.is_barred,
        slot.openings,
        provider,
        slot.chosen,
    )


def _kept_journey(journey: Journey, places: dict[int, int], gone: dict[int, Slot]) -> KeptJourney:
    tried: dict[int, int] = {}
    for slot, attempt in (journey.tried or {}).items():
        place = places.get(id(slot))
        if place is None:
            gone.setdefault(id(slot), slot)
            place = -1 - list(gone).index(id(slot))
        tried[place] = attempt
    return KeptJourney(
        places[id(journey.slot)] if journey.slot is not None else None,
        journey.attempts,
        journey.affinity,
        tried,
        journey.due,
        journey.paused_ns,
        journey.credential,
    )


def _kept_bucket(limiter: Limiter | None) -> KeptBucket | None:
    if limiter is None:
        return None
    rate = limiter.rate
    return KeptBucket(str(rate.units), str(rate.interval), rate.burst, str(limiter.full_at))


def _kept_circuit(circuit: Circuit) -> Circuit | None:
    if circuit.until is None and not circuit.failed_at:
        return None
    return Circuit(
        circuit.until,
        circuit.failures,
        circuit.openings,
        circuit.probe,
        circuit.failed_at,
        circuit.is_told,
        circuit.causes,
    )
