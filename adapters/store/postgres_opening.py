"""Taking a PostgreSQL database into use: whether the tables there are ours, bringing them up to date.

Law: one process at a time looks and migrates, in one transaction, so that any number may start at once; tables that are
not ours stay as they are, and every refusal is one sentence that says which database and what is wrong with it.
"""

from typing import Final

import asyncpg  # type: ignore[import-untyped]  # it has none
from sqlalchemy import column, func, select, table, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.store.migrating import migrate
from adapters.store.opening import too_new
from adapters.store.schema import APPLICATION_ID, SCHEMA_VERSION, VERSION_TABLE, metadata
from adapters.store.urls import PostgresServer
from engine.errors import PointsmanError, StartFailed, StoreUnavailable

GONE: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
"""What the driver raises by itself, mostly where there is no connection."""

_AWAY: Final = (
    OSError,
    TimeoutError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.LockNotAvailableError,
)
"""What passes by itself, or when somebody starts the server."""

_NO_ENTRY: Final = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ClientConfigurationError,
)

_TABLES: Final = text(
    "SELECT relname FROM pg_catalog.pg_class WHERE relnamespace = "
    "(SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = current_schema()) AND relname = ANY(:names)"
)


async def prepare(engine: AsyncEngine, server: PostgresServer, read_only: bool) -> None:
    """Check whose tables there are; unless it is only read, bring them up to date. Raises StartFailed."""
    async with engine.connect() as connection:
        encoding = (await connection.execute(text("SHOW server_encoding"))).scalar_one()
        if encoding != "UTF8":
            raise StartFailed(f"The database {server} has the encoding {encoding}; make one with UTF8.")
        if not read_only:
            await connection.execute(select(func.pg_advisory_xact_lock(APPLICATION_ID)))
        present = await _revision(connection, server)
        if read_only and not present:
            raise StartFailed(f"The database {server} has no log; no gateway has used it.", wrong_input=True)
        if not read_only and present < SCHEMA_VERSION:
            await connection.run_sync(lambda sync: migrate(sync, present=present))
            await connection.commit()


async def _revision(connection: AsyncConnection, server: PostgresServer) -> int:
    """The revision of the tables, 0 where there are none. Raises StartFailed where they are not ours."""
    names = [*metadata.tables, VERSION_TABLE]
    there = set((await connection.execute(_TABLES, {"names": names})).scalars())
    if VERSION_TABLE in there:
        stored = (await connection.execute(select(table(VERSION_TABLE, column("version_num")).c.version_num))).scalars()
        said = stored.all()
        if len(said) == 1 and said[0].isdecimal() and int(said[0]) >= 1:
            if int(said[0]) > SCHEMA_VERSION:
                raise too_new(f"The database {server}", int(said[0]))
            return int(said[0])
        there = {VERSION_TABLE}
    if there:
        raise StartFailed(
            f"The database {server} has tables of another program by the names {', '.join(sorted(there))}; "
            "give pointsman a database, or a schema, of its own.",
            wrong_input=True,
        )
    return 0


def cannot_use(server: PostgresServer, cause: BaseException) -> PointsmanError:
    """StoreUnavailable where the server is away, else StartFailed."""
    said = (str(cause) or type(cause).__name__).splitlines()[0]
    if isinstance(cause, _AWAY):
        return StoreUnavailable(said)
    if isinstance(cause, _NO_ENTRY):
        return StartFailed(f"The database {server} does not let this user in: {said}.", wrong_input=True)
    if isinstance(cause, asyncpg.InsufficientPrivilegeError):
        return StartFailed(f"The database {server} does not let this user make or use its tables: {said}.")
    return StartFailed(f"The database {server} cannot be used: {said}.")
