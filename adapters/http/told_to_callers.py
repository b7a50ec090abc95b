"""The last decision about a request, told to its caller, who asks for it and whose key allows it (issue 5, item 2).

Law: it says what `GET /admin/v1/decisions/N` says of that decision and nothing else: names of the configuration,
numbers and fixed words; it fits into a header field, and what was left out to that end is counted in it.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from engine.access import may_ask_why
from engine.pool.decision import Candidate, Decision
from engine.recording import Attempted
from engine.runtime.trail import Trail
from projections.explanation import why

ASKED: Final = b"x-pointsman-explain"
ANSWERED: Final = b"x-pointsman-explanation"
_LONGEST: Final = 4096
_REST: Final = 256
"""More than all but the rows takes."""


def explanation(trail: Trail, fields: Mapping[bytes, bytes], *, refused: str | None = None) -> dict[str, Any] | None:
    """For the caller who sent these header fields; None: it has not asked, or may not, or nothing was decided.

    `refused`: the pool's own word for why there is no answer, where it refused.
    """
    if fields.get(ASKED) != b"1" or not may_ask_why(trail.key):
        return None
    decision = trail.decision
    if decision is None and refused is None:
        return None
    told: dict[str, Any] = {} if refused is None else {"refused": refused}
    if decision is not None:
        told |= {"strategy": decision.strategy.value, "defined_at": decision.position}
    # The newest attempts, in half of the room at most; what they leave is the candidates'.
    attempts = _fitting(map(_attempt, reversed(trail.served.attempts)), (_LONGEST - _REST) // 2)
    room = _LONGEST - _REST - len(_written(attempts))
    if decision is not None:
        told["candidates"] = _fitting((_candidate(decision, one) for one in decision.candidates), room)
        told |= _left_out("candidates", len(decision.rows) - len(told["candidates"]))
    told["attempts"] = attempts[::-1]
    return told | _left_out("attempts", len(trail.served.attempts) - len(attempts))


def as_field(told: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """The response header field: compact JSON, everything beyond ASCII escaped."""
    return ANSWERED, _written(told)


def _candidate(decision: Decision, one: Candidate) -> dict[str, Any]:
    return {"provider": one.name, "weight": one.weight, "active": one.active, "result": why(decision, one)}


def _attempt(one: Attempted) -> dict[str, Any]:
    return {"provider": one.provider, "what": one.what, "status": one.status, "ms": one.head_ns // 1000 / 1000}


def _fitting(rows: Iterable[dict[str, Any]], room: int) -> list[dict[str, Any]]:
    """As many from the beginning as fit into so many bytes."""
    kept = []
    for row in rows:
        room -= len(_written(row)) + 1
        if room < 0:
            break
        kept.append(row)
    return kept


def _left_out(part: str, count: int) -> dict[str, int]:
    return {f"{part}_left_out": count} if count else {}


def _written(told: Any) -> bytes:
    return json.dumps(told, separators=(",", ":")).encode("ascii")
