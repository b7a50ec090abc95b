"""The log of an existing database, beside whoever writes it.

Law: looking changes nothing and waits for nobody: no file is made, no lock taken, and neither the vault nor its key is
touched, since the log holds no secrets.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.bridge import open_asyncio_side
from adapters.store.database import BUSY_TIMEOUT_MS, Database
from adapters.store.schema import APPLICATION_ID, SCHEMA_VERSION
from adapters.store.sqlite import SqliteEventLog
from adapters.store.urls import MEMORY, sqlite_path
from engine.errors import StartFailed, StoreError, StoreUnavailable
from engine.events import Recorded
from engine.names import Position


class ReadableLog(Protocol):
    """The half of an event log that changes nothing."""

    async def read(self, after: Position, limit: int = 500) -> Sequence[Recorded]: ...

    async def verify(self) -> Position: ...


@asynccontextmanager
async def open_log(url: str) -> AsyncIterator[ReadableLog]:
    """The log behind a URL, beside whoever writes it. Nothing is made and nothing locked. Raises StartFailed."""
    if url == MEMORY:
        raise StartFailed("A memory: database ends with its gateway; there is no log to read.", wrong_input=True)
    path = sqlite_path(url)
    try:
        is_there = path.stat().st_size > 0 and path.is_file()
    except OSError as error:
        raise StartFailed(f"The database {path} cannot be read: {error.strerror}.", wrong_input=True) from None
    if not is_there:
        raise StartFailed(f"The database {path} is empty or no file; no gateway has used it.", wrong_input=True)
    async with open_asyncio_side() as side:
        # Without `prepare`, only the reading connections are ever opened; they are query_only.
        database = Database(side, path, BUSY_TIMEOUT_MS)
        try:
            try:
                owner, version = await database.read(_stamp)
            except StoreError as error:
                raise StartFailed(f"The database {path} cannot be read: {error}.", wrong_input=True) from error
            if (owner, version) != (APPLICATION_ID, SCHEMA_VERSION):
                whose = f"has schema {version}" if owner == APPLICATION_ID else "belongs to another program"
                raise StartFailed(
                    f"The database {path} {whose}; this version reads schema {SCHEMA_VERSION} of pointsman.",
                    wrong_input=True,
                )
            yield SqliteEventLog(database, clock_us=_no_time)
        finally:
            await database.aclose()


async def _stamp(connection: AsyncConnection) -> tuple[int, int]:
    """Whose file it is, and the schema of its tables."""
    owner = (await connection.exec_driver_sql("PRAGMA application_id")).scalar_one()
    return owner, (await connection.exec_driver_sql("PRAGMA user_version")).scalar_one()


def _no_time() -> int:
    raise StoreUnavailable("this log was opened for reading")
