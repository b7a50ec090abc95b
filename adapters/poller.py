"""Readiness of all plain sockets from one epoll set, registered once each, edge-triggered.

trio's own waiting registers a socket anew for every wait, which is a system call and a callback each time. Here a
socket is registered when it is made; one task waits for the set itself, takes all events of a turn with one call and
wakes whom they concern. The same events tell at once when a client hangs up while its request waits upstream, and
whether an idle upstream connection has been closed or has said something unasked: neither costs a task or a call.

Law: a `Readiness` is never false while the kernel holds something unread that came after the last look. A wait ends
by its patience: exactly where that is short, and up to `LOOK_S` late where it is long, since bounding each wait by a
cancel scope of its own cost a sixth of the throughput.
"""

import math
import select
from collections.abc import Callable
from typing import Self

import trio

_EVENTS = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET
_GONE = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_MOST_EVENTS = 512

LOOK_S = 1.0
"""How often it is looked whose patience is over."""
_LONG_S = 5.0
"""From here on a wait may end a look late."""


class Looks:
    """How many looks there have been: a clock that costs nothing to read."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Readiness:
    """What is known of one socket. Its one reader clears `readable` when it has found nothing more."""

    __slots__ = ("_last_look", "_looks", "_task", "gone", "on_gone", "readable")

    def __init__(self, looks: Looks) -> None:
        self._looks = looks
        self._last_look = math.inf
        "The look at which the present wait ends."
        self.readable = False
        self.gone = False
        "Whether the peer has ended its side. One that only closes its sending side counts, as it does for nginx."
        self.on_gone: Callable[[], None] | None = None
        "Called when that becomes known."
        self._task: trio.lowlevel.Task | None = None

    async def wait(self, patience_s: float = math.inf) -> None:
        """Return once the socket may be readable. A checkpoint only if it has to wait. Raises TimeoutError."""
        if self.readable:
            return
        if patience_s >= _LONG_S:
            # One look may follow at once.
            self._last_look = self._looks.count + patience_s / LOOK_S + 1
            self._task = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._abort)
        else:
            with trio.move_on_after(max(0.0, patience_s)):
                await self.wait()
        if not self.readable:
            raise TimeoutError(f"nothing came in {patience_s:g} s")

    def look(self) -> None:
        """End the wait if its patience is over."""
        if self._task is not None and self._looks.count >= self._last_look:
            task, self._task = self._task, None
            trio.lowlevel.reschedule(task)

    def arrived(self, events: int) -> None:
        self.readable = True
        if self._task is not None:
            task, self._task = self._task, None
            trio.lowlevel.reschedule(task)
        if events & _GONE:
            self.gone = True
            if self.on_gone is not None:
                self.on_gone()

    def _abort(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED


class Poller:
    """One for a process; nothing that is registered here is ever readable unless `run` runs."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._looks = Looks()
        self._sockets: dict[int, Readiness] = {}

    def add(self, descriptor: int) -> Readiness:
        """Register a socket until `remove`."""
        readiness = self._sockets[descriptor] = Readiness(self._looks)
        self._epoll.register(descriptor, _EVENTS)
        return readiness

    def remove(self, descriptor: int) -> None:
        """Forget a socket; before it is closed, since descriptors are used again."""
        del self._sockets[descriptor]
        self._epoll.unregister(descriptor)

    async def run(self) -> None:
        """Wake whom events concern and whose patience is over, for ever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._look)
            await self._attend()

    async def _look(self) -> None:
        while True:
            await trio.sleep(LOOK_S)
            self._looks.count += 1
            for readiness in list(self._sockets.values()):
                readiness.look()

    async def _attend(self) -> None:
        epoll, sockets, wait_readable = self._epoll, self._sockets, trio.lowlevel.wait_readable
        descriptor = epoll.fileno()
        while True:
            await wait_readable(descriptor)
            for ready, events in epoll.poll(0, _MOST_EVENTS):
                # A callback of an earlier event may have closed a socket of a later one.
                readiness = sockets.get(ready)
                if readiness is not None:
                    readiness.arrived(events)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._epoll.close()
