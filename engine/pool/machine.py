"""The pool machine: `step(state, message) -> effects`.

Laws, held by `tests/engine/pool/test_machine_laws.py` over random interleavings:
leases = slots taken; each question gets exactly one answer; no refusal while a provider is admissible; `step` is
total; a late `Finish` is harmless; the recorded messages give the identical effects again.
"""

from engine.pool.draw import draw
from engine.pool.messages import (
    Acquire,
    Effect,
    Finish,
    Leased,
    Message,
    Reconfigure,
    Refusal,
    Refused,
    Retry,
)
from engine.pool.selection import select
from engine.pool.state import Journey, PoolState, Slot
from engine.snapshot import Pool, Strategy


def step(state: PoolState, message: Message) -> Effect | None:
    """Take one message; change the state in place; the answer, where the message is a question."""
    state.changes += 1
    match message:
        case Acquire(ticket=ticket):
            return _acquire(state, ticket)
        case Finish(ticket=ticket):
            _finish(state, ticket)
            return None
        case Retry(ticket=ticket):
            return _retry(state, ticket)
        case Reconfigure(pool=pool):
            _reconfigure(state, pool)
            state.position = message.position
            return None


def _acquire(state: PoolState, ticket: int) -> Effect:
    pool = state.pool
    if pool is None:
        return Refused(ticket, Refusal.RETIRED)
    journey = state.journeys.get(ticket)
    if journey is not None:
        # Asked twice: the same answer, nothing taken twice.
        held = journey.slot
        return _lease(state, ticket, journey, held) if held else Refused(ticket, Refusal.EXHAUSTED)
    limit = pool.limits.max_concurrent
    if limit is not None and len(state.journeys) >= limit:
        return Refused(ticket, Refusal.POOL_FULL)
    journey = Journey()
    slot = _pick(state, pool, journey)
    if slot is None:
        return Refused(ticket, _why_none(state))
    state.journeys[ticket] = journey
    return _take(state, ticket, journey, slot)


def _retry(state: PoolState, ticket: int) -> Effect:
    journey = state.journeys.get(ticket)
    if journey is None:
        return Refused(ticket, Refusal.EXHAUSTED)
    pool, slot = state.pool, journey.slot
    _release(state, journey)
    if pool is None or journey.attempts >= _budget(pool):
        return Refused(ticket, Refusal.EXHAUSTED)
    if slot is not None and not (pool.strategy is Strategy.WEIGHTED_RANDOM and pool.fallback.with_replacement):
        journey.tried.append(slot)
    choice = _pick(state, pool, journey)
    if choice is None and journey.tried:
        # The budget stands above the strategy: a pass may be repeated until it is used up (LB-13).
        journey.tried.clear()
        choice = _pick(state, pool, journey)
    return _take(state, ticket, journey, choice) if choice else Refused(ticket, Refusal.EXHAUSTED)


def _finish(state: PoolState, ticket: int) -> None:
    journey = state.journeys.pop(ticket, None)
    if journey is not None:
        _release(state, journey)


def _reconfigure(state: PoolState, pool: Pool | None) -> None:
    """Match the k-th old slot of an identity with the k-th new provider of it (ADOPT-2, ADOPT-7)."""
    waiting: dict[tuple[str, str | None], list[Slot]] = {}
    for slot in (*state.slots, *state.draining):
        waiting.setdefault(slot.provider.identity, []).append(slot)
    slots: list[Slot] = []
    for provider in pool.providers if pool else ():
        same = waiting.get(provider.identity)
        slot = same.pop(0) if same else Slot(provider)
        slot.provider = provider
        slots.append(slot)
    state.pool, state.slots = pool, slots
    state.draining = [slot for same in waiting.values() for slot in same if slot.active]


def _budget(pool: Pool) -> int:
    """LB-10; without fallback there is one attempt, whatever the file says (DEF-48)."""
    if not pool.fallback.enabled:
        return 1
    return pool.fallback.max_attempts or len(pool.providers)


def _pick(state: PoolState, pool: Pool, journey: Journey) -> Slot | None:
    def next_draw(below: int) -> int:
        state.draws += 1
        return draw(state.seed, state.draws, below)

    return select(pool.strategy, state.slots, journey.tried, next_draw)


def _take(state: PoolState, ticket: int, journey: Journey, slot: Slot) -> Leased:
    slot.active += 1
    journey.slot = slot
    journey.attempts += 1
    return _lease(state, ticket, journey, slot)


def _lease(state: PoolState, ticket: int, journey: Journey, slot: Slot) -> Leased:
    return Leased(ticket, slot.provider, journey.attempts, state.position)


def _release(state: PoolState, journey: Journey) -> None:
    slot = journey.slot
    if slot is None:
        return
    journey.slot = None
    slot.active -= 1
    if not slot.active and slot in state.draining:
        state.draining.remove(slot)


def _why_none(state: PoolState) -> Refusal:
    admissible = any(slot.provider.weight for slot in state.slots)
    return Refusal.PROVIDERS_FULL if admissible else Refusal.NO_PROVIDERS
