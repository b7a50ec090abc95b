"""What a pool is told, and what it answers.

Law: `Acquire` and `Retry` get exactly one effect each; `Finish` and `Reconfigure` none. The asker makes the ticket,
asks, and always sends `Finish` when its request is over, whatever came back and even if nothing did.
"""

from enum import Enum
from typing import TypeAlias

import attrs

from engine.errors import Failure
from engine.names import Nanoseconds, Position, Ticket
from engine.snapshot import Pool, Provider


class Kind(Enum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    "The provider's doing: a bad status, no connection, a break, a timeout."
    ABANDONED = "abandoned"
    "The client left, or the gateway stopped: nobody's fault (FB-15)."


@attrs.frozen
class Outcome:
    """What became of an attempt."""

    kind: Kind
    status: int | None = None
    "The upstream's status, where one arrived."
    failure: Failure | None = None


SUCCEEDED = Outcome(Kind.SUCCEEDED)
ABANDONED = Outcome(Kind.ABANDONED)
BROKEN = Outcome(Kind.FAILED, failure=Failure.BROKEN)


@attrs.frozen
class Acquire:
    """A request enters the pool and wants its first provider."""

    ticket: Ticket
    at: Nanoseconds


@attrs.frozen
class Retry:
    """The running attempt is over without an answer for the client; the request wants another provider."""

    ticket: Ticket
    at: Nanoseconds
    outcome: Outcome


@attrs.frozen
class Finish:
    """The request is over and its body has ended; frees all it holds. Harmless for a ticket that holds nothing."""

    ticket: Ticket
    at: Nanoseconds
    outcome: Outcome


@attrs.frozen
class Reconfigure:
    """The pool's definition as of a position; None: the alias is gone."""

    pool: Pool | None
    position: Position
    at: Nanoseconds


Message: TypeAlias = Acquire | Retry | Finish | Reconfigure


class Refusal(Enum):
    POOL_FULL = "pool_full"
    "The pool's own concurrency limit (CL-3)."
    PROVIDERS_FULL = "providers_full"
    "Every provider is at its limit and nothing was attempted (CL-4)."
    NO_PROVIDERS = "no_providers"
    "The pool has none, or all are drained."
    EXHAUSTED = "exhausted"
    "Something was attempted and nothing is left to try (FB-6)."
    RETIRED = "retired"
    "The alias is gone."


@attrs.frozen
class Leased:
    ticket: Ticket
    provider: Provider
    attempt: int
    "1 for the first."
    position: Position
    "Of the definition that decided."


@attrs.frozen
class Refused:
    ticket: Ticket
    refusal: Refusal


Effect: TypeAlias = Leased | Refused
