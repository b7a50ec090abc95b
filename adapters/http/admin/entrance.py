"""Who may come in: admin tokens, looked up by digest in the present table (AUTH-9).

Law: nothing of an address, an entity or a token is told to whoever has no good token: all answers without one are the
same, whatever was asked for. A token that is revoked or expired is no token from that position, or moment, on.
"""

import hmac
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, cast

import attrs
import msgspec
import trio
from litestar import Litestar, Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from adapters.http.admin.office import Office
from adapters.http.admin.problems import Refusal, problem
from engine.access import digest, token_of
from engine.entity_checks import SCOPES

READ: Final = {"scope": "read"}
"""`opt=` of a route that changes nothing."""
OPERATE: Final = {"scope": "operate"}
"""`opt=` of a route that changes what is routed to whom."""
ADMIN: Final = {"scope": "admin"}
"""`opt=` of a route that changes who may change it, or touches the vault."""

PUBLIC: Final = ("/schema", "/schema/openapi.json")
"""What the API looks like is no secret: it is the same everywhere."""
POSITION: Final = b"x-pointsman-position"
_ASKS: Final = "This address asks for a good admin token, as Authorization: Bearer TOKEN or x-admin-key: TOKEN."
_CHALLENGE: Final = (b"www-authenticate", b'Bearer realm="pointsman admin"')
_WHO: Final = "pointsman.who"


@attrs.frozen
class Who:
    """Whose request it is."""

    token_id: str
    scope: str

    @property
    def actor(self) -> str:
        """Whose what it defines is, as events name it."""
        return f"token:{self.token_id}"

    @property
    def by(self) -> str | None:
        """Who writes in the actor's place; None: the actor."""
        return None

    def may(self, scope: str) -> bool:
        return SCOPES.index(self.scope) >= SCOPES.index(scope)

    def needs(self, scope: str, why: str) -> None:
        """Raise Refusal (403) unless this token has a scope."""
        if not self.may(scope):
            raise Refusal(403, f"{why} asks for a token of scope {scope}; this one has {self.scope}.")


class Entrance:
    """The API as an ASGI application, with the token looked at before anything else.

    `describe` makes the API's description, in a thread, when it is first asked for.
    """

    def __init__(self, app: Litestar, office: Office, describe: Callable[[Litestar], None]) -> None:
        self._app = app
        self._office = office
        self._describe: Callable[[Litestar], None] | None = describe
        self._describing = trio.Lock()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] in PUBLIC:
            async with self._describing:
                if self._describe is not None:
                    await trio.to_thread.run_sync(self._describe, self._app)
                    self._describe = None
            await self._app(scope, receive, send)
            return
        who = known(self._office, scope["headers"])
        if who is None:
            await _answer(send, 401, _ASKS, _CHALLENGE)
            return
        if "//" in scope["path"] or scope["path"].endswith("/"):
            # The router would take them for paths without: of another pool, where an alias has such a slash.
            await _answer(send, 404, "There is nothing at this address: no part of a path is empty.")
            return
        scope[_WHO] = who
        await self._app(scope, receive, partial(self._send, send))

    async def _send(self, send: Any, message: Any) -> None:
        """Pass an answer on, with the position it was given at; it is for nobody else, and for this moment."""
        if message["type"] == "http.response.start":
            stated = dict(message["headers"])
            own = {POSITION: str(self._office.follower.snapshot.position).encode(), b"cache-control": b"no-store"}
            added = [(name, value) for name, value in own.items() if name not in stated]
            message = {**message, "headers": [*message["headers"], *added]}
        await send(message)


async def _answer(send: Any, status: int, detail: str, *headers: tuple[bytes, bytes]) -> None:
    fields = ((b"content-type", b"application/problem+json"), *headers)
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": msgspec.json.encode(problem(status, detail).content)})


def known(office: Office, headers: Iterable[tuple[bytes, bytes]]) -> Who | None:
    """Whose token a request bears; None where it has none that is good."""
    secret = _presented(headers)
    if secret is None:
        return None
    presented = digest(secret)
    if office.local_token is not None and hmac.compare_digest(presented, office.local_token):
        return Who("local", "admin")
    token = token_of(office.follower.snapshot, presented, office.unix_us() // 1_000_000)
    return Who(token.token_id, token.scope) if token is not None and token.scope in SCOPES else None


def who_asks(request: Request[Any, Any, Any]) -> Who:
    """The dependency `who`."""
    return _asking(request)


async def admits(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """The guard of every route: whether the token's scope is large enough."""
    if connection.scope["path"] in PUBLIC:
        return
    # Litestar's own answer to OPTIONS states none.
    _asking(connection).needs(handler.opt.get("scope", "read"), "This address")


def check_scopes(routes: Iterable[Any]) -> None:
    """Raise ValueError for a route that says nothing of who may use it."""
    for route in routes:
        if route.opt.get("scope") not in SCOPES:
            raise ValueError(f"{sorted(route.paths)} {sorted(route.http_methods)} states no scope of {SCOPES}")


def _asking(connection: ASGIConnection[Any, Any, Any, Any]) -> Who:
    return cast("dict[str, Who]", connection.scope)[_WHO]


def _presented(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    bearer = admin_key = None
    for name, value in headers:
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            bearer = value[7:].strip()
        elif name == b"x-admin-key":
            admin_key = value.strip()
    return bearer or admin_key or None
