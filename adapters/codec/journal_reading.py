"""Rows of the recorded journal (`journal_wire`) as the engine's own values."""

from collections.abc import Callable
from typing import Any, Final

from adapters.codec import journal_wire as wire
from engine.caller import Admitted, Enter, Leave
from engine.limiter import Quota
from engine.pool.circuit import Cause
from engine.pool.decision import Causes, Decision
from engine.pool.messages import Acquire, Answered, Finish, Outcome, Refused, Retry, Tick
from engine.recording import Answer, Attempted, Entry, Granted, Reconfigured, Served, Started, Told, Usage
from engine.snapshot import Limits


def entry(seq: int, row: wire.EntryRow) -> Entry:
    if isinstance(row, wire.LeaseRow):
        return Entry(seq, row.alias, Acquire(row.ticket, row.at, row.affinity), (_lease(row),))
    if isinstance(row, wire.AdmissionRow):
        admitted = Admitted(row.ticket, row.entry, row.retry_at, _quota(row.quota))
        return Entry(seq, None, _enter(row), (admitted,))
    alias = getattr(row, "alias", None)
    answers = row.answers
    return Entry(seq, alias, _TOLD[type(row)](row), tuple([_answer(one) for one in answers]) if answers else ())


def served(row: wire.ServedRow) -> Served:
    return Served(
        row.request_id,
        row.ticket,
        row.at,
        row.total_ns,
        row.alias,
        row.pool,
        row.key_id,
        row.position,
        row.status,
        row.outcome,
        row.reason,
        row.scope,
        row.why,
        tuple([Attempted(one.provider, one.sent_at, one.head_ns, one.status, one.what) for one in row.attempts]),
        None if row.usage is None else Usage(row.usage.input, row.usage.output),
    )


def _answer(row: wire.AnswerRow) -> Answer:
    match row:
        case wire.GrantedRow():
            decision = _decision(row.decision)
            return Granted(row.ticket, row.provider, row.attempt, row.position, row.is_probe, decision)
        case wire.RefusedRow():
            choice = None if row.decision is None else _decision(row.decision)
            return Refused(row.ticket, row.refusal, row.retry_at, _quota(row.quota), choice, row.because)
        case wire.AdmittedRow():
            return Admitted(row.ticket, row.entry, row.retry_at, _quota(row.quota))


def _lease(row: wire.LeaseRow) -> Granted:
    decision = Decision(
        row.ticket,
        row.position,
        row.at,
        row.attempt,
        row.strategy,
        row.affinity,
        row.rows,
        row.draws,
        row.tied,
        row.provider,
        _causes(row.causes) if row.causes else (),
    )
    return Granted(row.ticket, row.provider, row.attempt, row.position, row.is_probe, decision)


def _causes(rows: tuple[tuple[str, tuple[wire.CauseRow, ...]], ...]) -> Causes:
    return tuple([(name, tuple([Cause(one.ticket, one.at, one.what) for one in failures])) for name, failures in rows])


def _decision(row: wire.DecisionRow) -> Decision:
    return Decision(
        row.ticket,
        row.position,
        row.at,
        row.attempt,
        row.strategy,
        row.affinity,
        row.rows,
        row.draws,
        row.tied,
        row.chosen,
        _causes(row.causes),
    )


def _outcome(row: wire.OutcomeRow) -> Outcome:
    return Outcome(row.kind, row.status, row.failure, row.told_ns, row.latency_ns)


def _quota(row: wire.QuotaRow | None) -> Quota | None:
    return None if row is None else Quota(row.limit, row.remaining, row.reset_ns)


def _enter(row: wire.EnterRow | wire.AdmissionRow) -> Enter:
    limits = Limits(row.limits.max_concurrent, row.limits.requests_per_second, row.limits.burst)
    return Enter(row.ticket, row.at, row.key_id, limits, row.position)


_TOLD: Final[dict[type[Any], Callable[[Any], Told]]] = {
    wire.StartedRow: lambda row: Started(row.seed),
    wire.AcquireRow: lambda row: Acquire(row.ticket, row.at, row.affinity),
    wire.RetryRow: lambda row: Retry(row.ticket, row.at, _outcome(row.outcome)),
    wire.AnsweredRow: lambda row: Answered(row.ticket, row.at),
    wire.FinishRow: lambda row: Finish(row.ticket, row.at, _outcome(row.outcome)),
    wire.ReconfiguredRow: lambda row: Reconfigured(row.position, row.at, row.is_gone),
    wire.TickRow: lambda row: Tick(row.at),
    wire.EnterRow: _enter,
    wire.LeaveRow: lambda row: Leave(row.ticket, row.at, row.spent),
}
