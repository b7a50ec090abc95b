"""A request's log line, made of what the journal records of it.

Law: one line a request; names from the configuration, the client's own alias shortened, no header, body or credential.
What exactly failed is said here only: it may name upstream addresses, which the journal has no place for.
"""

from collections.abc import Iterator
from typing import Final

import attrs

from engine.errors import Failure
from engine.recording import Attempted
from engine.runtime.trail import Trail

_NS_IN_US: Final = 1000
_DOUBTFUL: Final = {Failure.BROKEN.value, Failure.TIMEOUT.value}
_FAILURES: Final = {failure.value for failure in Failure}


@attrs.define
class RequestLine:
    """Of a request that was not refused, once its body had ended or would not."""

    request_id: str
    alias: str | None
    pool: str | None
    provider: str | None
    "Whose answer it got; None: it was over before there was one."
    status: int | None
    attempts: int
    position: int
    decision: int | None
    "The number to ask about."
    key: str | None
    ms: float
    "From the first byte read to the last one written."
    overhead_ms: float | None
    "From the first byte read to the answer's head, less the wait for providers."
    outcome: str
    "complete, or who left before the end: client, provider, or the gateway when it stops."
    tried: list[str] | None
    "What became of the attempts before this one; None where there were none."
    event: str = "request"
    level: str = "info"
    ts: str = ""


@attrs.define
class RefusalLine:
    """Of a request that the gateway itself refused."""

    request_id: str
    reason: str | None
    status: int | None
    alias: str | None
    "As the client named it, shortened; None where it named none."
    scope: str | None
    "Whose limit it was; None where it was none."
    why: str | None
    "The pool's own word for it, where several come to one reason."
    key: str | None
    pool: str | None
    decision: int | None
    "The number to ask about; None where no actor was asked."
    tried: list[str]
    "What became of each attempt."
    event: str = "refused"
    level: str = "info"
    ts: str = ""


def line_of(trail: Trail, overhead_ns: int | None) -> RequestLine | RefusalLine:
    served = trail.served
    if served.outcome == "refused":
        return RefusalLine(
            served.request_id,
            served.reason,
            served.status,
            served.alias,
            served.scope,
            served.why,
            served.key_id,
            served.pool,
            served.ticket,
            list(_tried(trail, None)),
        )
    answering = served.answering
    return RequestLine(
        served.request_id,
        served.alias,
        served.pool,
        answering.provider if answering is not None else None,
        served.status,
        len(served.attempts),
        served.position,
        served.ticket,
        served.key_id,
        served.total_ns // _NS_IN_US / 1000,
        overhead_ns // _NS_IN_US / 1000 if overhead_ns is not None else None,
        served.outcome,
        list(_tried(trail, answering)) if len(served.attempts) > (answering is not None) else None,
    )


def _tried(trail: Trail, answering: Attempted | None) -> Iterator[str]:
    """What became of each attempt but one."""
    for attempted, detail in zip(trail.served.attempts, trail.details, strict=True):
        if attempted is not answering:
            yield f"{attempted.provider}: {_became(attempted, detail)}"


def _became(attempted: Attempted, detail: str) -> str:
    match attempted.what:
        case "answered":
            return f"status {attempted.status}"
        case "embedded":
            return f"error {attempted.status} in a 2xx"
        case "empty":
            return "an answer without content"
    doubt = " (may have been executed)" if attempted.what in _DOUBTFUL else ""
    return f"{attempted.what}{doubt}: {detail}" if attempted.what in _FAILURES else attempted.what
