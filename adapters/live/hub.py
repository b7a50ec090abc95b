"""Where the live view is kept up to date, and where clients of the stream wait for news.

Law: the running pools are looked at no more than ten times a second, however many watch and whatever rings, and not
at all while nobody watches. A client owns nothing here but a number, so a slow one costs no memory and delays nobody;
when that number has left the ring it gets a snapshot instead of deltas (WS-2).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import trio

from engine.names import Alias, Position
from engine.pool.view import PoolView
from projections.live import Delta, LiveView, Snapshot

SHORTEST_S = 0.1
"""Between two looks, always."""
QUIET_S = 0.2
"""Between two looks while nothing moves, unless `ring` asks for one sooner."""

Sample = Callable[[], tuple[Position, Mapping[Alias, PoolView]]]


class LiveHub:
    """`sample` tells the position and every pool as they are now, without waiting."""

    def __init__(self, view: LiveView | None = None, *, sample: Sample) -> None:
        self._view = view if view is not None else LiveView()
        self._sample = sample
        self._watchers = 0
        self._bell = trio.Event()
        self._looked = trio.lowlevel.ParkingLot()
        "Those who wait for any look: newcomers, for whom the view may be old."
        self._moved = trio.lowlevel.ParkingLot()
        "Those who wait for a delta."
        self._is_closed = False

    @property
    def watchers(self) -> int:
        return self._watchers

    def ring(self) -> None:
        """Something changed that should be seen at once. Never blocks; free of cost while nobody watches."""
        self._bell.set()

    def close(self) -> None:
        """End every client's stream, now and later."""
        self._is_closed = True
        self._looked.unpark_all()
        self._moved.unpark_all()

    async def run(self) -> None:
        """Look for ever. When this ends, so do the clients' streams."""
        try:
            while True:
                await self._bell.wait()
                self._bell = trio.Event()
                while self._watchers:
                    period = SHORTEST_S if self._look() else QUIET_S
                    await trio.sleep(SHORTEST_S)
                    with trio.move_on_after(period - SHORTEST_S):
                        await self._bell.wait()
                    self._bell = trio.Event()
        finally:
            self.close()

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Keeps the view up to date until the block ends."""
        self._watchers += 1
        self.ring()
        try:
            yield
        finally:
            self._watchers -= 1

    async def news(self, seq: int | None) -> Snapshot | tuple[Delta, ...] | None:
        """What a client knows not yet that was told everything up to `seq`; None is one that was told nothing.

        Deltas, or a snapshot to one that is new or too late for them; None: the stream is over. Waits while there is
        nothing new. To be called inside `watch`.
        """
        if seq is None and not self._is_closed:
            await self._looked.park()
        while seq == self._view.seq and not self._is_closed:
            await self._moved.park()
        if self._is_closed:
            return None
        deltas = None if seq is None else self._view.since(seq)
        return self._view.snapshot() if deltas is None else deltas

    def _look(self) -> bool:
        """Whether anything differs from the look before."""
        moved = self._view.observe(*self._sample()) is not None
        self._looked.unpark_all()
        if moved:
            self._moved.unpark_all()
        return moved
