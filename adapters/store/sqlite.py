"""The event log in SQLite, which tells nobody of other processes' appends: one of those who wait looks for all.

Law: positions are dense and in commit order, because the one row of `log_head` is read and moved inside the
append's transaction; a rollback leaves no hole. A reader therefore knows a missing event from a slow one.
"""

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import trio

from adapters.store import statements
from adapters.store.database_log import DatabaseLog
from adapters.store.transactions import Database
from engine.errors import StoreError
from engine.names import Position
from engine.ports import Wake

LOOK_EVERY_S: Final = 1.0
"""How late another process's append may be noticed; one look a period, however many wait."""


class SqliteEventLog(DatabaseLog):
    """`adapters.store.ports.VerifiableLog` in a SQLite file."""

    def __init__(self, database: Database, *, clock_us: Callable[[], int], look_every_s: float = LOOK_EVERY_S) -> None:
        super().__init__(database, clock_us=clock_us)
        self._look_every_s = look_every_s
        self._next_look = -math.inf

    async def wait(self, after: Position) -> Wake:
        while not self._bell.has_news(after):
            with trio.move_on_at(self._next_look):
                return await self._bell.wait(after)
            if trio.current_time() >= self._next_look:
                self._next_look = trio.current_time() + self._look_every_s
                with suppress(StoreError):  # while the store is away there is nothing to see
                    self._bell.ring((await self._database.read(statements.end)).position, Wake.POLL)
        return await self._bell.wait(after)
