"""The event log in SQLite.

Law: positions are dense and in commit order, because the one row of `log_head` is read and moved inside the
append's transaction; a rollback leaves no hole. A reader therefore knows a missing event from a slow one.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

import attrs
import trio
from sqlalchemy import Column, Row, Select, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.codec import Encoded
from adapters.store.admission import Batch, Known, admit, check_page, entries, prepare, recorded
from adapters.store.chain import Entry, Head, arrive, follow
from adapters.store.database import Database, DatabaseDamaged
from adapters.store.doorbell import Doorbell
from adapters.store.schema import events, log_head
from engine.errors import LogDamaged, StoreError
from engine.events import Draft, Recorded
from engine.names import Position

LOOK_EVERY_S: Final = 1.0
"""How late another process's append may be noticed; one look a period, however many wait."""

PAGE: Final = 500
_CHUNK: Final = 500
"Values in one IN (...)."


class SqliteEventLog:
    """`engine.ports.EventLog` in the `events` and `log_head` tables."""

    def __init__(self, database: Database, *, clock_us: Callable[[], int], look_every_s: float = LOOK_EVERY_S) -> None:
        self._database = database
        self._clock_us = clock_us
        self._look_every_s = look_every_s
        self._next_look = -math.inf
        self._bell = Doorbell()

    async def append(self, drafts: Sequence[Draft], *, expected: Position, actor: str) -> Position:
        batch = prepare(drafts, expected, actor, self._clock_us())
        try:
            last, head = await self._database.write(partial(_append, batch=batch))
        except DatabaseDamaged as error:
            raise LogDamaged(expected + 1, f"cannot be appended: {error}") from error
        self._bell.ring(head)
        return last

    async def read(self, after: Position, limit: int = PAGE) -> Sequence[Recorded]:
        check_page(after, limit)
        try:
            rows, head = await self._database.read(partial(_read, after=after, limit=limit))
        except DatabaseDamaged as error:
            raise LogDamaged(after + 1, f"cannot be read: {error}") from error
        for expected, row in enumerate(rows, after + 1):
            if row.position != expected:
                raise LogDamaged(expected, f"is missing; the next one stored is {row.position}")
        reached = after + len(rows)
        if reached < head:
            raise LogDamaged(reached + 1, f"is missing; the log says it ends at {head}")
        if rows and reached > head:
            raise LogDamaged(head + 1, "is stored, but the log says it ends before it")
        self._bell.ring(head)
        return [
            recorded(position, event_id, (type_name, schema, payload), actor, recorded_at)
            for position, event_id, type_name, schema, payload, actor, recorded_at in rows
        ]

    async def wait(self, after: Position) -> None:
        while self._bell.head <= after:
            with trio.move_on_at(self._next_look):
                await self._bell.wait(after)
                return
            if trio.current_time() >= self._next_look:
                # One of those who wait looks for all. While the store is away there is nothing to see.
                self._next_look = trio.current_time() + self._look_every_s
                with suppress(StoreError):
                    self._bell.ring((await self._database.read(_head)).position)
        await trio.lowlevel.checkpoint()

    async def verify(self) -> Position:
        """The head's position, after recomputing the whole chain. Raises LogDamaged, StoreUnavailable."""
        reached, limit = Head(), PAGE
        while True:
            try:
                page, head = await self._database.read(partial(_entries, after=reached.position, limit=limit))
            except DatabaseDamaged as error:
                if limit == 1:
                    raise LogDamaged(reached.position + 1, f"cannot be read: {error}") from error
                limit = 1  # somewhere in this page: go on one by one, to name the first
                continue
            reached = follow(reached, page)
            if len(page) < limit:
                return arrive(reached, head)


_ENTRY: Final = tuple(events.c[field.name] for field in attrs.fields(Entry))
_RECORDED: Final = tuple(
    events.c[name] for name in ("position", "event_id", "type", "schema_version", "payload", "actor", "recorded_at")
)
_KNOWN: Final = tuple(events.c[name] for name in ("event_id", "position", "type", "schema_version", "payload"))


async def _append(connection: AsyncConnection, batch: Batch) -> tuple[Position, Position]:
    """The last event's position, and the head's."""
    head = await _head(connection)
    repeated = admit(batch, head.position, await _known(connection, batch.ids))
    if repeated is not None:
        return repeated, head.position
    stored = entries(batch, head, await _versions(connection, tuple(batch.streams)))
    last = stored[-1]
    await connection.execute(insert(events), [attrs.asdict(entry) for entry in stored])
    await connection.execute(update(log_head).values(position=last.position, hash=last.hash))
    return last.position, last.position


async def _head(connection: AsyncConnection) -> Head:
    row = (await connection.execute(select(log_head.c.position, log_head.c.hash))).one_or_none()
    if row is None or not isinstance(row.position, int):
        raise DatabaseDamaged("the table log_head does not say where the log ends")
    return Head(row.position, row.hash)


async def _known(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, Known]:
    known: dict[str, Known] = {}
    for start in range(0, len(ids), _CHUNK):
        chosen = select(*_KNOWN).where(events.c.event_id.in_(ids[start : start + _CHUNK]))
        for event_id, position, type_name, schema, payload in await connection.execute(chosen):
            known[event_id] = Known(position, Encoded(type_name, schema, payload))
    return known


async def _versions(connection: AsyncConnection, streams: Sequence[str]) -> dict[str, int]:
    versions: dict[str, int] = {}
    for start in range(0, len(streams), _CHUNK):
        stream_id = events.c.stream_id
        chosen = select(stream_id, func.max(events.c.stream_version)).group_by(stream_id)
        rows = await connection.execute(chosen.where(stream_id.in_(streams[start : start + _CHUNK])))
        versions.update((stream, version) for stream, version in rows)
    return versions


async def _read(
    connection: AsyncConnection, after: Position, limit: int
) -> tuple[Sequence[Row[*tuple[Any, ...]]], Position]:
    rows = (await connection.execute(_page(_RECORDED, after, limit))).all()
    # Only a page that is not full claims to reach the head.
    head = (await _head(connection)).position if len(rows) < limit else after + limit
    return rows, head


async def _entries(connection: AsyncConnection, after: Position, limit: int) -> tuple[Sequence[Entry], Head]:
    try:
        page = [Entry(*row) for row in await connection.execute(_page(_ENTRY, after, limit))]
    except TypeError as error:  # text where a hash belongs
        raise DatabaseDamaged(str(error)) from error
    return page, await _head(connection)


def _page(columns: tuple[Column[Any], ...], after: Position, limit: int) -> Select[*tuple[Any, ...]]:
    return select(*columns).where(events.c.position > after).order_by(events.c.position).limit(limit)
