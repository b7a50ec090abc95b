"""The event log without a file: same port, same laws, gone with the process.

Law: every await stands before the change, so a cancelled append was not applied.
"""

from collections.abc import Callable, Sequence

import trio

from adapters.codec import Encoded
from adapters.store.admission import Known, admit, check_page, entries, prepare, recorded
from adapters.store.chain import Entry, Head, arrive, follow
from adapters.store.doorbell import Doorbell
from engine.events import Draft, Recorded
from engine.names import Position


class MemoryEventLog:
    """`engine.ports.EventLog` in a list."""

    def __init__(self, *, clock_us: Callable[[], int]) -> None:
        self._clock_us = clock_us
        self._entries: list[Entry] = []
        self._by_id: dict[str, Entry] = {}
        self._versions: dict[str, int] = {}
        self._head = Head()
        self._bell = Doorbell()

    async def append(self, drafts: Sequence[Draft], *, expected: Position, actor: str) -> Position:
        batch = prepare(drafts, expected, actor, self._clock_us())
        await trio.lowlevel.checkpoint()
        known = {
            event_id: Known(entry.position, Encoded(entry.type, entry.schema_version, entry.payload))
            for event_id in batch.ids
            if (entry := self._by_id.get(event_id)) is not None
        }
        repeated = admit(batch, self._head.position, known)
        if repeated is not None:
            return repeated
        for entry in entries(batch, self._head, self._versions):
            self._entries.append(entry)
            self._by_id[entry.event_id] = entry
            self._versions[entry.stream_id] = entry.stream_version
            self._head = Head(entry.position, entry.hash)
        self._bell.ring(self._head.position)
        return self._head.position

    async def read(self, after: Position, limit: int = 500) -> Sequence[Recorded]:
        check_page(after, limit)
        await trio.lowlevel.checkpoint()
        return [
            recorded(e.position, e.event_id, (e.type, e.schema_version, e.payload), e.actor, e.recorded_at)
            for e in self._entries[after : after + limit]
        ]

    async def wait(self, after: Position) -> None:
        await self._bell.wait(after)

    async def verify(self) -> Position:
        """The head's position, after checking the whole chain. Raises LogDamaged."""
        await trio.lowlevel.checkpoint()
        return arrive(follow(Head(), self._entries), self._head)
