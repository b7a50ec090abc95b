"""Wakes those who wait for the log to grow.

Law: level-triggered. What counts is the highest position rung, not the moment of ringing, so a ring between a
read and the wait after it is not lost, and any number may wait.
"""

import trio

from engine.names import Position


class Doorbell:
    def __init__(self) -> None:
        self.head: Position = 0
        "The highest position rung."
        self._rung = trio.Event()

    def ring(self, head: Position) -> None:
        """The log is known to reach this position; ringing a lower one again does nothing."""
        if head > self.head:
            self.head = head
            self._rung.set()
            self._rung = trio.Event()

    async def wait(self, after: Position) -> None:
        """Return once a higher position was rung; at once if it was."""
        await trio.lowlevel.checkpoint()
        while self.head <= after:
            await self._rung.wait()
