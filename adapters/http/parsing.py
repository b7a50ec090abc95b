"""Bytes to requests: an llhttp parser with the bounds a server needs.

Law: never more than one request's head and body beyond the bounds is kept; what breaks a bound or the grammar becomes
an `Incoming` with a `refusal`, after which the connection must not be read as HTTP any more.
Strictness is llhttp's: Content-Length with Transfer-Encoding, bare LF, obsolete folding and the like are refused.
"""

from collections import deque
from collections.abc import Callable
from typing import TypeAlias

import attrs
import httptools

from adapters.http.messages import Incoming
from engine.errors import Reason

_VERSIONS = frozenset({"1.0", "1.1"})


@attrs.frozen
class Bounds:
    head_bytes: int = 16 * 1024
    headers: int = 100
    body_bytes: int = 32 * 1024 * 1024
    "MODEL-9"

    @property
    def too_large(self) -> str:
        """ERR-6's text."""
        return f"Request body too large: the maximum allowed size is {self.body_bytes} bytes."


BodyBound: TypeAlias = Callable[[Incoming], int]
"""How many bytes of body may follow a head, where that depends on the head."""

_FRAMING_PER_BYTE = 8
"""More than the smallest chunks take: six bytes around one."""


class RequestParser:
    """Feed it what the socket gives; take complete requests from `ready`. `body_bound`: never beyond the bounds'."""

    def __init__(self, bounds: Bounds, body_bound: BodyBound | None = None) -> None:
        self._bounds = bounds
        self._body_bound = body_bound
        self._body_bytes = bounds.body_bytes
        "How large the present body may be."
        self._parser = httptools.HttpRequestParser(self)
        self._current = Incoming()
        self._body = bytearray()
        self._framing = 0
        "Bytes read after the head that are not body: chunk sizes, extensions, trailers."
        self._head_size = 0
        "Bytes that surely belong to the head being read."
        self._shared = 0
        "Bytes of which a part does: read together with the end of the request before."
        self._has_ended_one = False
        "Whether the present `feed` ended a request."
        self._feeding = 0
        "Bytes of the present `feed`."
        self._in_head = True
        self._now = 0
        self.ready: deque[Incoming] = deque()
        self.is_between = True
        "Whether no request has been begun."
        self.continue_wanted = False
        "Whether the client waits for `100 Continue` before it sends the body."
        self.upgrade_rest: bytes | None = None
        "Set once a client asked for another protocol: what it sent after the request."

    def feed(self, data: bytes, now: int) -> None:
        """Parse what was read at a time; see `ready`."""
        self._now = now
        self._has_ended_one = False
        if self.is_between:
            self._current.started_ns = now
        rest = data
        while rest:
            rest = self._parse(rest)
        if self._in_head and not self.is_between and self._current.refusal is None:
            if self._has_ended_one:
                self._shared += len(data)
            else:
                self._head_size += len(data)
            if self._head_size > self._bounds.head_bytes:
                self._refuse(Reason.HEADERS_TOO_LARGE)
        elif not self._in_head and not self.is_between and self._current.refusal is None:
            self._framing += len(data)
            if self._framing - len(self._body) > self._bounds.head_bytes + _FRAMING_PER_BYTE * len(self._body):
                self._refuse(Reason.HEADERS_TOO_LARGE, "The body's framing is larger than any body needs.")
        if self._current.refusal is not None:
            self.ready.append(self._current)

    def _parse(self, data: bytes) -> bytes:
        """Parse; what is to be parsed after it, where a client's offer of another protocol has been declined."""
        self._feeding = len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            return self._change_protocol(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            if self._current.refusal is None:
                self._refuse(Reason.BAD_REQUEST, f"The request is not valid HTTP/1.1: {error}.")
        return b""

    def _change_protocol(self, rest: bytes) -> bytes:
        if self._current.refusal is not None:
            return b""
        incoming = self.ready[-1]
        offered = incoming.fields.get(b"upgrade")
        if offered is None or offered.lower() == b"websocket":
            self.upgrade_rest = rest
            return b""
        # Declined (RFC 9110, 7.8), as h2c is. llhttp has left the body in the rest as the other protocol's, so the
        # same request is parsed again without the offer.
        self.ready.pop()
        self._current.started_ns = incoming.started_ns
        self._parser = httptools.HttpRequestParser(self)
        head = [b"%b %b HTTP/%b\r\n" % (incoming.method.encode(), incoming.target, incoming.version.encode())]
        head += [b"%b: %b\r\n" % field for field in incoming.headers if field[0] != b"upgrade"]
        return b"".join(head) + b"\r\n" + rest

    # What llhttp calls, in this order.

    def on_message_begin(self) -> None:
        self.is_between = False
        self._in_head = True
        self._head_size = self._shared = self._framing = 0

    def on_url(self, url: bytes) -> None:
        self._current.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            return  # a trailer: no header, and not merged into them (RFC 9110, 6.5.1)
        name = name.lower()
        self._current.headers.append((name, value))
        self._current.fields[name] = value

    def on_headers_complete(self) -> None:
        self._in_head = False
        current = self._current
        current.method = self._parser.get_method().decode("ascii")
        current.version = self._parser.get_http_version()
        if self._is_head_too_large():
            self._refuse(Reason.HEADERS_TOO_LARGE)
            return
        if current.version not in _VERSIONS:
            self._refuse(Reason.BAD_REQUEST, "The request is not valid HTTP/1.1: its version is another.")
            return
        repeated = len(current.fields) < len(current.headers)
        hosts = sum(name == b"host" for name, _ in current.headers) if repeated else b"host" in current.fields
        if hosts > 1 or (hosts == 0 and current.version == "1.1"):
            self._refuse(Reason.BAD_REQUEST, "The request is not valid HTTP/1.1: it must have one Host header.")
            return
        expected = current.fields.get(b"expect")
        if expected is not None and expected.lower() != b"100-continue":
            self._refuse(Reason.EXPECTATION_FAILED)
            return
        if self._body_bound is not None:
            self._body_bytes = self._body_bound(current)
        declared = current.fields.get(b"content-length")
        if declared is not None and int(declared) > self._body_bytes:
            self._refuse(Reason.PAYLOAD_TOO_LARGE, self._bounds.too_large)
            return
        # A client of HTTP/1.0 would take it for the answer (RFC 9110, 10.1.1).
        self.continue_wanted = expected is not None and current.version == "1.1"

    def on_body(self, body: bytes) -> None:
        if self._current.refusal is not None:
            return
        if len(self._body) + len(body) > self._body_bytes:
            self._body = bytearray()
            self._refuse(Reason.PAYLOAD_TOO_LARGE, self._bounds.too_large)
            return
        self._body += body

    def on_message_complete(self) -> None:
        self.continue_wanted = False
        if self._current.refusal is not None:
            return
        current, self._current = self._current, Incoming()
        current.body = bytes(self._body)
        current.keep_alive = self._parser.should_keep_alive()
        self._current.started_ns = self._now
        self._body = bytearray()
        self.is_between = self._has_ended_one = True
        self.ready.append(current)

    def _is_head_too_large(self) -> bool:
        headers = self._current.headers
        if len(headers) > self._bounds.headers:
            return True
        if self._head_size + self._shared + self._feeding <= self._bounds.head_bytes:
            return False  # all that was read since the head began is less than the bound; the everyday case
        size = len(self._current.target) + sum(len(name) + len(value) + 4 for name, value in headers)
        return size > self._bounds.head_bytes

    def _refuse(self, reason: Reason, detail: str | None = None) -> None:
        self._current.refusal = reason
        self._current.detail = detail
