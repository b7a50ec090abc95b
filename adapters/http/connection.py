"""One client connection: read a request, let the application answer it, write the answer, again.

Law: a body that ends early is never ended cleanly: without its terminal chunk or the rest of its length the
connection is closed, and for a client of HTTP/1.0, which could not tell, it is reset.
`scope` is cancelled when the client hangs up or a deadline passes, which unwinds whatever the application awaits.
"""

import socket
import struct
from enum import Enum
from http import HTTPStatus

import trio

from adapters.http.messages import Application, Incoming, Response, Takeover
from adapters.http.parsing import BodyBound, Bounds, RequestParser
from adapters.http.replay import replayed
from adapters.wire import PlainWire
from engine.errors import Reason, UpstreamFailed
from engine.ports import Clock

_LINGER_BYTES = 256 * 1024 * 1024
_LINGER_S = 10.0
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode("ascii") for status in HTTPStatus}


class Phase(Enum):
    """What a connection is doing; each has its deadline in `server.Deadlines`."""

    IDLE = "idle"
    READING = "reading"
    ANSWERING = "answering"


class Connection:
    def __init__(
        self,
        wire: PlainWire,
        application: Application,
        bounds: Bounds,
        clock: Clock,
        body_bound: BodyBound | None = None,
    ) -> None:
        self._wire = wire
        self._application = application
        self._parser = RequestParser(bounds, body_bound)
        self._clock = clock
        self._address = ""
        self.scope = trio.CancelScope()
        self.phase = Phase.IDLE
        self.since_ns = clock()
        "When the phase began."
        self.is_draining = False
        "Set to end the connection after the running request."
        self.is_late = False
        "Set before cancelling because the client took too long to send its request."

    async def run(self) -> None:
        """Serve until either side is done; the wire is the caller's to close. Raises OSError when the client goes."""
        # Asked once a connection, not once a request. Raises where the client has reset it already.
        self._address = self._wire.socket.getpeername()[0].removeprefix("::ffff:")
        with self.scope:
            await self._serve()
        if self.is_late and self.phase is Phase.READING:
            with trio.move_on_after(1):
                await self._refuse(Reason.TIMED_OUT)

    async def _serve(self) -> None:
        while True:
            incoming = await self._next_request()
            if incoming is None:
                return
            self._enter(Phase.ANSWERING)
            response = await self._application(incoming)
            async with response:
                if isinstance(response, Takeover):
                    await response.serve(replayed(self._wire.socket, incoming, self._parser.upgrade_rest or b""))
                    return
                try:
                    stays = await self._write(incoming, response)
                except trio.Cancelled:
                    if not self._wire.readiness.gone:
                        response.left_by = "gateway"
                    raise
            if incoming.refusal is not None:
                await self._linger()
                return
            # The drain may have begun after the answer's head had promised to stay.
            if not stays or self.is_draining:
                return
            self._enter(Phase.IDLE)

    async def _next_request(self) -> Incoming | None:
        parser = self._parser
        while not parser.ready:
            if parser.upgrade_rest is not None:
                return None
            if parser.continue_wanted:
                parser.continue_wanted = False
                await self._wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            data = await self._wire.receive()
            if not data:
                return None
            parser.feed(data, self._clock())
            if parser.ready:
                break
            if self.phase is Phase.IDLE:
                self._enter(Phase.READING)
        incoming = parser.ready.popleft()
        incoming.address, incoming.peer = self._address, self._wire.readiness
        return incoming

    async def _write(self, incoming: Incoming, response: Response) -> bool:
        """Write an answer; whether the connection can serve another request."""
        bodiless = incoming.method == "HEAD" or response.status in {204, 304}
        length = response.length
        chunked = length is None and not bodiless and incoming.version != "1.0"
        stays = (
            incoming.keep_alive
            and incoming.refusal is None
            and not self.is_draining
            and self._parser.upgrade_rest is None
            and (chunked or length is not None or bodiless)
        )
        head = [_STATUS_LINES.get(response.status) or b"HTTP/1.1 %d \r\n" % response.status]
        head += [b"%b: %b\r\n" % field for field in response.headers]
        if chunked:
            head.append(b"transfer-encoding: chunked\r\n")
        elif length is not None and response.status not in {204, 304}:
            head.append(b"content-length: %d\r\n" % length)
        if not stays:
            head.append(b"connection: close\r\n")
        elif incoming.version == "1.0":
            head.append(b"connection: keep-alive\r\n")
        head.append(b"\r\n")
        try:
            if bodiless:
                await self._wire.send(b"".join(head))
                # What has no body ends here, and is to know it.
                if response.receive_nowait() is None:
                    await response.receive()
                return stays
            await self._write_body(b"".join(head), response, chunked=chunked)
        except BaseException as error:
            if length is None and not chunked:
                # Where the end of the connection is the end of the body, only a reset tells that this is not it.
                self._reset_on_close()
            if isinstance(error, UpstreamFailed):
                return False
            raise
        return stays

    async def _write_body(self, head: bytes, response: Response, *, chunked: bool) -> None:
        """Head and body, in as few writes as what has arrived allows, and none later than it could be."""
        pending = head
        while True:
            chunk = response.receive_nowait()
            if chunk is None:
                if pending:
                    await self._wire.send(pending)
                    pending = b""
                chunk = await response.receive()
            if not chunk:
                break
            pending += b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk
        if chunked:
            pending += b"0\r\n\r\n"
        if pending:
            await self._wire.send(pending)

    async def _refuse(self, reason: Reason) -> None:
        incoming = Incoming(refusal=reason, started_ns=self.since_ns, address=self._address)
        async with await self._application(incoming) as response:
            await self._write(incoming, response)

    async def _linger(self) -> None:
        """Let a client that is still sending read the refusal: closing on unread bytes would reset it away."""
        self._wire.socket.shutdown(socket.SHUT_WR)
        with trio.move_on_after(_LINGER_S):
            left = _LINGER_BYTES
            while left > 0 and (data := await self._wire.receive()):
                left -= len(data)

    def _reset_on_close(self) -> None:
        self._wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _enter(self, phase: Phase) -> None:
        self.phase, self.since_ns = phase, self._clock()
