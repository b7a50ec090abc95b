"""Notes and ended requests as rows (`journal_wire`), made beside the requests themselves.

Law: what is read from a note is what `Note.entry` records of it. Plain tuples, made without any value between: this
is the one part of recording that takes its time from requests.

Longer than others because what nearly all notes are is written out, without a call.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from adapters.codec import journal_wire as wire
from engine.caller import Admitted, Enter, Leave
from engine.limiter import Quota
from engine.names import Ticket
from engine.pool.decision import Causes, Decision
from engine.pool.messages import (
    Acquire,
    Answered,
    Finish,
    Leased,
    Outcome,
    Reconfigure,
    Refused,
    Retry,
    Tick,
)
from engine.recording import Served, Started
from engine.runtime.journal import Answers, Note

_encode: Final = msgspec.msgpack.Encoder().encode
_Row = tuple[Any, ...]


def notes_chunk(notes: Sequence[Note]) -> tuple[bytes, list[Ticket]]:
    """Notes as one array of rows, and the tickets they tell of. Raises OverflowError for numbers above 64 bits."""
    rows: list[_Row] = []
    tickets: list[Ticket] = []
    add, name = rows.append, tickets.append
    for _, alias, message, answers in notes:
        # What nearly all notes are comes first, without a call; the type checker is told by hand what `is` says.
        kind: Any = type(message)
        one: Any = message
        told: Any = answers
        if kind is Acquire:
            ticket = one.ticket
            name(ticket)
            lease = told[0]
            if len(told) == 1 and type(lease) is Leased and _is_plain(one, lease, lease.decision):
                decision = lease.decision
                add(
                    (
                        _LEASE,
                        alias,
                        ticket,
                        one.at,
                        one.affinity,
                        decision.chosen,
                        lease.attempt,
                        lease.position,
                        lease.is_probe,
                        decision.strategy,
                        decision.rows,
                        decision.draws,
                        decision.tied,
                        _causes(decision.causes) if decision.causes else (),
                    )
                )
                continue
        elif kind is Finish:
            name(one.ticket)
            if not told:
                end = one.outcome
                outcome = (end.kind, end.status, end.failure, end.told_ns, end.latency_ns)
                add((_FINISH, alias, one.ticket, one.at, outcome, ()))
                continue
        elif kind is Enter:
            ticket = one.ticket
            name(ticket)
            admitted, limits, quota = told[0], one.limits, told[0].quota
            if admitted.ticket == ticket:
                add(
                    (
                        _ADMISSION,
                        ticket,
                        one.at,
                        one.key_id,
                        (limits.max_concurrent, limits.requests_per_second, limits.burst),
                        one.position,
                        admitted.entry,
                        admitted.retry_at,
                        None if quota is None else (quota.limit, quota.remaining, quota.reset_ns),
                    )
                )
                continue
        elif kind is Leave:
            name(one.ticket)
            add((_LEAVE, one.ticket, one.at, one.spent))
            continue
        add(_ROWS[kind](alias, message, answers))
        tickets.extend([answer.ticket for answer in answers])
        if kind is Retry or kind is Answered:
            name(one.ticket)
    return _encode(rows), tickets


def served_chunk(served: Sequence[Served]) -> bytes:
    """Ended requests as one array of rows. Raises OverflowError."""
    return _encode([_served(one) for one in served])


def _is_plain(message: Acquire, lease: Leased, decision: Decision) -> bool:
    """Whether what a row has once is the same everywhere."""
    ticket, position = message.ticket, lease.position
    return (
        lease.ticket == ticket
        and decision.ticket == ticket
        and decision.at == message.at
        and decision.position == position
        and decision.attempt == lease.attempt
        and decision.affinity == message.affinity
        and decision.chosen == lease.provider.name
    )


def _started(alias: Any, message: Started, _: Answers) -> _Row:
    return (wire.STARTED, alias, message.seed)


def _acquire(alias: Any, message: Acquire, answers: Answers) -> _Row:
    return (
        wire.ACQUIRE,
        alias,
        message.ticket,
        message.at,
        message.affinity,
        [_ANSWERS[type(one)](one) for one in answers],
    )


def _retry(alias: Any, message: Retry, answers: Answers) -> _Row:
    outcome = _outcome(message.outcome)
    return (wire.RETRY, alias, message.ticket, message.at, outcome, [_ANSWERS[type(one)](one) for one in answers])


def _answered(alias: Any, message: Answered, answers: Answers) -> _Row:
    return (wire.ANSWERED, alias, message.ticket, message.at, [_ANSWERS[type(one)](one) for one in answers])


def _finish(alias: Any, message: Finish, answers: Answers) -> _Row:
    outcome = _outcome(message.outcome)
    return (_FINISH, alias, message.ticket, message.at, outcome, [_ANSWERS[type(one)](one) for one in answers])


def _reconfigured(alias: Any, message: Reconfigure, answers: Answers) -> _Row:
    is_gone = message.pool is None
    told = [_ANSWERS[type(one)](one) for one in answers]
    return (wire.RECONFIGURED, alias, message.position, message.at, is_gone, told)


def _tick(alias: Any, message: Tick, answers: Answers) -> _Row:
    return (wire.TICK, alias, message.at, [_ANSWERS[type(one)](one) for one in answers])


def _enter(_: Any, message: Enter, answers: Answers) -> _Row:
    one = message.limits
    limits = (one.max_concurrent, one.requests_per_second, one.burst)
    told = [_ANSWERS[type(one)](one) for one in answers]
    return (wire.ENTER, message.ticket, message.at, message.key_id, limits, message.position, told)


def _granted(lease: Leased) -> _Row:
    decision = _decision(lease.decision)
    return (wire.GRANTED, lease.ticket, lease.provider.name, lease.attempt, lease.position, lease.is_probe, decision)


def _refused(refused: Refused) -> _Row:
    decision = None if refused.decision is None else _decision(refused.decision)
    quota = _quota(refused.quota)
    return (wire.REFUSED, refused.ticket, refused.refusal, refused.retry_at, quota, decision, refused.because)


def _admitted(admitted: Admitted) -> _Row:
    return (wire.ADMITTED, admitted.ticket, admitted.entry, admitted.retry_at, _quota(admitted.quota))


def _decision(one: Decision) -> _Row:
    return (
        one.ticket,
        one.position,
        one.at,
        one.attempt,
        one.strategy,
        one.affinity,
        one.rows,
        one.draws,
        one.tied,
        one.chosen,
        _causes(one.causes),
    )


def _causes(causes: Causes) -> list[_Row]:
    return [(name, [(one.ticket, one.at, one.what) for one in failures]) for name, failures in causes]


def _outcome(one: Outcome) -> _Row:
    return (one.kind, one.status, one.failure, one.told_ns, one.latency_ns)


def _quota(quota: Quota | None) -> _Row | None:
    return None if quota is None else (quota.limit, quota.remaining, quota.reset_ns)


def _served(one: Served) -> _Row:
    attempts: Sequence[_Row]
    if len(one.attempts) == 1:
        (each,) = one.attempts
        attempts = ((each.provider, each.sent_at, each.head_ns, each.status, each.what),)
    else:
        attempts = [(each.provider, each.sent_at, each.head_ns, each.status, each.what) for each in one.attempts]
    return (
        one.request_id,
        one.ticket,
        one.at,
        one.total_ns,
        one.alias,
        one.pool,
        one.key_id,
        one.position,
        one.status,
        one.outcome,
        one.reason,
        one.scope,
        one.why,
        attempts,
        None if one.usage is None else (one.usage.input, one.usage.output),
    )


# Module globals are looked up sooner than a module's attributes.
_FINISH, _LEAVE, _LEASE, _ADMISSION = wire.FINISH, wire.LEAVE, wire.LEASE, wire.ADMISSION
_ROWS: Final[dict[type[Any], Callable[[Any, Any, Any], _Row]]] = {
    Started: _started,
    Acquire: _acquire,
    Retry: _retry,
    Answered: _answered,
    Finish: _finish,
    Reconfigure: _reconfigured,
    Tick: _tick,
    Enter: _enter,
}
_ANSWERS: Final[dict[type[Any], Callable[[Any], _Row]]] = {Leased: _granted, Refused: _refused, Admitted: _admitted}
