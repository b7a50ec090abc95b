"""The event store: the log of configuration events and the vault of upstream credentials, behind one URL.

Law: the rest of the gateway runs on trio and sees `Store`; asyncio stays inside this folder.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import attrs

from adapters.store.database import open_database
from adapters.store.memory import MemoryEventLog
from adapters.store.ports import Progress, ReadableLog, Replica, Replicas, Seen, VerifiableLog
from adapters.store.postgres import CATCH_UP_S, PostgresEventLog, listening
from adapters.store.postgres_database import open_postgres
from adapters.store.reading import open_log
from adapters.store.references import UnknownCredential
from adapters.store.replicas import DatabaseReplicas, MemoryReplicas
from adapters.store.sealing import Sealed
from adapters.store.shelf import DatabaseShelf, MemoryShelf
from adapters.store.sqlite import SqliteEventLog
from adapters.store.sync import Sync, SyncState, SyncStatus
from adapters.store.unlocking import open_vault, unlock
from adapters.store.urls import PostgresServer, place_of
from adapters.store.vault import Vault
from adapters.store.vault_key import KEY_FILE, key_file_beside, random_key

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
    key_file: Path | None = None,
    copies: Sequence[Sealed] | None = None,
) -> AsyncIterator[Store]:
    """The store behind a URL, open until the block ends. `clock_us` gives Unix microseconds. Raises StartFailed.

    `catch_up_s`: how often a reader of a server's log looks without being told; 0: never. `key_file`: the vault's;
    None: beside a SQLite file, else in the working directory. `copies`: what the vault holds while the server does not
    answer, from an earlier run; until it does, calls raise StoreUnavailable. None: a server that is away is refused.
    """
    place = place_of(url)
    match place:
        case None:
            vault = await open_vault(random_key(), MemoryShelf(), environ=environ, clock_us=clock_us)
            yield Store(MemoryEventLog(clock_us=clock_us), vault, MemoryReplicas(clock_us=clock_us), Sync())
        case Path():
            async with open_database(place) as file:
                key_file = key_file or key_file_beside(place)
                vault = await unlock(DatabaseShelf(file), key_file, environ=environ, clock_us=clock_us)
                log = SqliteEventLog(file, clock_us=clock_us)
                yield Store(log, vault, DatabaseReplicas(file, clock_us=clock_us), Sync())
        case PostgresServer():
            async with open_postgres(place, may_be_away=copies is not None) as server:
                key_file = key_file or KEY_FILE.absolute()
                shelf = DatabaseShelf(server)
                vault = await unlock(shelf, key_file, environ=environ, clock_us=clock_us, copies=copies)
                shared = PostgresEventLog(server, clock_us=clock_us, catch_up_s=catch_up_s)
                async with listening(server, shared) as sync:
                    yield Store(shared, vault, DatabaseReplicas(server, clock_us=clock_us), sync)
