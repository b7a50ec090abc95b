"""The log of an existing database, beside whoever writes it.

Law: looking changes nothing and waits for nobody: no file and no table is made, no lock taken, and neither the vault
nor its key is touched, since the log holds no secrets.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.bridge import open_asyncio_side
from adapters.store.database import BUSY_TIMEOUT_MS, SqliteDatabase
from adapters.store.database_log import DatabaseLog
from adapters.store.opening import too_new
from adapters.store.postgres_database import open_postgres
from adapters.store.schema import APPLICATION_ID, SCHEMA_VERSION
from adapters.store.urls import place_of
from engine.errors import StartFailed, StoreError, StoreUnavailable


@asynccontextmanager
async def open_log(url: str) -> AsyncIterator[DatabaseLog]:
    """The log behind a URL, beside whoever writes it. Nothing is made and nothing locked. Raises StartFailed."""
    place = place_of(url)
    match place:
        case None:
            raise StartFailed("A memory: database ends with its gateway; there is no log to read.", wrong_input=True)
        case Path():
            async with _open_file(place) as log:
                yield log
        case _:
            async with open_postgres(place, read_only=True) as database:
                yield DatabaseLog(database, clock_us=_no_time)


@asynccontextmanager
async def _open_file(path: Path) -> AsyncIterator[DatabaseLog]:
    _look_at(path)
    async with open_asyncio_side() as side:
        # Without `prepare`, only the reading connections are ever opened; they are query_only.
        database = SqliteDatabase(side, path, BUSY_TIMEOUT_MS)
        try:
            try:
                owner, version = await database.read(_stamp)
            except StoreError as error:
                raise StartFailed(f"The database {path} cannot be read: {error}.", wrong_input=True) from error
            if owner == APPLICATION_ID and version > SCHEMA_VERSION:
                raise too_new(f"The database {path}", version)
            if owner != APPLICATION_ID or not 1 <= version <= SCHEMA_VERSION:
                whose = f"has schema {version}" if owner == APPLICATION_ID else "belongs to another program"
                raise StartFailed(
                    f"The database {path} {whose}; this version reads schemas 1 to {SCHEMA_VERSION} of pointsman.",
                    wrong_input=True,
                )
            yield DatabaseLog(database, clock_us=_no_time)
        finally:
            await database.aclose()


def _look_at(path: Path) -> None:
    """Raises StartFailed where there is nothing to open: opening would make it."""
    try:
        is_there = path.stat().st_size > 0 and path.is_file()
    except OSError as error:
        raise StartFailed(f"The database {path} cannot be read: {error.strerror}.", wrong_input=True) from None
    if not is_there:
        raise StartFailed(f"The database {path} is empty or no file; no gateway has used it.", wrong_input=True)


async def _stamp(connection: AsyncConnection) -> tuple[int, int]:
    """Whose file it is, and the schema of its tables."""
    owner = (await connection.exec_driver_sql("PRAGMA application_id")).scalar_one()
    return owner, (await connection.exec_driver_sql("PRAGMA user_version")).scalar_one()


def _no_time() -> int:
    raise StoreUnavailable("this log was opened for reading")
