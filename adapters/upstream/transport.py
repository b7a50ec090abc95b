"""The pooled HTTP/1.1 transport: an `httpx.AsyncBaseTransport` over llhttp and trio sockets.

Law: taking and giving back a connection is O(1) (a stack an origin, newest first); a connection lent belongs to one
request until its body has ended, and goes back only if it can carry another; a request is never sent twice.
Idle connections are looked at before they are used, since an upstream may have closed them meanwhile.

Of httpx's `timeout` extension it keeps `connect` (TCP and TLS together) and `read`, which bounds all until the head of
the response; how long to wait for the body is for whoever reads it to say.
Errors are httpx's: ConnectError and ConnectTimeout before anything was sent, ReadError, WriteError and
RemoteProtocolError after.
"""

import math
import ssl
from collections import defaultdict

import attrs
import httpx
import trio

from adapters.poller import Poller
from adapters.upstream.connection import Connection
from adapters.upstream.headers import RawHeaders
from adapters.wire import TlsWire, Wire, as_plain_wire
from engine.ports import Clock

ROUTE = "pointsman.route"
"""Request extension: a `Route` worked out before, which spares taking the URL apart for each request."""

_SWEEP_S = 1.0
_BODILESS = "HEAD"


@attrs.frozen(cache_hash=True)
class Origin:
    scheme: str
    host: str
    port: int


@attrs.frozen
class Route:
    """Where a request goes: a connection's origin, and the target of the request line."""

    origin: Origin
    target: bytes


def route_of(url: httpx.URL) -> Route:
    port = url.port or {"https": 443}.get(url.scheme, 80)
    return Route(Origin(url.scheme, url.host, port), url.raw_path)


@attrs.define
class PoolLimits:
    """May be changed while running."""

    max_idle_per_host: int = 100
    idle_timeout_s: float = 90.0


class Body(httpx.AsyncByteStream):
    """A response body still on its connection. `aclose` never waits."""

    def __init__(self, connection: Connection, transport: "PooledTransport", origin: Origin) -> None:
        self._connection: Connection | None = connection
        self._transport = transport
        self._origin = origin

    async def receive(self, patience_s: float = math.inf) -> bytes:
        """The next bytes, b"" at the end. Raises httpx.ReadError, httpx.ReadTimeout, httpx.RemoteProtocolError."""
        if self._connection is None:
            return b""
        try:
            return await self._connection.read(patience_s)
        except TimeoutError as error:
            raise httpx.ReadTimeout(str(error)) from error
        except OSError as error:
            raise httpx.ReadError(str(error)) from error

    def receive_nowait(self) -> bytes | None:
        return self._connection.read_nowait() if self._connection is not None else b""

    async def __aiter__(self):  # type: ignore[no-untyped-def]  # noqa: ANN204 - as httpx declares it
        while chunk := await self.receive():
            yield chunk

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._transport.give_back(self._origin, connection)


class PooledTransport(httpx.AsyncBaseTransport):
    """`tls`: what to trust for https, and how; None trusts what the system does."""

    def __init__(
        self, *, poller: Poller, clock: Clock, limits: PoolLimits | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self._poller = poller
        self._clock = clock
        self.limits = limits or PoolLimits()
        self._idle: dict[Origin, list[Connection]] = defaultdict(list)
        self._lent = 0
        self._tls = tls

    @property
    def lent(self) -> int:
        """Connections in use."""
        return self._lent

    @property
    def idle(self) -> int:
        """Connections waiting for use."""
        return sum(map(len, self._idle.values()))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        route: Route = request.extensions.get(ROUTE) or route_of(request.url)
        # What our own forwarder sends is known to be bytes; asking httpx's abstract types costs more than reading it.
        stream = request.stream
        body = b"".join(stream) if type(stream) is httpx.ByteStream else await _whole(stream)
        bodiless = request.method == _BODILESS
        head = b"".join(
            [
                b"%b %b HTTP/1.1\r\n" % (request.method.encode("ascii"), route.target),
                *[b"%b: %b\r\n" % field for field in request.headers.raw],
                b"\r\n",
            ]
        )
        bounds = request.extensions.get("timeout", {})
        read_s: float = bounds.get("read") or math.inf
        deadline = trio.current_time() + read_s
        connection = self._take(route.origin)
        if connection is None:
            connection = await self._connect(route.origin, min(read_s, bounds.get("connect") or math.inf))
        self._lent += 1
        try:
            await _exchange(connection, head, body, deadline, bodiless=bodiless)
        except BaseException:
            self._lent -= 1
            connection.wire.close()
            raise
        answer = Body(connection, self, route.origin)
        return httpx.Response(connection.status, headers=RawHeaders(connection.headers), stream=answer)

    def give_back(self, origin: Origin, connection: Connection) -> None:
        """Take a connection back, or close it if it cannot carry another request. Never waits."""
        self._lent -= 1
        idle = self._idle[origin]
        now = self._clock()
        if not connection.is_reusable or self.limits.max_idle_per_host <= 0:
            connection.wire.close()
        else:
            connection.idle_since_ns = now
            idle.append(connection)
        # The oldest lie at the bottom; at most one more than a visit adds has to go.
        while idle and (len(idle) > self.limits.max_idle_per_host or self._is_stale(idle[0], now)):
            idle.pop(0).wire.close()

    async def run(self) -> None:
        """Close idle connections that are stale or that the upstream has closed, wherever requests go now."""
        while True:
            await trio.sleep(_SWEEP_S)
            now = self._clock()
            for origin, idle in list(self._idle.items()):
                for connection in list(idle):
                    if not connection.wire.is_quiet() or self._is_stale(connection, now):
                        idle.remove(connection)
                        connection.wire.close()
                if not idle:
                    del self._idle[origin]

    async def aclose(self) -> None:
        """Close what is idle. What is lent closes when its body ends."""
        self.limits.max_idle_per_host = 0
        for connections in self._idle.values():
            while connections:
                connections.pop().wire.close()

    def _take(self, origin: Origin) -> Connection | None:
        idle = self._idle[origin]
        while idle:
            connection = idle.pop()
            if connection.wire.is_quiet() and not self._is_stale(connection, self._clock()):
                return connection
            connection.wire.close()
        return None

    def _is_stale(self, connection: Connection, now: int) -> bool:
        return now - connection.idle_since_ns > self.limits.idle_timeout_s * 1e9

    async def _connect(self, origin: Origin, patience_s: float) -> Connection:
        try:
            with trio.fail_after(patience_s):
                stream = await trio.open_tcp_stream(origin.host, origin.port)
                if origin.scheme == "https":
                    return Connection(await self._secured(stream, origin))
                return Connection(as_plain_wire(stream, self._poller))
        except trio.TooSlowError:
            raise httpx.ConnectTimeout(f"no connection to {origin.host}:{origin.port} in {patience_s:g} s") from None
        except (OSError, trio.BrokenResourceError, ValueError) as error:
            raise httpx.ConnectError(f"cannot connect to {origin.host}:{origin.port}: {error}") from error

    async def _secured(self, stream: trio.SocketStream, origin: Origin) -> Wire:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        # Some builds of Python let a connection that is cut look like one that was closed, and so a body that
        # ends with its connection look complete.
        self._tls.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
        secured = trio.SSLStream(stream, self._tls, server_hostname=origin.host)
        try:
            await secured.do_handshake()
        except BaseException:
            stream.socket.close()
            raise
        return TlsWire(secured)


async def _exchange(connection: Connection, head: bytes, body: bytes, deadline: float, *, bodiless: bool) -> None:
    """Send a request and wait for its response's head, until a time of trio's clock."""
    refused: OSError | None = None
    try:
        await connection.begin(head, body, bodiless=bodiless, deadline=deadline)
    except TimeoutError as error:
        raise httpx.WriteTimeout(str(error)) from error
    except OSError as error:
        # An upstream may answer and close before it has read a long body: the answer counts if it is there.
        refused = error
        connection.spoil()
    try:
        await connection.read_head(deadline)
    except TimeoutError as error:
        raise httpx.ReadTimeout("no head of an answer in time") from error
    except OSError as error:
        raise httpx.ReadError(str(error)) from error
    except httpx.RemoteProtocolError as error:
        if refused is not None:
            raise httpx.WriteError(str(refused)) from error
        raise


async def _whole(stream: httpx.SyncByteStream | httpx.AsyncByteStream) -> bytes:
    if isinstance(stream, httpx.SyncByteStream):
        return b"".join(stream)
    return b"".join([chunk async for chunk in stream])
