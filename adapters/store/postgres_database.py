"""One PostgreSQL database: a few writing connections, a few reading ones, all on the asyncio side.

Law: every wait ends by itself, the server's bounds before ours, so that most errors say surely that nothing was
applied. A process that stops in the middle of a transaction loses it after `IDLE_MS`; then the others go on. Writes are
READ COMMITTED, since each statement after the head's lock must see what its last holder committed; reads are of one
snapshot.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import asyncpg  # type: ignore[import-untyped]  # it has none
import trio
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, DisconnectionError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from adapters.store.bridge import AsyncioSide, open_asyncio_side
from adapters.store.places import place
from adapters.store.postgres_opening import GONE, cannot_use, prepare
from adapters.store.transactions import ConstraintBroken, DatabaseDamaged, Work
from adapters.store.urls import PostgresServer
from engine.errors import OutcomeUnknown, StartFailed, StoreError, StoreUnavailable

T = TypeVar("T")

CONNECT_S: Final = 3.0
CONNECTIONS: Final = 2
"""For writing, and as many for reading; one more listens."""
IDLE_MS: Final = 2500
LOCK_MS: Final = 4000
STATEMENT_MS: Final = 4500
COMMAND_S: Final = 5.0
_OPENING_MS: Final = 60_000
"""Other processes may be migrating first."""


class PostgresDatabase:
    """`adapters.store.transactions.Database` on a server."""

    def __init__(self, side: AsyncioSide, server: PostgresServer, *, read_only: bool = False) -> None:
        self.side = side
        self.server = server
        self._read_only = read_only
        self._writer = _engine(server, default_transaction_isolation="read committed")
        self._reader = _engine(
            server, default_transaction_isolation="repeatable read", default_transaction_read_only="on"
        )
        # Tasks queue here, not in the pools: here a cancel is harmless, and who gives up has surely changed nothing.
        self._writing = trio.Semaphore(CONNECTIONS)
        self._reading = trio.Semaphore(CONNECTIONS)
        self._preparing = trio.Lock()
        self._is_prepared = False
        self._attempts = 0
        self._last_attempt = ""
        self._closed = False

    async def prepare(self) -> None:
        """Make or check the tables, once. Raises StartFailed, StoreUnavailable; neither says a password."""
        begun = self._attempts
        async with self._preparing:
            if self._is_prepared:
                return
            if self._attempts > begun:  # who waited for an attempt that failed does not wait for another
                raise StoreUnavailable(self._last_attempt)
            bounds = {"lock_timeout": str(_OPENING_MS), "statement_timeout": str(_OPENING_MS)}
            mode = {"default_transaction_read_only": "on" if self._read_only else "off"}
            engine = _engine(
                self.server, is_brief=True, default_transaction_isolation="read committed", **bounds, **mode
            )
            try:
                await self.side.call(prepare, engine, self.server, self._read_only)
            except (SQLAlchemyError, *GONE) as error:
                refused = cannot_use(self.server, cause_of(error))
                self._attempts += 1
                self._last_attempt = str(refused)
                raise refused from None
            self._is_prepared = True

    async def write(self, work: Work[T]) -> T:
        async with place(self._writing, COMMAND_S):
            await self._check()
            return await self.side.call(_write, self._writer, work)

    async def read(self, work: Work[T]) -> T:
        async with place(self._reading, COMMAND_S):
            await self._check()
            try:
                return await self.side.call(_read, self._reader, work)
            except OutcomeUnknown as error:
                raise StoreUnavailable(str(error)) from error

    async def aclose(self) -> None:
        """Wait for the transactions under way, then close every connection. Later calls: StoreUnavailable."""
        self._closed = True
        with trio.CancelScope(shield=True):
            for _ in range(CONNECTIONS):
                await self._writing.acquire()
                await self._reading.acquire()
            await self.side.call(self._reader.dispose)
            await self.side.call(self._writer.dispose)
            for _ in range(CONNECTIONS):
                self._writing.release()
                self._reading.release()

    def connect(self) -> Any:
        """An awaitable of a connection for the listener, which needs the server itself, not a pooler before it."""
        arguments = _arguments(self.server)
        settings = {"application_name": "pointsman listener"}
        return asyncpg.connect(**arguments, timeout=CONNECT_S, command_timeout=COMMAND_S, server_settings=settings)

    async def _check(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if not self._is_prepared:
            await self.prepare()


@asynccontextmanager
async def open_postgres(
    server: PostgresServer, *, may_be_away: bool = False, read_only: bool = False
) -> AsyncIterator[PostgresDatabase]:
    """The database with its tables as this version knows them. Raises StartFailed.

    `may_be_away`: a server that does not answer is no reason not to start; the tables are seen to once it does.
    """
    async with open_asyncio_side() as side:
        database = PostgresDatabase(side, server, read_only=read_only)
        try:
            try:
                await database.prepare()
            except StoreUnavailable as error:
                if not may_be_away:
                    raise StartFailed(f"The database {server} cannot be reached: {error}.") from None
            yield database
        finally:
            await database.aclose()


def cause_of(error: BaseException) -> BaseException:
    """The driver's own error, where SQLAlchemy wrapped it."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error


def _arguments(server: PostgresServer) -> dict[str, Any]:
    url = server.url
    given = {"host": url.host, "port": url.port, "user": url.username, "password": url.password}
    return {name: value for name, value in given.items() if value is not None} | {
        "database": url.database,
        **url.query,
    }


def _engine(server: PostgresServer, *, is_brief: bool = False, **settings: str) -> AsyncEngine:
    bounds = {
        "application_name": "pointsman",
        "idle_in_transaction_session_timeout": str(IDLE_MS),
        "lock_timeout": str(LOCK_MS),
        "statement_timeout": str(STATEMENT_MS),
    }
    pool: dict[str, Any] = (
        {"poolclass": NullPool}
        if is_brief
        else {"pool_size": CONNECTIONS, "max_overflow": 0, "pool_timeout": COMMAND_S}
    )
    engine = create_async_engine(
        server.url,
        hide_parameters=True,  # errors are logged
        connect_args={
            "timeout": CONNECT_S,
            "command_timeout": _OPENING_MS / 1000 + COMMAND_S if is_brief else COMMAND_S,
            "server_settings": bounds | settings,
        },
        **pool,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def set_up(connection: Any, _: object) -> None:
        connection.run_async(_hexadecimal_ids)

    @event.listens_for(engine.sync_engine, "checkout")
    def check_out(connection: Any, _record: object, _proxy: object) -> None:
        if connection.driver_connection.is_closed():  # known without asking the server
            raise DisconnectionError

    return engine


async def _hexadecimal_ids(connection: Any) -> None:
    """Ids pass as `adapters.store.chain.Entry` has them, converted in C."""
    await connection.set_type_codec(
        "uuid", schema="pg_catalog", encoder=bytes.fromhex, decoder=bytes.hex, format="binary"
    )


async def _write(engine: AsyncEngine, work: Work[T]) -> T:
    is_begun = is_committing = False
    try:
        async with engine.connect() as connection:
            is_begun = True
            result = await work(connection)
            is_committing = True
            await connection.commit()
            return result
    except TimeoutError as error:  # before OSError, whose subclass it is
        if is_begun:
            raise OutcomeUnknown(f"the server did not answer within {COMMAND_S:g} s") from error
        raise StoreUnavailable(f"no connection within {CONNECT_S:g} s") from error
    except (SQLAlchemyError, *GONE) as error:
        is_cut = is_begun and isinstance(error, DBAPIError) and error.connection_invalidated
        if is_committing or is_cut:
            raise OutcomeUnknown(_text(error)) from error
        raise _translated(error) from error


async def _read(engine: AsyncEngine, work: Work[T]) -> T:
    try:
        async with engine.connect() as connection:
            return await work(connection)
    except (SQLAlchemyError, *GONE) as error:
        raise _translated(error) from error


def _translated(error: BaseException) -> StoreError:
    """The store's error for one by which nothing was applied."""
    if isinstance(error, IntegrityError):
        return ConstraintBroken(_text(error))
    if isinstance(cause_of(error), (asyncpg.DataCorruptedError, asyncpg.IndexCorruptedError)):
        return DatabaseDamaged(_text(error))
    return StoreUnavailable(_text(error))


def _text(error: BaseException) -> str:
    cause = cause_of(error)
    return str(cause) or type(cause).__name__
