"""Steps written down, whatever stands in the way of some of them.

Law: what the table does not accept is told and left out, and the rest goes on: one bad row costs what needs it, not the
sync (DEF-2). Every command is decided on the table that the one before it led to.
"""

from collections import Counter
from typing import Final, Protocol, TypeVar

from adapters.dwctl.findings import Findings
from adapters.dwctl.steps import BATCH, Steps, Unit, batches
from engine.commands import ChangeEntities, Command, DefineKeys, RemoveKey
from engine.errors import Owned, Problem, Rejected
from engine.events import Event, stream_of
from engine.snapshot import Key

T = TypeVar("T")

_REFUSED: Final = "not carried over: what the table here does not accept"
_OWNED: Final = "left alone: a file manages it"


class Writes(Protocol):
    """A table that commands change."""

    async def write(self, command: Command) -> tuple[Event, ...]:
        """The events it came to. Raises Rejected, Owned, StoreError."""
        ...


class Writing:
    def __init__(self, table: Writes, findings: Findings) -> None:
        self._table = table
        self._findings = findings
        self.changes: Counter[type] = Counter()
        "How many events of each kind were appended."

    async def all(self, steps: Steps) -> None:
        for key_id in steps.gone_keys:
            await self._command(RemoveKey(key_id), f"key {key_id}")
        for facts in batches(steps.facts):
            await self._facts(facts)
        for start in range(0, len(steps.keys), BATCH):
            await self._keys(steps.keys[start : start + BATCH])
        for facts in batches(steps.last):
            await self._facts(facts)

    async def _facts(self, facts: Unit) -> None:
        while facts:
            try:
                self._count(await self._table.write(ChangeEntities(facts, may_be_faulty=True)))
            except Rejected as rejected:
                # Of a single fact the place is not said.
                places = {int(one.where[0]) if len(facts) > 1 else 0: one for one in reversed(rejected.problems)}
                for place in sorted(places):
                    self._refused(stream_of(facts[place]), places[place], 0 if len(facts) == 1 else 1)
                facts = tuple(fact for place, fact in enumerate(facts) if place not in places)
            except Owned as owned:
                if len(facts) == 1:
                    self._findings.tell(_OWNED, f"{owned.stream} by {owned.owner}")
                    return
                middle = len(facts) // 2
                await self._facts(facts[:middle])
                facts = facts[middle:]
            else:
                return

    async def _keys(self, keys: tuple[Key, ...]) -> None:
        while keys:
            try:
                self._count(await self._table.write(DefineKeys(keys)))
            except Rejected as rejected:
                named = {str(one.where[1]): one for one in reversed(rejected.problems) if len(one.where) > 1}
                left = tuple(key for key in keys if key.key_id not in named)
                if len(left) == len(keys):
                    self._refused("keys", rejected.problems[0], 0)
                    return
                for key_id in sorted(named):
                    self._refused(f"key:{key_id}", named[key_id], 2)
                keys = left
            except Owned as owned:
                self._findings.tell(_OWNED, f"{owned.stream} by {owned.owner}")
                keys = tuple(key for key in keys if f"key:{key.key_id}" != owned.stream)
            else:
                return

    async def _command(self, command: Command, name: str) -> None:
        try:
            self._count(await self._table.write(command))
        except Rejected as rejected:
            self._refused(name, rejected.problems[0], 0)
        except Owned as owned:
            self._findings.tell(_OWNED, f"{owned.stream} by {owned.owner}")

    def _count(self, events: tuple[Event, ...]) -> None:
        self.changes.update(type(event) for event in events)

    def _refused(self, name: str, problem: Problem, skip: int) -> None:
        where = ".".join(map(str, problem.where[skip:]))
        self._findings.tell(_REFUSED, f"{name}{f' {where}' if where else ''}: {problem.what}")
