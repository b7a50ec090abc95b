"""What the admin API works with; the composition root fills it in."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol
from weakref import WeakSet

import attrs
import trio

from adapters.http.admin.past import Past
from adapters.submitted import Loader
from engine.events import Event, Recorded
from engine.names import Alias, CredentialId, Position, Stream
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
    load: Loader | None = None
    "What reads configuration files that are sent; None: none are taken."
    verifying: trio.Lock = attrs.field(factory=trio.Lock, init=False, repr=False)
    "Held while the hash chain is computed."
    feeds: WeakSet[Any] = attrs.field(factory=WeakSet, init=False, repr=False)
    "Event streams that are open; one that ends leaves by itself."
    past: Past = attrs.field(init=False, repr=False)
    "Tables at earlier positions."

    @past.default
    def _past(self) -> Past:
        return Past(self.log, fold=self.fold, empty=self.empty)
