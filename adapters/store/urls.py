"""Which store a database URL names.

Law: a URL is not repeated in any error, since it may hold a password.
"""

from pathlib import Path
from typing import Final, TypeAlias

import attrs
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from engine.errors import StartFailed

MEMORY: Final = "memory:"

_SETTINGS: Final = frozenset({"host", "ssl"})
"""What may stand behind the question mark: a directory of sockets, and asyncpg's word for TLS."""


@attrs.frozen
class PostgresServer:
    """A database on a PostgreSQL server."""

    url: URL = attrs.field(repr=False)

    def __str__(self) -> str:
        """For the operator: where it is, not how one gets in."""
        host = self.url.host or self.url.query.get("host") or "localhost"
        return f"{self.url.database} on {host}:{self.url.port or 5432}"


Place: TypeAlias = Path | PostgresServer | None
"""A SQLite file, a database on a server, or this process' memory."""


def place_of(url: str) -> Place:
    """Raises StartFailed."""
    if url == MEMORY:
        return None
    try:
        parsed = make_url(url)
        scheme, database = parsed.drivername, parsed.database
        more = bool(parsed.query or parsed.host or parsed.port or parsed.username or parsed.password)
    except (ArgumentError, ValueError):
        raise _refused("") from None
    if scheme == "sqlite+aiosqlite" and database and database != ":memory:" and not more:
        return Path(database).absolute()
    if scheme == "postgresql+asyncpg" and database and parsed.query.keys() <= _SETTINGS:
        return PostgresServer(parsed)
    raise _refused(scheme)


def _refused(scheme: str) -> StartFailed:
    return StartFailed(
        f"The database URL{f' ({scheme}:…)' if scheme else ''} is not one this version can open; valid are "
        "sqlite+aiosqlite:///relative.db, sqlite+aiosqlite:////absolute.db, "
        "postgresql+asyncpg://user:password@host:5432/database (behind it ?ssl=… or ?host=… alone) and memory:",
        wrong_input=True,
    )
