"""The event log in PostgreSQL, shared by many gateways.

Law: appends are serial, by the lock on the one row of `log_head`, so that positions are dense and in commit order.
Notifications are a doorbell and carry nothing that is believed: one that is lost costs a wait until the catch-up poll
at most, one that is forged costs one read.
"""

import math
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final

import trio
from sqlalchemy import Text, cast, func

from adapters.store import statements
from adapters.store.admission import Batch
from adapters.store.database_log import APART_S, DatabaseLog
from adapters.store.listener import ANSWER_S, CHECK_EVERY_S, Listener
from adapters.store.postgres_database import PostgresDatabase
from adapters.store.schema import log_head
from adapters.store.sync import Sync, SyncState
from adapters.store.transactions import Database, Work
from engine.names import Position
from engine.ports import Appended, Wake

CHANNEL: Final = "pointsman_log"
CATCH_UP_S: Final = 10.0
"""A reader looks that often whether it was told or not (SYNC-22); 0: never."""


class PostgresEventLog(DatabaseLog):
    """`adapters.store.ports.VerifiableLog` on a server; it hears of others' appends while `listening`."""

    def __init__(
        self,
        database: Database,
        *,
        clock_us: Callable[[], int],
        catch_up_s: float = CATCH_UP_S,
        apart_s: float = APART_S,
    ) -> None:
        super().__init__(database, clock_us=clock_us, apart_s=apart_s)
        self._catch_up_s = catch_up_s or math.inf
        self._origin = secrets.token_hex(8)
        "By which this process knows its own notifications."
        news = cast(log_head.c.position, Text) + f" {self._origin}"
        self._move = statements.MOVE.returning(func.pg_notify(CHANNEL, news))
        "The server tells it on commit, and not unless."

    async def wait(self, after: Position) -> Wake:
        with trio.move_on_after(self._catch_up_s):
            return await self._bell.wait(after)
        return Wake.POLL

    def hear(self, payload: str) -> None:
        """A notification: the position of an append and whose it was, unless somebody forged it."""
        position, _, origin = payload.partition(" ")
        if position.isdecimal() and len(position) < 20 and int(position) <= self._bell.head:
            return
        self._bell.tell(Wake.OWN if origin == self._origin else Wake.NOTIFY)

    def came_back(self) -> None:
        """Notifications may have been missed."""
        self._bell.tell(Wake.NOTIFY)

    def _appending(self, batch: Batch) -> Work[tuple[Appended, Position]]:
        return partial(statements.append, batch=batch, move=self._move)


class _Relay:
    """What the listener hears in the asyncio thread, handed to the log and the sync state in trio's, in order."""

    def __init__(self, log: PostgresEventLog, sync: Sync) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._log = log
        self._sync = sync

    def heard(self, payload: str) -> None:
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._log.hear, payload, idempotent=True)

    def came_back(self) -> None:
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._log.came_back, idempotent=True)

    def changed(self, state: SyncState, error: str | None) -> None:
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._sync.enter, state, error)


@asynccontextmanager
async def listening(
    database: PostgresDatabase,
    log: PostgresEventLog,
    *,
    check_every_s: float = CHECK_EVERY_S,
    answer_s: float = ANSWER_S,
) -> AsyncIterator[Sync]:
    """Have the log told of others' appends until the block ends; the state of that."""
    sync = Sync(SyncState.CONNECTING)
    relay = _Relay(log, sync)
    listener = Listener(database.connect, CHANNEL, relay, check_every_s=check_every_s, answer_s=answer_s)
    await database.side.call(listener.start)
    try:
        yield sync
    finally:
        with trio.CancelScope(shield=True):
            await database.side.call(listener.stop)
