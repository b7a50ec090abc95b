"""What the engine needs from outside; `adapters/` has the implementations, `tests/contracts` the laws."""

from collections.abc import Callable, Sequence
from math import inf
from typing import Protocol, TypeAlias

import attrs

from engine.events import Draft, Recorded
from engine.names import Digest, Nanoseconds, Position
from engine.snapshot import Provider, Timeouts

Clock: TypeAlias = Callable[[], Nanoseconds]
"""Monotonic integer nanoseconds."""

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]
"""Header fields in wire order; names in lower case."""


class EventLog(Protocol):
    """The append-only log. Positions are dense and in commit order; what `append` returned is durable."""

    async def append(self, drafts: Sequence[Draft], *, expected: Position, actor: str) -> Position:
        """Append all drafts or none, in one transaction; the position of the last one.

        `expected` is the head the writer decided on. Drafts whose ids are all in the log already, with equal
        content, change nothing and return their original last position (safe to retry).
        Raises: WrongPosition, IdempotencyConflict, StoreUnavailable, OutcomeUnknown.
        """
        ...

    async def read(self, after: Position, limit: int = 500) -> Sequence[Recorded]:
        """The next events after a position, oldest first, at most `limit`. Fewer than `limit` means the head.

        Raises: StoreUnavailable, LogDamaged.
        """
        ...

    async def wait(self, after: Position) -> None:
        """Return once the log may hold more than `after`. May return early, never too late."""
        ...


@attrs.define(slots=True)
class Request:
    """One client request, read completely (STREAM-1)."""

    method: str
    path: str
    "Path without query, percent-encoding as sent, no dot segments."
    query: str
    headers: Headers
    body: bytes = attrs.field(repr=False)
    alias: str
    alias_overridden: bool
    "Whether the alias came from the `model-override` header, so that the body may name another."
    caller: Digest | None = attrs.field(repr=False)
    "Digest of the presented secret; None: none was presented."
    request_id: str


class UpstreamAnswer(Protocol):
    """The head of a provider's answer, and its body still to come."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Headers: ...

    @property
    def retry_after_ns(self) -> Nanoseconds | None:
        """How long the provider asks to be left alone; None below 400, and where it does not say. Never negative."""
        ...

    async def receive(self, patience_s: float = inf) -> bytes:
        """The next bytes of the body as they came; b"" at its complete end.

        Raises UpstreamFailed: BROKEN, or TIMEOUT after so many seconds without any (a second late at most).
        Cancelling it loses no bytes: they come with the next call, or that one raises.
        """
        ...

    def receive_nowait(self) -> bytes | None:
        """As `receive`, for what has arrived already; None where `receive` would have to wait."""
        ...

    async def aclose(self) -> None:
        """Give the connection back, or cut it if the body is unfinished. Never waits on the network."""
        ...


class Upstream(Protocol):
    async def send(self, provider: Provider, request: Request, timeouts: Timeouts) -> UpstreamAnswer:
        """Send one attempt and wait for the answer's head. Raises UpstreamFailed, Refused(BAD_REQUEST).

        Of `timeouts`, `connect_s` and `first_byte_s` are kept here; None is no bound.
        """
        ...
