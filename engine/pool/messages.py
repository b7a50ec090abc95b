"""What a pool is told, and what it answers.

Law: `Acquire` and `Retry` get exactly one effect each, at once or after a backoff; the others none of their own. The
asker makes the ticket, asks, and always sends `Finish` when its request is over, whatever came back and even if
nothing did.
"""

from enum import Enum
from typing import TypeAlias

import attrs

from engine.errors import Failure
from engine.limiter import Quota
from engine.names import Nanoseconds, Position, Ticket
from engine.pool.decision import Decision
from engine.snapshot import Pool, Provider, Timeouts


class Kind(Enum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    "A bad status, no connection, a break, a timeout; `engine.pool.health` says which of them are the provider's."
    ABANDONED = "abandoned"
    "The client left, or the gateway stopped: nobody's fault (FB-15)."
    UNSENT = "unsent"
    "The gateway refused the request before anything was sent: it spends nothing (ORDER-2)."


@attrs.frozen
class Outcome:
    """What became of an attempt."""

    kind: Kind
    status: int | None = None
    "The upstream's status, where one arrived; that of an error in a 2xx is the error's (FB-11)."
    failure: Failure | None = None
    told_ns: Nanoseconds | None = None
    "How long the upstream asked to be left alone (Retry-After)."
    latency_ns: Nanoseconds | None = None
    "From the attempt's start to the head of its answer."


SUCCEEDED = Outcome(Kind.SUCCEEDED)
ABANDONED = Outcome(Kind.ABANDONED)
UNSENT = Outcome(Kind.UNSENT)
BROKEN = Outcome(Kind.FAILED, failure=Failure.BROKEN)


@attrs.define
class Acquire:
    """A request enters the pool and wants its first provider."""

    ticket: Ticket
    at: Nanoseconds
    affinity: int | None = None
    "64 bits of what `consistent_hash` holds on to; None where the request has nothing of the kind."


@attrs.define
class Retry:
    """The running attempt is over without an answer for the client; the request wants another provider."""

    ticket: Ticket
    at: Nanoseconds
    outcome: Outcome


@attrs.define
class Answered:
    """The running attempt, a probe, has got a good head: that closes the circuit, long before the body has ended."""

    ticket: Ticket
    at: Nanoseconds


@attrs.define
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


@attrs.frozen
class Tick:
    """Time has passed, as far as `wake_at` asked for."""

    at: Nanoseconds


Message: TypeAlias = Acquire | Retry | Answered | Finish | Reconfigure | Tick


class Refusal(Enum):
    POOL_RATE = "pool_rate"
    "The pool's own rate limit (RL-4)."
    POOL_FULL = "pool_full"
    "The pool's own concurrency limit (CL-3)."
    PROVIDER_RATE = "provider_rate"
    "No provider has a token (RL-5)."
    PROVIDERS_FULL = "providers_full"
    "Every provider is at its limit and nothing was attempted (CL-4)."
    UPSTREAM_RATE = "upstream_rate"
    "The providers themselves have asked for a pause, by 429 and Retry-After."
    CIRCUITS_OPEN = "circuits_open"
    "Every provider is being left alone after failures (HEALTH-6)."
    NO_PROVIDERS = "no_providers"
    "The pool has none, or all are drained."
    EXHAUSTED = "exhausted"
    "Something was attempted and nothing is left to try (FB-6)."
    RETIRED = "retired"
    "The alias is gone."


@attrs.define
class Leased:
    ticket: Ticket
    provider: Provider
    attempt: int
    "1 for the first."
    position: Position
    "Of the definition that decided."
    timeouts: Timeouts
    "Complete: the provider's, the pool's, the standing ones."
    is_probe: bool
    "Whether `Answered` is to be told of a good head."
    decision: Decision


@attrs.define
class Refused:
    ticket: Ticket
    refusal: Refusal
    retry_at: Nanoseconds | None = None
    "When asking again may help, where that is known."
    quota: Quota | None = None
    "Of the pool's rate limit."
    decision: Decision | None = None
    "None where it never came to a choice."
    because: Refusal | None = None
    "Why nobody could be chosen any more, where an attempt was still to be had."


Effect: TypeAlias = Leased | Refused
