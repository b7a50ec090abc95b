"""Reading another system's PostgreSQL database.

Law: one transaction that can change nothing and sees one moment of it (DEF-11), whatever is asked; and it ends by
itself. No message holds the URL, since it may hold a password.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import asyncpg  # type: ignore[import-untyped]  # it has none
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from adapters.store.bridge import open_asyncio_side
from adapters.store.postgres_opening import GONE, cannot_use
from adapters.store.urls import PostgresServer
from engine.errors import StartFailed, StoreUnavailable

Columns: TypeAlias = Mapping[str, Mapping[str, str]]
"""The tables that this user may read, each with its columns and their SQL types."""
Rows: TypeAlias = Mapping[str, Sequence[Mapping[str, Any]]]
Ask: TypeAlias = Callable[[Columns], Mapping[str, str]]
"""What there is to the queries, by name; called in the asyncio thread."""

_CONNECT_S: Final = 10.0
_QUERY_S: Final = 120.0
_SETTINGS: Final = {
    "application_name": "pointsman import",
    "default_transaction_read_only": "on",
    "lock_timeout": "5000",
    "statement_timeout": str(int(_QUERY_S * 1000)),
    "idle_in_transaction_session_timeout": "60000",
}
_COLUMNS: Final = (
    "SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns "
    "WHERE table_schema = current_schema()"
)


def source_of(url: str) -> PostgresServer:
    """The server that a URL names. Raises StartFailed."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise _refused() from None
    if parsed.get_backend_name() not in {"postgresql", "postgres"} or not parsed.database:
        raise _refused()
    return PostgresServer(parsed.set(drivername="postgresql"))


async def read_tables(source: PostgresServer, ask: Ask) -> Rows:
    """The rows of each query that `ask` makes of the columns there are.

    Raises: what `ask` raises, StoreUnavailable where the server is away, StartFailed where it refuses.
    """
    async with open_asyncio_side() as side:
        try:
            return await side.call(_read, source.url, ask)
        except (*GONE, ValueError) as error:
            failed = cannot_use(source, error)
            if isinstance(failed, StoreUnavailable):
                failed = StoreUnavailable(f"The database {source} cannot be read: {failed}.")
            raise failed from None


async def _read(url: URL, ask: Ask) -> Rows:
    connection = await asyncpg.connect(
        url.render_as_string(hide_password=False),
        timeout=_CONNECT_S,
        command_timeout=_QUERY_S,
        server_settings=_SETTINGS,
        statement_cache_size=0,  # a pooler before the server would not know the statements again
    )
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            columns: dict[str, dict[str, str]] = {}
            for table, column, kind in await connection.fetch(_COLUMNS):
                columns.setdefault(table, {})[column] = kind
            queries = ask(columns)
            return {name: [dict(row) for row in await connection.fetch(query)] for name, query in queries.items()}
    finally:
        connection.terminate()


def _refused() -> StartFailed:
    return StartFailed(
        "The source is no URL of a PostgreSQL database; valid: postgresql://user:password@host:5432/database",
        wrong_input=True,
    )
