"""What the admin API works with; the composition root fills it in."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol
from weakref import WeakSet

import attrs
import trio

from adapters.http.admin.past import Past
from adapters.submitted import Loader
from engine.events import Event, Recorded
from engine.names import Alias, CredentialId, Position, Stream
from engine.recording import Block
from engine.runtime.follower import Follower
from engine.runtime.writer import Writer
from engine.snapshot import RoutingSnapshot

MOST_FEEDS: Final = 100
"""Event streams at once."""


class Log(Protocol):
    """The half of the event log that changes nothing."""

    async def read(self, after: Position, limit: int = 500) -> Sequence[Recorded]: ...

    async def history(self, stream: Stream, after: Position, limit: int) -> Sequence[Recorded]:
        """The next events of one entity after a position."""
        ...

    async def hash_at(self, position: Position) -> bytes | None:
        """The chain's hash at a position, 32 bytes; None where the log does not reach it."""
        ...

    async def position_at(self, at_us: int) -> Position:
        """The last event that was recorded at a moment, in Unix microseconds, or before; 0: none was."""
        ...

    async def verify(self, progress: Callable[[Position, Position], None] | None = None) -> Position:
        """The head's position, after recomputing the whole hash chain. Raises LogDamaged, StoreUnavailable."""
        ...


class Credentials(Protocol):
    """The vault, from outside: what goes in does not come out here."""

    def credential_id(self, secret: str) -> CredentialId: ...

    async def keep(self, credentials: Mapping[CredentialId, str]) -> None: ...


class Replica(Protocol):
    """A gateway on this log."""

    @property
    def replica_id(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def position(self) -> Position: ...


class Seen(Protocol):
    """A gateway as it last told of itself."""

    @property
    def replica(self) -> Replica: ...
    @property
    def age_us(self) -> int: ...


class Span(Protocol):
    """How far a journal reaches. None: nothing is in it."""

    @property
    def first_us(self) -> int | None: ...
    @property
    def last_us(self) -> int | None: ...


class RecordedJournal(Protocol):
    """A journal that is kept. Raises JournalUnavailable."""

    async def find(self, name: str) -> Sequence[Block]:
        """All blocks that tell of a request id or a decision's number, oldest first, of one process."""
        ...

    def read(self, since_us: int | None, until_us: int | None) -> AsyncIterator[Block]:
        """The blocks that overlap a stretch of time, in order."""
        ...

    def back(self, aliases: Collection[Alias], until_us: int) -> AsyncGenerator[tuple[Block, frozenset[Alias]]]:
        """The newest blocks that begin by then and tell of pools, each once and with those it is the newest for."""
        ...

    async def unreadable(self, since_us: int | None, until_us: int | None) -> int:
        """Blocks of a span that had to be skipped when they were read."""
        ...

    async def span(self) -> Span: ...

    async def flush(self) -> None:
        """Return once what has been noted so far can be read."""
        ...


@attrs.frozen
class Office:
    writer: Writer
    follower: Follower
    log: Log
    vault: Credentials
    fold: Callable[[RoutingSnapshot, Iterable[Recorded]], tuple[RoutingSnapshot, frozenset[Alias]]]
    change: Callable[[RoutingSnapshot, Iterable[Event]], RoutingSnapshot]
    "A table with some more events, not recorded."
    empty: Callable[[], RoutingSnapshot]
    replicas: Callable[[], Awaitable[Sequence[Seen]]]
    settled: Callable[[], Awaitable[None]]
    "Returns once all actors run what they were sent (`Prefer: wait=applied`)."
    unix_us: Callable[[], int]
    new_secret: Callable[[], str]
    "43 characters of 256 random bits."
    new_name: Callable[[], str]
    "A fresh id, sortable by time."
    replica_id: str = ""
    local_token: bytes | None = attrs.field(default=None, repr=False)
    "Digest of the token this process was started with, which has the scope `admin`; None: it has none."
    report: Callable[[], tuple[bool, Mapping[str, Any]]] = lambda: (True, {})
    "Whether this gateway wants requests, and how its table stands to the log and the file."
    address: str = ""
    "Where this gateway's control plane listens."
    version: str = ""
    started_us: int = 0
    "When this process began, in Unix microseconds."
    draining: trio.Event = attrs.field(factory=trio.Event, repr=False)
    "Set once this process is to end, so that streams end."
    journal: RecordedJournal | None = attrs.field(default=None, repr=False)
    "None: none is kept."
    why_no_journal: str | None = None
    "What was wrong with it, in a sentence; None: it was not wanted."
    load: Loader | None = None
    "What reads configuration files that are sent; None: none are taken."
    verifying: trio.Lock = attrs.field(factory=trio.Lock, init=False, repr=False)
    "Held while the hash chain is computed."
    looking_back: trio.Lock = attrs.field(factory=trio.Lock, init=False, repr=False)
    "Held while states are computed from the journal, which takes memory and processor time."
    feeds: WeakSet[Any] = attrs.field(factory=WeakSet, init=False, repr=False)
    "Event streams that are open; one that ends leaves by itself."
    past: Past = attrs.field(init=False, repr=False)
    "Tables at earlier positions."

    @past.default
    def _past(self) -> Past:
        return Past(self.log, fold=self.fold, empty=self.empty, begin=self.follower.snapshot)
