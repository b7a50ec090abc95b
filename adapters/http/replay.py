"""A connection handed on to another protocol, with the request that asked for it still in front of the stream."""

import socket
from typing import Self

import trio

from adapters.http.messages import Incoming


class ReplayedStream(trio.abc.Stream):
    """A stream whose first bytes were read already."""

    def __init__(self, first: bytes, stream: trio.SocketStream) -> None:
        self._first = first
        self._stream = stream

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self._first:
            await trio.lowlevel.checkpoint()
            size = len(self._first) if max_bytes is None else max_bytes
            taken, self._first = self._first[:size], self._first[size:]
            return taken
        return bytes(await self._stream.receive_some(max_bytes))

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def __aenter__(self) -> Self:
        return self


def replayed(connected: socket.socket, incoming: Incoming, rest: bytes) -> ReplayedStream:
    """The stream as the next protocol's own server would have met it: the request head first, then what followed."""
    head = [b"%b %b HTTP/%b\r\n" % (incoming.method.encode(), incoming.target, incoming.version.encode())]
    head += [b"%b: %b\r\n" % field for field in incoming.headers]
    # The duplicate shares the connection, so that closing either end of this hand-over is the other's to do.
    stream = trio.SocketStream(trio.socket.from_stdlib_socket(connected.dup()))
    return ReplayedStream(b"".join(head) + b"\r\n" + rest, stream)
