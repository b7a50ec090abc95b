"""The recorded journal in its file, as one gateway writes it.

Law: a block is there whole or not at all, and once; the oldest go first, by age and by size, a few at a time.
"""

from functools import partial
from typing import Final

from sqlalchemy import Connection, delete, insert, select

from adapters.codec import journal_codec as codec
from adapters.store.journal_connection import driver_of
from adapters.store.journal_file import block, content
from adapters.store.journal_written import WrittenFile

_STEP, _FEW = 32, 8
"""Blocks that are deleted at one go, for their age and for their size."""
_VACUUM_PAGES: Final = 512


class JournalWriter:
    """`age_us`, `size_bytes`: what is older, or more, is deleted."""

    def __init__(self, file: WrittenFile, *, age_us: int, size_bytes: int) -> None:
        self._file = file
        self._age_us = age_us
        self._size_bytes = size_bytes

    async def write(self, packed: codec.Packed) -> int:
        """Store a block; how many bytes it has. Raises StoreError; ConstraintBroken where it is there already."""
        return await self._file.write(partial(_insert, packed=packed))

    async def forget(self, now_us: int) -> bool:
        """One step of forgetting; whether there is more to forget. Raises StoreError."""
        oldest_us = now_us - self._age_us
        is_more = await self._file.write(partial(_forget, oldest_us=oldest_us, size_bytes=self._size_bytes))
        await self._file.write(_shrink)
        return is_more


def _insert(connection: Connection, packed: codec.Packed) -> int:
    doc = codec.encode(packed)
    row = {
        "process": packed.process,
        "number": packed.number,
        "unix_us": packed.unix_us,
        "until_us": packed.until_us,
        "entries": packed.entries,
        "requests": packed.requests,
        "dropped": packed.dropped,
        "dropped_requests": packed.dropped_requests,
        "size": len(doc),
    }
    number = connection.execute(insert(block).returning(block.c.id), row).scalar_one()
    connection.execute(insert(content), {"id": number, "marks": codec.marks(packed), "doc": doc})
    return len(doc)


def _forget(connection: Connection, oldest_us: int, size_bytes: int) -> bool:
    free, used, page = [
        connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
        for name in ("freelist_count", "page_count", "page_size")
    ]
    oldest = select(block.c.id).order_by(block.c.id)
    is_too_much = (used - free) * page > size_bytes
    oldest = oldest.limit(_FEW) if is_too_much else oldest.where(block.c.until_us < oldest_us).limit(_STEP)
    numbers = connection.execute(oldest).scalars().all()
    for table in (block, content):
        if numbers:
            connection.execute(delete(table).where(table.c.id.in_(numbers)))
    return len(numbers) == (_FEW if is_too_much else _STEP)


def _shrink(connection: Connection) -> None:
    """Give some of the pages back that nothing is on, where there are many."""
    # Straight to the driver, as a script: it frees a page a step, and nothing else takes more than the first.
    driver = driver_of(connection)
    ((free,),) = driver.execute("PRAGMA freelist_count")
    if free > _VACUUM_PAGES:
        driver.executescript(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})")
