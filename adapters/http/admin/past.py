"""Tables as they were at earlier positions, folded from the log again.

Law: requests are served while a log is folded, for it is read in pages that are folded in a thread. A few of the tables
on the way are kept, so that the next question begins there, and the one that the process began with, since what is
asked about is mostly newer; they share with each other all that did not change.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol, TypeAlias

import trio

from adapters.http.admin.problems import Refusal
from engine.events import Recorded
from engine.names import Alias, Position
from engine.snapshot import RoutingSnapshot

PAGE: Final = 100
"""Events that are looked at between two checkpoints."""
_AT_ONCE: Final = 500
"""Events that are folded at one go, in a thread."""
_FEW: Final = 20
"""Of so few it takes no thread."""
_STRIDE: Final = 20_000
"""Events between two tables that are kept on the way."""
_KEPT: Final = 12

Fold: TypeAlias = Callable[[RoutingSnapshot, Iterable[Recorded]], tuple[RoutingSnapshot, frozenset[Alias]]]


class Readable(Protocol):
    async def read(self, after: Position, limit: int = 500) -> Sequence[Recorded]: ...


class Past:
    """`begin`: the table that the process began with."""

    def __init__(
        self, log: Readable, *, fold: Fold, empty: Callable[[], RoutingSnapshot], begin: RoutingSnapshot
    ) -> None:
        self._log = log
        self._fold = fold
        self._empty = empty
        self._begin = begin
        self._strides: OrderedDict[Position, RoutingSnapshot] = OrderedDict()
        self._kept: OrderedDict[Position, RoutingSnapshot] = OrderedDict()
        self._folding = trio.Lock()

    async def table_at(self, position: Position, present: RoutingSnapshot) -> RoutingSnapshot:
        """The table of a position. Raises Refusal (404) beyond the head, StoreUnavailable, LogDamaged."""
        if position == present.position:
            return present
        if position > present.position and not await self._log.read(position - 1, 1):
            raise await self.not_there(position, present)
        # One at a time: whoever waits finds more of the way gone already.
        async with self._folding:
            return await self._folded(position, present)

    async def not_there(self, position: Position, present: RoutingSnapshot) -> Refusal:
        """The answer (404) about a position that the log does not reach. Raises StoreUnavailable, LogDamaged."""
        return _not_there(position, await self.head(present.position))

    async def head(self, position: Position) -> Position:
        """The log's head, as far as one look from a position tells. Raises StoreUnavailable, LogDamaged."""
        while page := await self._log.read(position, PAGE):
            position = page[-1].position
        return position

    def fold(self, table: RoutingSnapshot, recorded: Recorded) -> RoutingSnapshot:
        """The table one event later."""
        return self._fold(table, (recorded,))[0]

    async def _folded(self, position: Position, present: RoutingSnapshot) -> RoutingSnapshot:
        table = self._nearest(position, present)
        while table.position < position:
            page = await self._log.read(table.position, min(_AT_ONCE, position - table.position))
            if not page:
                raise _not_there(position, table.position)
            before = table.position
            table = await self._later(table, page)
            if before // _STRIDE != table.position // _STRIDE:
                _keep(self._strides, table)
        _keep(self._kept, table)
        return table

    async def _later(self, table: RoutingSnapshot, page: Sequence[Recorded]) -> RoutingSnapshot:
        if len(page) <= _FEW:
            await trio.lowlevel.checkpoint()
            return self._fold(table, page)[0]
        return (await trio.to_thread.run_sync(self._fold, table, page))[0]

    def _nearest(self, position: Position, present: RoutingSnapshot) -> RoutingSnapshot:
        known = (present, self._begin, *self._strides.values(), *self._kept.values())
        earlier = (table for table in known if table.position <= position)
        return max(earlier, key=lambda table: table.position, default=self._empty())


def _keep(tables: OrderedDict[Position, RoutingSnapshot], table: RoutingSnapshot) -> None:
    tables[table.position] = table
    tables.move_to_end(table.position)
    while len(tables) > _KEPT:
        tables.popitem(last=False)


def _not_there(position: Position, head: Position) -> Refusal:
    return Refusal(404, f"Position {position} is not in the log, whose head is {head}; valid: 0 to {head}.")
