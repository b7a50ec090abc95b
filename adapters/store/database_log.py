"""The event log in a database: all of it but how its readers are woken.

Law: nothing is returned that does not fit the hash chain. A page is checked against the last event that was checked
before it, and where the reader begins elsewhere against the stored hash of the event it begins after; a log that ends
before an event which was there once is damaged.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final, TypeAlias, TypeVar
from uuid import UUID

import attrs
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import statements
from adapters.store.admission import Batch, admit, check_page, prepare, recorded
from adapters.store.chain import HASH, Head, Row, arrive, checked, digest, end_of, follow, meet
from adapters.store.doorbell import Doorbell
from adapters.store.ports import Beside, Progress, Take
from adapters.store.transactions import ConstraintBroken, Database, DatabaseDamaged, Work
from engine.errors import LogDamaged
from engine.events import Draft, Recorded
from engine.names import Position
from engine.ports import Appended, Found, Wake

T = TypeVar("T")

PAGE: Final = 500
_VERIFY: Final = 2000
"Events that `verify` reads at once."
_LOOKED_BACK: Final = 50_000
"Events that one statement goes through to find a moment."
_PIECE: Final = 50
"Events that are handed on at once."
APART_S: Final = 0.005
"""Between two wakes of a reader, at least."""


_TakeRows: TypeAlias = Callable[[Iterable[Row]], None]


@attrs.frozen
class _Page:
    start: Head
    "The event before it, as far as it is known: without rows its hash is not."
    rows: Sequence[Row]
    head: Head | None
    "Where the log ends; None where the page did not get there."


class DatabaseLog:
    """`adapters.store.ports.VerifiableLog` without `wait`, in the `events` and `log_head` tables."""

    def __init__(self, database: Database, *, clock_us: Callable[[], int], apart_s: float = APART_S) -> None:
        self._database = database
        self._clock_us = clock_us
        self._bell = Doorbell(apart_s=apart_s)
        self._seen = Head()
        "The last event that was read and fits the chain."

    def _appending(self, batch: Batch) -> Work[tuple[Appended, Position]]:
        return partial(statements.append, batch=batch)

    async def append(
        self, drafts: Sequence[Draft], *, expected: Position, actor: str, causation: UUID | None = None
    ) -> Appended:
        batch = prepare(drafts, expected, actor, causation, self._clock_us())
        try:
            appended, head = await self._database.write(self._appending(batch))
        except ConstraintBroken as error:
            appended = await self._settled(batch, error)
            head = appended.position
        except DatabaseDamaged as error:
            raise LogDamaged(expected + 1, f"cannot be appended: {error}") from error
        self._bell.ring(head, Wake.OWN)
        return appended

    async def _settled(self, batch: Batch, error: ConstraintBroken) -> Appended:
        """What came of an append that met rows it did not see before: its own, or others' beyond the head."""
        known = await self._database.read(partial(statements.known, ids=batch.ids))
        repeated = admit(batch, batch.expected, known)
        if repeated is None:
            raise LogDamaged(batch.expected + 1, f"cannot be appended: {error}") from error
        return Appended(repeated, is_repeated=True)

    async def find(self, event_id: UUID) -> Found | None:
        try:
            return await self._database.read(partial(statements.find, event_id=event_id.hex))
        except DatabaseDamaged as error:
            raise LogDamaged(0, f"cannot be read: {error}") from error

    async def read(self, after: Position, limit: int = PAGE) -> Sequence[Recorded]:
        found: list[Recorded] = []
        mark, seen = self._bell.mark(), self._seen

        async def work(connection: AsyncConnection) -> tuple[_Page, Head]:
            page = await _page(connection, after, limit, seen)
            return page, _handed_on(page, lambda rows: found.extend(map(recorded, rows)), seen)

        self._note(mark, *await self._page_by(work, after, limit))
        return found

    async def read_into(self, take: Take, after: Position, limit: int = PAGE) -> Position:
        return await self._hand_on(lambda rows: take([recorded(row) for row in rows]), after, limit)

    async def read_beside(self, beside: Beside, take: Take, after: Position) -> Position:
        if self._seen.position != after:
            return after
        reached = await beside.read_into(take, self._seen)
        if reached.position > self._seen.position:
            self._seen = reached
        return reached.position

    def begin_behind(self, head: Head) -> None:
        """Have the next events continue this one, which somebody else has checked."""
        self._seen = head

    async def read_rows(self, after: Position, limit: int = PAGE) -> Sequence[Row]:
        """As they are stored, each checked; also in the caller's thread."""
        found: list[Row] = []
        await self._hand_on(found.extend, after, limit)
        return found

    async def _hand_on(self, take: _TakeRows, after: Position, limit: int) -> Position:
        mark, seen = self._bell.mark(), self._seen
        page = await self._page_by(partial(_page, after=after, limit=limit, seen=seen), after, limit)
        # After the transaction, which the server would break off where this takes long.
        self._note(mark, page, _handed_on(page, take, seen))
        return after + len(page.rows)

    async def _page_by(self, work: Work[T], after: Position, limit: int) -> T:
        check_page(after, limit)
        try:
            return await self._database.read(work)
        except DatabaseDamaged as error:
            raise LogDamaged(after + 1, f"cannot be read: {error}") from error

    def _note(self, mark: int, page: _Page, reached: Head) -> None:
        """Take down what a read saw that began at this mark of the bell."""
        if page.rows and reached.position > self._seen.position:  # without rows no hash was checked
            self._seen = reached
        if page.head is None:
            self._bell.ring(reached.position, Wake.POLL)
        else:
            self._bell.settle(mark, page.head.position)

    async def history(self, stream: str, after: Position = 0, limit: int = PAGE) -> Sequence[Recorded]:
        check_page(after, limit)
        try:
            return await self._database.read(partial(_history, stream=stream, after=after, limit=limit))
        except DatabaseDamaged as error:
            raise LogDamaged(after + 1, f"cannot be read: {error}") from error

    async def hash_at(self, position: Position) -> bytes | None:
        try:
            return await self._database.read(partial(statements.hash_at, position=position))
        except DatabaseDamaged as error:
            raise LogDamaged(position, f"cannot be read: {error}") from error

    async def position_at(self, at_us: int) -> Position:
        try:
            last = (await self._database.read(statements.end)).position
            # Back from the head: what is asked for is mostly not long ago.
            while last > 0:
                first = max(1, last - _LOOKED_BACK + 1)
                found = await self._database.read(partial(statements.last_by, at_us=at_us, first=first, last=last))
                if found is not None:
                    return found
                last = first - 1
        except DatabaseDamaged as error:
            raise LogDamaged(0, f"cannot be read: {error}") from error
        return 0

    async def verify(self, progress: Progress | None = None) -> Position:
        """The head's position, after recomputing the whole chain. Raises LogDamaged, StoreUnavailable."""
        reached, limit = Head(), _VERIFY
        while True:
            try:
                before, (reached, head) = (
                    reached,
                    await self._database.read(partial(_verified, start=reached, limit=limit)),
                )
            except DatabaseDamaged as error:
                if limit == 1:
                    raise LogDamaged(reached.position + 1, f"cannot be read: {error}") from error
                limit = 1  # somewhere in this page: go on one by one, to name the first
                continue
            if progress is not None:
                progress(reached.position, head.position)
            if reached.position - before.position < limit:
                return arrive(reached, head)


# What follows runs in the asyncio thread, decoding and hashing too, so that a long read does not hold up requests;
# for `read_into` and `read_rows` alone they are done in the caller's.


async def _page(connection: AsyncConnection, after: Position, limit: int, seen: Head) -> _Page:
    rows = await statements.page(connection, after, limit)
    head = await statements.end(connection) if len(rows) < limit else None
    start = seen if seen.position == after else Head(after)
    if rows and start is not seen:
        start = Head(after, await _stored_hash(connection, after))
    return _Page(start, rows, head)


def _handed_on(page: _Page, take: _TakeRows, seen: Head) -> Head:
    """How far the page goes, once all of it is checked and taken: in pieces that stay in a core's cache meanwhile."""
    reached = page.start
    for begun in range(0, len(page.rows), _PIECE):
        piece = page.rows[begun : begun + _PIECE]
        take(checked(reached, piece))
        reached = end_of(reached, piece)
    if page.head is not None:
        if page.rows:
            arrive(reached, page.head)
        meet(reached, page.head, seen)
    return reached


async def _stored_hash(connection: AsyncConnection, position: Position) -> bytes:
    stored = await statements.hash_at(connection, position)
    if stored is None:
        raise LogDamaged(position, "is missing; later ones are stored")
    return stored


async def _history(connection: AsyncConnection, stream: str, after: Position, limit: int) -> list[Recorded]:
    found: list[Recorded] = []
    for row in await statements.stream_page(connection, stream, after, limit):
        entry: Row = row[: HASH + 1]
        position, previous = row[0], Head().hash if row[0] == 1 else row[HASH + 1]
        if previous is None:
            raise LogDamaged(position - 1, "is missing; later ones are stored")
        if digest(previous, entry) != entry[HASH]:
            raise LogDamaged(position, "was changed after it was appended, or the one before it was")
        found.append(recorded(entry))
    return found


async def _verified(connection: AsyncConnection, start: Head, limit: int) -> tuple[Head, Head]:
    """How far a page from there fits the chain, and where the log ends."""
    rows = await statements.page(connection, start.position, limit)
    return follow(start, rows), await statements.end(connection)
