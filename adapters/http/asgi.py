"""An ASGI 3 application as an application of our server, for the control port.

Law: the application's task lives inside its response: it starts when the response is entered and has ended when the
response is left. A client that goes is told to it as `http.disconnect` and ends it; a body that it does not complete
is never ended cleanly (ASGI 3.0, HTTP 2.3). Errors are logged by their place, never by what they say, which may quote
the request.
"""

import traceback
from collections.abc import Awaitable, Callable, Iterator
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

import msgspec
import structlog
import trio

from adapters.http.asgi_terms import AsgiMessage, fields_of, scope_of
from adapters.http.messages import Incoming, Response
from engine.errors import Failure, UpstreamFailed

AsgiApp: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]
"""Takes a scope, `receive` and `send`; frameworks each have their own types for them."""

_CHUNKS: Final = 16
"""Of a body, how many may wait for a client that reads slowly before the application waits too."""
_log = structlog.get_logger("asgi")


class Asgi:
    """Refused requests (`Incoming.refusal`) are the caller's to answer. The lifespan protocol is not spoken: what the
    application needs is made before it, and handed to it.
    """

    def __init__(self, app: AsgiApp) -> None:
        self._app = app

    async def __call__(self, incoming: Incoming) -> Response:
        """The answer, whose status and headers are known once it has been entered."""
        try:
            scope = scope_of(incoming)
        except UnicodeDecodeError:
            return _problem(400, "The path is not valid UTF-8 once its percent-encoding is undone.")
        return _Exchange(self._app, scope, incoming)


class _Exchange(Response):
    """One run of the application and what it sends."""

    def __init__(self, app: AsgiApp, scope: dict[str, Any], incoming: Incoming) -> None:
        super().__init__(500, ())
        self._app = app
        self._scope = scope
        self._unread: bytes | None = incoming.body
        self._is_head = incoming.method == "HEAD"
        self._sending, self._receiving = trio.open_memory_channel[bytes](_CHUNKS)
        # Shielded, so that the application hears of a disconnect before it is cancelled; `_leave` always cancels it.
        self._running = trio.CancelScope(shield=True)
        self._nursery = trio.open_nursery()
        self._begun = trio.Event()
        "There is a head, or there will be none."
        self._over = trio.Event()
        "Nothing more will be sent to the client: the body is complete, or it has gone."
        self._ended = trio.Event()
        "The application has returned."
        self._size = 0
        "Bytes of body so far."
        self._has_head = self._is_complete = False
        self._length: int | None = None

    @property
    def length(self) -> int | None:
        return self._length

    async def __aenter__(self) -> Self:
        nursery = await self._nursery.__aenter__()
        nursery.start_soon(self._run)
        try:
            await self._begun.wait()
        except BaseException:
            await self._leave()
            raise
        if not self._has_head:
            self._take_over(_problem(500, "An internal error occurred. Please try again later."))
        elif self._is_complete:
            # Head and body came without a pause between them.
            self._length = self._size
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if self._is_complete and error is None:
                await self._ended.wait()
        finally:
            await self._leave()

    async def receive(self) -> bytes:
        if self._is_head:
            return b""
        try:
            return await self._receiving.receive()
        except trio.EndOfChannel:
            return self._end()

    def receive_nowait(self) -> bytes | None:
        if self._is_head:
            return b""
        try:
            return self._receiving.receive_nowait()
        except trio.WouldBlock:
            return None
        except trio.EndOfChannel:
            return self._end()

    def _end(self) -> bytes:
        if not self._is_complete:
            raise UpstreamFailed(Failure.BROKEN, "the application did not complete its answer")
        return b""

    async def _leave(self) -> None:
        """End the application and wait for its end, which no cancellation of ours can outrun."""
        self._over.set()
        self._running.cancel()
        # What ends this response is not the nursery's business, which would wrap it.
        await self._nursery.__aexit__(None, None, None)
        self._receiving.close()

    def _take_over(self, other: Response) -> None:
        self.status, self.headers, self._length = other.status, other.headers, other.length
        self._sending, self._receiving = trio.open_memory_channel[bytes](1)
        self._sending.send_nowait(other.receive_nowait() or b"")
        self._sending.close()
        self._is_complete = True

    async def _run(self) -> None:
        try:
            with self._running:
                await self._app(self._scope, self._next, self._take)
        except Exception as error:  # noqa: BLE001 - the boundary: one request's bug is not the others'
            _log.error("the application failed", error=type(error).__name__, where="".join(_places(error)))
        else:
            if not self._is_complete and not self._running.cancelled_caught:
                _log.error("the application did not complete its answer")
        finally:
            self._sending.close()
            self._ended.set()
            self._begun.set()

    async def _next(self) -> AsgiMessage:
        """ASGI's `receive`."""
        body, self._unread = self._unread, None
        if body is not None:
            return {"type": "http.request", "body": body, "more_body": False}
        await self._over.wait()
        return {"type": "http.disconnect"}

    async def _take(self, message: AsgiMessage) -> None:
        """ASGI's `send`. Waits while the client does not read."""
        if message["type"] == "http.response.start":
            if self._has_head:
                raise RuntimeError("The head was sent before.")
            self.headers, self._length = fields_of(message.get("headers", ()))
            self.status = message["status"]
            self._has_head = True
            # No checkpoint: a body that follows at once is there when the connection looks.
            self._begun.set()
        elif message["type"] == "http.response.body":
            if not self._has_head:
                raise RuntimeError("The body comes after the head.")
            await self._take_body(bytes(message.get("body", b"")), more=bool(message.get("more_body", False)))
        else:
            raise RuntimeError("Only http.response.start and http.response.body can be sent.")

    async def _take_body(self, body: bytes, *, more: bool) -> None:
        if self._over.is_set():
            await trio.lowlevel.checkpoint()
            return
        self._size += len(body)
        if self._length is not None and (self._size > self._length or (not more and self._size < self._length)):
            raise RuntimeError("The body is not as long as its head says.")
        self._is_complete = not more
        # An empty chunk would be the end.
        if body and not self._is_head:
            await self._sending.send(body)
        if not more:
            self._sending.close()
            self._over.set()


def _places(error: BaseException | None) -> Iterator[str]:
    """Where an error came from, its causes first, as lines of code without any values."""
    if error is None:
        return
    yield from _places(error.__cause__ or (None if error.__suppress_context__ else error.__context__))
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _places(one)
    yield f"{type(error).__name__}:\n"
    yield from traceback.format_tb(error.__traceback__)


def _problem(status: int, detail: str) -> Response:
    """RFC 9457, as the control port's errors are."""
    body = msgspec.json.encode({"type": "about:blank", "status": status, "detail": detail})
    return Response(status, [(b"content-type", b"application/problem+json")], body)
