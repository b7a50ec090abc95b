"""The writer: a command, decided on the newest table and appended exactly there.

Law: a command either is in the log or was rejected, whatever happens on the way: a log that moved on means deciding
again, a doubtful append is settled by repeating it with the same event ids.
"""

from collections.abc import Callable
from uuid import UUID

import trio

from engine.commands import Command
from engine.decide import decide
from engine.errors import OutcomeUnknown, WrongPosition
from engine.events import Draft
from engine.names import Position
from engine.ports import EventLog
from engine.runtime.follower import Follower
from engine.snapshot import RoutingSnapshot

_RETRY_S = 0.2
_DOUBTS = 25


class Writer:
    def __init__(self, log: EventLog, follower: Follower, *, new_id: Callable[[], UUID]) -> None:
        self._log = log
        self._follower = follower
        self._new_id = new_id

    @property
    def snapshot(self) -> RoutingSnapshot:
        """The table that the next command will be decided on, unless the log moves on first."""
        return self._follower.snapshot

    async def write(self, command: Command, *, actor: str) -> Position:
        """The position at which the command holds; what held already appends nothing.

        Needs the follower to be running. Raises Rejected, StoreUnavailable, OutcomeUnknown.
        """
        while True:
            snapshot = self._follower.snapshot
            events = decide(snapshot, command)
            if not events:
                return snapshot.position
            drafts = [Draft(self._new_id(), event) for event in events]
            try:
                return await self._append(drafts, expected=snapshot.position, actor=actor)
            except WrongPosition as moved:
                await self._follower.applied(moved.actual)

    async def _append(self, drafts: list[Draft], *, expected: Position, actor: str) -> Position:
        for _ in range(_DOUBTS):
            try:
                return await self._log.append(drafts, expected=expected, actor=actor)
            except OutcomeUnknown:
                await trio.sleep(_RETRY_S)
        return await self._log.append(drafts, expected=expected, actor=actor)
