"""A circuit: whether a provider is left alone after failures, and who may try it again first (HEALTH-6).

    closed ──(enough failures in a row, or one that counts at once)──▶ open ──(its time is over)──▶ half-open
       ▲                                                                 ▲                             │
       └──────────────────(the one probe succeeds)───────────────────────┼─────────────────────────────┤
                                                                         └───(the one probe fails)─────┘

Law: only the probe's outcome moves a circuit that is not closed, so leftovers of before neither close it nor lengthen
it (DEF-69, DEF-85), unless the provider asks for more time by one; nothing shortens a wait; an abandoned probe is
nobody's fault and makes room for another.
"""

from enum import Enum

import attrs

from engine.names import Nanoseconds, ProviderName, Ticket

_REMEMBERED = 8
"""How many of the failures in a row are kept as reasons."""


class Phase(Enum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    "Its time is over, and one probe decides."


@attrs.frozen
class Cause:
    """One failure that opened a circuit, or is on the way to."""

    ticket: Ticket
    at: Nanoseconds
    what: str
    "A status, or a kind of failure."


@attrs.frozen
class Turn:
    """A circuit has been opened, for longer than before, or closed."""

    provider: ProviderName
    of: str
    "health or credential."
    wait_ns: Nanoseconds | None
    "How long it stays open; None: it was closed."
    causes: tuple[Cause, ...]


@attrs.define
class Circuit:
    until: Nanoseconds | None = None
    "When it may be probed; None: closed."
    failures: int = 0
    "In a row, while closed."
    openings: int = 0
    "In a row, without a success between: the place in the schedule of cooldowns."
    probe: Ticket | None = None
    "Who is trying it."
    failed_at: Nanoseconds = 0
    is_told: bool = False
    "Whether the wait is what the provider asked for (Retry-After)."
    causes: tuple[Cause, ...] = ()

    def phase(self, at: Nanoseconds) -> Phase:
        if self.until is None:
            return Phase.CLOSED
        return Phase.OPEN if at < self.until else Phase.HALF_OPEN

    def fail(
        self, cause: Cause, *, threshold: int, cooldowns_ns: tuple[Nanoseconds, ...], told_ns: Nanoseconds = 0
    ) -> None:
        """A failure that counts: `threshold` in a row open the circuit.

        `told_ns`: how long the provider itself asks to be left alone, which then goes before the schedule.
        """
        at, until = cause.at, self.until
        if until is not None and self.probe != cause.ticket:
            if at + told_ns > until and told_ns:
                self.until, self.is_told = at + told_ns, True
            return
        self.probe = None
        self.failures += 1
        self.failed_at = at
        self.causes = (*self.causes, cause)[-_REMEMBERED:]
        if told_ns:
            wait_ns = told_ns
        elif until is None and self.failures < threshold:
            return
        else:
            # A probe sent before its time (`AllOpen.PROBE`) starts the same wait again, not a longer one.
            if until is None or at >= until or not self.openings:
                self.openings += 1
            wait_ns = cooldowns_ns[min(self.openings, len(cooldowns_ns)) - 1]
        self.is_told = told_ns > 0
        self.until = max(until or 0, at + wait_ns)

    def succeed(self, ticket: Ticket) -> None:
        if self.until is None or self.probe == ticket:
            self.reset()

    def let_go(self, ticket: Ticket) -> None:
        """The attempt ended and says nothing about the provider."""
        if self.probe == ticket:
            self.probe = None

    def reset(self) -> None:
        self.until, self.failures, self.openings, self.probe, self.causes = None, 0, 0, None, ()
        self.is_told = False
