"""The recorded journal in its file, as it is read: by the gateway that writes it, and by anybody beside it.

Law: a block is there whole or not at all; one that cannot be read is skipped, said in the log and counted. Blocks come
in the order in which they were written.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import structlog
import trio

from adapters.codec import journal_codec as codec
from adapters.store import journal_queries as queries
from adapters.store.journal_file import open_to_read
from adapters.store.journal_ranges import Range, Ranges, ask, whole
from adapters.store.request_uses import Use, newest_use, tells_of
from adapters.store.transactions import DatabaseDamaged, Readable
from engine.names import Alias
from engine.recording import Block

_LOOKED_INTO: Final = 1000
"""Blocks, at most, for one name; what is looked for is in the first nearly always."""
_AFTER: Final = 64
"""Blocks behind the one with a request's end that may still tell of it: its actors hear of the end a moment later."""
_AT_ONCE: Final = 4
"""Blocks that are in memory at a time."""
_MARKS: Final = 32
"""Blocks whose marks are."""
_log: Final = structlog.get_logger("pointsman")


@attrs.frozen
class Span:
    """How far the journal reaches, and what is in it."""

    first_us: int | None
    "Unix microseconds, as `last_us`; None: it is empty."
    last_us: int | None
    blocks: int
    bytes: int
    "Of the blocks, compressed."
    entries: int
    requests: int
    dropped: int
    "Entries that were lost between these blocks; also `dropped_requests`."
    dropped_requests: int
    unreadable: int
    "Blocks that this reader has had to skip so far."


async def _nothing() -> None:
    await trio.lowlevel.checkpoint()


class JournalReader:
    """`on_flush` writes what is noted so far, where a gateway is at hand; without one it does nothing."""

    def __init__(self, database: Readable) -> None:
        self._database = database
        self._unreadable = set[int]()
        self._rows, self._contents = Ranges(database, self._skip), Ranges(database, self._skip)
        self.on_flush: Callable[[], Awaitable[None]] = _nothing

    async def flush(self) -> None:
        """Return once what is noted so far can be read, or cannot be written for now."""
        await self.on_flush()

    def begin_anew(self) -> None:
        """The file is another one now."""
        self._unreadable.clear()
        self._rows.begin_anew()
        self._contents.begin_anew()

    async def span(self) -> Span:
        """Raises JournalUnavailable, as all here."""
        found = [part async for part in self._rows.walk(queries.sums, await whole(self._database))]
        firsts = [first for first, _, _ in found if first is not None]
        lasts = [last for _, last, _ in found if last is not None]
        blocks, size, entries, requests, dropped, dropped_requests = (
            sum(counts[place] for _, _, counts in found) for place in range(6)
        )
        span = min(firsts, default=None), max(lasts, default=None)
        return Span(*span, blocks, size, entries, requests, dropped, dropped_requests, len(self._unreadable))

    async def read(self, since_us: int | None = None, until_us: int | None = None) -> AsyncIterator[Block]:
        """Blocks that overlap a span, in order; those that were there when it began."""
        async for docs in self._docs(since_us, until_us):
            for found in await trio.to_thread.run_sync(self._decoded, docs):
                yield found

    async def stored(self, since_us: int | None = None, until_us: int | None = None) -> AsyncGenerator[bytes, None]:
        """The same as they are stored, each a zstd frame."""
        async for docs in self._docs(since_us, until_us):
            for _, doc in docs:
                yield doc

    async def find(self, name: str) -> list[Block]:
        """All blocks that tell of the newest request with an id, or with a decision's number, oldest first."""
        first, last = await whole(self._database)
        async with aclosing(self._marked(codec.marks_of(name), (first, last))) as candidates:
            async for number, one in candidates:
                if (use := newest_use(one, name)) is not None:
                    return await self._of(use, number, one, (first, min(last, number + _AFTER)))
        return []

    async def back(self, aliases: Collection[Alias], until_us: int) -> AsyncGenerator[tuple[Block, frozenset[Alias]]]:
        """The newest blocks that begin at or before a moment and tell of pools, newest first, each once and with the
        pools that it is the newest for. It ends when there is one for each, or nothing older.
        """
        wanted = {alias: codec.pool_mark(alias) for alias in aliases}
        first, last = await whole(self._database)
        with suppress(DatabaseDamaged):  # then all are looked through
            last = await ask(self._database, partial(queries.last_by, until_us=until_us))
        walk = self._contents.walk(queries.marks, (first, last), newest_first=True, size=_MARKS)
        async with aclosing(walk) as pages:
            async for rows in pages:
                for number in await trio.to_thread.run_sync(_having, rows, frozenset(wanted.values())):
                    for one in await self._blocks([number]):
                        told = wanted.keys() & await trio.to_thread.run_sync(codec.pools_told, one)
                        if told and one.unix_us <= until_us:
                            wanted = {alias: mark for alias, mark in wanted.items() if alias not in told}
                            yield one, frozenset(told)
                if not wanted:
                    return

    async def unreadable(self, since_us: int | None, until_us: int | None) -> int:
        """Blocks of a span that this reader had to skip; those whose times cannot be read are of every span."""
        if not self._unreadable:
            return 0
        asked = partial(queries.numbers, since_us=since_us, until_us=until_us)
        pages = [page async for page in self._rows.walk(asked, await whole(self._database))]
        return len(self._rows.damaged) + sum(number in self._unreadable for page in pages for number in page)

    async def _of(self, use: Use, place: int, newest: Block, span: Range) -> list[Block]:
        """The blocks of one request, one of which is known."""
        if use.ticket is None:
            return [newest]
        found = {place: newest}
        async with aclosing(self._marked([codec.ticket_mark(use.ticket)], span)) as candidates:
            async for number, one in candidates:
                if one.process == use.process and tells_of(one, use.ticket):
                    found[number] = one
                elif number < place and (one.process != use.process or (use.began or 0) > one.until):
                    break  # before it began
        return [found[number] for number in sorted(found)]

    async def _marked(self, marks: Sequence[bytes], span: Range) -> AsyncGenerator[tuple[int, Block], None]:
        """The blocks with one of these marks, the newest first. Others may have them, too, or have been given them by
        who chose a request's id, so there is an end to looking into them.
        """
        looked = 0
        walk = self._contents.walk(partial(queries.marked, marks=marks), span, newest_first=True)
        async with aclosing(walk) as pages:
            async for numbers in pages:
                for number in numbers:
                    if looked == _LOOKED_INTO:
                        _log.error("too many blocks of the journal have one mark; the older ones were not looked into")
                        return
                    looked += 1
                    for one in await self._blocks([number]):
                        yield number, one

    async def _blocks(self, numbers: Sequence[int]) -> list[Block]:
        return await trio.to_thread.run_sync(self._decoded, await self._fetch(numbers))

    async def _docs(self, since_us: int | None, until_us: int | None) -> AsyncIterator[list[tuple[int, bytes]]]:
        asked = partial(queries.numbers, since_us=since_us, until_us=until_us)
        async with aclosing(self._rows.walk(asked, await whole(self._database))) as pages:
            async for numbers in pages:
                for place in range(0, len(numbers), _AT_ONCE):
                    yield await self._fetch(numbers[place : place + _AT_ONCE])

    async def _fetch(self, numbers: Sequence[int]) -> list[tuple[int, bytes]]:
        """Those that are still there and can be read."""
        try:
            return await ask(self._database, partial(queries.contents, numbers=numbers))
        except DatabaseDamaged as error:
            if len(numbers) == 1:
                self._skip(numbers[0], str(error))
                return []
        # One by one, to lose no other.
        return [doc for number in numbers for doc in await self._fetch([number])]

    def _decoded(self, docs: Sequence[tuple[int, bytes]]) -> list[Block]:
        found: list[Block] = []
        for number, doc in docs:
            try:
                found.append(codec.decode(doc))
            except codec.UnreadableBlock as error:
                self._skip(number, str(error))
        return found

    def _skip(self, number: int, why: str) -> None:
        if number not in self._unreadable:
            self._unreadable.add(number)
            _log.error("a block of the journal cannot be read and is skipped", block=number, why=why)


@asynccontextmanager
async def open_journal(path: Path) -> AsyncIterator[JournalReader]:
    """A journal beside the gateway that writes it, or after it. Raises JournalRefused."""
    async with open_to_read(path) as database:
        yield JournalReader(database)


def _having(rows: Sequence[tuple[int, bytes]], wanted: frozenset[bytes]) -> list[int]:
    """The blocks that leave one of some marks, four bytes each."""
    return [
        number
        for number, marks in rows
        if not wanted.isdisjoint(marks[place : place + 4] for place in range(0, len(marks), 4))
    ]
