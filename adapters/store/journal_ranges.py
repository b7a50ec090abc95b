"""The journal's blocks, looked through by ranges of their numbers.

Law: a damaged page costs the blocks on it and no other: a range that cannot be read is halved down to the single block,
which is remembered and left out from then on. One walk does so a limited number of times.
"""

from bisect import bisect_left, insort
from collections.abc import AsyncGenerator, Callable, Iterator
from functools import partial
from typing import Final, Protocol, TypeAlias, TypeVar

import structlog
from sqlalchemy import Table, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.journal_file import block, content
from adapters.store.transactions import DatabaseDamaged, Readable, Work
from engine.errors import JournalUnavailable, StoreError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Range: TypeAlias = tuple[int, int]
"""The first and the last number."""

_FIRST, _LARGEST = 1 << 10, 1 << 16
"""Numbers in a range: the first is small, for who looks for something new."""
_READS: Final = 4000
"""Of one walk, beyond the first of each range."""
_log: Final = structlog.get_logger("pointsman")


class Question(Protocol[T_co]):
    """Asked of one range at a time, by its first and its last number."""

    async def __call__(self, connection: AsyncConnection, /, low: int, high: int) -> T_co: ...


async def ask(database: Readable, work: Work[T]) -> T:
    """Raises JournalUnavailable, DatabaseDamaged."""
    try:
        return await database.read(work)
    except (DatabaseDamaged, JournalUnavailable):
        raise
    except StoreError as error:
        raise JournalUnavailable(str(error)) from error


async def whole(database: Readable) -> Range:
    """The numbers of all blocks; the first is above the last where there are none. Raises JournalUnavailable."""
    try:
        return await ask(database, partial(_ends, table=block))
    except DatabaseDamaged:
        try:
            return await ask(database, partial(_ends, table=content))
        except DatabaseDamaged as error:
            raise JournalUnavailable(str(error)) from error


class Ranges:
    """Walks over one of the tables; `skip` is told of each block that cannot be read, once."""

    def __init__(self, database: Readable, skip: Callable[[int, str], None]) -> None:
        self._database = database
        self._skip = skip
        self.damaged: list[int] = []
        "Sorted."

    def begin_anew(self) -> None:
        """The file is another one now."""
        self.damaged.clear()

    async def walk(
        self, asked: Question[T], span: Range, *, newest_first: bool = False, size: int | None = None
    ) -> AsyncGenerator[T, None]:
        """The answer of each range that can be read; of so many blocks, or of as many as suit.

        Raises JournalUnavailable.
        """
        more = _READS
        for chunk in _chunks(span, size, newest_first=newest_first):
            waiting = self._sound(chunk, newest_first=newest_first)[::-1]
            more += 1
            while waiting:
                low, high = waiting.pop()
                if not more:
                    _log.error("the journal is damaged in many places and was not looked through to its end")
                    return
                more -= 1
                try:
                    answer = await ask(self._database, partial(asked, low=low, high=high))
                except DatabaseDamaged as error:
                    if low == high:
                        self._leave_out(low, str(error))
                        continue
                    middle = (low + high) // 2
                    halves = [(low, middle), (middle + 1, high)]
                    waiting += halves if newest_first else halves[::-1]
                else:
                    yield answer

    def _leave_out(self, number: int, why: str) -> None:
        if (place := bisect_left(self.damaged, number)) == len(self.damaged) or self.damaged[place] != number:
            insort(self.damaged, number)
        self._skip(number, why)

    def _sound(self, chunk: Range, *, newest_first: bool) -> list[Range]:
        """What of a range is not known to be damaged, in the order in which it is walked."""
        low, high = chunk
        found: list[Range] = []
        for damaged in self.damaged[bisect_left(self.damaged, low) : bisect_left(self.damaged, high + 1)]:
            found += _apart(low, damaged - 1)
            low = damaged + 1
        found += [(low, low), (low + 1, high)] if chunk[0] < low < high else [(low, high)] if low <= high else []
        return found[::-1] if newest_first else found


def _apart(low: int, high: int) -> list[Range]:
    """A range between damaged blocks, its ends by themselves: a range is read a row beyond its end."""
    if high - low < 2:
        return [(number, number) for number in range(low, high + 1)]
    return [(low, low), (low + 1, high - 1), (high, high)]


def _chunks(span: Range, fixed: int | None, *, newest_first: bool) -> Iterator[Range]:
    (low, high), size = span, fixed or _FIRST
    while low <= high:
        if newest_first:
            yield max(low, high - size + 1), high
            high -= size
        else:
            yield low, min(high, low + size - 1)
            low += size
        size = fixed or min(2 * size, _LARGEST)


async def _ends(connection: AsyncConnection, table: Table) -> Range:
    first, last = (await connection.execute(select(func.min(table.c.id), func.max(table.c.id)))).one()
    return (1, 0) if first is None else (first, last)
