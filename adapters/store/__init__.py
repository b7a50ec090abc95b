"""The event store: the log of configuration events and the vault of upstream credentials, behind one URL.

Law: the rest of the gateway runs on trio and sees `Store`; asyncio stays inside this folder.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

import attrs
import trio

from adapters.store.database import open_database
from adapters.store.memory import MemoryEventLog
from adapters.store.reading import ReadableLog, open_log
from adapters.store.shelf import MemoryShelf, SqliteShelf
from adapters.store.sqlite import SqliteEventLog
from adapters.store.urls import MEMORY, sqlite_path
from adapters.store.vault import UnknownCredential, Vault, open_vault
from adapters.store.vault_key import key_for, random_key
from engine.names import Position
from engine.ports import EventLog

__all__ = [
    "MemoryEventLog",
    "ReadableLog",
    "SqliteEventLog",
    "Store",
    "UnknownCredential",
    "Vault",
    "VerifiableLog",
    "open_log",
    "open_store",
]


class VerifiableLog(EventLog, Protocol):
    async def verify(self) -> Position:
        """The head's position, after recomputing the whole hash chain. Raises LogDamaged, StoreUnavailable."""
        ...


@attrs.frozen
class Store:
    log: VerifiableLog
    vault: Vault


@asynccontextmanager
async def open_store(url: str, *, environ: Mapping[str, str], clock_us: Callable[[], int]) -> AsyncIterator[Store]:
    """The store behind a URL, open until the block ends. `clock_us` gives Unix microseconds. Raises StartFailed."""
    if url == MEMORY:
        vault = await open_vault(random_key(), MemoryShelf(), environ=environ, clock_us=clock_us)
        yield Store(MemoryEventLog(clock_us=clock_us), vault)
        return
    path = sqlite_path(url)
    async with open_database(path) as database:
        shelf = SqliteShelf(database)
        in_use = await shelf.count() > 0
        key = await trio.to_thread.run_sync(lambda: key_for(path, environ, in_use=in_use))
        vault = await open_vault(key, shelf, environ=environ, clock_us=clock_us)
        yield Store(SqliteEventLog(database, clock_us=clock_us), vault)
