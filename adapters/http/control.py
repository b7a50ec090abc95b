"""The control port: the dashboard, metrics, the live stream, health, and the admin API.

Law: what tells of requests or pools asks for an admin token first, and goes on no longer than the token is good;
nothing here waits for a provider or the store.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

import msgspec
import trio

from adapters.admin_token import Tokens
from adapters.http.live_request import BadQuery, authorization, is_foreign, live_request, without_token
from adapters.http.messages import Application, Fields, Incoming, Response, Takeover
from adapters.http.page import Page
from adapters.http.parsing import Bounds
from adapters.http.problems import status_of
from adapters.observe import Observer
from adapters.page import files
from engine.errors import Reason, Refused

STRANGERS_BODY_BYTES: Final = 16 * 1024
"""The largest body that is read of a request without a good token; it is refused all the same."""
_BODY_BYTES: Final = Bounds().body_bytes
_ADMIN = ("/admin/", "/schema")
_STREAM_SCHEMA = "/schema/asyncapi.json"
_METRICS_TYPE = (b"content-type", b"text/plain; version=1.0.0; charset=utf-8")


ServeLive: TypeAlias = Callable[
    [trio.abc.Stream, Callable[[], bool], int | None, frozenset[str] | None], Awaitable[None]
]


class Control:
    """An application. `status` gives what `/health/ready` reports; `serve_live` runs one websocket while it may go on,
    from a `seq`, for some pools, and `stream_schema` is its description (AsyncAPI); `admin` answers what is below
    /admin and /schema, and `admits` tells whether headers have a good token in its eyes.
    """

    def __init__(
        self,
        observer: Observer,
        tokens: Tokens,
        *,
        status: Callable[[], tuple[bool, dict[str, Any]]],
        serve_live: ServeLive,
        stream_schema: Callable[[], Mapping[str, Any]],
        admin: Application,
        admits: Callable[[Fields], bool],
    ) -> None:
        self._observer = observer
        self._tokens = tokens
        self._status = status
        self._serve_live = serve_live
        self._stream_schema = stream_schema
        self._admin = admin
        self._admits = admits
        self._page = Page(files())
        self._routes: dict[str, Callable[[Incoming], Response]] = {
            "/metrics": self._metrics,
            "/live": self._live,
            "/health/ready": self._ready,
            "/health/live": self._alive,
            "/health/liveliness": self._alive,
            "/health/liveness": self._alive,
            _STREAM_SCHEMA: self._streams,
        }

    def body_bound(self, incoming: Incoming) -> int:
        """How large a body is read after this head: hardly one before a good token was shown, lest anybody who can
        connect can fill the memory.
        """
        return _BODY_BYTES if self._admits(incoming.headers) else STRANGERS_BODY_BYTES

    async def __call__(self, incoming: Incoming) -> Response:
        if incoming.refusal is not None:
            return self._refused(incoming, incoming.refusal)
        path = incoming.target.partition(b"?")[0].decode("latin-1")
        if path.startswith(_ADMIN) and path != _STREAM_SCHEMA:
            return await self._admin(incoming)
        if incoming.method not in {"GET", "HEAD"}:
            return _problem(405, "This address takes GET.", (b"allow", b"GET, HEAD"))
        if (file := self._page.answer(incoming, path)) is not None:
            return file
        return self._routes.get(path, self._unknown)(incoming)

    def _unknown(self, _incoming: Incoming) -> Response:
        known = ", ".join(self._routes)
        return _problem(404, f"There is nothing at this address; there are {known}.")

    def _refused(self, incoming: Incoming, reason: Reason) -> Response:
        if reason is Reason.PAYLOAD_TOO_LARGE and not self._admits(incoming.headers):
            return _unauthorised("A body of this size")
        return _problem(status_of(Refused(reason)), incoming.detail or reason.value)

    def _metrics(self, _incoming: Incoming) -> Response:
        return Response(200, [_METRICS_TYPE], self._observer.exposition())

    def _alive(self, _incoming: Incoming) -> Response:
        return _json(200, {"status": "ok"})

    def _ready(self, _incoming: Incoming) -> Response:
        ready, detail = self._status()
        return _json(200 if ready else 503, detail)

    def _unauthorised(self, incoming: Incoming, what: str) -> Response | None:
        if self._tokens.accepts(incoming.fields.get(b"authorization")):
            return None
        return _unauthorised(what)

    def _streams(self, _incoming: Incoming) -> Response:
        return _json(200, self._stream_schema())

    def _live(self, incoming: Incoming) -> Response:
        fields = incoming.fields
        shown = authorization(fields, incoming.headers)
        if not self._tokens.accepts(shown):
            return _unauthorised("The live stream")
        if is_foreign(fields):
            return _problem(403, "The live stream is told to pages of its own origin alone: that of the Host header.")
        try:
            asked = live_request(incoming.target)
        except BadQuery as bad:
            return _problem(400, str(bad))
        if fields.get(b"upgrade", b"").lower() != b"websocket":
            return _problem(426, "The live stream is a websocket.", (b"upgrade", b"websocket"))
        without_token(incoming)

        async def serve(stream: trio.abc.Stream) -> None:
            await self._serve_live(stream, lambda: self._tokens.accepts(shown), asked.since, asked.watched)

        return Takeover(serve)


def _unauthorised(what: str) -> Response:
    challenge = (b"www-authenticate", b'Bearer realm="pointsman control"')
    return _problem(401, f"{what} asks for an admin token, as Authorization: Bearer.", challenge)


def _json(status: int, value: Any, *headers: tuple[bytes, bytes]) -> Response:
    return Response(status, [(b"content-type", b"application/json"), *headers], msgspec.json.encode(value))


def _problem(status: int, detail: str, *headers: tuple[bytes, bytes]) -> Response:
    """RFC 9457, as the control port's errors are."""
    body = msgspec.json.encode({"type": "about:blank", "status": status, "detail": detail})
    return Response(status, [(b"content-type", b"application/problem+json"), *headers], body)
