"""Configuration events for the live stream: read from the log again, each with the table before it.

Law: the log is read only while somebody watches, no faster than a few times a second, and never for the follower's
sake; a store that is away delays what is told and nothing else. Each event is told once and in order, or counted as
left out; what is kept has a bound.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, Protocol, TypeAlias

import trio

from adapters.codec import NAMES
from adapters.moments import told_in_full
from engine.errors import LogDamaged, StoreError
from engine.events import Recorded, stream_of
from engine.names import Position
from engine.snapshot import RoutingSnapshot
from projections.history import sentence
from projections.live import MOST_EVENTS
from projections.live_facts import EventTold, Happened

PAUSE_S: Final = 0.25
"""Between two reads: a sentence and a fold cost some 100 µs, and a read brings up to `MOST_EVENTS`."""
RETRY_S: Final = 1.0
DAMAGED_S: Final = 10.0
_BREATH: Final = 10
"""Events that are told without letting other tasks run."""

Fold: TypeAlias = Callable[[RoutingSnapshot, Iterable[Recorded]], tuple[RoutingSnapshot, Any]]


class Readable(Protocol):
    async def read(self, after: Position, limit: int = 500) -> Sequence[Recorded]: ...


class EventTeller:
    """`present` gives the table in force, `applied` returns once one of a position, or a later one, is; `fold` is the
    projection's.
    """

    def __init__(
        self,
        log: Readable,
        *,
        present: Callable[[], RoutingSnapshot],
        applied: Callable[[Position], Awaitable[None]],
        fold: Fold,
    ) -> None:
        self._log = log
        self._present = present
        self._applied = applied
        self._fold = fold
        self._table: RoutingSnapshot | None = None
        "As of the last event that was read; None: nobody has watched for a while."
        self._position: Position | None = None
        "Of the last event that was read or left out."
        self._shown: Position = 0
        "What `take` gave last."
        self._waiting: list[EventTold] = []
        self._left_out = 0
        self._wanted = trio.Event()
        self.on_read: Callable[[], None] = lambda: None
        "Hears that there is something to take."

    def begin(self) -> None:
        """Somebody watches: read from now on. What happened while the table was not kept is left out."""
        if self._table is None:
            present = self._present()
            if self._position is None:
                self._shown = present.position
            else:
                self._left_out += present.position - self._position
            self._table, self._position = present, present.position
        self._wanted.set()

    def pause(self) -> None:
        """Nobody does."""
        if self._wanted.is_set():
            # An unset one has `run` waiting for it.
            self._wanted = trio.Event()

    def forget(self) -> None:
        """Let go of the table that is kept for the next event's sentence: it may be much of an old one."""
        self._table = None

    def take(self, position: Position) -> Happened:
        """What was read since the last time; nothing while it goes beyond a position, which is the stream's."""
        if self._position is None or self._position > position:
            return Happened(self._shown)
        events, self._waiting = tuple(self._waiting), []
        left_out, self._left_out = self._left_out, 0
        self._shown = self._position
        return Happened(self._shown, events, left_out)

    async def run(self) -> None:
        """Read on, for ever, while somebody watches."""
        while True:
            await self._wanted.wait()
            try:
                await self._read_on()
            except LogDamaged:
                await trio.sleep(DAMAGED_S)
            except StoreError:
                await trio.sleep(RETRY_S)
            else:
                await trio.sleep(PAUSE_S)

    async def _read_on(self) -> None:
        """Wait for events, and tell one read of them; those that are too many for it are left out."""
        before = self._table
        if before is None:
            return
        await self._applied(before.position + 1)
        if not self._wanted.is_set() or self._table is not before:
            return
        present, table = self._present(), before
        page = await self._log.read(before.position, min(MOST_EVENTS, present.position - before.position))
        found: list[EventTold] = []
        for recorded in page:
            found.append(told(table, recorded))
            table, _ = self._fold(table, (recorded,))
            if len(found) % _BREATH == 0:
                await trio.lowlevel.checkpoint()
        if self._table is not before:
            # Forgotten meanwhile, by a store that took its time.
            return
        left_out = present.position - table.position if found else 0
        self._table = present if left_out else table
        self._position = self._table.position
        self._keep(found, left_out)

    def _keep(self, found: Sequence[EventTold], left_out: int) -> None:
        """What follows an event that is left out is left out too, so that the log can be asked for all after one."""
        room = 0 if self._left_out else MOST_EVENTS - len(self._waiting)
        self._waiting += found[:room]
        self._left_out += len(found[room:]) + left_out
        self.on_read()


def told(before: RoutingSnapshot, recorded: Recorded) -> EventTold:
    """An event, with the table before it. Nothing of its fields is told but what its sentence says."""
    event = recorded.event
    return EventTold(
        position=recorded.position,
        type=NAMES[type(event)],
        stream=stream_of(event),
        actor=recorded.actor,
        recorded_at=told_in_full(max(0, recorded.recorded_at)),
        recorded_at_us=recorded.recorded_at,
        sentence=sentence(before, recorded),
    )
