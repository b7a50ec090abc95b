"""The event log without a file: same port, same laws, gone with the process.

Law: every await stands before the change, so a cancelled append was not applied.
"""

from collections.abc import Callable, Sequence
from uuid import UUID

import trio

from adapters.codec import Encoded
from adapters.store.admission import Known, admit, check_page, entries, prepare, recorded
from adapters.store.chain import Entry, Head, arrive, follow
from adapters.store.doorbell import Doorbell
from adapters.store.ports import Beside, Progress, Take
from engine.events import Draft, Recorded
from engine.names import Position
from engine.ports import Appended, Found, Wake


class MemoryEventLog:
    """`adapters.store.ports.VerifiableLog` in a list."""

    def __init__(self, *, clock_us: Callable[[], int]) -> None:
        self._clock_us = clock_us
        self._entries: list[Entry] = []
        self._by_id: dict[str, Entry] = {}
        self._versions: dict[str, int] = {}
        self._head = Head()
        self._bell = Doorbell()

    async def append(
        self, drafts: Sequence[Draft], *, expected: Position, actor: str, causation: UUID | None = None
    ) -> Appended:
        batch = prepare(drafts, expected, actor, causation, self._clock_us())
        await trio.lowlevel.checkpoint()
        known = {
            event_id: Known(entry.position, Encoded(entry.type, entry.schema_version, entry.payload))
            for event_id in batch.ids
            if (entry := self._by_id.get(event_id)) is not None
        }
        repeated = admit(batch, self._head.position, known)
        if repeated is not None:
            return Appended(repeated, is_repeated=True)
        for entry in entries(batch, self._head, self._versions):
            self._entries.append(entry)
            self._by_id[entry.event_id] = entry
            self._versions[entry.stream_id] = entry.stream_version
            self._head = Head(entry.position, entry.hash)
        self._bell.ring(self._head.position, Wake.OWN)
        return Appended(self._head.position)

    async def find(self, event_id: UUID) -> Found | None:
        await trio.lowlevel.checkpoint()
        first = self._by_id.get(event_id.hex)
        if first is None or first.correlation_id != first.event_id:
            return None
        last = first.position
        while last < len(self._entries) and self._entries[last].correlation_id == first.event_id:
            last += 1
        return Found(last, None if first.causation_id is None else UUID(first.causation_id))

    async def read(self, after: Position, limit: int = 500) -> Sequence[Recorded]:
        check_page(after, limit)
        await trio.lowlevel.checkpoint()
        page = self._entries[after : after + limit]
        if page:
            follow(Head(after, self._hash_at(after)), page)
        return [recorded(entry) for entry in page]

    async def read_into(self, take: Take, after: Position, limit: int = 500) -> Position:
        page = await self.read(after, limit)
        take(page)
        return after + len(page)

    async def read_beside(self, beside: Beside, take: Take, after: Position) -> Position:  # noqa: ARG002 - nobody can
        await trio.lowlevel.checkpoint()
        return after

    async def history(self, stream: str, after: Position = 0, limit: int = 500) -> Sequence[Recorded]:
        check_page(after, limit)
        await trio.lowlevel.checkpoint()
        found = [entry for entry in self._entries[after:] if entry.stream_id == stream][:limit]
        for entry in found:
            follow(Head(entry.position - 1, self._hash_at(entry.position - 1)), [entry])
        return [recorded(entry) for entry in found]

    async def hash_at(self, position: Position) -> bytes | None:
        await trio.lowlevel.checkpoint()
        return self._hash_at(position) if 0 <= position <= len(self._entries) else None

    async def position_at(self, at_us: int) -> Position:
        await trio.lowlevel.checkpoint()
        return next((entry.position for entry in reversed(self._entries) if entry.recorded_at <= at_us), 0)

    async def wait(self, after: Position) -> Wake:
        return await self._bell.wait(after)

    async def verify(self, progress: Progress | None = None) -> Position:
        """The head's position, after checking the whole chain. Raises LogDamaged."""
        await trio.lowlevel.checkpoint()
        position = arrive(follow(Head(), self._entries), self._head)
        if progress is not None:
            progress(position, position)
        return position

    def _hash_at(self, position: Position) -> bytes:
        return self._entries[position - 1].hash if position else Head().hash
