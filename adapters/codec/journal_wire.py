"""What is recorded as rows of MessagePack: arrays that begin with a number of what they are.

Law: numbers and the order of fields never change; a field that is added comes last and has a default, and anything
else is another `journal_codec.VERSION`. The rows here are what `journal_rows` writes.
"""

from typing import TypeAlias

import msgspec

from engine import caller
from engine.errors import Failure
from engine.pool.decision import Row
from engine.pool.messages import Kind, Refusal
from engine.snapshot import Strategy

STARTED, ACQUIRE, RETRY, ANSWERED, FINISH, RECONFIGURED, TICK, ENTER, LEAVE, LEASE, ADMISSION = range(11)
GRANTED, REFUSED, ADMITTED = range(3)


class QuotaRow(msgspec.Struct, array_like=True):
    limit: int
    remaining: int
    reset_ns: int


class CauseRow(msgspec.Struct, array_like=True):
    ticket: int
    at: int
    what: str


class DecisionRow(msgspec.Struct, array_like=True):
    ticket: int
    position: int
    at: int
    attempt: int
    strategy: Strategy
    affinity: int | None
    rows: tuple[Row, ...]
    draws: tuple[int, ...]
    tied: tuple[str, ...]
    chosen: str | None
    causes: tuple[tuple[str, tuple[CauseRow, ...]], ...]


class OutcomeRow(msgspec.Struct, array_like=True):
    kind: Kind
    status: int | None
    failure: Failure | None
    told_ns: int | None
    latency_ns: int | None


class LimitsRow(msgspec.Struct, array_like=True):
    max_concurrent: int | None
    requests_per_second: float | None
    burst: int | None


class GrantedRow(msgspec.Struct, array_like=True, tag=GRANTED):
    ticket: int
    provider: str
    attempt: int
    position: int
    is_probe: bool
    decision: DecisionRow


class RefusedRow(msgspec.Struct, array_like=True, tag=REFUSED):
    ticket: int
    refusal: Refusal
    retry_at: int | None
    quota: QuotaRow | None
    decision: DecisionRow | None
    because: Refusal | None


class AdmittedRow(msgspec.Struct, array_like=True, tag=ADMITTED):
    ticket: int
    entry: caller.Entry
    retry_at: int | None
    quota: QuotaRow | None


AnswerRow: TypeAlias = GrantedRow | RefusedRow | AdmittedRow


class StartedRow(msgspec.Struct, array_like=True, tag=STARTED):
    alias: str
    seed: int
    answers: tuple[AnswerRow, ...] = ()


class AcquireRow(msgspec.Struct, array_like=True, tag=ACQUIRE):
    alias: str
    ticket: int
    at: int
    affinity: int | None
    answers: tuple[AnswerRow, ...]


class RetryRow(msgspec.Struct, array_like=True, tag=RETRY):
    alias: str
    ticket: int
    at: int
    outcome: OutcomeRow
    answers: tuple[AnswerRow, ...]


class AnsweredRow(msgspec.Struct, array_like=True, tag=ANSWERED):
    alias: str
    ticket: int
    at: int
    answers: tuple[AnswerRow, ...]


class FinishRow(msgspec.Struct, array_like=True, tag=FINISH):
    alias: str
    ticket: int
    at: int
    outcome: OutcomeRow
    answers: tuple[AnswerRow, ...]


class ReconfiguredRow(msgspec.Struct, array_like=True, tag=RECONFIGURED):
    alias: str
    position: int
    at: int
    is_gone: bool
    answers: tuple[AnswerRow, ...]


class TickRow(msgspec.Struct, array_like=True, tag=TICK):
    alias: str
    at: int
    answers: tuple[AnswerRow, ...]


class EnterRow(msgspec.Struct, array_like=True, tag=ENTER):
    ticket: int
    at: int
    key_id: str
    limits: LimitsRow
    position: int
    answers: tuple[AnswerRow, ...]


class LeaveRow(msgspec.Struct, array_like=True, tag=LEAVE):
    ticket: int
    at: int
    spent: bool
    answers: tuple[AnswerRow, ...] = ()


class LeaseRow(msgspec.Struct, array_like=True, tag=LEASE):
    """An `Acquire` that got a lease at once, as nearly all do, and with it what both have in common once."""

    alias: str
    ticket: int
    at: int
    affinity: int | None
    provider: str
    attempt: int
    position: int
    is_probe: bool
    strategy: Strategy
    rows: tuple[Row, ...]
    draws: tuple[int, ...]
    tied: tuple[str, ...]
    causes: tuple[tuple[str, tuple[CauseRow, ...]], ...]


class AdmissionRow(msgspec.Struct, array_like=True, tag=ADMISSION):
    """An `Enter` and its answer."""

    ticket: int
    at: int
    key_id: str
    limits: LimitsRow
    position: int
    entry: caller.Entry
    retry_at: int | None
    quota: QuotaRow | None


EntryRow: TypeAlias = (
    StartedRow
    | AcquireRow
    | RetryRow
    | AnsweredRow
    | FinishRow
    | ReconfiguredRow
    | TickRow
    | EnterRow
    | LeaveRow
    | LeaseRow
    | AdmissionRow
)


class AttemptedRow(msgspec.Struct, array_like=True):
    provider: str
    sent_at: int
    head_ns: int
    status: int | None
    what: str


class UsageRow(msgspec.Struct, array_like=True):
    input: int
    output: int


class ServedRow(msgspec.Struct, array_like=True):
    request_id: str
    ticket: int | None
    at: int
    total_ns: int
    alias: str | None
    pool: str | None
    key_id: str | None
    position: int
    status: int | None
    outcome: str
    reason: str | None
    scope: str | None
    why: str | None
    attempts: tuple[AttemptedRow, ...]
    usage: UsageRow | None
