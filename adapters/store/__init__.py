"""The event store: the log of configuration events and the vault of upstream credentials, behind one URL.

Law: the rest of the gateway runs on trio and sees `Store`; asyncio stays inside this folder.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import attrs
import trio

from adapters.store.database import open_database
from adapters.store.memory import MemoryEventLog
from adapters.store.ports import Progress, ReadableLog, Replica, Replicas, Seen, VerifiableLog
from adapters.store.postgres import CATCH_UP_S, PostgresEventLog, listening
from adapters.store.postgres_database import open_postgres
from adapters.store.reading import open_log
from adapters.store.references import UnknownCredential
from adapters.store.replicas import DatabaseReplicas, MemoryReplicas
from adapters.store.shelf import MemoryShelf, SqliteShelf
from adapters.store.sqlite import SqliteEventLog
from adapters.store.sync import Sync, SyncState, SyncStatus
from adapters.store.transactions import Database
from adapters.store.urls import PostgresServer, place_of
from adapters.store.vault import Vault, open_vault
from adapters.store.vault_key import key_for, random_key
from engine.errors import StoreUnavailable

__all__ = [
    "MemoryEventLog",
    "PostgresEventLog",
    "Progress",
    "ReadableLog",
    "Replica",
    "Replicas",
    "Seen",
    "SqliteEventLog",
    "Store",
    "Sync",
    "SyncState",
    "SyncStatus",
    "UnknownCredential",
    "Vault",
    "VerifiableLog",
    "open_log",
    "open_store",
]

_KEY_BESIDE: Final = Path("pointsman")
"""A server's vault has its key in the working directory, where the environment does not give it."""


@attrs.frozen
class Store:
    log: VerifiableLog
    vault: Vault
    replicas: Replicas
    sync: Sync
    "Whether this process is told of others' appends; always connected where the database is no server."


@asynccontextmanager
async def open_store(
    url: str,
    *,
    environ: Mapping[str, str],
    clock_us: Callable[[], int],
    catch_up_s: float = CATCH_UP_S,
    may_be_away: bool = False,
) -> AsyncIterator[Store]:
    """The store behind a URL, open until the block ends. `clock_us` gives Unix microseconds. Raises StartFailed.

    `catch_up_s`: how often a reader of a server's log looks without being told; 0: never. `may_be_away`: a server that
    does not answer now may do so later; until then calls raise StoreUnavailable and the vault holds nothing.
    """
    place = place_of(url)
    match place:
        case None:
            vault = await open_vault(random_key(), MemoryShelf(), environ=environ, clock_us=clock_us)
            yield Store(MemoryEventLog(clock_us=clock_us), vault, MemoryReplicas(clock_us=clock_us), Sync())
        case Path():
            async with open_database(place) as files:
                vault = await _vault(files, place, environ, clock_us)
                log = SqliteEventLog(files, clock_us=clock_us)
                yield Store(log, vault, DatabaseReplicas(files, clock_us=clock_us), Sync())
        case PostgresServer():
            async with open_postgres(place, may_be_away=may_be_away) as server:
                vault = await _vault(server, _KEY_BESIDE.absolute(), environ, clock_us, may_be_away=may_be_away)
                heard = PostgresEventLog(server, clock_us=clock_us, catch_up_s=catch_up_s)
                async with listening(server, heard) as sync:
                    yield Store(heard, vault, DatabaseReplicas(server, clock_us=clock_us), sync)


async def _vault(
    database: Database,
    beside: Path,
    environ: Mapping[str, str],
    clock_us: Callable[[], int],
    *,
    may_be_away: bool = False,
) -> Vault:
    shelf = SqliteShelf(database)
    try:
        in_use = await shelf.count() > 0
    except StoreUnavailable:
        if not may_be_away:
            raise
        in_use = True  # perhaps: so no key is made
    key = await trio.to_thread.run_sync(lambda: key_for(beside, environ, in_use=in_use))
    vault = Vault(key, shelf, environ=environ, clock_us=clock_us)
    try:
        await vault.refresh()
    except StoreUnavailable:
        if not may_be_away:
            raise
    return vault
