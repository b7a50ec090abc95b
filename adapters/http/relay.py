"""A provider's answer as the client's response: its headers made fit to pass on, its body untouched.

Law: body bytes are neither changed nor held back, and none outlives the response; it is reported exactly once, when
its body has ended or will not.
"""

from collections.abc import Mapping
from functools import lru_cache
from types import TracebackType
from typing import Any, Final
from urllib.parse import quote

from adapters.fields import HOP_BY_HOP, connection_options
from adapters.http.limits import NO_RETRY, quota_fields, retry_fields
from adapters.http.messages import Response
from adapters.http.told_to_callers import as_field
from adapters.observe import Observer
from engine.errors import UpstreamFailed
from engine.media import media_type
from engine.names import Alias, Position, ProviderName
from engine.ports import Clock, Headers
from engine.runtime.answer import Answer
from engine.runtime.trail import Trail
from engine.usage import ends_for

_OURS: Final = frozenset({b"content-length", b"x-request-id"})
_IDS: Final = frozenset({b"x-request-id", b"request-id"})


class Relay(Response):
    """Entering it enters the answer; leaving it finishes the request in its pool. `told`: an explanation to add."""

    def __init__(
        self,
        answer: Answer,
        trail: Trail,
        *,
        anthropic: bool,
        clock: Clock,
        observer: Observer,
        told: Mapping[str, Any] | None = None,
    ) -> None:
        self._answer = answer
        self._trail = trail
        self._clock = clock
        self._observer = observer
        self._overhead_ns = clock() - trail.served.at - answer.upstream_ns
        self._complete = False
        self.status = answer.status
        named = dict(answer.headers)
        self._length = int(named[b"content-length"]) if b"content-length" in named else None
        self._ends = ends_for(answer.status, media_type(named))
        headers = _passed_on(answer.headers, named, added=_added(answer), anthropic=anthropic)
        if answer.status >= 400 or answer.quota is not None:
            headers = _with_limits(headers, answer)
        headers += identity(trail.served.request_id, anthropic=anthropic)
        headers += _served_by(answer.pool.alias, answer.provider.name, answer.position, answer.attempts)
        headers.append((b"x-pointsman-decision", b"%d" % answer.ticket))
        if told is not None:
            headers.append(as_field(told))
        self.headers = headers

    @property
    def length(self) -> int | None:
        return self._length

    async def receive(self) -> bytes:
        try:
            chunk = await self._answer.receive()
        except UpstreamFailed:
            self.left_by = "provider"
            raise
        if not chunk:
            self._complete = True
        elif self._ends is not None:
            self._ends.add(chunk)
        return chunk

    def receive_nowait(self) -> bytes | None:
        chunk = self._answer.receive_nowait()
        if chunk == b"":
            self._complete = True
        elif chunk is not None and self._ends is not None:
            self._ends.add(chunk)
        return chunk

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self._answer.__aexit__(kind, error, traceback)
        finally:
            self._report()

    def _report(self) -> None:
        served, ends = self._trail.served, self._ends
        served.status = self.status
        served.outcome = "complete" if self._complete else self.left_by
        served.total_ns = self._clock() - served.at
        # Only now: the client has the last byte.
        served.usage = ends.usage(is_complete=self._complete) if ends is not None else None
        self._observer.ended(self._trail, self._overhead_ns)


def identity(request_id: str, *, anthropic: bool) -> list[tuple[bytes, bytes]]:
    """The request's id as the SDKs look for it: OpenAI's in `x-request-id`, Anthropic's in `request-id`."""
    value = request_id.encode("ascii")
    fields = [(b"x-request-id", value)]
    if anthropic:
        fields.append((b"request-id", value))
    return fields


@lru_cache(maxsize=4096)
def _served_by(
    alias: Alias, provider: ProviderName, position: Position, attempts: int
) -> tuple[tuple[bytes, bytes], ...]:
    """Which decision served the request."""
    return (
        (b"x-pointsman-position", b"%d" % position),
        (b"x-pointsman-pool", _header_text(alias)),
        (b"x-pointsman-provider", _header_text(provider)),
        (b"x-pointsman-attempts", b"%d" % attempts),
    )


def _header_text(text: str) -> bytes:
    """A name as a header value; what is not ASCII is percent-encoded."""
    return quote(text, safe="".join(map(chr, range(0x20, 0x7F)))).encode("ascii")


def _passed_on(
    fields: Headers, named: Mapping[bytes, bytes], *, added: Mapping[bytes, bytes], anthropic: bool
) -> list[tuple[bytes, bytes]]:
    """The upstream's fields less what ends here, with the configured ones set over them (HDR-6, HDR-7).

    `named`: the same by name.
    """
    is_everyday = len(named) == len(fields) and named.get(b"connection", b"close") in {b"close", b"keep-alive"}
    options = frozenset[bytes]() if is_everyday else connection_options(fields)
    kept = [field for field in fields if _passes(field[0]) and field[0] not in options and field[0] not in added]
    if not _IDS.isdisjoint(named):
        for name, value in fields:
            if name in _IDS:
                kept.append((b"x-upstream-request-id", value))
                if name == b"request-id" and anthropic:
                    kept.remove((name, value))
    kept.extend(added.items())
    return kept


def _with_limits(fields: list[tuple[bytes, bytes]], answer: Answer) -> list[tuple[bytes, bytes]]:
    """The fields with the caller's quota in place of the upstream's, and its Retry-After cut to what is bearable."""
    own = [] if answer.quota is None else quota_fields(answer.quota)
    if answer.retry_after_ns is not None:
        own += retry_fields(answer.retry_after_ns, longest_s=answer.pool.circuit.max_retry_after_s)
    if answer.is_exhausted and NO_RETRY not in own:
        own.append(NO_RETRY)
    names = {name for name, _ in own}
    return [field for field in fields if field[0] not in names] + own


def _added(answer: Answer) -> Mapping[bytes, bytes]:
    """The configured response headers: the pool's, the provider's over them (DEF-25)."""
    pool, provider = answer.pool.response_headers, answer.provider.response_headers
    if not pool and not provider:
        return {}
    # Sorted out by name without case, since that is how clients read them.
    merged = {name.lower(): value for name, value in pool.items()}
    merged |= {name.lower(): value for name, value in provider.items()}
    return {name.encode("latin-1"): value.encode("latin-1") for name, value in merged.items()}


@lru_cache(maxsize=1024)
def _passes(name: bytes) -> bool:
    return name not in HOP_BY_HOP and name not in _OURS and not name.startswith(b"x-pointsman-")
