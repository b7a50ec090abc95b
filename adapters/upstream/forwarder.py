"""One attempt: a client's request turned into a provider's, and the provider's answer handed back.

Law: the provider's credential is read from the vault for each attempt and goes nowhere but into its header; what
httpx's transports raise becomes one of the failures (FB-4, FB-5); a body that was not read to its end never looks
complete.
"""

import math
from collections.abc import AsyncIterator, Callable
from functools import lru_cache

import httpx
import trio

from adapters import clock
from adapters.upstream.body import decodes, is_meant_as_json, with_model
from adapters.upstream.headers import RawHeaders, request_fields
from adapters.upstream.retry_after import retry_after_ns
from adapters.upstream.transport import ROUTE, Body, PooledTransport, Route, route_of
from engine.errors import NO_MODEL, Failure, Reason, Refused, UpstreamFailed
from engine.names import CredentialId, Nanoseconds
from engine.ports import Headers, Request
from engine.snapshot import Provider, Timeouts
from engine.urls import join_path

_REMEMBERED = 256


class HttpAnswer:
    """A response whose body is still to come; an `engine.ports.UpstreamAnswer`.

    Over our own transport a cancelled `receive` can be called again. httpx's own closes the response instead, so
    that the next one raises.
    """

    def __init__(self, response: httpx.Response, unix_s: Callable[[], int]) -> None:
        self._response = response
        self._body = response.stream if isinstance(response.stream, Body) else None
        self._chunks: AsyncIterator[bytes] | None = None
        self._interrupted = False
        self.status = response.status_code
        # Other transports give the names in whatever case they came.
        raw = response.headers.raw
        self.headers: Headers = raw if self._body is not None else [(name.lower(), value) for name, value in raw]
        self.retry_after_ns: Nanoseconds | None = retry_after_ns(self.headers, unix_s) if self.status >= 400 else None

    async def receive(self, patience_s: float = math.inf) -> bytes:
        try:
            if self._body is not None:
                return await self._body.receive(patience_s)
            with trio.move_on_after(max(0.0, patience_s)):
                return await self._receive_from_another_transport()
        except httpx.TimeoutException as error:
            raise UpstreamFailed(Failure.TIMEOUT, str(error)) from error
        except (httpx.TransportError, httpx.StreamError) as error:
            raise UpstreamFailed(Failure.BROKEN, str(error)) from error
        raise UpstreamFailed(Failure.TIMEOUT, f"nothing came in {patience_s:g} s")

    def receive_nowait(self) -> bytes | None:
        return self._body.receive_nowait() if self._body is not None else None

    async def aclose(self) -> None:
        # Our own body needs none of the bookkeeping that httpx does around closing a response.
        await (self._response.aclose() if self._body is None else self._body.aclose())

    async def _receive_from_another_transport(self) -> bytes:
        if self._chunks is None:
            self._chunks = self._response.aiter_raw()
        if self._interrupted:
            # The iterator is closed by now, which would pass for the body's end.
            raise UpstreamFailed(Failure.BROKEN, "the body was given up")
        self._interrupted = True
        async for chunk in self._chunks:
            if chunk:
                self._interrupted = False
                return chunk
        self._interrupted = False
        return b""


class Forwarder:
    """An `engine.ports.Upstream`. `resolve` gives a credential's secret; raises LookupError where there is none.

    `unix_s` is what a date in `retry-after` is compared with where the answer has none of its own.
    """

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        *,
        resolve: Callable[[CredentialId], str],
        unix_s: Callable[[], int] = clock.unix_s,
    ) -> None:
        self._transport = transport
        self._keeps_time = isinstance(transport, PooledTransport)
        self._resolve = resolve
        self._unix_s = unix_s

    async def send(self, provider: Provider, request: Request, timeouts: Timeouts) -> HttpAnswer:
        """Send one attempt; the answer's head. Raises UpstreamFailed, Refused(BAD_REQUEST) (MODEL-5).

        `first_byte_s` bounds all of it (STREAM-5), `connect_s` the making of a connection where one is made. Our own
        transport keeps both.
        """
        outgoing = self._outgoing(provider, request, timeouts)
        try:
            if self._keeps_time or timeouts.first_byte_s is None:
                return HttpAnswer(await self._transport.handle_async_request(outgoing), self._unix_s)
            with trio.move_on_after(timeouts.first_byte_s):
                return HttpAnswer(await self._transport.handle_async_request(outgoing), self._unix_s)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol) as error:
            raise UpstreamFailed(Failure.CONNECT, str(error)) from error
        except httpx.TimeoutException as error:
            raise UpstreamFailed(Failure.TIMEOUT, str(error)) from error
        except (httpx.TransportError, OSError) as error:
            raise UpstreamFailed(Failure.BROKEN, str(error)) from error
        raise UpstreamFailed(Failure.TIMEOUT, f"no head of an answer in {timeouts.first_byte_s:g} s")

    def _outgoing(self, provider: Provider, request: Request, timeouts: Timeouts) -> httpx.Request:
        body = _body_for(provider, request)
        bounds = {"connect": timeouts.connect_s}
        if self._keeps_time:
            bounds["read"] = timeouts.first_byte_s
        # Only what many requests share is remembered: clients must not be able to fill memory with paths.
        address = _address if request.query or len(request.path) > _REMEMBERED else _address_before
        try:
            url, route, host = address(provider.url, request.path, request.query)
        except (httpx.InvalidURL, UnicodeError) as error:
            # A host that looks like one and is none, such as a broken international name.
            raise UpstreamFailed(Failure.CONNECT, f"no such host: {error}") from error
        fields = request_fields(request.headers, traced=_is_traced(provider))
        fields.append((b"host", host))
        if body or request.method not in {"GET", "HEAD", "DELETE", "OPTIONS"}:
            fields.append((b"content-length", b"%d" % len(body)))
        fields.append((b"x-forwarded-proto", b"http"))
        fields.append((b"x-request-id", request.request_id.encode("ascii")))
        if provider.credential is not None:
            name = provider.auth_header.lower().encode("latin-1")
            value = f"{provider.auth_prefix}{self._secret(provider.credential)}".encode("latin-1")
            fields = [field for field in fields if field[0] != name]
            fields.append((name, value))
        return httpx.Request(
            request.method,
            url,
            headers=RawHeaders(fields),
            stream=httpx.ByteStream(body),
            extensions={ROUTE: route, "timeout": bounds},
        )

    def _secret(self, credential: CredentialId) -> str:
        try:
            return self._resolve(credential)
        except LookupError as error:
            raise UpstreamFailed(Failure.CREDENTIAL, str(error)) from error


def _body_for(provider: Provider, request: Request) -> bytes:
    if not request.body:
        return request.body
    if provider.model is not None:
        body = with_model(request.body, provider.model)
        if body is None:
            raise Refused(Reason.BAD_REQUEST, NO_MODEL, "model")
        return body
    if request.alias_overridden:
        # The header decided; a body that names another model would have the provider serve that one (DEF-42). One
        # that we cannot read, but a laxer reader might, could name any.
        body = with_model(request.body, request.alias)
        if body is None and not decodes(request.body) and is_meant_as_json(request.body, _content_type(request)):
            raise Refused(Reason.BAD_REQUEST, "The body is not valid JSON.", "model")
        return request.body if body is None else body
    return request.body


def _content_type(request: Request) -> bytes:
    return next((value for name, value in request.headers if name == b"content-type"), b"")


def _is_traced(provider: Provider) -> bool:
    """HDR-5, without the pool's trust, which an attempt does not know: what is not said is not sent on."""
    return bool(provider.trusted) if provider.propagate_trace_context is None else provider.propagate_trace_context


def _address(base: str, path: str, query: str) -> tuple[httpx.URL, Route, bytes]:
    """The upstream URL of a request path (URL-2, URL-3), the way there, and its `host` field (HDR-2)."""
    provider = httpx.URL(base)
    joined = join_path(provider.raw_path.decode("ascii"), path)
    target = f"{joined}?{query}" if query else joined
    url = provider.copy_with(raw_path=target.encode("ascii"))
    route = route_of(url)
    return url, Route(route.origin, target.encode("ascii")), url.netloc


_address_before = lru_cache(maxsize=2048)(_address)
