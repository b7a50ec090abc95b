"""A log that fails when told to, around a real one."""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import trio

from engine.events import Draft, Recorded
from engine.names import Position
from engine.ports import Appended, EventLog, Found, Wake

Trouble = Exception | Callable[[], Awaitable[None]] | None
"""Raise this; or do this first; or nothing."""


class TroubledLog:
    """An `engine.ports.EventLog`. Each list gives one call's trouble each, first to last; then there is none."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.before_append: list[Trouble] = []
        self.after_append: list[Trouble] = []
        self.on_read: list[Trouble] = []
        self.skipping: set[Position] = set()
        "Positions that reads leave out."
        self.tried: list[tuple[UUID, ...]] = []
        "The event ids of each append."
        self.reads = 0

    async def append(
        self, drafts: Sequence[Draft], *, expected: Position, actor: str, causation: UUID | None = None
    ) -> Appended:
        self.tried.append(tuple(draft.event_id for draft in drafts))
        await _meet(self.before_append)
        appended = await self._log.append(drafts, expected=expected, actor=actor, causation=causation)
        await _meet(self.after_append)
        return appended

    async def find(self, event_id: UUID) -> Found | None:
        return await self._log.find(event_id)

    async def read(self, after: Position, limit: int = 500) -> Sequence[Recorded]:
        self.reads += 1
        await _meet(self.on_read)
        return [one for one in await self._log.read(after, limit) if one.position not in self.skipping]

    async def wait(self, after: Position) -> Wake:
        return await self._log.wait(after)


async def _meet(troubles: list[Trouble]) -> None:
    await trio.lowlevel.checkpoint()
    trouble = troubles.pop(0) if troubles else None
    if isinstance(trouble, Exception):
        raise trouble
    if trouble is not None:
        await trouble()
