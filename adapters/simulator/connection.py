"""One client connection: h11 over a trio stream.

Law: a write is one `send_all`; while `watched` runs, the client's closing ends it at once. A client that closes only
its sending side counts as gone, as HTTP clients do not do that.
"""

import socket
import struct
from collections.abc import Awaitable, Callable, Sequence

import attrs
import h11
import trio

from adapters.simulator.record import Ended

MOST_BODY = 64 * 2**20
MOST_HEAD = 64 * 2**10
MOST_AHEAD = 64 * 2**10
"""Bytes of pipelined requests read while another is answered; past them the client's closing is seen later."""
READ_SIZE = 64 * 2**10
LINGER_S = 1.0
"""How long unread bytes are discarded after an early refusal, lest they turn the answer into a reset."""

Headers = Sequence[tuple[bytes, bytes]]


class ClientGone(Exception):
    """A write failed: the client closed the connection."""


@attrs.frozen
class Unreadable(Exception):
    """What came is no request we read."""

    status: int
    message: str


@attrs.frozen
class Request:
    method: str
    target: str
    headers: list[tuple[bytes, bytes]]
    "As received: order and letter case kept."
    body: bytes

    def has(self, name: bytes) -> bool:
        return any(raw.lower() == name for raw, _ in self.headers)


class Connection:
    """Read a request, answer it, `next_cycle`, and again."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=MOST_HEAD)
        self._bodiless = False
        "The request was HEAD: its answer is all head (RFC 9110, 9.3.2)."

    async def receive_request(self) -> Request | None:
        """The next request with its whole body; None if the client is done. Raises Unreadable."""
        head: h11.Request | None = None
        body: list[bytes] = []
        size = 0
        while True:
            try:
                event = self._h11.next_event()
            except h11.RemoteProtocolError as error:
                raise Unreadable(error.error_status_hint, str(error)) from None
            if event is h11.NEED_DATA:
                await self._read_more()
            elif isinstance(event, h11.Request):
                head = event
                self._bodiless = event.method == b"HEAD"
                if self._announced(event) > MOST_BODY:
                    raise Unreadable(413, f"the body may have at most {MOST_BODY} bytes")
            elif isinstance(event, h11.Data):
                size += len(event.data)
                if size > MOST_BODY:
                    raise Unreadable(413, f"the body may have at most {MOST_BODY} bytes")
                body.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                method, target = head.method.decode("ascii"), head.target.decode("ascii")
                return Request(method, target, head.headers.raw_items(), b"".join(body))
            else:
                return None

    @staticmethod
    def _announced(head: h11.Request) -> int:
        return next((int(value) for name, value in head.headers if name == b"content-length"), 0)

    async def _read_more(self) -> None:
        if self._h11.they_are_waiting_for_100_continue:
            await self._write(h11.InformationalResponse(status_code=100, headers=[]))
        try:
            data = await self._stream.receive_some(READ_SIZE)
        except trio.BrokenResourceError:
            data = b""
        self._h11.receive_data(data)

    async def _write(self, *events: h11.Event) -> None:
        data = b"".join(self._h11.send(event) or b"" for event in events)
        try:
            await self._stream.send_all(data)
        except trio.BrokenResourceError:
            raise ClientGone from None

    async def send_whole(self, status: int, headers: Headers, body: bytes) -> None:
        """A complete answer with its length, in one write. Raises ClientGone."""
        head = self._head(status, headers, body)
        await self._write(head, h11.Data(data=b"" if self._bodiless else body), h11.EndOfMessage())

    async def send_part(self, status: int, headers: Headers, body: bytes, size: int) -> None:
        """The head of a complete answer and the first `size` bytes of its body. Raises ClientGone."""
        await self._write(self._head(status, headers, body), h11.Data(data=b"" if self._bodiless else body[:size]))

    @staticmethod
    def _head(status: int, headers: Headers, body: bytes) -> h11.Response:
        length = (b"content-length", b"%d" % len(body))
        return h11.Response(status_code=status, headers=[*headers, length])

    async def send_head(self, status: int, headers: Headers) -> None:
        """The head of a body of unknown length: chunked, for HTTP/1.0 until closing. Raises ClientGone."""
        await self._write(h11.Response(status_code=status, headers=list(headers)))

    async def send_data(self, data: bytes, *, last: bool = False) -> None:
        """The next bytes of the body in one write, its end with them if they are the last. Raises ClientGone."""
        if last:
            await self._write(h11.Data(data=data), h11.EndOfMessage())
        else:
            await self._write(h11.Data(data=data))

    def next_cycle(self) -> bool:
        """Ready for the next request; False: this connection has had its last."""
        if self._h11.our_state is not h11.DONE or self._h11.their_state is not h11.DONE:
            return False
        self._h11.start_next_cycle()
        return True

    async def watched(self, act: Callable[[], Awaitable[Ended]]) -> Ended:
        """What `act` returns, or CLIENT_GONE as soon as the client closes the connection."""
        ended = Ended.CLIENT_GONE
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch, nursery.cancel_scope)
            ended = await act()
            nursery.cancel_scope.cancel()
        return ended

    async def _watch(self, scope: trio.CancelScope) -> None:
        ahead = 0
        while ahead < MOST_AHEAD:
            try:
                data = await self._stream.receive_some(READ_SIZE)
            except trio.BrokenResourceError:
                data = b""
            if not data:
                scope.cancel()
                return
            ahead += len(data)
            self._h11.receive_data(data)

    async def cut(self, how: str) -> None:
        """Close at once, whatever is unfinished: `reset` sends RST, `close` sends FIN."""
        if how == "reset":
            self._stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await trio.aclose_forcefully(self._stream)

    async def linger(self) -> None:
        """After an answer that came before the request's end: say no more, discard what still comes, for a second."""
        try:
            with trio.move_on_after(LINGER_S):
                await self._stream.send_eof()
                while await self._stream.receive_some(READ_SIZE):
                    pass
        except trio.BrokenResourceError:
            return
