"""Which gateways are on one store, by their beats.

Law: the ages of all replicas are told by one clock: the server's where there is a server, else this machine's.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import attrs
import trio
from sqlalchemy import BigInteger, ColumnElement, cast, delete, func, literal, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.ports import Replica, Seen
from adapters.store.schema import replica as table
from adapters.store.transactions import Database

_FIELDS = tuple(table.c[field.name] for field in attrs.fields(Replica))


class DatabaseReplicas:
    """`adapters.store.ports.Replicas` in the `replica` table. `clock_us` is asked where the database has no clock."""

    def __init__(self, database: Database, *, clock_us: Callable[[], int]) -> None:
        self._database = database
        self._clock_us = clock_us

    async def beat(self, replica: Replica) -> None:
        await self._database.write(partial(_beat, replica=replica, now_us=self._clock_us()))

    async def all(self) -> Sequence[Seen]:
        return await self._database.read(partial(_all, now_us=self._clock_us()))

    async def forget(self, replica_id: str) -> None:
        await self._database.write(partial(_forget, replica_id=replica_id))


class MemoryReplicas:
    """`adapters.store.ports.Replicas` in a dict: there is no other process to see."""

    def __init__(self, *, clock_us: Callable[[], int]) -> None:
        self._clock_us = clock_us
        self._seen: dict[str, tuple[Replica, int]] = {}

    async def beat(self, replica: Replica) -> None:
        await trio.lowlevel.checkpoint()
        self._seen[replica.replica_id] = replica, self._clock_us()

    async def all(self) -> Sequence[Seen]:
        await trio.lowlevel.checkpoint()
        now_us = self._clock_us()
        return [Seen(replica, max(0, now_us - seen_at)) for _, (replica, seen_at) in sorted(self._seen.items())]

    async def forget(self, replica_id: str) -> None:
        await trio.lowlevel.checkpoint()
        self._seen.pop(replica_id, None)


def _now(connection: AsyncConnection, now_us: int) -> ColumnElement[int]:
    if connection.dialect.name == "postgresql":
        return cast(func.extract("epoch", func.clock_timestamp()) * 1_000_000, BigInteger)
    return literal(now_us, BigInteger)


async def _beat(connection: AsyncConnection, replica: Replica, now_us: int) -> None:
    insert: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    values = attrs.asdict(replica) | {"seen_at": _now(connection, now_us)}
    statement = insert(table).values(values)
    await connection.execute(statement.on_conflict_do_update(index_elements=[table.c.replica_id], set_=values))


async def _all(connection: AsyncConnection, now_us: int) -> Sequence[Seen]:
    age = (_now(connection, now_us) - table.c.seen_at).label("age")
    rows = await connection.execute(select(*_FIELDS, age).order_by(table.c.replica_id))
    return [Seen(Replica(*fields), max(0, age_us)) for *fields, age_us in rows]


async def _forget(connection: AsyncConnection, replica_id: str) -> None:
    await connection.execute(delete(table).where(table.c.replica_id == replica_id))
