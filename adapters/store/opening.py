"""Taking a SQLite file into use: what it is, whether it is ours, its tables.

Law: a file that is not ours is not changed by a single byte, and every refusal is one sentence that says which
file, what is wrong with it and what would do.
"""

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.store.migrating import migrate
from adapters.store.schema import APPLICATION_ID, SCHEMA_VERSION
from engine.errors import StartFailed


def cannot_open(path: Path) -> StartFailed | None:
    """What is wrong with the path before SQLite sees it."""
    if path.is_dir():
        return StartFailed(f"The database {path} is a directory; give the path of a file in it.", wrong_input=True)
    if not path.parent.is_dir():
        return StartFailed(
            f"The database {path} cannot be made: the directory {path.parent} does not exist; create it first.",
            wrong_input=True,
        )
    return None


async def prepare(engine: AsyncEngine, path: Path) -> None:
    """Check whose file it is, bring its tables up to date, turn the WAL on. Raises StartFailed."""
    try:
        async with engine.connect() as connection:
            # Straight to the driver: these come before, and cannot stand in, a transaction.
            driver: Any = (await connection.get_raw_connection()).driver_connection
            await _check_owner(driver, path)
            await _make_tables(connection, path)
            ((mode,),) = await driver.execute_fetchall("PRAGMA journal_mode=WAL")
    except (DBAPIError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        raise _refused(path, cause) from error
    if mode != "wal":
        raise StartFailed(
            f"The database {path} cannot have a write-ahead log (journal mode stays {mode!r}); "
            "use a file on a local disk."
        )


async def _check_owner(driver: Any, path: Path) -> int:
    """The revision of its tables, 0 for an empty file. Raises StartFailed for any other file."""
    ((owner,),) = await driver.execute_fetchall("PRAGMA application_id")
    ((version,),) = await driver.execute_fetchall("PRAGMA user_version")
    ((tables,),) = await driver.execute_fetchall("SELECT count(*) FROM sqlite_master")
    if (owner, version, tables) == (0, 0, 0):
        return 0
    if owner != APPLICATION_ID:
        raise StartFailed(
            f"The database {path} belongs to another program; give a new file or one that pointsman made.",
            wrong_input=True,
        )
    if not 1 <= version <= SCHEMA_VERSION:
        raise too_new(f"The database {path}", version)
    return int(version)


def too_new(database: str, version: int) -> StartFailed:
    return StartFailed(
        f"{database} has schema {version}, this version of pointsman knows {SCHEMA_VERSION}: "
        "it was written by a newer version; start that one."
    )


async def _make_tables(connection: AsyncConnection, path: Path) -> None:
    await connection.exec_driver_sql("SELECT 1")  # takes the write lock; another process may be starting too
    driver: Any = (await connection.get_raw_connection()).driver_connection
    present = await _check_owner(driver, path)
    if present < SCHEMA_VERSION:
        await connection.run_sync(lambda sync: migrate(sync, present=present))
        await connection.exec_driver_sql(f"PRAGMA application_id={APPLICATION_ID}")
        await connection.exec_driver_sql(f"PRAGMA user_version={SCHEMA_VERSION}")
    await connection.commit()


def _refused(path: Path, cause: BaseException | None) -> StartFailed:
    name = getattr(cause, "sqlite_errorname", "") or ""
    for prefix, sentence, wrong_input in (
        ("SQLITE_NOTADB", "is not an SQLite database; give a new file or one that pointsman made.", True),
        ("SQLITE_READONLY", "is read-only; make the file and its directory writable for this user.", False),
        ("SQLITE_PERM", "may not be opened by this user; make the file and its directory writable.", False),
        ("SQLITE_CANTOPEN", "cannot be opened; make the file and its directory writable for this user.", False),
        ("SQLITE_BUSY", "is locked by another process; stop that one or give another file.", False),
        ("SQLITE_CORRUPT", "is damaged; restore it from a backup.", False),
        ("SQLITE_FULL", "cannot be written: the disk is full.", False),
    ):
        if name.startswith(prefix):
            return StartFailed(f"The database {path} {sentence}", wrong_input=wrong_input)
    return StartFailed(f"The database {path} cannot be used: {cause}.")
