"""What is asked of the journal's tables, each of a range of the blocks' numbers: the first and the last of it."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Table, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.journal_file import block, content

_SUMS = ("size", "entries", "requests", "dropped", "dropped_requests")


async def sums(connection: AsyncConnection, low: int, high: int) -> tuple[int | None, int | None, list[int]]:
    """The first and the last moment, in Unix microseconds; blocks, their bytes, entries, requests and what is lost."""
    asked = select(func.min(block.c.unix_us), func.max(block.c.until_us), func.count())
    asked = asked.add_columns(*(func.sum(block.c[name]) for name in _SUMS))
    first, last, *counts = (await connection.execute(asked.where(_within(block, low, high)))).one()
    return first, last, [count or 0 for count in counts]


async def numbers(
    connection: AsyncConnection, low: int, high: int, since_us: int | None, until_us: int | None
) -> Sequence[int]:
    """Of the blocks that overlap a span, in order."""
    asked = select(block.c.id).where(_within(block, low, high))
    if since_us is not None:
        asked = asked.where(block.c.until_us >= since_us)
    if until_us is not None:
        asked = asked.where(block.c.unix_us <= until_us)
    return (await connection.execute(asked.order_by(block.c.id))).scalars().all()


async def marked(connection: AsyncConnection, low: int, high: int, marks: Sequence[bytes]) -> Sequence[int]:
    """Of the blocks with one of some marks, the newest first."""
    asked = select(content.c.id).where(_within(content, low, high))
    asked = asked.where(or_(*(func.instr(content.c.marks, mark) > 0 for mark in marks)))
    return (await connection.execute(asked.order_by(content.c.id.desc()))).scalars().all()


async def marks(connection: AsyncConnection, low: int, high: int) -> list[tuple[int, bytes]]:
    """By number, the newest first."""
    asked = select(content.c.id, content.c.marks).where(_within(content, low, high))
    return [(one, marks) for one, marks in await connection.execute(asked.order_by(content.c.id.desc()))]


def _within(table: Table, low: int, high: int) -> ColumnElement[bool]:
    # A range is read a row beyond its end, which may be on a damaged page; one row is found by itself.
    return table.c.id == low if low == high else table.c.id.between(low, high)


async def contents(connection: AsyncConnection, numbers: Sequence[int]) -> list[tuple[int, bytes]]:
    asked = select(content.c.id, content.c.doc).where(content.c.id.in_(numbers)).order_by(content.c.id)
    return [(number, doc) for number, doc in await connection.execute(asked)]


async def last_by(connection: AsyncConnection, until_us: int) -> int:
    """The newest block that begins by then; where the clock was set back, older ones may begin later."""
    asked = select(func.max(block.c.id)).where(block.c.unix_us <= until_us)
    return (await connection.execute(asked)).scalar_one() or 0
