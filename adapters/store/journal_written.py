"""The file of the recorded journal, as the gateway that writes it has it open.

Law: what is at the path is what is read and written. A file that was deleted or replaced meanwhile is let go of, and
the one at the path is opened, or a new one begun, before the next call; where that cannot be, the call says why.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

import attrs
import structlog
import trio

from adapters.store.bridge import AsyncioSide, open_asyncio_side
from adapters.store.database import BUSY_TIMEOUT_MS, SqliteDatabase
from adapters.store.journal_connection import JournalConnection
from adapters.store.journal_connection import Work as Writing
from adapters.store.journal_file import Damaged, alone, prepare, set_aside
from adapters.store.transactions import Work
from engine.errors import StoreUnavailable

T = TypeVar("T")
_Identity: TypeAlias = tuple[int, int] | None
"""Device and inode; None: there is no such file, or nobody may know."""
_log: Final = structlog.get_logger("pointsman")


def _nothing() -> None:
    pass


@attrs.frozen
class _Open:
    """The file, and what it is known by."""

    readers: SqliteDatabase
    writer: JournalConnection
    identity: _Identity


class WrittenFile:
    """`on_reopened` is told that what is read is another file from now on."""

    def __init__(self, side: AsyncioSide, path: Path) -> None:
        self._side = side
        self._path = path
        self._opening = trio.Lock()
        self._opened = AsyncExitStack()
        self._open: _Open | None = None
        self._wal: _Identity = None
        self._is_closed = False
        self.on_reopened: Callable[[], None] = _nothing

    async def read(self, work: Work[T]) -> T:
        """Raises JournalRefused, too."""
        return await (await self._current()).readers.read(work)

    async def write(self, work: Writing[T]) -> T:
        """Raises JournalRefused, too."""
        return await (await self._current()).writer.write(work)

    async def open(self) -> _Open:
        """Raises JournalRefused."""
        async with AsyncExitStack() as opened:
            opened.enter_context(alone(self._path))
            identity = await trio.to_thread.run_sync(_identity_of, self._path)
            writer = self._begun(opened)
            try:
                await writer.prepare(prepare, self._path)
            except Damaged as damaged:
                await writer.aclose()
                aside = set_aside(self._path)
                _log.error("THE JOURNAL IS DAMAGED and was set aside", file=str(aside), problem=str(damaged))
                identity = await trio.to_thread.run_sync(_identity_of, self._path)
                writer = self._begun(opened)
                await writer.prepare(prepare, self._path)
            # Its own writing connection is never opened: two of them could damage the file (`SqliteDatabase`).
            readers = SqliteDatabase(self._side, self._path, BUSY_TIMEOUT_MS)
            opened.push_async_callback(readers.aclose)
            self._wal = await trio.to_thread.run_sync(_identity_of, _beside(self._path, "-wal"))
            self._open = found = _Open(readers, writer, identity)
            self._opened = opened.pop_all()
        return found

    async def aclose(self) -> None:
        """Wait for the calls under way; later ones raise StoreUnavailable."""
        self._is_closed = True
        await self._opened.aclose()

    def _begun(self, opened: AsyncExitStack) -> JournalConnection:
        writer = JournalConnection(self._path)
        opened.push_async_callback(writer.aclose)
        return writer

    async def _current(self) -> _Open:
        if (found := await self._in_place()) is not None:
            return found
        async with self._opening:
            if (found := await self._in_place()) is not None:
                return found
            return await self._reopened()

    async def _in_place(self) -> _Open | None:
        """What is open, if it still is what is at the path."""
        if self._is_closed:
            raise StoreUnavailable("the store is closed")
        if self._open is None:
            return None
        there = await trio.to_thread.run_sync(_identity_of, self._path)
        return self._open if there is not None and there == self._open.identity else None

    async def _reopened(self) -> _Open:
        if self._open is not None:
            _log.error("THE JOURNAL WAS DELETED OR REPLACED; what is at its path is opened anew", file=str(self._path))
            self._open = None
            # Before another is opened. SQLite leaves what stands beside a file that has gone from its path.
            await self._opened.aclose()
            await trio.to_thread.run_sync(_tidy, self._path, self._wal)
        found = await self.open()
        self.on_reopened()
        return found


@asynccontextmanager
async def open_to_write(path: Path) -> AsyncIterator[WrittenFile]:
    """The file, made where there is none, until the block ends. Raises JournalRefused."""
    async with open_asyncio_side() as side:
        file = WrittenFile(side, path)
        try:
            await file.open()
            yield file
        finally:
            await file.aclose()


def _identity_of(path: Path) -> _Identity:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _tidy(path: Path, wal: _Identity) -> None:
    """Remove the write-ahead log of a file that has gone: the next one at its path would be taken for its owner."""
    if wal is not None and _identity_of(_beside(path, "-wal")) == wal:
        for suffix in ("-wal", "-shm"):
            _beside(path, suffix).unlink(missing_ok=True)
