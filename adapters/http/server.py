"""A listening port: accepts, bounds and drains connections.

Law: no more connections than allowed (the rest wait in the kernel's backlog); a connection's failure is its own; every
connection has a deadline in every phase in which the client could stall it.
"""

import errno
import socket

import attrs
import structlog
import trio

from adapters.http.connection import Connection, Phase
from adapters.http.messages import Application
from adapters.http.parsing import BodyBound, Bounds
from adapters.poller import Poller
from adapters.settings import Address
from adapters.wire import PlainWire
from engine.errors import StartFailed
from engine.ports import Clock

_BACKLOG = 1024
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_log = structlog.get_logger("server")


@attrs.frozen
class Deadlines:
    """Seconds a client may take."""

    idle_s: float = 75.0
    "Between two requests of a connection."
    reading_s: float = 60.0
    "From a request's first byte to its last."
    check_s: float = 1.0
    "How often the deadlines are looked at, all connections at once."


_BOUNDS = Bounds()
_DEADLINES = Deadlines()


def listen(address: Address, *, option: str) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises StartFailed, naming the option that would change it."""
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(where)
            listener.listen(_BACKLOG)
            listener.setblocking(False)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        why = "it is already in use" if error.errno == errno.EADDRINUSE else (error.strerror or str(error))
        raise StartFailed(
            f"Cannot listen on {address}: {why}; choose another address with {option} HOST:PORT.", wrong_input=True
        ) from None
    return listener


def address_of(listener: socket.socket) -> Address:
    """Where a socket listens, its port as the kernel chose it."""
    host, port = listener.getsockname()[:2]
    return Address(host, port)


class Server:
    """`body_bound`: how large a body may follow a head, within the bounds; None: that depends on no head."""

    def __init__(
        self,
        application: Application,
        *,
        poller: Poller,
        clock: Clock,
        bounds: Bounds = _BOUNDS,
        body_bound: BodyBound | None = None,
        deadlines: Deadlines = _DEADLINES,
        max_connections: int = 10_000,
    ) -> None:
        self._application = application
        self._poller = poller
        self._clock = clock
        self._bounds = bounds
        self._body_bound = body_bound
        self._deadlines = deadlines
        self._places = trio.Semaphore(max_connections)
        self._connections: set[Connection] = set()
        self._accepting = trio.CancelScope()

    @property
    def connections(self) -> int:
        """How many are open now."""
        return len(self._connections)

    async def serve(self, listener: socket.socket) -> None:
        """Accept until `drain` or cancellation; then return once every connection has ended."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._enforce_deadlines)
            async with trio.open_nursery() as connections:
                with listener, self._accepting:
                    await self._accept(listener, connections)
            nursery.cancel_scope.cancel()

    def drain(self) -> None:
        """Stop accepting; end idle connections now and busy ones after their request (H06)."""
        self._accepting.cancel()
        for connection in self._connections:
            connection.is_draining = True
            if connection.phase is Phase.IDLE:
                connection.scope.cancel()

    def abort(self) -> None:
        """End all connections now."""
        self._accepting.cancel()
        for connection in self._connections:
            connection.scope.cancel()

    async def _accept(self, listener: socket.socket, nursery: trio.Nursery) -> None:
        while True:
            # Without a free place, further clients wait in the kernel's backlog.
            await self._places.acquire()
            await trio.lowlevel.wait_readable(listener)
            try:
                connected, _ = listener.accept()
            except BlockingIOError:
                self._places.release()
            except OSError as error:
                self._places.release()
                _log.warning("accept failed", error=str(error))
                if error.errno in _EXHAUSTED:
                    await trio.sleep(0.1)
            else:
                nursery.start_soon(self._connect, connected)

    async def _connect(self, connected: socket.socket) -> None:
        try:
            wire = PlainWire(connected, self._poller)
        except OSError as error:
            _log.warning("connection not taken", error=str(error))
            connected.close()
            self._places.release()
            return
        connection = Connection(wire, self._application, self._bounds, self._clock, self._body_bound)
        self._connections.add(connection)
        wire.readiness.on_gone = connection.scope.cancel
        try:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await connection.run()
        except OSError:
            pass  # the client is gone; whatever ran for it has been unwound
        except Exception:  # noqa: BLE001 - the boundary: one connection's bug is not the others'
            _log.exception("connection ended by a bug")
        finally:
            wire.close()
            self._connections.discard(connection)
            self._places.release()

    async def _enforce_deadlines(self) -> None:
        limits = {Phase.IDLE: self._deadlines.idle_s, Phase.READING: self._deadlines.reading_s}
        while True:
            await trio.sleep(self._deadlines.check_s)
            now = self._clock()
            for connection in self._connections:
                limit = limits.get(connection.phase)
                if limit is not None and now - connection.since_ns > limit * 1e9:
                    connection.is_late = True
                    connection.scope.cancel()
