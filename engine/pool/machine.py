"""The pool machine: `step(state, message) -> effects`.

Laws, held by `tests/engine/pool/test_machine_laws.py` over random interleavings:
leases = slots taken; each question gets exactly one answer; no refusal while a provider is admissible; a refused
request spends no token; `step` is total; a late `Finish` is harmless; `wake_at` lies after the last message; the
recorded messages give the identical effects again.

Longer than others because one message's whole way is read in one place.
"""

from collections.abc import Sequence

from engine.names import Nanoseconds
from engine.pool.adoption import adopt, release
from engine.pool.decision import Decision, Row, Verdict
from engine.pool.health import answered, begin_probe, note, turns
from engine.pool.messages import (
    Acquire,
    Answered,
    Effect,
    Finish,
    Kind,
    Leased,
    Message,
    Outcome,
    Reconfigure,
    Refusal,
    Refused,
    Retry,
    Tick,
)
from engine.pool.selection import early_probe, survey, upstream_asks_for_a_pause
from engine.pool.state import Journey, PoolState, Slot
from engine.pool.terms import pause_of


def step(state: PoolState, message: Message) -> tuple[Effect, ...]:
    """Take one message; change the state in place; the answers, to whomever they are due."""
    if state.turns:
        state.turns = ()
    if isinstance(message, Finish):
        # Before anybody is woken: the one that ends is not to get another lease.
        _finish(state, message)
        return _wake(state, message.at) if state.alarms else ()
    effects = _wake(state, message.at) if state.alarms else ()
    match message:
        case Acquire():
            effects += _acquire(state, message)
        case Retry():
            effects += _retry(state, message)
        case Answered(ticket=ticket):
            journey = state.journeys.get(ticket)
            if journey is not None and journey.slot is not None:
                before = journey.slot.health.until, journey.slot.credential.until
                answered(journey.slot, ticket)
                state.turns = turns(journey.slot, before, message.at)
        case Reconfigure():
            adopt(state, message.pool, message.at)
            state.position = message.position
            if message.pool is None:
                effects += _give_up(state)
            else:
                state.defined_at = message.position
        case Tick():
            pass
    return effects


def wake_at(state: PoolState) -> Nanoseconds | None:
    """When the machine wants a `Tick`, always after the last message; None: not before the next message."""
    return state.next_due() if state.alarms else None


def _wake(state: PoolState, at: Nanoseconds) -> tuple[Effect, ...]:
    """Go on with every request whose backoff is over."""
    effects: tuple[Effect, ...] = ()
    while (due := state.next_due()) is not None and due <= at:
        ticket = state.alarms[0][1]
        journey = state.journeys[ticket]
        journey.due = None
        effects += (_lease_again(state, ticket, journey, at),)
    return effects


def _give_up(state: PoolState) -> tuple[Effect, ...]:
    """The alias is gone: who waits for another attempt waits for nothing."""
    waiting = [(ticket, journey) for ticket, journey in state.journeys.items() if journey.due is not None]
    for _, journey in waiting:
        journey.due = None
    return tuple(Refused(ticket, Refusal.EXHAUSTED) for ticket, _ in waiting)


def _acquire(state: PoolState, message: Acquire) -> tuple[Effect, ...]:
    ticket, at = message.ticket, message.at
    if state.pool is None:
        return (_turned_away(state, Refused(ticket, Refusal.RETIRED)),)
    if ticket in state.journeys:
        # Asked twice; the first answer stands.
        return (Refused(ticket, Refusal.EXHAUSTED),)
    limiter, limit = state.limiter, state.terms.max_concurrent
    if limiter is not None and not limiter.has_token(at):
        return (_turned_away(state, Refused(ticket, Refusal.POOL_RATE, limiter.next_at(at), limiter.quota(at))),)
    if limit is not None and len(state.journeys) >= limit:
        return (_turned_away(state, Refused(ticket, Refusal.POOL_FULL)),)
    journey = Journey(message.affinity)
    effect = _decide(state, ticket, journey, at)
    if isinstance(effect, Leased):
        state.journeys[ticket] = journey
        if limiter is not None:
            limiter.take(at)
    elif isinstance(effect, Refused):
        _turned_away(state, effect)
    return (effect,)


def _turned_away(state: PoolState, refused: Refused) -> Refused:
    """Count a request that gets no attempt."""
    why = refused.refusal
    state.refused = {**state.refused, why: state.refused.get(why, 0) + 1}
    return refused


def _retry(state: PoolState, message: Retry) -> tuple[Effect, ...]:
    ticket, at = message.ticket, message.at
    journey = state.journeys.get(ticket)
    if journey is None:
        return (Refused(ticket, Refusal.EXHAUSTED),)
    if journey.due is not None:
        # Asked twice; the answer comes when the backoff is over.
        return ()
    slot, terms = journey.slot, state.terms
    _end_attempt(state, ticket, journey, message.outcome, at)
    if state.pool is None or journey.attempts >= terms.budget:
        return (Refused(ticket, Refusal.EXHAUSTED),)
    if slot is not None and not terms.repeats:
        journey.tried = {**(journey.tried or {}), slot: journey.attempts}
    return _pause(state, ticket, journey, at) if terms.backoff else (_lease_again(state, ticket, journey, at),)


def _pause(state: PoolState, ticket: int, journey: Journey, at: Nanoseconds) -> tuple[Effect, ...]:
    """FB-8: the answer comes when the backoff is over; the pauses of a request together have a bound."""
    backoff = state.terms.backoff
    pause = pause_of(backoff, journey.attempts) if backoff else 0
    if backoff and backoff.jitter == "full":
        pause = state.dice(pause + 1)
        # Not to be told by the next decision, which may be another request's.
        state.dice.shown()
    if journey.paused_ns + pause > state.terms.max_backoff_ns:
        state.budgets_exhausted += 1
        return (Refused(ticket, Refusal.EXHAUSTED),)
    journey.paused_ns += pause
    if not pause:
        return (_lease_again(state, ticket, journey, at),)
    state.wait(ticket, journey, at + pause)
    return ()


def _lease_again(state: PoolState, ticket: int, journey: Journey, at: Nanoseconds) -> Effect:
    """The next attempt of a request that has had one; the tokens of the pool and its key are spent already."""
    if state.pool is None:
        return Refused(ticket, Refusal.EXHAUSTED)
    effect = _decide(state, ticket, journey, at)
    if isinstance(effect, Refused) and journey.tried and effect.refusal is not Refusal.PROVIDER_RATE:
        # The budget stands above the strategy: a pass may be repeated until it is used up (LB-13); but a provider
        # that is left and has no token ends it (RL-5, FB-6).
        journey.tried = None
        effect = _decide(state, ticket, journey, at)
    if isinstance(effect, Refused):
        return Refused(ticket, Refusal.EXHAUSTED, effect.retry_at, None, effect.decision, effect.refusal)
    state.retries += 1
    return effect


def _finish(state: PoolState, message: Finish) -> None:
    ticket, at, outcome = message.ticket, message.at, message.outcome
    journey = state.journeys.pop(ticket, None)
    if journey is None:
        return
    if outcome.kind is Kind.UNSENT:
        meter = journey.slot.meter if journey.slot is not None else None
        if meter is not None and meter.limiter is not None:
            meter.limiter.give_back(at)
        if journey.attempts <= 1 and state.limiter is not None:
            state.limiter.give_back(at)
    _end_attempt(state, ticket, journey, outcome, at)


def _end_attempt(state: PoolState, ticket: int, journey: Journey, outcome: Outcome, at: Nanoseconds) -> None:
    slot = journey.slot
    if slot is None:
        return
    journey.slot = None
    before = slot.health.until, slot.credential.until
    note(slot, ticket, outcome, at, state.terms, sent_with=journey.credential)
    if before != (slot.health.until, slot.credential.until):
        state.turns += turns(slot, before, at)
    release(state, slot)


def _decide(state: PoolState, ticket: int, journey: Journey, at: Nanoseconds) -> Effect:
    """Choose a provider and take its slot and token, or say why there is none; nothing is taken then."""
    terms, dice = state.terms, state.dice
    admissible, rows, causes = survey(state, journey, at)
    slot: Slot | None
    tied: Sequence[Slot]
    if len(admissible) > 1:
        slot, tied = state.choose(admissible, state, journey)
    else:
        slot, tied = (admissible[0], ()) if admissible else (None, ())
    if slot is None and terms.probes_early and not journey.attempts:
        slot = early_probe(state.slots, rows, at)
    decision = Decision(
        ticket,
        state.position,
        at,
        journey.attempts + 1,
        terms.strategy,
        journey.affinity,
        rows,
        dice.shown(),
        tuple([one.name for one in tied]),
        slot.name if slot is not None else None,
        causes,
    )
    if slot is None:
        return _refused(state, ticket, rows, decision)
    limiter = slot.meter.limiter
    if limiter is not None:
        if not terms.heeds_rate and not limiter.has_token(at):
            decision.chosen, decision.tied = None, ()
            out = (slot.name, slot.weight, slot.active, Verdict.NO_TOKEN, limiter.next_at(at))
            decision.rows = tuple([out if row[0] == slot.name else row for row in rows])
            return Refused(ticket, Refusal.PROVIDER_RATE, limiter.next_at(at), None, decision)
        limiter.take(at)
    slot.active += 1
    slot.chosen += 1
    slot.meter.active += 1
    journey.slot, journey.credential = slot, slot.provider.credential
    journey.attempts += 1
    is_probe = slot.is_barred and begin_probe(slot, ticket)
    return Leased(ticket, slot.provider, journey.attempts, state.position, slot.timeouts, is_probe, decision)


def _refused(state: PoolState, ticket: int, rows: Sequence[Row], decision: Decision) -> Refused:
    """Why nobody could be chosen, the reason first that is over soonest."""
    by_verdict: dict[Verdict, list[int]] = {}
    for row in rows:
        by_verdict.setdefault(row[3], []).append(row[4])
    if tokens := by_verdict.get(Verdict.NO_TOKEN):
        return Refused(ticket, Refusal.PROVIDER_RATE, min(tokens), None, decision)
    if Verdict.FULL in by_verdict:
        return Refused(ticket, Refusal.PROVIDERS_FULL, None, None, decision)
    waits = by_verdict.get(Verdict.OPEN, []) + by_verdict.get(Verdict.CREDENTIAL, [])
    if waits or Verdict.PROBING in by_verdict:
        asked = upstream_asks_for_a_pause(state.slots, rows)
        refusal = Refusal.UPSTREAM_RATE if asked else Refusal.CIRCUITS_OPEN
        return Refused(ticket, refusal, min(waits, default=None), None, decision)
    return Refused(ticket, Refusal.NO_PROVIDERS, None, None, decision)
