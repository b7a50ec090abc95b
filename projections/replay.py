"""What the actors did, computed again from what they were told, and compared.

Law: everything is recomputed and nothing is copied from the record: the record's answers are only compared with. The
first difference is named, with what was recorded and what came out. A hole in the record ends a replay; it goes on
from a later checkpoint.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs

from engine import caller
from engine.checkpoint import Checkpoint, facts_of_callers, facts_of_pool
from engine.names import Alias, Ticket
from engine.pool import machine
from engine.pool.decision import Decision
from engine.pool.state import PoolState
from engine.runtime.journal import Entry, Started

_COLUMNS = ("name", "weight", "active", "verdict", "number")


@attrs.frozen
class Mismatch:
    """The first thing that came out otherwise than it was recorded."""

    seq: int
    alias: Alias | None
    "The pool; None: the keys' actor."
    ticket: Ticket | None
    what: str
    "Where in the answers or the state, e.g. `answers[0].decision.candidates[1].weight`."
    recorded: Any
    recomputed: Any

    def __str__(self) -> str:
        whose = "the keys" if self.alias is None else f"pool {self.alias!r}"
        return f"entry {self.seq}, {whose}: {self.what} was {self.recorded!r}, and comes out as {self.recomputed!r}"


class Hole(Exception):
    """An entry is missing, so that what followed cannot be computed from here."""

    def __init__(self, after: int, found: int) -> None:
        super().__init__(f"entries {after + 1} to {found - 1} are missing")
        self.after, self.found = after, found


class Replay:
    """The actors again, from a checkpoint on."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        start = checkpoint.copy()
        self._pools = dict(start.pools)
        self._callers = start.callers
        self._meters = start.meters
        self.seq = start.seq
        "Of the last entry that was taken."

    def take(self, entry: Entry) -> Mismatch | None:
        """Compute one entry again. The difference, if there is any. Raises Hole."""
        if entry.seq != self.seq + 1:
            raise Hole(self.seq, entry.seq)
        self.seq = entry.seq
        answers = self._answers(entry)
        if answers == entry.answers:
            return None
        found = next(_differences("answers", entry.answers, answers))
        return Mismatch(entry.seq, entry.alias, getattr(entry.input, "ticket", None), *found)

    def compare(self, checkpoint: Checkpoint) -> Mismatch | None:
        """The state so far against one that was kept at the same place: what no answer has shown yet."""
        for alias, state in checkpoint.pools.items():
            own = self._pools.get(alias)
            recomputed = None if own is None else facts_of_pool(own)
            for found in _differences("state", facts_of_pool(state), recomputed):
                return Mismatch(self.seq, alias, None, *found)
        for found in _differences("state", facts_of_callers(checkpoint.callers), facts_of_callers(self._callers)):
            return Mismatch(self.seq, None, None, *found)
        return None

    def _answers(self, entry: Entry) -> tuple[Any, ...]:
        message, alias = entry.input, entry.alias
        if isinstance(message, caller.Enter | caller.Leave):
            return caller.step(self._callers, message)
        if isinstance(message, Started):
            self._pools[alias or ""] = PoolState(alias or "", message.seed, self._meters)
            return ()
        # One that is over stays, for the actor may have more letters; a new one of its name comes with `Started`.
        return machine.step(self._pools[alias or ""], message)


def replay(checkpoint: Checkpoint, entries: Iterable[Entry]) -> Mismatch | None:
    """Recompute entries from a checkpoint before the first of them; the first difference. Raises Hole."""
    again = Replay(checkpoint)
    return next((found for found in map(again.take, entries) if found is not None), None)


def _differences(where: str, recorded: Any, recomputed: Any) -> Iterator[tuple[str, Any, Any]]:
    """Every place where two values differ, with both."""
    mine, other = _parts(recorded), _parts(recomputed)
    if mine is None or other is None or mine.keys() != other.keys() or type(recorded) is not type(recomputed):
        if recorded != recomputed:
            yield where, recorded, recomputed
        return
    for part, value in mine.items():
        yield from _differences(f"{where}{part}", value, other[part])


def _parts(value: Any) -> dict[str, Any] | None:
    """What a value is made of, by the path to it; None: it is one thing. A decision's rows are read as candidates."""
    if isinstance(value, Decision):
        return _compared(value) | _fields(value)
    if attrs.has(type(value)):
        return _fields(value)
    if isinstance(value, tuple | list):
        return {f"[{place}]": part for place, part in enumerate(value)}
    return {f"[{key!r}]": part for key, part in value.items()} if isinstance(value, Mapping) else None


def _compared(decision: Decision) -> dict[str, Any]:
    """What went into a choice; it is named before what came of it."""
    rows = ((place, zip(_COLUMNS, row, strict=True)) for place, row in enumerate(decision.rows))
    candidates = {f".candidates[{place}].{column}": part for place, row in rows for column, part in row}
    return {".at": decision.at, ".position": decision.position, **candidates}


def _fields(value: Any) -> dict[str, Any]:
    """By name, a decision before what it led to."""
    names = sorted((field.name for field in attrs.fields(type(value))), key=lambda name: name != "decision")
    return {f".{name}": getattr(value, name) for name in names}
