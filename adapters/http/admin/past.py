"""Tables as they were at earlier positions, folded from the log again.

Law: requests are served while a log is folded, for it is read in small pages with a checkpoint after each. A few of the
tables on the way are kept, so that the next question begins there; they share with each other all that did not change.
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
"""Events folded between two checkpoints."""
_STRIDE: Final = 20_000
"""Events between two tables that are kept on the way."""
_KEPT: Final = 12

Fold: TypeAlias = Callable[[RoutingSnapshot, Iterable[Recorded]], tuple[RoutingSnapshot, frozenset[Alias]]]


class Readable(Protocol):
    async def read(self, after: Position, limit: int = 500) -> Sequence[Recorded]: ...


class Past:
    def __init__(self, log: Readable, *, fold: Fold, empty: Callable[[], RoutingSnapshot]) -> None:
        self._log = log
        self._fold = fold
        self._empty = empty
        self._kept: OrderedDict[Position, RoutingSnapshot] = OrderedDict()
        self._folding = trio.Lock()

    async def table_at(self, position: Position, present: RoutingSnapshot) -> RoutingSnapshot:
        """The table of a position. Raises Refusal (404) beyond the head, StoreUnavailable, LogDamaged."""
        if position == present.position:
            return present
        if position > present.position and not await self._log.read(position - 1, 1):
            raise _not_there(position, await self.head(present.position))
        # One at a time: whoever waits finds more of the way gone already.
        async with self._folding:
            return await self._folded(position, present)

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
            page = await self._log.read(table.position, min(PAGE, position - table.position))
            if not page:
                raise _not_there(position, table.position)
            before = table.position
            table, _ = self._fold(table, page)
            if before // _STRIDE != table.position // _STRIDE:
                self._keep(table)
            await trio.lowlevel.checkpoint()
        self._keep(table)
        return table

    def _nearest(self, position: Position, present: RoutingSnapshot) -> RoutingSnapshot:
        known = [table for kept, table in self._kept.items() if kept <= position]
        if present.position <= position:
            known.append(present)
        return max(known, key=lambda table: table.position, default=self._empty())

    def _keep(self, table: RoutingSnapshot) -> None:
        self._kept[table.position] = table
        self._kept.move_to_end(table.position)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)


def _not_there(position: Position, head: Position) -> Refusal:
    return Refusal(404, f"Position {position} is not in the log, whose head is {head}.")
