"""A copy of a SQLite database, beside a gateway that may be writing it.

Law: the copy is the database at one moment, verified event by event before it has its name, and readable by its owner
alone; nothing that is there is replaced. The vault's key is not in it.
"""

import os
import shlex
import sqlite3
from contextlib import closing
from pathlib import Path

import attrs
import trio
from sqlalchemy import URL

from adapters.store.ports import Progress
from adapters.store.reading import open_log
from adapters.store.schema import APPLICATION_ID
from adapters.store.urls import PostgresServer, place_of
from engine.errors import StartFailed
from engine.names import Position


@attrs.frozen
class BackedUp:
    """What a copy holds."""

    position: Position
    head_hash: bytes
    "Of the last event; whoever restores the copy can compare it."


async def back_up(url: str, copy: Path, *, progress: Progress | None = None) -> BackedUp:
    """Copy the database behind a URL to a new file. Raises StartFailed, LogDamaged, StoreUnavailable."""
    place, copy = place_of(url), Path(os.path.abspath(copy))  # noqa: PTH100, ASYNC240 - looks at nothing but the cwd
    match place:
        case None:
            raise StartFailed(
                "A memory: database ends with its gateway; there is nothing to back up.", wrong_input=True
            )
        case PostgresServer():
            raise StartFailed(
                f"A PostgreSQL database is backed up with its own tools: {pg_dump_command(place.url, copy)}",
                wrong_input=True,
            )
        case Path():
            part = copy.with_name(f"{copy.name}.{os.getpid()}.part")
            try:
                await trio.to_thread.run_sync(_copy, place, copy, part)
                found = await _verified(part, progress)
                await trio.to_thread.run_sync(_name, part, copy)
            finally:
                part.unlink(missing_ok=True)
            return found


def pg_dump_command(url: URL, copy: Path) -> str:
    """For a shell. The password is left out; PGPASSWORD or ~/.pgpass gives it."""
    server = URL.create(
        "postgresql",
        username=url.username,
        host=url.host,
        port=url.port,
        database=url.database,
        query={"host": url.query["host"]} if "host" in url.query else {},
    )
    return shlex.join(["pg_dump", "--format=custom", f"--file={copy}", f"--dbname={server}"])


async def _verified(part: Path, progress: Progress | None) -> BackedUp:
    async with open_log(f"sqlite+aiosqlite:///{part}") as log:
        position = await log.verify(progress)
        head_hash = await log.hash_at(position)
    if head_hash is None:
        raise AssertionError("a log that was verified has no last event")
    return BackedUp(position, head_hash)


def _copy(database: Path, copy: Path, part: Path) -> None:
    if copy.exists():
        raise StartFailed(f"{copy} is there already; give the name of a new file.", wrong_input=True)
    if not database.is_file():
        raise StartFailed(f"The database {database} does not exist.", wrong_input=True)
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=rw", uri=True, isolation_level=None)) as connection:
            ((owner,),) = connection.execute("PRAGMA application_id")
            if owner != APPLICATION_ID:
                raise StartFailed(f"The database {database} belongs to another program.", wrong_input=True)
            connection.execute("VACUUM INTO ?", (str(part),))  # of one moment; writers go on meanwhile
        with part.open("rb") as file:
            os.fsync(file.fileno())
    except (OSError, sqlite3.Error) as error:
        raise StartFailed(f"The database {database} cannot be copied to {copy}: {error}.") from error


def _name(part: Path, copy: Path) -> None:
    try:
        os.link(part, copy)  # unlike a rename, this replaces nothing
        descriptor = os.open(copy.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StartFailed(f"The copy cannot be named {copy}: {error.strerror}.") from error
