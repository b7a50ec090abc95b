"""Why a provider was chosen, and why each other one was not.

Law: a decision holds all that was compared, in the units it was compared in, and nothing that was not; two decisions
are equal only if every number is. It is written for every request, so a candidate is a plain row until it is read.
"""

from enum import Enum
from typing import TypeAlias

import attrs

from engine.names import Nanoseconds, Position, ProviderName, Ticket
from engine.pool.circuit import Cause
from engine.snapshot import Strategy


class Verdict(Enum):
    """What kept a candidate from being chosen, or nothing did. The number of a row is what the text here names."""

    ADMISSIBLE = "admissible"
    "It could have been; the number is its score: priority, cost or latency, where the strategy has one."
    DRAINED = "drained"
    "Its weight is 0."
    TRIED = "tried"
    "This request has had it; the number is the attempt."
    CREDENTIAL = "credential"
    "The upstream refused the gateway's credential, or the vault has none; the number is until when."
    OPEN = "open"
    "Its circuit is open; the number is until when."
    PROBING = "probing"
    "Its circuit is half-open and another request is the probe; the number is that ticket."
    FULL = "full"
    "It is at its concurrency limit, which is the number."
    NO_TOKEN = "no_token"  # noqa: S105 - of a rate limit
    "Its rate limit is used up; the number is when the next token comes."


Row: TypeAlias = tuple[ProviderName, int, int, Verdict, int]
"""Name, weight, active requests, verdict, and the verdict's number."""

Causes: TypeAlias = tuple[tuple[ProviderName, tuple[Cause, ...]], ...]
"""By provider, the failures in a row behind its open circuit."""


@attrs.frozen
class Candidate:
    """A row, to be read."""

    name: ProviderName
    weight: int
    active: int
    verdict: Verdict
    number: int
    is_chosen: bool
    is_tied: bool
    "Whether the draw was between it and others."


@attrs.define
class Decision:
    ticket: Ticket
    position: Position
    "Of the definition that was in force."
    at: Nanoseconds
    attempt: int
    strategy: Strategy
    affinity: int | None
    rows: tuple[Row, ...]
    "All providers, in the pool's order."
    draws: tuple[int, ...]
    "The random numbers that were drawn, in order."
    tied: tuple[ProviderName, ...]
    "Between whom."
    chosen: ProviderName | None
    causes: Causes

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        return tuple(Candidate(*row, is_chosen=row[0] == self.chosen, is_tied=row[0] in self.tied) for row in self.rows)
