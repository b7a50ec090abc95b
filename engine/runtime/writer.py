"""The writer: a command, decided on the newest table and appended exactly there.

Law: a command either is in the log or was rejected, whatever happens on the way: a log that moved on means deciding
again, a doubtful append is settled by repeating it with the same event ids.
"""

import math
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeAlias
from uuid import UUID

import attrs
import trio

from engine.commands import ApplyDocument, ApplyManifest, ChangeEntities, Command, RollBack
from engine.decide import Change, decide
from engine.errors import IdempotencyConflict, LogDamaged, OutcomeUnknown, Outdated, StoreUnavailable, WrongPosition
from engine.events import Draft, Event
from engine.names import Position, Source, Stream
from engine.ports import Appended, EventLog
from engine.rollback import acting
from engine.runtime.follower import Follower
from engine.snapshot import RoutingSnapshot, behalf

_RETRY_S = 0.2
_DOUBT_S = 10.0
"""How long it is tried to find out what became of an append."""
_TURN_S = 10.0
_READ_BACK_S = 1.0
_FEW = 20
"""Facts that are decided at once."""
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


Allows: TypeAlias = Callable[[RoutingSnapshot, tuple[Event, ...]], None]
"""Raises where whoever asks may not have these events on this table."""


def _all_allowed(snapshot: RoutingSnapshot, events: tuple[Event, ...]) -> None:
    """Whoever may write at all may write anything."""


def _is_long(command: Command) -> bool:
    """Whether it may be about the whole table."""
    return isinstance(command, ApplyManifest | ApplyDocument | RollBack) or (
        isinstance(command, ChangeEntities) and len(command.facts) > _FEW
    )


class Writer:
    """`change` is the projection's."""

    def __init__(self, log: EventLog, follower: Follower, *, new_id: Callable[[], UUID], change: Change) -> None:
        self._log = log
        self._follower = follower
        self._new_id = new_id
        self._change = change
        self._turn = trio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Be the only one of this process who writes, so that its own commands do not overtake each other.

        Raises StoreUnavailable where those before take too long.
        """
        with trio.move_on_after(_TURN_S) as waiting:
            await self._turn.acquire()
        if waiting.cancelled_caught:
            raise StoreUnavailable("the changes before this one take too long")
        try:
            yield
        finally:
            self._turn.release()

    @property
    def snapshot(self) -> RoutingSnapshot:
        """The table that the next command will be decided on, unless the log moves on first."""
        return self._follower.snapshot

    def plan(
        self,
        command: Command,
        *,
        actor: Source,
        versions: Mapping[Stream, int] | None = None,
        allows: Allows = _all_allowed,
    ) -> Written:
        """What a command would append now, and where it would be decided. `allows` sees each plan, on its table.

        Raises Rejected, Owned, Outdated, and what `allows` raises.
        """
        snapshot = self._follower.snapshot
        for stream, version in (versions or {}).items():
            known = snapshot.streams.get(stream)
            actual = 0 if known is None else known.version
            if actual != version:
                raise Outdated(stream, version, actual)
        events = decide(snapshot, command, source=actor, change=self._change)
        allows(snapshot, events)
        return Written(snapshot.position, events)

    async def planned(
        self,
        command: Command,
        *,
        actor: Source,
        versions: Mapping[Stream, int] | None = None,
        allows: Allows = _all_allowed,
    ) -> Written:
        """As `plan`, beside the event loop where it takes long: requests go on meanwhile."""
        plan = partial(self.plan, command, actor=actor, versions=versions, allows=allows)
        return await trio.to_thread.run_sync(plan) if _is_long(command) else plan()

    async def write(
        self,
        command: Command,
        *,
        actor: Source,
        versions: Mapping[Stream, int] | None = None,
        repeatable: Repeatable | None = None,
    ) -> Written:
        """Make a command hold; what held already appends nothing. `versions`: of the entities it was meant for.

        Needs the follower to be running. Waits for its turn.
        Raises Rejected, Owned, Outdated, IdempotencyConflict, StoreUnavailable, OutcomeUnknown, LogDamaged.
        """
        async with self.turn():
            if repeatable is not None:
                earlier = await self.earlier(repeatable)
                if earlier is not None:
                    return earlier
            return await self.write_now(command, actor=actor, versions=versions, repeatable=repeatable)

    async def write_now(
        self,
        command: Command,
        *,
        actor: Source,
        versions: Mapping[Stream, int] | None = None,
        repeatable: Repeatable | None = None,
        allows: Allows = _all_allowed,
        by: Source | None = None,
    ) -> Written:
        """As `write`, for whoever has the turn and has looked whether the request was sent before. `by`: who does it in
        the actor's place.
        """
        while True:
            planned = await self.planned(command, actor=actor, versions=versions, allows=allows)
            if not planned.events:
                return planned
            drafts = [
                Draft(
                    self._new_id() if repeatable is None else repeatable.event_ids(number),
                    event,
                    acting(command, event, actor) if isinstance(command, RollBack) else None,
                )
                for number, event in enumerate(planned.events)
            ]
            causation = None if repeatable is None else repeatable.fingerprint
            told = actor if by is None else behalf(by, actor)
            try:
                appended = await self._append(drafts, planned.position, told, causation)
            except WrongPosition as moved:
                if moved.actual < planned.position:
                    raise LogDamaged(moved.actual + 1, "was there and is missing") from moved
                await self._reach(moved.actual)
            else:
                # Whoever writes next decides on the table that this has led to.
                with trio.move_on_after(_READ_BACK_S):
                    await self._follower.applied(appended.position)
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
        """Append, and settle any doubt by asking again: the log knows the ids. What is in doubt stays so until it is
        settled, whatever the store says meanwhile.
        """
        in_doubt = False
        ends = math.inf
        while True:
            try:
                appended = await self._log.append(drafts, expected=expected, actor=actor, causation=causation)
            except (OutcomeUnknown, StoreUnavailable) as error:
                if not in_doubt and isinstance(error, StoreUnavailable):
                    raise
                if not in_doubt:
                    in_doubt, ends = True, trio.current_time() + _DOUBT_S
                if trio.current_time() >= ends:
                    raise OutcomeUnknown(str(error)) from error
                await trio.sleep(_RETRY_S)
            else:
                # What was in doubt was this process' own, even if the log had it already.
                return attrs.evolve(appended, is_repeated=False) if in_doubt else appended
