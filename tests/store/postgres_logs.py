"""Logs on the tests' PostgreSQL, for the files that test them."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import trio

from adapters.store.postgres import PostgresEventLog, listening
from adapters.store.postgres_database import PostgresDatabase, open_postgres
from adapters.store.sync import Sync, SyncState, SyncStatus
from adapters.store.urls import PostgresServer, place_of


def server_of(url: str) -> PostgresServer:
    place = place_of(url)
    assert isinstance(place, PostgresServer)
    return place


@attrs.frozen
class Opened:
    log: PostgresEventLog
    database: PostgresDatabase
    sync: Sync
    changes: list[SyncStatus]
    "All statuses since it was opened."

    async def reaches(self, state: SyncState, count: int = 1) -> None:
        """Return once it has been in that state so often."""
        while sum(one.state is state for one in self.changes) < count:
            await trio.sleep(0.005)


@asynccontextmanager
async def opened(
    url: str, *, catch_up_s: float = 0, check_every_s: float = 5, answer_s: float = 2
) -> AsyncIterator[Opened]:
    """A log that does not look by itself, so that a test sees what else wakes its readers. It is connected already."""
    async with open_postgres(server_of(url)) as database:
        log = PostgresEventLog(database, clock_us=itertools.count(1).__next__, catch_up_s=catch_up_s)
        async with listening(database, log, check_every_s=check_every_s, answer_s=answer_s) as sync:
            changes = [sync.status]
            sync.watch(changes.append)
            one = Opened(log, database, sync, changes)
            with trio.fail_after(10):
                await one.reaches(SyncState.CONNECTED)
                await log.wait(0)  # rung by that
            await log.read(0)
            yield one
