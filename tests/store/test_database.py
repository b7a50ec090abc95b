"""Transactions on the file: what an error says about them."""

from pathlib import Path
from typing import Any

import pytest
import trio
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.database import open_database
from adapters.store.transactions import Database, DatabaseDamaged
from engine.errors import OutcomeUnknown, StoreUnavailable


async def rows(database: Database, query: str) -> list[tuple[Any, ...]]:
    async def work(connection: AsyncConnection) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await connection.exec_driver_sql(query)]

    return await database.read(work)


def statements(*texts: str) -> Any:
    """Work that runs them in one transaction."""

    async def work(connection: AsyncConnection) -> None:
        for text in texts:
            await connection.exec_driver_sql(text)

    return work


async def test_an_error_in_the_work_takes_all_of_it_back(tmp_path: Path) -> None:
    """It passes through as it is, and the next write finds a clean connection."""

    async def work(connection: AsyncConnection) -> None:
        await connection.exec_driver_sql("UPDATE log_head SET position = 5")
        raise ZeroDivisionError

    async with open_database(tmp_path / "a.db") as database:
        with pytest.raises(ZeroDivisionError):
            await database.write(work)
        assert await rows(database, "SELECT position FROM log_head") == [(0,)]
        await database.write(statements("UPDATE log_head SET position = 6"))
        assert await rows(database, "SELECT position FROM log_head") == [(6,)]


async def test_an_error_before_the_commit_means_not_applied(tmp_path: Path) -> None:
    """StoreUnavailable; a broken constraint is DatabaseDamaged, for no caller of ours breaks one."""
    async with open_database(tmp_path / "a.db") as database:
        with pytest.raises(StoreUnavailable, match="no such table"):
            await database.write(statements("UPDATE log_head SET position = 5", "DELETE FROM dogs"))
        with pytest.raises(DatabaseDamaged):
            await database.write(statements("UPDATE log_head SET position = 5", "UPDATE log_head SET hash = NULL"))
        assert await rows(database, "SELECT position FROM log_head") == [(0,)]


async def test_an_error_at_the_commit_means_unknown(tmp_path: Path) -> None:
    """OutcomeUnknown: whoever wrote asks again with the same ids."""

    async def work(connection: AsyncConnection) -> None:
        # A foreign key that is checked at COMMIT alone; it is switched on between transactions.
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await connection.exec_driver_sql("COMMIT")
        await driver.execute("PRAGMA foreign_keys=ON")
        await connection.exec_driver_sql("BEGIN IMMEDIATE")
        await connection.exec_driver_sql(
            "CREATE TABLE cats (head REFERENCES log_head (id) DEFERRABLE INITIALLY DEFERRED)"
        )
        await connection.exec_driver_sql("INSERT INTO cats VALUES (7)")

    async with open_database(tmp_path / "a.db") as database:
        with pytest.raises(OutcomeUnknown, match="FOREIGN KEY"):
            await database.write(work)
        await database.write(statements("UPDATE log_head SET position = 6"))
        assert await rows(database, "SELECT count(*) FROM sqlite_master WHERE name = 'cats'") == [(0,)]


async def test_a_reading_connection_cannot_write(tmp_path: Path) -> None:
    """There is one that writes."""
    async with open_database(tmp_path / "a.db") as database:
        with pytest.raises(StoreUnavailable, match="readonly"):
            await rows(database, "DELETE FROM log_head")


async def test_commits_are_durable_and_the_log_is_written_ahead(tmp_path: Path) -> None:
    """synchronous=FULL (2) and WAL, on the connection that writes."""

    async def work(connection: AsyncConnection) -> list[Any]:
        return [
            (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one()
            for name in ("synchronous", "journal_mode", "busy_timeout")
        ]

    async with open_database(tmp_path / "a.db") as database:
        assert await database.write(work) == [2, "wal", 5000]


async def test_many_readers_share_a_few_connections(tmp_path: Path) -> None:
    """They queue, and none is refused."""
    answers: list[Any] = []

    async def read(database: Database) -> None:
        answers.append(await rows(database, "SELECT position FROM log_head"))

    async with open_database(tmp_path / "a.db") as database, trio.open_nursery() as nursery:
        for _ in range(40):
            nursery.start_soon(read, database)
    assert answers == [[(0,)]] * 40
