"""One upstream connection: a request written, a response parsed by llhttp as it arrives.

Law: `read` hands out only what the peer sent as body, in order; the connection is reusable only after a response that
ended by its own framing, with nothing after it and both sides willing.
"""

import math
from collections import deque

import httptools
import httpx
import trio

from adapters.wire import Wire

_LONG_BODY = 65536
"""From this length on a body is sent by itself, rather than copied."""
_HEAD_LIMIT = 256 * 1024
_FRAMING_PER_BYTE = 8
"""More than the smallest chunks take: six bytes around one."""


class Connection:
    """For one request at a time; `begin` first, then `read_head`, then `read` until b""."""

    def __init__(self, wire: Wire, idle_since_ns: int = 0) -> None:
        self.wire = wire
        self.idle_since_ns = idle_since_ns
        self._parser = httptools.HttpResponseParser(self)
        self._reset(bodiless=False)

    def _reset(self, *, bodiless: bool) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self._bodiless = bodiless
        self._chunks: deque[bytes] = deque()
        self._head_complete = False
        self._complete = False
        self._stays = False
        self._framed = bodiless
        self._head_size = 0
        self._after_head = 0
        self._body_size = 0
        self._surplus = False
        self._broken: httpx.RemoteProtocolError | None = None

    async def begin(self, head: bytes, body: bytes, *, bodiless: bool, deadline: float = math.inf) -> None:
        """Send a request, until a time of trio's clock. Raises OSError (see `Wire`).

        `bodiless`: its response has no body whatever its headers say (HEAD).
        """
        self._reset(bodiless=bodiless)
        if len(body) < _LONG_BODY:
            await self.wire.send(head + body, deadline)
        else:
            await self.wire.send(head, deadline)
            await self.wire.send(body, deadline)

    async def read_head(self, deadline: float) -> None:
        """Wait for the response's status and headers, until a time of trio's clock.

        Raises OSError, which is TimeoutError when the time is over, and httpx.RemoteProtocolError.
        """
        while not self._head_complete:
            await self._receive(deadline - trio.current_time())

    async def read(self, patience_s: float = math.inf) -> bytes:
        """The next bytes of the body; b"" at its end. Raises OSError (see `Wire`), httpx.RemoteProtocolError."""
        while not self._chunks and not self._complete:
            if self._broken is not None:
                raise self._broken
            await self._receive(patience_s)
        return self._chunks.popleft() if self._chunks else b""

    def read_nowait(self) -> bytes | None:
        """As `read`, for what has arrived; None where it would wait."""
        if self._chunks:
            return self._chunks.popleft() if len(self._chunks) == 1 else self._take_all()
        return b"" if self._complete else None

    @property
    def is_reusable(self) -> bool:
        return self._stays and self._framed and not self._surplus

    def spoil(self) -> None:
        """Rule out that the connection carries another request."""
        self._surplus = True

    def _take_all(self) -> bytes:
        taken = b"".join(self._chunks)
        self._chunks.clear()
        return taken

    async def _receive(self, patience_s: float) -> None:
        data = await self.wire.receive(patience_s)
        if not data:
            if self._head_complete and not self._framed:
                # Neither length nor chunks: the end of the connection is the end of the body (RFC 9112, 6.3).
                self._complete = True
                return
            raise httpx.RemoteProtocolError("the connection ended before the response did")
        in_body = self._head_complete
        self._count(len(data))
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            raise httpx.RemoteProtocolError("the upstream changed the protocol unasked") from None
        except httptools.HttpParserError as error:
            if self._complete:
                self._surplus = True
                return
            self._broken = httpx.RemoteProtocolError(f"not a valid HTTP/1.1 response: {error}")
            # What came before the error is still to be handed out (FB-10), unless nothing could have been yet.
            if not in_body or not self._chunks:
                raise self._broken from None

    def _count(self, size: int) -> None:
        """Bound what an upstream can have us hold that is not body."""
        if not self._head_complete:
            self._head_size += size
            if self._head_size > _HEAD_LIMIT:
                raise httpx.RemoteProtocolError(f"the response head is longer than {_HEAD_LIMIT} bytes")
            return
        if self._after_head - self._body_size > _HEAD_LIMIT + _FRAMING_PER_BYTE * self._body_size:
            raise httpx.RemoteProtocolError("the response's framing is larger than any body needs")
        self._after_head += size

    # What llhttp calls, in this order.

    def on_message_begin(self) -> None:
        if self._complete:
            self._surplus = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head_complete:
            return  # a trailer, or the head of a response nobody asked for
        name = name.lower()
        if name in {b"content-length", b"transfer-encoding"}:
            self._framed = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._head_complete:
            return
        self.status = self._parser.get_status_code()
        if self.status < 100:
            raise ValueError(f"{self.status} is no HTTP status")  # llhttp passes it on as an error of its own
        if self.status < 200:
            self.headers = []
            self._framed = self._bodiless
            return
        if self.status in {204, 304}:
            self._framed = True
        self._head_complete = True
        self._complete = self._bodiless

    def on_body(self, body: bytes) -> None:
        if self._head_complete and not self._complete:
            self._chunks.append(body)
            self._body_size += len(body)

    def on_message_complete(self) -> None:
        if self._head_complete and not self._bodiless:
            self._complete = True
            self._stays = self._parser.should_keep_alive()
