"""The follower: reads the log, folds it, hands whole tables on.

Law: it publishes only at the head as it was read, so an append of many events becomes visible at once or not at
all (an append is one transaction, and a page that is not full ends at a commit); it never skips a position; every
change enters the process here, its own writes too.
"""

from collections.abc import Callable

import trio

from engine.errors import LogDamaged, StoreUnavailable
from engine.events import Event, Recorded
from engine.names import Alias, Position
from engine.ports import EventLog
from engine.snapshot import RoutingSnapshot

_PAGE = 500
_RETRY_S = 1.0

Fold = Callable[[RoutingSnapshot, Recorded], RoutingSnapshot]
Touches = Callable[[Event], Alias | None]
Publish = Callable[[RoutingSnapshot, frozenset[Alias]], None]


def _nobody(snapshot: RoutingSnapshot, touched: frozenset[Alias]) -> None:
    """Publish to nobody: before anything runs on the table."""


class Follower:
    """`fold` and `touches` are the projection's; `publish` gets each new table and the pools it may differ in."""

    def __init__(self, log: EventLog, snapshot: RoutingSnapshot, *, fold: Fold, touches: Touches) -> None:
        self._log = log
        self._fold = fold
        self._touches = touches
        self._moved = trio.Event()
        self.snapshot = snapshot
        "The last published table."
        self.failing_since: str | None = None
        "Why the log cannot be read at present; None while it can."

    async def catch_up(self, publish: Publish = _nobody) -> None:
        """Fold and publish all that the log holds now. Raises StoreUnavailable, LogDamaged."""
        snapshot, touched = self.snapshot, set[Alias]()
        while True:
            page = await self._log.read(snapshot.position, _PAGE)
            for recorded in page:
                if recorded.position != snapshot.position + 1:
                    raise LogDamaged(recorded.position, f"follows {snapshot.position}: positions have a gap")
                snapshot = self._fold(snapshot, recorded)
                alias = self._touches(recorded.event)
                if alias is not None:
                    touched.add(alias)
            if len(page) < _PAGE:
                break
        if snapshot.position != self.snapshot.position:
            self.snapshot = snapshot
            publish(snapshot, frozenset(touched))
            moved, self._moved = self._moved, trio.Event()
            moved.set()

    async def run(self, publish: Publish) -> None:
        """Catch up for ever. A store that is away leaves the last table in force; a damaged log ends the process."""
        while True:
            try:
                await self._log.wait(self.snapshot.position)
                await self.catch_up(publish)
            except StoreUnavailable as error:
                self.failing_since = str(error)
                await trio.sleep(_RETRY_S)
            else:
                self.failing_since = None

    async def applied(self, position: Position) -> None:
        """Return once the table of a position, or a later one, is in force."""
        while self.snapshot.position < position:
            await self._moved.wait()
