"""The writer: a command, decided on the newest table and appended exactly there.

Law: a command either is in the log or was rejected, whatever happens on the way: a log that moved on means deciding
again, a doubtful append is settled by repeating it with the same event ids.
"""

from collections.abc import Callable, Mapping
from uuid import UUID

import attrs
import trio

from engine.commands import Command
from engine.decide import Change, decide
from engine.errors import IdempotencyConflict, OutcomeUnknown, Outdated, StoreUnavailable, WrongPosition
from engine.events import Draft, Event
from engine.names import Position, Source, Stream
from engine.ports import Appended, EventLog
from engine.runtime.follower import Follower
from engine.snapshot import RoutingSnapshot

_RETRY_S = 0.2
_DOUBTS = 25
_BEHIND_S = 10.0
"""How long the follower may take to reach what the log is known to hold."""


@attrs.frozen
class Repeatable:
    """A request that its sender may send again and that must count once."""

    event_ids: Callable[[int], UUID]
    "The id of its first event, its second and so on: the same whenever it is sent."
    fingerprint: UUID
    "Of what it asks for."


@attrs.frozen
class Written:
    position: Position
    "At which the command holds."
    events: tuple[Event, ...] = ()
    "What it has appended: nothing where it held already."
    is_repeated: bool = False
    "Whether an earlier sending of the same request had appended it."


class Writer:
    """`change` is the projection's."""

    def __init__(self, log: EventLog, follower: Follower, *, new_id: Callable[[], UUID], change: Change) -> None:
        self._log = log
        self._follower = follower
        self._new_id = new_id
        self._change = change

    @property
    def snapshot(self) -> RoutingSnapshot:
        """The table that the next command will be decided on, unless the log moves on first."""
        return self._follower.snapshot

    def plan(self, command: Command, *, actor: Source, versions: Mapping[Stream, int] | None = None) -> Written:
        """What a command would append now, and where it would be decided. Raises Rejected, Owned, Outdated."""
        snapshot = self._follower.snapshot
        for stream, version in (versions or {}).items():
            known = snapshot.streams.get(stream)
            actual = 0 if known is None else known.version
            if actual != version:
                raise Outdated(stream, version, actual)
        return Written(snapshot.position, decide(snapshot, command, source=actor, change=self._change))

    async def write(
        self,
        command: Command,
        *,
        actor: Source,
        versions: Mapping[Stream, int] | None = None,
        repeatable: Repeatable | None = None,
    ) -> Written:
        """Make a command hold; what held already appends nothing. `versions`: of the entities it was meant for.

        Needs the follower to be running.
        Raises Rejected, Owned, Outdated, IdempotencyConflict, StoreUnavailable, OutcomeUnknown.
        """
        if repeatable is not None:
            earlier = await self.earlier(repeatable)
            if earlier is not None:
                return earlier
        while True:
            planned = self.plan(command, actor=actor, versions=versions)
            if not planned.events:
                return planned
            drafts = [
                Draft(self._new_id() if repeatable is None else repeatable.event_ids(number), event)
                for number, event in enumerate(planned.events)
            ]
            causation = None if repeatable is None else repeatable.fingerprint
            try:
                appended = await self._append(drafts, planned.position, actor, causation)
            except WrongPosition as moved:
                await self._reach(moved.actual)
            else:
                return attrs.evolve(planned, position=appended.position, is_repeated=appended.is_repeated)

    async def earlier(self, repeatable: Repeatable) -> Written | None:
        """What a request's first sending has appended; None where it has appended nothing.

        Raises IdempotencyConflict, StoreUnavailable.
        """
        found = await self._log.find(repeatable.event_ids(0))
        if found is None:
            return None
        if found.causation != repeatable.fingerprint:
            raise IdempotencyConflict("the same idempotency key came with another request before")
        return Written(found.position, is_repeated=True)

    async def _reach(self, position: Position) -> None:
        with trio.move_on_after(_BEHIND_S):
            await self._follower.applied(position)
            return
        raise StoreUnavailable(f"this gateway cannot follow the log to position {position}")

    async def _append(self, drafts: list[Draft], expected: Position, actor: Source, causation: UUID | None) -> Appended:
        for _ in range(_DOUBTS):
            try:
                return await self._log.append(drafts, expected=expected, actor=actor, causation=causation)
            except OutcomeUnknown:
                await trio.sleep(_RETRY_S)
        return await self._log.append(drafts, expected=expected, actor=actor, causation=causation)
