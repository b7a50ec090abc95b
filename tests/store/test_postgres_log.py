"""The event log in PostgreSQL: the contract, order between writers, wakes, tampering."""

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

import pytest
import trio

from adapters.store.chain import Entry, Head, extend
from adapters.store.postgres import PostgresEventLog, listening
from adapters.store.postgres_database import open_postgres
from adapters.store.urls import PostgresServer, place_of
from engine.errors import LogDamaged
from engine.ports import Wake
from tests.contracts.event_log import EventLogContract, OpenLog, all_of, an_id, draft
from tests.postgres import Server

OpenAt: TypeAlias = Callable[..., AbstractAsyncContextManager[PostgresEventLog]]


@asynccontextmanager
async def open_at(url: str, *, catch_up_s: float = 0, apart_s: float = 0.005) -> AsyncIterator[PostgresEventLog]:
    """A log that never looks by itself, unless told otherwise."""
    server = place_of(url)
    assert isinstance(server, PostgresServer)
    async with open_postgres(server) as database:
        log = PostgresEventLog(
            database, clock_us=itertools.count(1).__next__, catch_up_s=catch_up_s, apart_s=apart_s
        )
        async with listening(database, log) as sync:
            connected = trio.Event()
            sync.watch(lambda _: connected.set())
            yield log


@pytest.fixture
def url(postgres: Server, log_database: str) -> str:
    return postgres.url_of(log_database)


class TestPostgresEventLog(EventLogContract):
    @pytest.fixture
    def open_log(self, postgres: Server, log_database: str) -> OpenLog:
        @asynccontextmanager
        async def open_() -> AsyncIterator[PostgresEventLog]:
            await postgres.rows(
                "TRUNCATE events; UPDATE log_head SET position = 0, hash = decode(repeat('00', 32), 'hex');",
                database=log_database,
            )
            async with open_at(postgres.url_of(log_database), catch_up_s=10) as log:
                yield log

        return open_
