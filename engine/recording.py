"""What is recorded of the gateway's work, in plain values: the actors' inputs and answers, and how requests went.

Law: a block is closed in itself. It has the state, at its beginning, of every actor that it tells something of, so that
all of it can be computed again from the block and the event log alone; the state an actor reaches at its end is that at
the beginning of the next block which tells of it. What was lost is counted in the block that follows the hole. Nothing
here has a prompt, an answer's text, a secret or a digest in it.
"""

from collections.abc import Mapping
from typing import NamedTuple, Self, TypeAlias

import attrs

from engine.caller import Admitted, CallerMessage, Enter, Leave
from engine.checkpoint import KeptKey, KeptMeter, KeptPool
from engine.names import Alias, KeyId, Nanoseconds, Position, ProviderName, Ticket
from engine.pool.decision import Decision
from engine.pool.messages import (
    Acquire,
    Answered,
    Effect,
    Finish,
    Leased,
    Message,
    Reconfigure,
    Refused,
    Retry,
    Tick,
)


@attrs.frozen
class Started:
    """A pool's actor begins, with nothing but the seed of its draws."""

    seed: int


@attrs.define
class Granted:
    """A lease, with its provider by name."""

    ticket: Ticket
    provider: ProviderName
    attempt: int
    position: Position
    is_probe: bool
    decision: Decision


@attrs.frozen
class Reconfigured:
    """A new definition: the one that the event log gives for the position."""

    position: Position
    at: Nanoseconds
    is_gone: bool
    "Whether the alias was gone at that position."


Told: TypeAlias = Started | Acquire | Retry | Answered | Finish | Reconfigured | Tick | Enter | Leave
Answer: TypeAlias = Granted | Refused | Admitted


class Entry(NamedTuple):
    """One input of one actor, and its answers."""

    seq: int
    "From 1, over all actors of the process."
    alias: Alias | None
    "The pool's; None: the keys' actor."
    told: Told
    answers: tuple[Answer, ...]


@attrs.define
class Usage:
    """Tokens, as the provider counted them (BILL-7); of an answer that broke off, as far as it had told."""

    input: int
    "All that the model was given, cached or not."
    output: int


@attrs.define
class Attempted:
    """One attempt of a request."""

    provider: ProviderName
    sent_at: Nanoseconds
    head_ns: Nanoseconds
    "Until the head of its answer, or until it failed or was left."
    status: int | None
    "Of its answer, or of the error in it; None: there was none."
    what: str
    """`answered`, or how it failed, in one word of `engine.errors.Failure`, or `embedded`, `empty`; `abandoned`: the
    client or the gateway left first; `unsent`: the request cannot be sent to this provider."""


@attrs.define
class Served:
    """How a request went, whoever answered it."""

    request_id: str
    ticket: Ticket | None
    "Its decisions' number; None where no actor was asked."
    at: Nanoseconds
    "When it was read."
    total_ns: Nanoseconds
    alias: str | None
    "As the client named it, shortened; None where it named none."
    pool: Alias | None
    key_id: KeyId | None
    position: Position
    "Of the table that served."
    status: int | None
    "What the client was sent; None: it left, or was left, before that."
    outcome: str
    "`complete`, `refused`, or who left before the end: `client`, `provider`, `gateway`."
    reason: str | None = None
    "Of a refusal, one of `engine.errors.Reason`."
    scope: str | None = None
    why: str | None = None
    attempts: tuple[Attempted, ...] = ()
    usage: Usage | None = None

    @classmethod
    def begun(cls, request_id: str, at: Nanoseconds, position: Position) -> Self:
        """A request that has been read and nothing else yet."""
        return cls(request_id, None, at, 0, None, None, None, position, None, "client")

    @property
    def answering(self) -> Attempted | None:
        """The attempt whose answer the client was sent; None: no provider's was."""
        if self.outcome != "refused" and self.status is not None:
            for one in reversed(self.attempts):
                if one.what == "answered":
                    return one
        return None


@attrs.frozen
class Block:
    """What happened in a stretch of time in one process."""

    process: str
    "Names the process's run; decisions are numbered and times counted within it."
    first_seq: int
    "Of its first entry, or where that would be."
    unix_us: int
    "The wall clock at `at`."
    at: Nanoseconds
    "When it begins."
    until: Nanoseconds
    "When it was closed."
    dropped: int
    "Entries lost before it."
    dropped_requests: int
    pools: Mapping[Alias, KeptPool]
    "As they were at its beginning; one that started in it is not there."
    meters: Mapping[str, KeptMeter]
    "Of the deployments of those pools."
    keys: Mapping[KeyId, KeptKey]
    entries: tuple[Entry, ...]
    requests: tuple[Served, ...]
    "Those that ended in it."


def answers_of(answers: tuple[Effect, ...] | tuple[Admitted, ...]) -> tuple[Answer, ...]:
    """An actor's answers as they are recorded."""
    return tuple([_granted(one) if isinstance(one, Leased) else one for one in answers])


def told_of(message: Started | Message | CallerMessage) -> Told:
    """An actor's input as it is recorded."""
    if isinstance(message, Reconfigure):
        return Reconfigured(message.position, message.at, message.pool is None)
    return message


def _granted(lease: Leased) -> Granted:
    return Granted(lease.ticket, lease.provider.name, lease.attempt, lease.position, lease.is_probe, lease.decision)
