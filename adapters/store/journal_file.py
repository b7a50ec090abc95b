"""The file of the recorded journal: an SQLite file of its own, for one gateway, whatever the event log is in.

Law: a file that is not ours, or of a newer version, is not changed by a single byte; one of ours that is damaged is set
aside under another name, not mended. One process writes it. What is committed survives the process; a power failure
may take the newest.
"""

import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final

import structlog
import trio
from sqlalchemy import Column, Engine, Index, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.bridge import open_asyncio_side
from adapters.store.database import BUSY_TIMEOUT_MS, SqliteDatabase, cause_of
from adapters.store.journal_connection import driver_of
from engine.errors import JournalUnavailable, StoreError

APPLICATION_ID: Final = 0x506E744A
"""What `PRAGMA application_id` says of a journal: "PntJ"."""
JOURNAL: Final = Path("pointsman.journal")
"""Of a gateway whose log is on a server, unless the operator says where."""
VERSION: Final = 1
"""Of the tables."""
_WAL_BYTES: Final = 64 << 20

_metadata: Final = MetaData()
block: Final = Table(
    "block",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("process", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("unix_us", Integer, nullable=False),
    Column("until_us", Integer, nullable=False),
    Column("entries", Integer, nullable=False),
    Column("requests", Integer, nullable=False),
    Column("dropped", Integer, nullable=False),
    Column("dropped_requests", Integer, nullable=False),
    Column("size", Integer, nullable=False),
    Index("block_time", "unix_us"),
    Index("block_number", "process", "number", unique=True),
    sqlite_autoincrement=True,
)
content: Final = Table(
    "content",
    _metadata,
    Column("id", Integer, primary_key=True),
    # Before the block, so that looking through the marks does not read the blocks.
    Column("marks", LargeBinary, nullable=False),
    Column("doc", LargeBinary, nullable=False),
)
_log: Final = structlog.get_logger("pointsman")


class JournalRefused(JournalUnavailable):
    """The file cannot be used; the message is a sentence for the operator."""


class Damaged(Exception):
    """A file of ours that SQLite cannot make sense of; the message is SQLite's."""


def journal_beside(database: Path) -> Path:
    """Where the gateway of a SQLite database has its journal."""
    return database.with_name(database.name + ".journal")


@asynccontextmanager
async def open_to_read(path: Path) -> AsyncIterator[SqliteDatabase]:
    """The file beside whoever writes it; nothing is made. Raises JournalRefused."""
    if not await trio.Path(path).is_file():
        raise JournalRefused(f"There is no journal {path}.")
    async with open_asyncio_side() as side:
        # Without `prepare`, only the reading connections are ever opened; they are query_only.
        database = SqliteDatabase(side, path, BUSY_TIMEOUT_MS)
        try:
            try:
                owner, version = await database.read(_stamp)
            except StoreError as error:
                raise JournalRefused(f"The journal {path} cannot be read: {error}.") from error
            _check(path, owner, version)
            yield database
        finally:
            await database.aclose()


async def _stamp(connection: AsyncConnection) -> tuple[int, int]:
    owner = (await connection.exec_driver_sql("PRAGMA application_id")).scalar_one()
    return owner, (await connection.exec_driver_sql("PRAGMA user_version")).scalar_one()


def _check(path: Path, owner: int, version: int) -> None:
    if owner != APPLICATION_ID:
        raise JournalRefused(f"The journal {path} is no journal of pointsman; give another file.")
    if version > VERSION:
        raise JournalRefused(
            f"The journal {path} has version {version}, this version of pointsman knows {VERSION}: it was written by a "
            "newer version; start that one, or give another file."
        )


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Nobody else writes this file until the block ends; one that is made is its owner's alone."""
    if not path.parent.is_dir():
        raise JournalRefused(f"The journal {path} cannot be made: there is no directory {path.parent}.")
    try:
        # Not the file itself: closing any descriptor of it would end SQLite's own locks on it.
        lock = os.open(path.with_name(path.name + "-lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise JournalRefused(f"The journal {path} cannot be made: {error.strerror}.") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise JournalRefused(
                f"The journal {path} is written by another gateway; give each its own with --journal."
            ) from error
        if path.exists() and not path.is_file():
            raise JournalRefused(f"The journal {path} is no file; give another path.")
        with suppress(OSError):  # what is wrong with it, SQLite says better
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            if not path.stat().st_size or _is_ours(path):
                path.chmod(0o600)  # SQLite gives what stands beside it the same mode
        yield
    finally:
        os.close(lock)


def prepare(engine: Engine, path: Path) -> None:
    """Make the tables, or check them. Raises JournalRefused, Damaged."""
    try:
        with engine.connect() as connection:
            # Straight to the driver: these come before, and cannot stand in, a transaction.
            driver = driver_of(connection)
            ((owner,),) = driver.execute("PRAGMA application_id")
            ((version,),) = driver.execute("PRAGMA user_version")
            ((tables,),) = driver.execute("SELECT count(*) FROM sqlite_master")
            if (owner, version, tables) != (0, 0, 0):
                _check(path, owner, version)
            else:
                driver.execute("PRAGMA auto_vacuum=INCREMENTAL")
            ((mode,),) = driver.execute("PRAGMA journal_mode=WAL")
            driver.execute(f"PRAGMA journal_size_limit={_WAL_BYTES}")
            if mode != "wal":
                raise JournalRefused(f"The journal {path} cannot have a write-ahead log; use a file on a local disk.")
            _metadata.create_all(connection)
            connection.exec_driver_sql(f"PRAGMA application_id={APPLICATION_ID}")
            connection.exec_driver_sql(f"PRAGMA user_version={VERSION}")
            # Both trees are looked into, so that damage shows here rather than at the first write.
            connection.exec_driver_sql("SELECT max(id), (SELECT max(id) FROM content) FROM block")
            connection.commit()
    except (DBAPIError, sqlite3.Error) as error:
        cause = cause_of(error)
        name = getattr(cause, "sqlite_errorname", "") or ""
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) and _is_ours(path):
            raise Damaged(str(cause)) from error
        raise JournalRefused(f"The journal {path} cannot be used: {cause}.") from error


def _is_ours(path: Path) -> bool:
    """By its header, which is where SQLite keeps `application_id`."""
    with path.open("rb") as file:
        return file.read(72)[68:] == APPLICATION_ID.to_bytes(4, "big")


def set_aside(path: Path) -> Path:
    """Give a damaged file another name, and have an empty one in its place; the other name."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.rename(aside)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    return aside
