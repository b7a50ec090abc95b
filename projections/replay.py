"""What the actors did, computed again from what they were told, and compared.

Law: everything is recomputed and nothing is copied from the record: the record's answers are only compared with. The
first difference is named, with what was recorded and what came out. A hole in the record ends what is known; it
begins again with the states that the next block has.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import attrs

from engine import caller
from engine.caller import CallerState, Enter, Leave
from engine.checkpoint import KeptKey, KeptPool, keep_keys, keep_meter, keep_pool
from engine.names import Alias, KeyId, Position, Ticket
from engine.pool import machine
from engine.pool.decision import Decision
from engine.pool.messages import Reconfigure
from engine.pool.meter import Meters
from engine.pool.state import PoolState
from engine.recording import Answer, Block, Entry, Reconfigured, Started, answers_of
from engine.restoring import restore_keys, restore_meter, restore_pool
from engine.snapshot import Pool

_COLUMNS: Final = ("name", "weight", "active", "verdict", "number")
Definitions = Callable[[Alias, Position], Pool | None]
"""What an alias was at a position; None: nothing."""


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


class Replay:
    """The actors of a process again, block by block."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._process: str | None = None
        self._next_seq = 0
        self.pools: dict[Alias, PoolState] = {}
        self.callers = CallerState()
        self._meters = Meters()
        self._keys: set[KeyId] = set()
        "The keys whose state is known."

    def enter(self, block: Block) -> Mismatch | None:
        """Go on at a block's beginning: with what is known, compared with what was kept; where the block does not
        follow, with what was kept alone.
        """
        if block.process != self._process or block.first_seq != self._next_seq:
            self.pools, self.callers, self._meters, self._keys = {}, CallerState(), Meters(), set()
        self._process, self._next_seq = block.process, block.first_seq
        for name, meter in block.meters.items():
            known = self._meters.shared.get(name)
            if known is None:
                self._meters.shared[name] = restore_meter(meter)
            elif (found := next(_differences(f"meter[{name!r}]", meter, keep_meter(known)), None)) is not None:
                return Mismatch(block.first_seq - 1, None, None, *found)
        for alias, kept in block.pools.items():
            if (found := self._enter_pool(alias, kept)) is not None:
                return Mismatch(block.first_seq - 1, alias, None, *found)
        for key_id, key in block.keys.items():
            if (found := self._enter_key(key_id, key)) is not None:
                return Mismatch(block.first_seq - 1, None, None, *found)
        return None

    def take(self, entry: Entry) -> Mismatch | None:
        """Compute one entry of the block again. The difference, if there is any."""
        if entry.seq != self._next_seq:
            return Mismatch(entry.seq, entry.alias, None, "seq", entry.seq, self._next_seq)
        self._next_seq += 1
        answers = self._answers(entry)
        if answers == entry.answers:
            return None
        found = next(_differences("answers", entry.answers, answers))
        return Mismatch(entry.seq, entry.alias, getattr(entry.told, "ticket", None), *found)

    def _answers(self, entry: Entry) -> tuple[Answer, ...]:
        message, alias = entry.told, entry.alias
        if isinstance(message, Enter | Leave):
            if isinstance(message, Enter):
                self._keys.add(message.key_id)
            return answers_of(caller.step(self.callers, message))
        if alias is None:
            return ()
        if isinstance(message, Started):
            self.pools[alias] = PoolState(alias, message.seed, self._meters)
            return ()
        if isinstance(message, Reconfigured):
            pool = None if message.is_gone else self._definitions(alias, message.position)
            return answers_of(machine.step(self.pools[alias], Reconfigure(pool, message.position, message.at)))
        # One that is over stays, for the actor may have more letters; a new one of its name comes with `Started`.
        return answers_of(machine.step(self.pools[alias], message))

    def _enter_pool(self, alias: Alias, kept: KeptPool) -> tuple[str, Any, Any] | None:
        known = self.pools.get(alias)
        if known is None:
            pool = self._definitions(alias, kept.defined_at) if kept.defined_at else None
            known = self.pools[alias] = restore_pool(alias, kept, pool, self._meters)
        return next(_differences("state", kept, keep_pool(known)), None)

    def _enter_key(self, key_id: KeyId, kept: KeptKey) -> tuple[str, Any, Any] | None:
        if key_id not in self._keys:
            self._keys.add(key_id)
            restore_keys({key_id: kept}, self.callers)
        recomputed = keep_keys(self.callers, (key_id,)).get(key_id)
        return next(_differences(f"keys[{key_id!r}]", kept, recomputed), None)


def replay(blocks: Iterator[Block], definitions: Definitions) -> tuple[int, Mismatch | None]:
    """Recompute blocks; how many entries came out as recorded, and the first difference."""
    again, count = Replay(definitions), 0
    for block in blocks:
        if (found := again.enter(block)) is not None:
            return count, found
        for entry in block.entries:
            if (found := again.take(entry)) is not None:
                return count, found
            count += 1
    return count, None


def _differences(where: str, recorded: Any, recomputed: Any) -> Iterator[tuple[str, Any, Any]]:
    """Every place where two values differ, with both."""
    if recorded == recomputed:
        return
    mine, other = _parts(recorded), _parts(recomputed)
    if mine is None or other is None or mine.keys() != other.keys() or type(recorded) is not type(recomputed):
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
