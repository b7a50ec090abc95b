"""Transactions on a server: what an error says about them."""

import asyncio
from typing import Any

import pytest
import trio
import trio.testing
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import postgres_database
from adapters.store.postgres_database import PostgresDatabase, open_postgres
from adapters.store.transactions import ConstraintBroken, Work
from engine.errors import OutcomeUnknown, StoreUnavailable
from tests.postgres import Server
from tests.store.postgres_logs import server_of


@pytest.fixture
def url(postgres: Server, log_database: str) -> str:
    return postgres.url_of(log_database)


def statements(*texts: str) -> Work[list[tuple[Any, ...]]]:
    """Work that runs them in one transaction; the rows of the last."""

    async def work(connection: AsyncConnection) -> list[tuple[Any, ...]]:
        for text in texts[:-1]:
            await connection.exec_driver_sql(text)
        result = await connection.exec_driver_sql(texts[-1])
        return [tuple(row) for row in result] if result.returns_rows else []

    return work


HEAD = statements("SELECT position FROM log_head")
MOVE = "UPDATE log_head SET position = 5"


async def test_an_error_in_the_work_takes_all_of_it_back(url: str) -> None:
    """It passes through as it is, and the next write finds a clean connection."""

    async def work(connection: AsyncConnection) -> None:
        await connection.exec_driver_sql(MOVE)
        raise ZeroDivisionError

    async with open_postgres(server_of(url)) as database:
        with pytest.raises(ZeroDivisionError):
            await database.write(work)
        assert await database.read(HEAD) == [(0,)]
        await database.write(statements("UPDATE log_head SET position = 6"))
        assert await database.read(HEAD) == [(6,)]


async def test_the_servers_refusal_means_not_applied(url: str) -> None:
    """A statement it does not take: StoreUnavailable; a broken constraint: ConstraintBroken."""
    async with open_postgres(server_of(url)) as database:
        with pytest.raises(StoreUnavailable, match="dogs"):
            await database.write(statements(MOVE, "DELETE FROM dogs"))
        with pytest.raises(ConstraintBroken):
            await database.write(statements(MOVE, "INSERT INTO log_head VALUES (1, 0, '')"))
        assert await database.read(HEAD) == [(0,)]


async def test_a_connection_lost_on_the_way_means_unknown(url: str) -> None:
    """OutcomeUnknown for who writes, StoreUnavailable for who reads; the next call has a new connection."""
    killed = "SELECT pg_terminate_backend(pg_backend_pid())"
    async with open_postgres(server_of(url)) as database:
        for _ in range(4):
            with pytest.raises(OutcomeUnknown):
                await database.write(statements(MOVE, killed))
            with pytest.raises(StoreUnavailable):
                await database.read(statements(killed))
        assert await database.read(HEAD) == [(0,)]
        await database.write(statements(MOVE))


async def test_a_server_that_does_not_answer_means_unknown(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's own bound, for when the server's does not hold; the next call is served."""
    monkeypatch.setattr(postgres_database, "COMMAND_S", 0.2)
    silent = statements(MOVE, "SET LOCAL statement_timeout = 0", "SELECT pg_sleep(30)")
    async with open_postgres(server_of(url)) as database:
        with trio.fail_after(10):
            with pytest.raises(OutcomeUnknown, match="did not answer"):
                await database.write(silent)
            with pytest.raises(StoreUnavailable):
                await database.read(statements("SET LOCAL statement_timeout = 0", "SELECT pg_sleep(30)"))
            assert await database.read(HEAD) == [(0,)]


async def test_a_lock_that_is_not_given_means_not_applied(postgres: Server, log_database: str) -> None:
    """The server's bound comes first, and its word is sure."""
    shorter = statements("SET LOCAL lock_timeout = 50", MOVE)
    async with open_postgres(server_of(postgres.url_of(log_database))) as database:

        async def hold(connection: AsyncConnection) -> None:
            await connection.exec_driver_sql(MOVE)
            token.run_sync_soon(holds.set)
            await may_end.wait()

        async def end() -> None:
            may_end.set()

        token, holds, may_end = trio.lowlevel.current_trio_token(), trio.Event(), asyncio.Event()
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(database.write, hold)
                await holds.wait()
                with pytest.raises(StoreUnavailable, match="lock timeout"):
                    await database.write(shorter)
                await database.side.call(end)
        assert await database.read(HEAD) == [(5,)]


async def test_a_connection_lost_at_rest_is_no_error(postgres: Server, log_database: str) -> None:
    """The pool notices before it lends it."""
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()"
    async with open_postgres(server_of(postgres.url_of(log_database))) as database:
        for _ in range(3):
            await database.write(statements(MOVE))
            assert await database.read(HEAD) == [(5,)]
            assert len(await postgres.rows(others, log_database)) == 2
            with trio.fail_after(5):
                while await _connections(postgres, log_database):
                    await trio.sleep(0.005)


async def _connections(postgres: Server, database: str) -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1"
    return int((await postgres.rows(query, database))[0][0])


async def test_a_commit_that_fails_means_unknown(url: str) -> None:
    """A constraint that is checked at COMMIT alone."""
    async with open_postgres(server_of(url)) as database:
        with pytest.raises(OutcomeUnknown, match="foreign key"):
            await database.write(
                statements(
                    "CREATE TABLE cats (head SMALLINT REFERENCES log_head (id) DEFERRABLE INITIALLY DEFERRED)",
                    "INSERT INTO cats VALUES (7)",
                )
            )


async def test_a_reading_transaction_cannot_write(url: str) -> None:
    """And sees one state throughout, whatever others commit meanwhile."""
    async with open_postgres(server_of(url)) as database:
        with pytest.raises(StoreUnavailable, match="read-only"):
            await database.read(statements(MOVE))

        async def look_twice(connection: AsyncConnection) -> list[Any]:
            first = (await connection.exec_driver_sql("SELECT position FROM log_head")).scalar_one()
            looked.set_from_there()
            await database_moved.wait_there()
            return [first, (await connection.exec_driver_sql("SELECT position FROM log_head")).scalar_one()]

        looked, database_moved = _Signal(database), _Signal(database)
        seen: list[list[Any]] = []

        async def read() -> None:
            seen.append(await database.read(look_twice))

        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(read)
                await looked.event.wait()
                await database.write(statements(MOVE))
                await database_moved.set_from_here()
        assert seen == [[0, 0]]


class _Signal:
    """From one loop to the other."""

    def __init__(self, database: PostgresDatabase) -> None:
        self.event = trio.Event()
        self._there = asyncio.Event()
        self._database = database
        self._token = trio.lowlevel.current_trio_token()

    def set_from_there(self) -> None:
        self._token.run_sync_soon(self.event.set)

    async def wait_there(self) -> None:
        await self._there.wait()

    async def set_from_here(self) -> None:
        async def set_() -> None:
            self._there.set()

        await self._database.side.call(set_)


async def test_connections_have_their_bounds(url: str) -> None:
    """Every wait ends by itself, and writes see what others committed (READ COMMITTED)."""
    names = [
        "lock_timeout",
        "statement_timeout",
        "idle_in_transaction_session_timeout",
        "transaction_isolation",
        "synchronous_commit",
    ]
    settings = statements("SELECT " + ", ".join(f"current_setting('{name}')" for name in names))
    async with open_postgres(server_of(url)) as database:
        assert await database.write(settings) == [("4s", "4500ms", "2500ms", "read committed", "on")]
        assert (await database.read(settings))[0][3] == "repeatable read"


async def test_a_closed_database_takes_no_calls(url: str) -> None:
    """StoreUnavailable, not a hang and not the driver's error."""
    async with open_postgres(server_of(url)) as database:
        pass
    for call in (database.read(HEAD), database.write(HEAD)):
        with pytest.raises(StoreUnavailable, match="closed"):
            await call


async def test_many_tasks_share_a_few_connections(url: str) -> None:
    """They queue, and none is refused."""
    answers: list[Any] = []

    async def read(database: PostgresDatabase) -> None:
        answers.append(await database.read(HEAD))

    async with open_postgres(server_of(url)) as database, trio.open_nursery() as nursery:
        for _ in range(40):
            nursery.start_soon(read, database)
    assert answers == [[(0,)]] * 40


@pytest.mark.parametrize("kind", ["write", "read"])
async def test_who_waits_too_long_for_a_connection_gives_up(
    url: str, kind: str, monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery
) -> None:
    """DEF-5: all that queue behind a frozen server are told so at one time, not two after two, and none has begun."""
    async with open_postgres(server_of(url)) as database:
        call = database.write if kind == "write" else database.read
        monkeypatch.setattr(postgres_database, "COMMAND_S", 0.2)
        for _ in range(postgres_database.CONNECTIONS):
            nursery.start_soon(call, statements("SELECT pg_sleep(1.5)"))
        await trio.testing.wait_all_tasks_blocked()
        told: list[str] = []

        async def ask() -> None:
            with pytest.raises(StoreUnavailable) as refused:
                await call(statements(MOVE))
            told.append(str(refused.value))

        with trio.fail_after(1.2):
            async with trio.open_nursery() as asking:
                for _ in range(8):
                    asking.start_soon(ask)
        assert told == ["all connections to the database have been busy for 0.2 s"] * 8
        monkeypatch.setattr(postgres_database, "COMMAND_S", 5.0)
        assert await call(HEAD) == [(0,)]
