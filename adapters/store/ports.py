"""What the gateway sees of a store beyond the engine's port: looking back, proving, and who else is there."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

import attrs

from adapters.store.chain import Head
from engine.events import Recorded
from engine.names import Position
from engine.ports import EventLog

Progress: TypeAlias = Callable[[Position, Position], None]
"""Called with the position that was reached and the head's."""
Take: TypeAlias = Callable[[Sequence[Recorded]], None]
"""Called with the next events, in order."""


class ReadableLog(Protocol):
    """The half of an event log that changes nothing. Each of these raises StoreUnavailable."""

    async def read(self, after: Position, limit: int = 500) -> Sequence[Recorded]: ...

    async def history(self, stream: str, after: Position = 0, limit: int = 500) -> Sequence[Recorded]:
        """The events of one stream beyond a position, oldest first, each checked against its hash. Raises LogDamaged.

        Streams are as `engine.events.stream_of` names them; one that the log does not know has no events.
        """
        ...

    async def hash_at(self, position: Position) -> bytes | None:
        """The stored hash of an event, 32 bytes (zeros for position 0); None where the log does not reach it."""
        ...

    async def position_at(self, at_us: int) -> Position:
        """Where the log stood at a moment, in Unix microseconds: the last event that was recorded then or before, so
        that all after it were recorded later; 0: none was. By the writers' clocks, of which one may be slow: an event
        with a later time may stand before one with an earlier one. Raises LogDamaged.
        """
        ...

    async def verify(self, progress: Progress | None = None) -> Position:
        """The head's position, after recomputing the whole hash chain. Raises LogDamaged."""
        ...


class Beside(Protocol):
    """Another process that reads the same log."""

    async def read_into(self, take: Take, head: Head) -> Head:
        """Hand on the events that continue a checked one, as far as they come; the last of them."""
        ...


class VerifiableLog(EventLog, ReadableLog, Protocol):
    """An event log that can also be looked back on."""

    async def read_into(self, take: Take, after: Position, limit: int = 500) -> Position:
        """As `read`, but the events are handed to `take`, some at a time and each checked; the position of the last.

        All in the caller's thread, which they keep busy: for who has nobody waiting. Where it raises, `take` may have
        had a part of the page.
        """
        ...

    async def read_beside(self, beside: Beside, take: Take, after: Position) -> Position:
        """As `read_into`, but by another process and as far as it comes; `after` is what was read last. What is read
        later has to continue what it gave, as if that had been read here.
        """
        ...


@attrs.frozen
class Replica:
    """A gateway process on this store."""

    replica_id: str
    address: str
    "Where its control plane listens."
    version: str
    position: Position
    "What it has applied."


@attrs.frozen
class Seen:
    """A replica, and when it was last heard of."""

    replica: Replica
    age_us: int
    "Microseconds since its last beat, by the clock that also timed the beat. Never negative."


class Replicas(Protocol):
    """The gateways on one store. Each of these raises StoreUnavailable."""

    async def beat(self, replica: Replica) -> None:
        """Say that it is there, and where it is. An outcome that is unknown is one too: the next beat settles it."""
        ...

    async def all(self) -> Sequence[Seen]:
        """Every replica that was not forgotten, by id."""
        ...

    async def forget(self, replica_id: str) -> None:
        """Take it off the list; one that is not there is no error."""
        ...
