"""The follower: reads the log, folds it, hands whole tables on.

Law: it publishes only at the head as it was read, so an append of many events becomes visible at once or not at
all (an append is one transaction, and a page that is not full ends at a commit); it never skips a position; every
change enters the process here, its own writes too. A log that is away or cannot be understood leaves the last table in
force: what cannot be read is never guessed at.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence

import attrs
import trio

from engine.errors import LogDamaged, StoreUnavailable
from engine.events import Recorded, kind_of
from engine.names import Alias, Position
from engine.ports import EventLog, Wake
from engine.snapshot import RoutingSnapshot

_PAGE = 500
"""What is folded at one go while requests are being served."""
_RETRY_S = 1.0
_DAMAGED_S = 10.0

Fold = Callable[[RoutingSnapshot, Sequence[Recorded]], tuple[RoutingSnapshot, frozenset[Alias]]]
Publish = Callable[[RoutingSnapshot, frozenset[Alias]], None]
Prepare = Callable[[RoutingSnapshot, frozenset[Alias]], Awaitable[None]]


@attrs.frozen
class Look:
    """What one look at the log has brought."""

    wake: Wake
    "Why it was looked at."
    oldest: Mapping[str, int]
    "The kinds of entities that changed, each with the time of its oldest change: Unix microseconds, by its writer."
    failure: str | None = None
    "Why it brought nothing."


def _nobody(snapshot: RoutingSnapshot, touched: frozenset[Alias]) -> None:
    """Publish to nobody: before anything runs on the table."""


async def _unprepared(snapshot: RoutingSnapshot, touched: frozenset[Alias]) -> None:
    """Nothing has to be there before a table is in force."""


def _untold(look: Look) -> None:
    """Nobody asks."""


class Follower:
    """`fold` is the projection's; `publish` gets each new table and the pools it may differ in, after `prepare` had the
    time it took to see to what that table needs. That must not raise, nor take for ever.
    """

    def __init__(
        self,
        log: EventLog,
        snapshot: RoutingSnapshot,
        *,
        fold: Fold,
        on_look: Callable[[Look], None] = _untold,
    ) -> None:
        self._log = log
        self._fold = fold
        self._on_look = on_look
        self._moved = trio.Event()
        self.prepare: Prepare = _unprepared
        self.snapshot = snapshot
        "The last published table."
        self.failing_since: str | None = None
        "Why the log cannot be read at present; None while it can."
        self.is_stuck = False
        "Whether that is because it cannot be understood, so that waiting alone will not help."

    async def catch_up(self, publish: Publish = _nobody, *, wake: Wake = Wake.POLL) -> None:
        """Fold and publish all that the log holds now. Raises StoreUnavailable, LogDamaged."""
        snapshot, touched, oldest = self.snapshot, set[Alias](), dict[str, int]()
        while True:
            events = await self._log.read(snapshot.position, _PAGE)
            _check(snapshot.position, events)
            if events:
                snapshot, changed = self._fold(snapshot, events)
                touched |= changed
                for recorded in events:
                    kind = kind_of(recorded.event)
                    if kind not in oldest or recorded.recorded_at < oldest[kind]:
                        oldest[kind] = recorded.recorded_at
            if len(events) < _PAGE:
                break
        if snapshot.position != self.snapshot.position:
            await self.prepare(snapshot, frozenset(touched))
            self.snapshot = snapshot
            publish(snapshot, frozenset(touched))
            moved, self._moved = self._moved, trio.Event()
            moved.set()
        self._on_look(Look(wake, oldest))

    async def run(self, publish: Publish) -> None:
        """Catch up for ever."""
        wake = Wake.POLL
        while True:
            try:
                wake = await self._log.wait(self.snapshot.position)
                await self.catch_up(publish, wake=wake)
            except (StoreUnavailable, LogDamaged) as error:
                self.failing_since, self.is_stuck = str(error), isinstance(error, LogDamaged)
                self._on_look(Look(wake, {}, self.failing_since))
                await trio.sleep(_DAMAGED_S if self.is_stuck else _RETRY_S)
            else:
                self.failing_since, self.is_stuck = None, False

    async def applied(self, position: Position) -> None:
        """Return once the table of a position, or a later one, is in force."""
        while self.snapshot.position < position:
            await self._moved.wait()


def _check(after: Position, events: Sequence[Recorded]) -> None:
    for expected, recorded in enumerate(events, after + 1):
        if recorded.position != expected:
            raise LogDamaged(recorded.position, f"follows {expected - 1}: positions have a gap")
