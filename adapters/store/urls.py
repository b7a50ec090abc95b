"""Which store a database URL names."""

from pathlib import Path
from typing import Final

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from engine.errors import StartFailed

MEMORY: Final = "memory:"


def sqlite_path(url: str) -> Path:
    """The file of a SQLite URL. Raises StartFailed."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        scheme, path, more = "", None, False
    else:
        scheme, path = parsed.drivername, parsed.database
        more = bool(parsed.query or parsed.host or parsed.port or parsed.username or parsed.password)
    if scheme != "sqlite+aiosqlite" or more or not path or path == ":memory:":
        # The URL itself is not repeated: it may hold a password.
        raise StartFailed(
            f"The database URL{f' ({scheme}:…)' if scheme else ''} is not one this version can open; valid are "
            "sqlite+aiosqlite:///relative.db, sqlite+aiosqlite:////absolute.db and memory: "
            "(postgresql arrives in a later version).",
            wrong_input=True,
        ) from None
    return Path(path).absolute()
