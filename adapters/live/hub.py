"""Where the live view is kept up to date, and where clients of the stream wait for news.

Laws: the running pools are looked at no more than ten times a second, whatever rings, and not at all while nobody
watches; the more a look and its news cost, the seldomer, so that they take a bounded share of the time, but once a
second at least. A client owns nothing here but a number, so a slow one costs no memory and delays nobody: what it
missed comes merged into one delta (WS-2), or it starts again. What several clients are told is made once.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import attrs
import trio

from adapters.live.events import EventTeller
from adapters.live.lane import framed
from adapters.live.messages import Message, ResyncRequired, encode
from projections.live import LiveView, Watched
from projections.live_facts import Observation

SHORTEST_S: Final = 0.1
"""Between two looks, always."""
QUIET_S: Final = 0.2
"""Between two looks while nothing moves, unless `ring` asks for one sooner."""
LONGEST_S: Final = 1.0
"""Between two looks, whatever they cost."""
SHARE: Final = 0.03
"""Of the time that looks and news may take, while the longest period allows it."""
CLIENT_S: Final = 100e-6
"""What it costs to tell one client, beside the bytes; measured with 200 of them, and rounded up by a quarter."""
BYTE_S: Final = 0.4e-9
"""What a byte that one client is told costs; measured and rounded likewise."""
BATCH: Final = 16
"""Clients that are told without letting others' tasks run, which are the requests."""
KEPT_S: Final = 60.0
"""How long, after the last client has gone, the next event's sentence can still be told."""
_MOST_FRAMES: Final = 32
"""Frames kept for clients that know and watch the same; others are made anew."""

Sample = Callable[[], Observation]


@attrs.frozen
class News:
    """What brings a client from what it was told to `seq`."""

    seq: int
    frames: tuple[bytes, ...]
    "Whole websocket messages, in this order; none: nothing of what it watches has changed."


class LiveHub:
    """`sample` tells how everything is now, without waiting; `events` what was configured meanwhile."""

    def __init__(self, view: LiveView | None = None, *, sample: Sample, events: EventTeller | None = None) -> None:
        self._view = view if view is not None else LiveView()
        self._sample = sample
        self._events = events
        self._watchers = 0
        self._bell = trio.Event()
        self._looked = trio.lowlevel.ParkingLot()
        "Those who wait for any look: newcomers, for whom the view may be old."
        self._moved = trio.lowlevel.ParkingLot()
        "Those who wait for a delta."
        self._looked_at = -math.inf
        self._look_s = 0.0
        self._frames: dict[tuple[int | None, Watched], bytes] = {}
        "Made for the present `seq`, by what the client knows and watches."
        self._longest_frame = 0
        "Of those that were made for the present `seq` or the one before."
        self._is_closed = False
        if events is not None:
            events.on_read = self.ring

    @property
    def watchers(self) -> int:
        return self._watchers

    @property
    def period_s(self) -> float:
        """From a look to the next at the earliest."""
        return min(max(SHORTEST_S, self.cost_s / SHARE), LONGEST_S)

    @property
    def cost_s(self) -> float:
        """What a look and its news take, roughly."""
        return self._look_s + self._watchers * (CLIENT_S + self._longest_frame * BYTE_S)

    @property
    def seq(self) -> int:
        return self._view.seq

    @property
    def position(self) -> int:
        return self._view.position

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
            async with trio.open_nursery() as nursery:
                if self._events is not None:
                    nursery.start_soon(self._events.run)
                await self._look_on()
        finally:
            self.close()

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Keeps the view up to date until the block ends."""
        self._watchers += 1
        if self._events is not None:
            self._events.begin()
        self.ring()
        try:
            yield
        finally:
            self._watchers -= 1

    async def news(self, told: int | None, seen: int | None = None, watched: Watched = None) -> News | None:
        """What a client knows not yet that was told everything up to `told`; None is one that was told nothing.

        `seen`: up to where it was found already that there is nothing to tell; at first the same. None: the stream is
        over. Waits while there is nothing new. To be called inside `watch`.
        """
        while told is not None and (seen or told) == self._view.seq and not self._is_closed:
            await self._moved.park()
        gap = None if told is None else self._view.gap(told)
        is_old = trio.current_time() - self._looked_at > LONGEST_S
        if (told is None or gap is not None) and is_old and not self._is_closed:
            await self._looked.park()
        if self._is_closed:
            return None
        seq = self._view.seq
        if told is None or gap is not None:
            why = () if told is None or gap is None else (framed(encode(ResyncRequired.of(told, gap))),)
            return News(seq, (*why, self._frame(None, watched)))
        frame = self._frame(told, watched)
        return News(seq, (frame,) if frame else ())

    def _frame(self, told: int | None, watched: Watched) -> bytes:
        """What brings a client to the present `seq`; empty where there is nothing."""
        frame = self._frames.get((told, watched))
        if frame is None:
            view = self._view
            message: Message | None = view.snapshot(watched) if told is None else view.since(told, watched)
            frame = framed(encode(message)) if message is not None else b""
            if len(self._frames) < _MOST_FRAMES:
                self._frames[told, watched] = frame
            if told is not None:
                self._longest_frame = max(self._longest_frame, len(frame))
        return frame

    async def _look_on(self) -> None:
        while True:
            with trio.move_on_after(KEPT_S) as patience:
                await self._bell.wait()
            if patience.cancelled_caught:
                if self._events is not None:
                    self._events.forget()
                await self._bell.wait()
            self._bell = trio.Event()
            while self._watchers:
                moved = self._look()
                period_s = self.period_s
                if moved:
                    await self._tell(period_s / 2)
                await trio.sleep_until(self._looked_at + period_s)
                if not moved:
                    with trio.move_on_at(self._looked_at + QUIET_S):
                        await self._bell.wait()
                self._bell = trio.Event()
            if self._events is not None:
                self._events.pause()

    async def _tell(self, span_s: float) -> None:
        """Wake those who wait for a delta, a batch at a time and all within a span: they send at once."""
        waiting = len(self._moved)
        pause_s = span_s * BATCH / max(BATCH, waiting)
        while True:
            self._moved.unpark(count=BATCH)
            waiting -= BATCH
            if waiting <= 0:
                return
            await trio.sleep(pause_s)

    def _look(self) -> bool:
        """Whether anything differs from the look before."""
        self._looked_at = trio.current_time()
        seen = self._sample()
        happened = None if self._events is None else self._events.take(seen.position)
        moved = self._view.observe(seen, happened)
        self._looked.unpark_all()
        if moved:
            self._frames.clear()
            self._longest_frame //= 2
        self._look_s = trio.current_time() - self._looked_at
        return moved
