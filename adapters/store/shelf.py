"""Where the vault's sealed entries are kept: the `vault` table, or this process' memory."""

from collections.abc import Sequence
from functools import partial

import attrs
import trio
from sqlalchemy import func, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.database import Database
from adapters.store.schema import vault
from adapters.store.vault import Sealed
from engine.names import CredentialId


class SqliteShelf:
    """`adapters.store.vault.Shelf` in the `vault` table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self) -> int:
        return await self._database.read(_count)

    async def all(self) -> Sequence[Sealed]:
        return await self._database.read(_all)

    async def put(self, entries: Sequence[Sealed]) -> None:
        await self._database.write(partial(_put, entries=entries))


class MemoryShelf:
    """`adapters.store.vault.Shelf` in a dict."""

    def __init__(self) -> None:
        self._entries: dict[CredentialId, Sealed] = {}

    async def all(self) -> Sequence[Sealed]:
        await trio.lowlevel.checkpoint()
        return tuple(self._entries.values())

    async def put(self, entries: Sequence[Sealed]) -> None:
        await trio.lowlevel.checkpoint()
        for entry in entries:
            self._entries.setdefault(entry.id, entry)


async def _count(connection: AsyncConnection) -> int:
    return (await connection.execute(select(func.count()).select_from(vault))).scalar_one()


async def _all(connection: AsyncConnection) -> Sequence[Sealed]:
    chosen = select(vault.c.id, vault.c.nonce, vault.c.sealed, vault.c.created_at).order_by(vault.c.id)
    return [Sealed(*row) for row in await connection.execute(chosen)]


async def _put(connection: AsyncConnection, entries: Sequence[Sealed]) -> None:
    # Another process may have kept the same secret meanwhile.
    await connection.execute(insert(vault).on_conflict_do_nothing(), [attrs.asdict(entry) for entry in entries])
