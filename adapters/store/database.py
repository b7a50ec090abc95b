"""One SQLite file: a single writing connection, a few reading ones, all on the asyncio side.

Law: a write is one transaction begun with BEGIN IMMEDIATE, and what it returned is on disk (WAL,
synchronous=FULL). An error before COMMIT means not applied; an error at COMMIT means unknown. There is one
writing connection because SQLite before 3.51.3 can corrupt a WAL that two of them reset at once.
"""

import sqlite3
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import trio
from sqlalchemy import URL, Engine, event
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from adapters.store.bridge import AsyncioSide, open_asyncio_side
from adapters.store.opening import cannot_open, prepare
from adapters.store.transactions import ConstraintBroken, DatabaseDamaged, Work
from engine.errors import OutcomeUnknown, StoreError, StoreUnavailable

T = TypeVar("T")

READERS: Final = 2
BUSY_TIMEOUT_MS: Final = 5000
"""How long a statement waits for another process's write lock."""


class SqliteDatabase:
    """`adapters.store.transactions.Database` in a file."""

    def __init__(self, side: AsyncioSide, path: Path, busy_timeout_ms: int) -> None:
        pragmas = (f"busy_timeout={busy_timeout_ms}", "synchronous=FULL")
        self._side = side
        self._writer = _engine(path, pragmas, begin="BEGIN IMMEDIATE", pool_size=1)
        self._reader = _engine(path, (*pragmas, "query_only=ON"), begin="BEGIN", pool_size=READERS)
        # Tasks queue here, not in the pools: here a cancel is harmless and the wait has no time limit.
        self._writing = trio.Semaphore(1)
        self._reading = trio.Semaphore(READERS)
        self._closed = False

    async def write(self, work: Work[T]) -> T:
        """Run the work and commit. Raises: what it raises, StoreUnavailable, OutcomeUnknown, DatabaseDamaged."""
        async with self._writing:
            self._check_open()
            return await self._side.call(_write, self._writer, work)

    async def read(self, work: Work[T]) -> T:
        """Run the work on one consistent state. Raises: what it raises, StoreUnavailable, DatabaseDamaged."""
        async with self._reading:
            self._check_open()
            try:
                return await self._side.call(_read, self._reader, work)
            except OutcomeUnknown as error:
                raise StoreUnavailable(str(error)) from error

    async def aclose(self) -> None:
        """Wait for the transactions under way, then close every connection. Later calls: StoreUnavailable."""
        self._closed = True
        with trio.CancelScope(shield=True):
            await self._writing.acquire()
            for _ in range(READERS):
                await self._reading.acquire()
            await self._side.call(self._reader.dispose)
            await self._side.call(self._writer.dispose)  # the last to close checkpoints the WAL
            for _ in range(READERS):
                self._reading.release()
            self._writing.release()

    async def prepare(self, path: Path) -> None:
        """Make the tables, or check them. Raises StartFailed."""
        await self._side.call(prepare, self._writer, path)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")


@asynccontextmanager
async def open_database(path: Path, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> AsyncIterator[SqliteDatabase]:
    """The file with its tables as this version knows them. Raises StartFailed."""
    sentence = cannot_open(path)
    if sentence is not None:
        raise sentence
    async with open_asyncio_side() as side:
        database = SqliteDatabase(side, path, busy_timeout_ms)
        try:
            await database.prepare(path)
            yield database
        finally:
            await database.aclose()


def _engine(path: Path, pragmas: Iterable[str], *, begin: str, pool_size: int) -> AsyncEngine:
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        pool_size=pool_size,
        max_overflow=0,
        hide_parameters=True,  # errors are logged
    )

    set_up(engine.sync_engine, pragmas, begin=begin)
    return engine


def set_up(engine: Engine, pragmas: Iterable[str], *, begin: str) -> None:
    """Have each connection begin with these pragmas, and each transaction with this statement."""

    @event.listens_for(engine, "connect")
    def prepare_connection(connection: Any, _: object) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin_explicitly(connection: Any) -> None:
        connection.exec_driver_sql(begin)


async def _write(engine: AsyncEngine, work: Work[T]) -> T:
    committing = False
    try:
        async with engine.connect() as connection:
            result = await work(connection)
            committing = True
            try:
                await connection.commit()
            except SQLAlchemyError:
                await _abandon(connection)
                raise
            return result
    except (SQLAlchemyError, sqlite3.Error) as error:
        if committing:
            raise OutcomeUnknown(f"the commit failed: {cause_of(error)}") from error
        raise translated(error) from error


async def _abandon(connection: AsyncConnection) -> None:
    """End a transaction whose COMMIT failed: SQLite may keep it open, and the write lock with it."""
    driver: Any = (await connection.get_raw_connection()).driver_connection
    with suppress(sqlite3.Error):
        await driver.rollback()
    await connection.invalidate()


async def _read(engine: AsyncEngine, work: Work[T]) -> T:
    try:
        async with engine.connect() as connection:
            return await work(connection)
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise translated(error) from error


def translated(error: SQLAlchemyError | sqlite3.Error) -> StoreError:
    """The store's error for one that came before any COMMIT."""
    cause = cause_of(error)
    name = getattr(cause, "sqlite_errorname", None)
    # Without a name it is the driver's own: text that is not UTF-8.
    undecodable = isinstance(cause, sqlite3.OperationalError) and name is None
    broken = name is not None and name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))
    if isinstance(error, IntegrityError):
        return ConstraintBroken(str(cause))
    if broken or undecodable:
        return DatabaseDamaged(str(cause))
    return StoreUnavailable(str(cause))


def cause_of(error: SQLAlchemyError | sqlite3.Error) -> BaseException:
    """What the driver said, where it said something."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig
    return error
