"""Wakes those who wait for the log to grow.

Law: level-triggered. What counts is the highest position rung, and whether the log was read to its end since somebody
told of news, not the moment of ringing; so a ring between a read and the wait after it is not lost, and any number may
wait. Rings close together open once, at the end of their stretch: the last one always counts (DEF-1, SYNC-21).
"""

import math

import trio

from engine.names import Position
from engine.ports import Wake


class Doorbell:
    def __init__(self, *, apart_s: float = 0.0) -> None:
        self.head: Position = 0
        "The highest position rung."
        self._apart_s = apart_s
        "Seconds between two openings, at least."
        self._told = 0
        self._settled = 0
        self._why = Wake.POLL
        self._opened_at = -math.inf
        self._rung = trio.Event()

    def ring(self, head: Position, wake: Wake) -> None:
        """The log is known to reach this position; ringing a lower one again does nothing."""
        if head > self.head:
            self.head = head
            self._open(wake)

    def tell(self, wake: Wake) -> None:
        """The log may have grown, nobody says how far."""
        self._told += 1
        self._open(wake)

    def mark(self) -> int:
        """Taken before a read, for `settle`."""
        return self._told

    def settle(self, mark: int, head: Position) -> None:
        """A read begun at this mark found the end of the log there: it saw all that was told before it."""
        self._settled = max(self._settled, mark)
        self.ring(head, Wake.POLL)

    def has_news(self, after: Position) -> bool:
        return self.head > after or self._told > self._settled

    async def wait(self, after: Position) -> Wake:
        """Return once the log may hold more than `after`; at once if so already, and the last opening is long ago."""
        await trio.lowlevel.checkpoint()
        while not self.has_news(after):
            await self._rung.wait()
        # Counted from the opening before, not from a ring: one append may ring more than once.
        opens_at = self._opened_at + self._apart_s
        if opens_at > trio.current_time():
            await trio.sleep_until(opens_at)
        self._opened_at = trio.current_time()
        return self._why

    def _open(self, wake: Wake) -> None:
        self._why = wake
        self._rung.set()
        self._rung = trio.Event()
