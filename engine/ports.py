"""What the engine needs from outside; `adapters/` has the implementations, `tests/contracts` the laws."""

from collections.abc import Callable, Sequence
from enum import Enum
from math import inf
from typing import Protocol, TypeAlias
from uuid import UUID

import attrs

from engine.events import Draft, Recorded
from engine.names import Digest, Nanoseconds, Position
from engine.snapshot import Provider, Timeouts

Clock: TypeAlias = Callable[[], Nanoseconds]
"""Monotonic integer nanoseconds."""

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]
"""Header fields in wire order; names in lower case."""


class Wake(Enum):
    """Why a wait for the log ended."""

    OWN = "own_write"
    "This process appended."
    NOTIFY = "notify"
    "The store told of another process's append, or has just come back."
    POLL = "poll"
    "It was time to look."


@attrs.frozen
class Appended:
    position: Position
    "Of the append's last event."
    is_repeated: bool = False
    "Whether the log had these events already, so that nothing changed."


@attrs.frozen
class Found:
    """An append that the log holds."""

    position: Position
    "Of its last event."
    causation: UUID | None


class EventLog(Protocol):
    """The append-only log. Positions are dense and in commit order; what `append` returned is durable."""

    async def append(
        self, drafts: Sequence[Draft], *, expected: Position, actor: str, causation: UUID | None = None
    ) -> Appended:
        """Append all drafts or none, in one transaction.

        `expected` is the head the writer decided on, which implies the version of every stream. `causation` names what
        asked for them. Drafts whose ids are all in the log already, with equal content, change nothing and return
        their original last position (safe to retry).
        Raises: WrongPosition, IdempotencyConflict, StoreUnavailable, OutcomeUnknown.
        """
        ...

    async def find(self, event_id: UUID) -> Found | None:
        """The append whose first event has this id; None where the log has none. Raises StoreUnavailable."""
        ...

    async def read(self, after: Position, limit: int = 500) -> Sequence[Recorded]:
        """The next events after a position, oldest first, at most `limit`. Fewer than `limit` means the head.

        Each event's hash is checked against the one before it. Raises: StoreUnavailable, LogDamaged.
        """
        ...

    async def wait(self, after: Position) -> Wake:
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
    address: str = ""
    "Where the connection comes from, an IP address as text; empty where that is unknown."


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
