"""The local copy of the last table, for a start while the database is away: an SQLite file of its own.

Law: it gives back what was saved last, whole and equal, or nothing and the reason in the log; a file that is damaged,
of other code or of another program is never guessed from. It holds digests of client keys, so it is for its owner
alone; upstream credentials are in it as the vault seals them.

It is used from one thread at a time through the standard library's driver: nobody else writes it, and an event loop
between would only add to it.
"""

import os
import sqlite3
import stat
from collections.abc import Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import attrs
import msgspec
import structlog
import trio

from adapters.collecting import uncollected
from adapters.store.cache_fingerprint import fingerprint
from adapters.store.cache_parts import Part, assembled, parts
from adapters.store.sealing import Sealed
from engine.errors import StoreError
from engine.snapshot import RoutingSnapshot

DEFAULT_CACHE: Final = Path("pointsman.cache.db")
APPLICATION_ID: Final = 0x506E7443
"""What `PRAGMA application_id` says of a cache: "PntC"."""

_TABLES: Final = {
    "cache": "fingerprint BLOB, head_hash BLOB, sum BLOB",
    "part": "n INTEGER PRIMARY KEY, kind TEXT, doc BLOB",
    "sealed": "id TEXT PRIMARY KEY, nonce BLOB, sealed BLOB, created_at INTEGER",
}
_encoder: Final = msgspec.msgpack.Encoder()
_log = structlog.get_logger("pointsman")


@attrs.frozen
class Cached:
    """What was in force when it was saved."""

    snapshot: RoutingSnapshot
    head_hash: bytes
    "Of the event at the snapshot's position, 32 bytes: whoever goes on from there can tell that it is the same log."
    sealed: tuple[Sealed, ...]


class CacheUnusable(StoreError):
    """The cache cannot be written; the message says why. What it had is still there."""


@attrs.frozen
class _Unreadable(Exception):
    why: str


class SnapshotCache:
    """A file; nothing is opened between the calls."""

    def __init__(self, path: Path = DEFAULT_CACHE) -> None:
        self.path = path.absolute()

    async def save(self, snapshot: RoutingSnapshot, head_hash: bytes, sealed: Sequence[Sealed]) -> None:
        """On disk when it returns; until then the cache has what it had. A cancel waits. Raises CacheUnusable."""
        try:
            await trio.to_thread.run_sync(_save, self.path, Cached(snapshot, head_hash, tuple(sealed)))
        except (OSError, sqlite3.Error, ValueError, TypeError, OverflowError) as error:
            raise CacheUnusable(f"the cache {self.path} cannot be written: {error}") from error

    async def load(self) -> Cached | None:
        """What was saved last; None, and a line in the log, where there is nothing that can be relied on."""
        try:
            return await trio.to_thread.run_sync(_load, self.path)
        except FileNotFoundError:
            _log.info("there is no snapshot cache yet", file=str(self.path))
        except _Unreadable as unreadable:
            _log.warning("the snapshot cache is not used", file=str(self.path), why=unreadable.why)
        except (OSError, sqlite3.Error) as error:
            _log.warning("the snapshot cache is not used", file=str(self.path), why=f"it cannot be read: {error}")
        except (ValueError, TypeError, LookupError) as error:
            _log.warning("the snapshot cache is not used", file=str(self.path), why=f"it makes no sense: {error}")
        return None


def _save(path: Path, content: Cached) -> None:
    try:
        _write(path, content)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorname != "SQLITE_CORRUPT" or not _is_cache(path):
            raise
        path.unlink()  # it was ours, and all it was good for is lost
        _write(path, content)


def _write(path: Path, content: Cached) -> None:
    if path.exists() and not path.is_file():
        raise ValueError("it is no file")
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    with closing(_connect(path)) as connection:
        owner, tables = _stamp(connection)
        if owner != APPLICATION_ID and (owner, tables) != (0, 0):
            raise ValueError("it belongs to another program")
        path.chmod(0o600)  # SQLite gives its journal the same mode
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        for table, columns in _TABLES.items():
            connection.execute(f"DROP TABLE IF EXISTS {table}")
            connection.execute(f"CREATE TABLE {table} ({columns})")
        total = _Sum(content.head_hash)
        for n, part in enumerate(parts(content.snapshot)):
            connection.execute("INSERT INTO part VALUES (?, ?, ?)", total.with_row((n, part.kind, part.doc)))
        for row in sorted(map(attrs.astuple, content.sealed)):
            connection.execute("INSERT INTO sealed VALUES (?, ?, ?, ?)", total.with_row(row))
        row = (fingerprint(), content.head_hash, total.digest())
        connection.execute("INSERT INTO cache VALUES (?, ?, ?)", row)
        connection.execute("COMMIT")


def _load(path: Path) -> Cached:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise _Unreadable(f"it can be read or written by other users (mode {mode:04o})")
    with closing(_connect(path)) as connection, uncollected():
        if _stamp(connection)[0] != APPLICATION_ID:
            raise _Unreadable("it is no snapshot cache")
        connection.execute("BEGIN")
        saved = connection.execute("SELECT fingerprint, head_hash, sum FROM cache").fetchone()
        if saved is None:
            raise _Unreadable("nothing was saved in it")
        written_by, head_hash, digest = saved
        if written_by != fingerprint():
            raise _Unreadable("another version of pointsman wrote it")
        total = _Sum(head_hash)
        # All of it before any of it is decoded.
        for row in connection.execute("SELECT n, kind, doc FROM part ORDER BY n"):
            total.with_row(row)
        sealed = connection.execute("SELECT id, nonce, sealed, created_at FROM sealed ORDER BY id").fetchall()
        for row in sealed:
            total.with_row(row)
        if total.digest() != digest:
            raise _Unreadable("its content is not what was saved")
        stored = connection.execute("SELECT kind, doc FROM part ORDER BY n")
        snapshot = assembled(Part(kind, doc) for kind, doc in stored)
        return Cached(snapshot, head_hash, tuple(Sealed(*row) for row in sealed))


class _Sum:
    """SHA-256 over rows, each by itself."""

    def __init__(self, head_hash: bytes) -> None:
        self._total = sha256(fingerprint() + _encoder.encode(head_hash))

    def with_row(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        self._total.update(_encoder.encode(row))
        return row

    def digest(self) -> bytes:
        return self._total.digest()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=5.0)
    connection.execute("PRAGMA synchronous=FULL")
    return connection


def _stamp(connection: sqlite3.Connection) -> tuple[int, int]:
    """Whose file it is, and how many tables it has."""
    ((owner,),) = connection.execute("PRAGMA application_id")
    ((tables,),) = connection.execute("SELECT count(*) FROM sqlite_master")
    return owner, tables


def _is_cache(path: Path) -> bool:
    """By its header, which is where SQLite keeps `application_id`."""
    with path.open("rb") as file:
        return file.read(72)[68:] == APPLICATION_ID.to_bytes(4, "big")
