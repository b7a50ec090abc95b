"""Where the vault's sealed entries are kept: the `vault` table, or this process' memory.

Law: entries of two keys never stand beside each other. Whoever puts some looks at the naming entry in the same
transaction, and whoever replaces them all has locked it.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import attrs
import trio
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.schema import vault
from adapters.store.sealing import NAMING, Sealed, sealed_with
from adapters.store.transactions import Database
from adapters.store.vault import KeyReplaced
from engine.names import CredentialId

_COLUMNS = (vault.c.id, vault.c.nonce, vault.c.sealed, vault.c.created_at)


class DatabaseShelf:
    """`adapters.store.vault.Shelf` in the `vault` table of either database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> Sequence[Sealed]:
        return await self._database.read(_all)

    async def put(self, entries: Sequence[Sealed], *, key_id: str) -> None:
        await self._database.write(partial(_put, entries=entries, key_id=key_id))

    async def replace(self, change: Callable[[Sequence[Sealed]], Sequence[Sealed]]) -> int:
        return await self._database.write(partial(_replace, change=change))


class MemoryShelf:
    """`adapters.store.vault.Shelf` in a dict."""

    def __init__(self, entries: Iterable[Sealed] = ()) -> None:
        self._entries: dict[CredentialId, Sealed] = {entry.id: entry for entry in entries}

    async def all(self) -> Sequence[Sealed]:
        await trio.lowlevel.checkpoint()
        return tuple(self._entries.values())

    async def put(self, entries: Sequence[Sealed], *, key_id: str) -> None:
        await trio.lowlevel.checkpoint()
        _check(sealed_with(self._entries.values()), key_id)
        for entry in entries:
            self._entries.setdefault(entry.id, entry)

    async def replace(self, change: Callable[[Sequence[Sealed]], Sequence[Sealed]]) -> int:
        await trio.lowlevel.checkpoint()
        before = tuple(self._entries.values())
        self._entries = {entry.id: entry for entry in change(before)}
        return len(before)


def _check(present: str | None, ours: str) -> None:
    if present is not None and present != ours:
        raise KeyReplaced(present, ours)


async def _all(connection: AsyncConnection) -> Sequence[Sealed]:
    return [Sealed(*row) for row in await connection.execute(select(*_COLUMNS).order_by(vault.c.id))]


async def _naming(connection: AsyncConnection, *, to_change: bool) -> str | None:
    """The id of the key in force, which stays so until the transaction ends. (SQLite has no other writer anyway.)"""
    chosen = select(*_COLUMNS).where(vault.c.id == NAMING).with_for_update(read=not to_change)
    return sealed_with([Sealed(*row) for row in await connection.execute(chosen)])


async def _put(connection: AsyncConnection, entries: Sequence[Sealed], key_id: str) -> None:
    _check(await _naming(connection, to_change=False), key_id)
    # Another process may have kept the same secret meanwhile.
    await connection.execute(_insert(connection).on_conflict_do_nothing(), [attrs.asdict(entry) for entry in entries])


async def _replace(connection: AsyncConnection, change: Callable[[Sequence[Sealed]], Sequence[Sealed]]) -> int:
    await _naming(connection, to_change=True)  # first, so that what is read next is all there will be
    before = await _all(connection)
    insert = _insert(connection)
    upsert = insert.on_conflict_do_update(
        index_elements=[vault.c.id], set_={"nonce": insert.excluded.nonce, "sealed": insert.excluded.sealed}
    )
    await connection.execute(upsert, [attrs.asdict(entry) for entry in change(before)])
    return len(before)


def _insert(connection: AsyncConnection) -> Any:
    """The dialect's own INSERT: the standard's has no word for an id that is there already."""
    return {"sqlite": sqlite, "postgresql": postgresql}[connection.dialect.name].insert(vault)
