"""Both ends of a connection byte by byte, parsed by h11 so that the gateway's own parser is not its own judge."""

import json
import socket
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, Self, TypeVar

import attrs
import h11
import trio

from tests.e2e.running import PATIENCE_S

T = TypeVar("T")


class Broken(Exception):
    """The connection ended inside a message; `body` is what of it had come, `reset` whether by a reset."""

    def __init__(self, body: bytes, *, reset: bool) -> None:
        super().__init__(f"broken after {len(body)} bytes")
        self.body = body
        self.reset = reset


@attrs.frozen
class Message:
    """A request or an answer, complete."""

    status: int = 0
    method: str = ""
    target: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The only value of a header; None where it is not there."""
        values = [value for given, value in self.headers if given == name]
        assert len(values) < 2, self.headers
        return values[0] if values else None

    def json(self) -> Any:
        return json.loads(self.body)


class Peer:
    """One end of a connection. Leaving it closes."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._rest = b""
        self._is_over = False

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def receive(self) -> bytes:
        """What has come, raw; b"" at the end. Raises BrokenResourceError on a reset."""
        if self._rest:
            taken, self._rest = self._rest, b""
            return taken
        with trio.fail_after(PATIENCE_S):
            return bytes(await self.stream.receive_some(65536))

    async def receive_until(self, end: bytes) -> bytes:
        """All that comes, raw, up to and with some bytes."""
        found = b""
        while end not in found:
            data = await self.receive()
            if not data:
                raise Broken(found, reset=False)
            found += data
        taken, mark, self._rest = found.partition(end)
        return taken + mark

    async def answer(self, method: str = "POST") -> Message:
        """The next answer; `method` is that of its request. Raises Broken."""
        parser = h11.Connection(h11.CLIENT)
        parser.send(h11.Request(method=method, target="/", headers=[("host", "h")]))
        parser.send(h11.EndOfMessage())
        return await self._message(parser)

    async def request(self) -> Message:
        """The next request. Raises Broken."""
        return await self._message(h11.Connection(h11.SERVER))

    async def _message(self, parser: h11.Connection) -> Message:
        head: h11.Request | h11.Response | None = None
        chunks: list[bytes] = []
        while True:
            try:
                event = parser.next_event()
            except h11.RemoteProtocolError as error:
                if self._is_over:
                    raise Broken(b"".join(chunks), reset=False) from error
                raise
            if event is h11.NEED_DATA:
                try:
                    data = await self.receive()
                except trio.BrokenResourceError:
                    raise Broken(b"".join(chunks), reset=True) from None
                self._is_over = not data
                parser.receive_data(data)
            elif isinstance(event, h11.Request | h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                chunks.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                self._rest = parser.trailing_data[0]
                assert head is not None
                return _message_of(head, b"".join(chunks))
            elif isinstance(event, h11.ConnectionClosed) or event is h11.PAUSED:
                raise Broken(b"".join(chunks), reset=False)

    async def ended(self) -> bool:
        """Wait for the other side's end; True if it was a proper one, False if a reset."""
        try:
            return await self.receive() == b""
        except trio.BrokenResourceError:
            return False

    def reset(self) -> None:
        """Have `close` send a reset."""
        self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def close(self) -> None:
        self.stream.socket.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


def _message_of(head: h11.Request | h11.Response, body: bytes) -> Message:
    headers = tuple((name.decode(), value.decode("latin-1")) for name, value in head.headers)
    if isinstance(head, h11.Request):
        return Message(method=head.method.decode(), target=head.target.decode(), headers=headers, body=body)
    return Message(status=head.status_code, headers=headers, body=body)


async def connect(base: str) -> Peer:
    """A new connection to an address as `http://host:port`."""
    host, _, port = base.removeprefix("http://").rpartition(":")
    return Peer(await trio.open_tcp_stream(host, int(port)))


def posted(model: str, *fields: str, target: str = "/v1/chat/completions", version: str = "1.1", **more: Any) -> bytes:
    """A chat request as bytes, with more header lines and more keys in its body."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hello"}], **more}).encode()
    head = [f"POST {target} HTTP/{version}", "Host: gateway", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(head).encode("latin-1") + body


async def asked(base: str, data: bytes) -> Message:
    """One request on a connection of its own, and its answer."""
    async with await connect(base) as peer:
        await peer.send(data)
        return await peer.answer()


Behaviour = Callable[[Peer], Awaitable[None]]


@attrs.define(eq=False)
class Place:
    """A loopback address that is reserved from the start, at which each test puts an upstream of its own."""

    listener: socket.socket
    connections: int = 0
    "Accepted by the upstream that stands there now."

    @property
    def url(self) -> str:
        host, port = self.listener.getsockname()
        return f"http://{host}:{port}"

    @asynccontextmanager
    async def serving(self, behave: Behaviour) -> AsyncIterator[Self]:
        """Be an upstream that does this with each connection, until the block ends."""
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(self.listener.dup()))
        self.connections = 0

        async def one(stream: trio.SocketStream) -> None:
            self.connections += 1
            async with Peer(stream) as peer:
                try:
                    await behave(peer)
                except (Broken, trio.BrokenResourceError):
                    return  # the gateway has closed, as it may

        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, one, [listener])
            yield self
            nursery.cancel_scope.cancel()


@contextmanager
def place(*, refusing: bool = False) -> Iterator[Place]:
    """A reserved address; `refusing`: nobody ever listens there."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if not refusing:
            listener.listen(128)
        yield Place(listener)


def says(*pieces: bytes, then: Behaviour | None = None) -> Behaviour:
    """Read a request, send these bytes, close; or do something else instead of closing. For ever if not closed."""

    async def behave(peer: Peer) -> None:
        await peer.request()
        for piece in pieces:
            await peer.send(piece)
        if then is not None:
            await then(peer)

    return behave


async def stay(peer: Peer) -> None:
    """Keep the connection until the other side closes it."""
    while await peer.receive():
        pass


async def reset(peer: Peer) -> None:
    """End with a reset, once what was sent has been taken by the other side's kernel."""
    peer.reset()


def repeats(answer: bytes) -> Behaviour:
    """Answer every request of a connection alike."""

    async def behave(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(answer)

    return behave


def answered(body: bytes, *fields: str, status: str = "200 OK") -> bytes:
    """A complete answer with its length."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(head).encode("latin-1") + body


@contextmanager
def background(make: Callable[[], AbstractAsyncContextManager[T]]) -> Iterator[T]:
    """What an asynchronous block yields, kept by a thread of its own, so that the tests of a module can share it."""
    made: list[T] = []
    failed: list[BaseException] = []
    started = threading.Event()
    over: list[Callable[[], None]] = []

    async def run() -> None:
        done = trio.Event()
        token = trio.lowlevel.current_trio_token()
        over.append(lambda: token.run_sync_soon(done.set))
        async with make() as value:
            made.append(value)
            started.set()
            await done.wait()

    def thread() -> None:
        try:
            trio.run(run)
        except BaseException as error:  # noqa: BLE001 - it is raised again where the tests run
            failed.append(error)
        finally:
            started.set()

    keeper = threading.Thread(target=thread)
    keeper.start()
    started.wait()
    try:
        if not failed:
            yield made[0]
    finally:
        if not failed:
            over[0]()
        keeper.join()
        if failed:
            raise failed[0]
