"""The log's SQL, the same for every database.

Law: an append first takes the one row of `log_head` for itself, and everything it decides on is read after that, each
in a statement of its own: a statement's view of the data may be older than the lock it waited for. Whoever sees the
head therefore sees every event up to it.

The statements that every change needs are built once, not for each.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import Column, Connection, Select, Update, bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.codec import Encoded
from adapters.store.admission import Batch, Known, admit, entries
from adapters.store.chain import Entry, Head, Row
from adapters.store.schema import events, log_head
from adapters.store.transactions import DatabaseDamaged
from engine.names import Position
from engine.ports import Appended, Found

T = TypeVar("T")

_NAMES: Final = 500
"Values in one IN (...)."
_ROWS: Final = 5000
"Rows in one INSERT, so that its time stays within that of a statement."

_ENTRY: Final[tuple[Column[Any], ...]] = tuple(events.c[name] for name in Entry._fields)
_KNOWN: Final = tuple(events.c[name] for name in ("event_id", "position", "type", "schema_version", "payload"))

_END: Final = select(log_head.c.position, log_head.c.hash)
_TAKE: Final = _END.with_for_update()
_VERSIONS: Final = (
    select(events.c.stream_id, func.max(events.c.stream_version))
    .where(events.c.stream_id.in_(bindparam("streams", expanding=True)))
    .group_by(events.c.stream_id)
)
_INSERT: Final = insert(events)
MOVE: Final = update(log_head)
"""Executed with the head's new position and hash. A log may add to it what is to happen with the append."""
_PAGE: Final = (
    select(*_ENTRY).where(events.c.position > bindparam("after")).order_by(events.c.position).limit(bindparam("most"))
)


async def append(connection: AsyncConnection, batch: Batch, move: Update = MOVE) -> tuple[Appended, Position]:
    """What came of it, and the head's position. Raises IdempotencyConflict, WrongPosition, DatabaseDamaged.

    Ids that are in the log already are looked for where the head has moved on, as it has for whoever repeats an append.
    Where it has not, the database itself refuses them, and the caller looks for them then.
    """
    head = await end(connection, for_update=True)
    there = {} if batch.expected == head.position else await known(connection, batch.ids)
    repeated = admit(batch, head.position, there)
    if repeated is not None:
        return Appended(repeated, is_repeated=True), head.position
    stored = entries(batch, head, await _versions(connection, tuple(batch.streams)))
    for some in _pieces(stored, _ROWS):
        await connection.execute(_INSERT, [entry._asdict() for entry in some])
    last = stored[-1]
    await connection.execute(move, {"position": last.position, "hash": last.hash})
    return Appended(last.position), last.position


async def end(connection: AsyncConnection, *, for_update: bool = False) -> Head:
    """Where the log ends. Raises DatabaseDamaged."""
    row = (await connection.execute(_TAKE if for_update else _END)).one_or_none()
    if row is None or not isinstance(row.position, int):
        raise DatabaseDamaged("the table log_head does not say where the log ends")
    return Head(row.position, row.hash)


async def known(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, Known]:
    """Those of the event ids that the log has, with their content."""
    there: dict[str, Known] = {}
    for some in _pieces(ids, _NAMES):
        for event_id, position, type_name, schema, payload in await connection.execute(
            select(*_KNOWN).where(events.c.event_id.in_(some))
        ):
            there[event_id] = Known(position, Encoded(type_name, schema, payload))
    return there


async def page(connection: AsyncConnection, after: Position, limit: int) -> list[Row]:
    """The next rows after a position, unchecked."""
    return await _rows(connection, _PAGE, {"after": after, "most": limit})


async def stream_page(connection: AsyncConnection, stream: str, after: Position, limit: int) -> list[Row]:
    """As `page`, of one stream; after each row the stored hash of the event before it, None where there is none."""
    before = events.alias()
    chosen = (
        select(*_ENTRY, before.c.hash)
        .outerjoin_from(events, before, before.c.position == events.c.position - 1)
        .where(events.c.stream_id == stream, events.c.position > after)
        .order_by(events.c.stream_version)  # the index has it in this order
        .limit(limit)
    )
    return await _rows(connection, chosen)


async def hash_at(connection: AsyncConnection, position: Position) -> bytes | None:
    """The stored hash of an event; None where there is none."""
    if position == 0:
        return Head().hash
    return (await connection.execute(select(events.c.hash).where(events.c.position == position))).scalar_one_or_none()


async def last_by(connection: AsyncConnection, at_us: int, first: Position, last: Position) -> Position | None:
    """The last event from `first` to `last` that was recorded at a moment or before it; None where none was."""
    chosen = (
        select(events.c.position)
        .where(events.c.position >= first, events.c.position <= last, events.c.recorded_at <= at_us)
        .order_by(events.c.position.desc())
        .limit(1)
    )
    found: Position | None = (await connection.execute(chosen)).scalar_one_or_none()
    return found


async def find(connection: AsyncConnection, event_id: str) -> Found | None:
    """The append that begins with this event."""
    chosen = select(events.c.position, events.c.causation_id).where(
        events.c.event_id == event_id, events.c.correlation_id == event_id
    )
    row = (await connection.execute(chosen)).one_or_none()
    if row is None:
        return None
    beyond = (
        select(events.c.position)
        .where(events.c.position > row.position, events.c.correlation_id.is_distinct_from(event_id))
        .order_by(events.c.position)
        .limit(1)
    )
    following: Position | None = (await connection.execute(beyond)).scalar_one_or_none()
    last = (await end(connection)).position if following is None else following - 1
    return Found(last, None if row.causation_id is None else UUID(row.causation_id))


async def _versions(connection: AsyncConnection, streams: Sequence[str]) -> dict[str, int]:
    versions: dict[str, int] = {}
    for some in _pieces(streams, _NAMES):
        rows = await connection.execute(_VERSIONS, {"streams": some})
        versions.update((stream, version) for stream, version in rows)
    return versions


async def _rows(
    connection: AsyncConnection, chosen: Select[*tuple[Any, ...]], values: Mapping[str, Any] | None = None
) -> list[Row]:
    """As the driver gives them: what SQLAlchemy would make of each costs as much as fetching it."""

    def fetch(sync: Connection) -> list[Row]:
        with sync.execute(chosen, values) as result:
            return list(result.cursor.fetchall())

    return await connection.run_sync(fetch)


def _pieces(whole: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(whole), size):
        yield whole[start : start + size]
