"""A byte stream over a connected socket, for both sides of the gateway.

Law: `receive` is always a checkpoint; `send` is one only when the kernel's buffer is full, which saves a trip through
the scheduler for each message and is safe because every sender here also receives. `close` never waits.
Errors are OSError, whatever lies below. A peer that does not read is given up after `STALL_S`.
"""

import math
import select
import socket
from typing import Protocol

import trio

from adapters.poller import Poller, Readiness

RECEIVE_BYTES = 65536
STALL_S = 60.0
"How long a peer may read nothing while there is something to send."
_SLOWEST = 1024
"Bytes a second that a peer reads at least, over all of what is sent at once."


class Wire(Protocol):
    async def send(self, data: bytes, deadline: float = math.inf) -> None:
        """Send all of it, until a time of trio's clock. Raises OSError, which is TimeoutError when the time is over."""
        ...

    async def receive(self, patience_s: float = math.inf) -> bytes:
        """What has come, at least one byte; b"" at the end. Raises OSError: TimeoutError after so long without any."""
        ...

    def is_quiet(self) -> bool:
        """Whether an idle connection is still usable: not closed, and nothing unasked-for has come."""
        ...

    def close(self) -> None: ...


class PlainWire:
    """Over a non-blocking socket of the standard library."""

    __slots__ = ("_poller", "_readiness", "socket")

    def __init__(self, connected: socket.socket, poller: Poller) -> None:
        connected.setblocking(False)
        self.socket = connected
        self._poller = poller
        self._readiness = poller.add(connected.fileno())

    @property
    def readiness(self) -> Readiness:
        return self._readiness

    async def send(self, data: bytes, deadline: float = math.inf) -> None:
        try:
            sent = self.socket.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            await self._send_rest(memoryview(data)[sent:], deadline)

    async def receive(self, patience_s: float = math.inf) -> bytes:
        readiness = self._readiness
        if readiness.readable:
            # Data that waits already must not keep other tasks from running.
            await trio.lowlevel.checkpoint()
        while True:
            await readiness.wait(patience_s)
            try:
                data = self.socket.recv(RECEIVE_BYTES)
            except BlockingIOError:
                readiness.readable = False
                continue
            # Less than was asked for means that the kernel had no more; its next word will be a new event. Once the
            # peer has gone there may be no further event, so the end is read without waiting for one.
            if len(data) < RECEIVE_BYTES and not readiness.gone:
                readiness.readable = False
            return data

    def is_quiet(self) -> bool:
        return not self._readiness.readable

    def close(self) -> None:
        if self.socket.fileno() >= 0:
            self._poller.remove(self.socket.fileno())
            trio.lowlevel.notify_closing(self.socket)
            self.socket.close()

    async def _send_rest(self, rest: memoryview, deadline: float) -> None:
        # One that reads a little now and then must not have us wait for ever either.
        deadline = min(deadline, trio.current_time() + STALL_S + len(rest) / _SLOWEST)
        while rest:
            with trio.move_on_at(min(deadline, trio.current_time() + STALL_S)) as patience:
                await trio.lowlevel.wait_writable(self.socket)
            if patience.cancelled_caught:
                raise TimeoutError("the peer does not read what is sent to it")
            try:
                rest = rest[self.socket.send(rest) :]
            except BlockingIOError:
                continue


class TlsWire:
    """Over a trio TLS stream that has made its handshake."""

    def __init__(self, stream: trio.SSLStream[trio.SocketStream]) -> None:
        self._stream = stream

    async def send(self, data: bytes, deadline: float = math.inf) -> None:
        try:
            with trio.fail_at(min(deadline, trio.current_time() + STALL_S + len(data) / _SLOWEST)):
                await self._stream.send_all(data)
        except trio.TooSlowError:
            raise TimeoutError("the peer does not read what is sent to it") from None
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise OSError("the TLS connection is broken") from error

    async def receive(self, patience_s: float = math.inf) -> bytes:
        try:
            with trio.move_on_after(max(0.0, patience_s)):
                return bytes(await self._stream.receive_some(RECEIVE_BYTES))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            # An end without close_notify comes here too: a truncated body must not look complete.
            raise OSError("the TLS connection is broken") from error
        raise TimeoutError(f"nothing came in {patience_s:g} s")

    def is_quiet(self) -> bool:
        # Looks below TLS: an alert or anything else unread means the connection is not to be used again.
        poll = select.poll()
        poll.register(self._stream.transport_stream.socket.fileno(), select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        self._stream.transport_stream.socket.close()


def as_plain_wire(stream: trio.SocketStream, poller: Poller) -> PlainWire:
    """Take a connected trio stream's socket over."""
    return PlainWire(socket.socket(fileno=stream.socket.detach()), poller)
