"""The connection that writes the recorded journal's file, used in worker threads.

Four blocks a second are written beside requests that want the same interpreter. Through asyncio each statement is
several hand-overs between three threads; here a block is written by one call in one thread, at a third of the cost
(ADR 0020).

Law: a write is one transaction begun with BEGIN IMMEDIATE. An error before COMMIT means not applied; an error at COMMIT
means unknown. A trio cancel never reaches work that has begun.
"""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias, TypeVar, cast

import trio
from sqlalchemy import URL, Connection, Engine, create_engine
from sqlalchemy.exc import SQLAlchemyError

from adapters.store.database import BUSY_TIMEOUT_MS, cause_of, set_up, translated
from engine.errors import OutcomeUnknown, StoreUnavailable

T = TypeVar("T")
Work: TypeAlias = Callable[[Connection], T]
"""Runs in a worker thread, inside a transaction that it neither begins nor ends."""


class JournalConnection:
    """`synchronous` is NORMAL: a commit survives the process, and a power failure may take the newest."""

    def __init__(self, path: Path) -> None:
        url = URL.create("sqlite+pysqlite", database=str(path))
        self._engine = create_engine(url, pool_size=1, max_overflow=0, hide_parameters=True)  # errors are logged
        set_up(self._engine, (f"busy_timeout={BUSY_TIMEOUT_MS}", "synchronous=NORMAL"), begin="BEGIN IMMEDIATE")
        self._turn = trio.Semaphore(1)
        self._is_closed = False

    async def write(self, work: Work[T]) -> T:
        """Run the work and commit. Raises: what it raises, StoreUnavailable, OutcomeUnknown, DatabaseDamaged."""
        async with self._turn:
            if self._is_closed:
                raise StoreUnavailable("the store is closed")
            return await trio.to_thread.run_sync(_write, self._engine, work)

    async def prepare(self, how: Callable[[Engine, Path], None], path: Path) -> None:
        """Make the tables, or check them. Raises what `how` raises."""
        async with self._turn:
            await trio.to_thread.run_sync(how, self._engine, path)

    async def aclose(self) -> None:
        """Wait for the transaction under way, then close. Later calls: StoreUnavailable."""
        self._is_closed = True
        with trio.CancelScope(shield=True):
            async with self._turn:
                await trio.to_thread.run_sync(self._engine.dispose)


def driver_of(connection: Connection) -> sqlite3.Connection:
    """For what comes before, or cannot stand in, a transaction."""
    return cast("sqlite3.Connection", connection.connection.driver_connection)


def _write(engine: Engine, work: Work[T]) -> T:
    is_committing = False
    try:
        with engine.connect() as connection:
            result = work(connection)
            is_committing = True
            try:
                connection.commit()
            except SQLAlchemyError:
                _abandon(connection)
                raise
            return result
    except (SQLAlchemyError, sqlite3.Error) as error:
        if is_committing:
            raise OutcomeUnknown(f"the commit failed: {cause_of(error)}") from error
        raise translated(error) from error


def _abandon(connection: Connection) -> None:
    """End a transaction whose COMMIT failed: SQLite may keep it open, and the write lock with it."""
    with suppress(sqlite3.Error):
        driver_of(connection).rollback()
    connection.invalidate()
