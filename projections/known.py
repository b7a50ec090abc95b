"""What a first pass over recorded blocks gathers, so that a second one can try them under tables.

Law: it is small whatever the window: of a request only who asked for what, and that once for all that have it in
common. With more requests than `most`, whole blocks are left out, the oldest first.
"""

from collections import Counter, deque
from typing import Final

import attrs

from engine.names import Alias, Nanoseconds, Position, ProviderName, Ticket
from engine.recording import Block
from projections.readmission import Applicant
from projections.story import definitions_in

MOST: Final = 200_000
"""Requests of a window that are tried, unless one says otherwise."""


@attrs.frozen
class Missing:
    """What was recorded of a window and is not in its blocks, or was not recorded for want of time or space."""

    entries: int = 0
    "That blocks tell to be lost before them; also `requests`."
    requests: int = 0
    gaps: int = 0
    "Places where a block does not follow the one before it, and none tells what is missing there."

    def __add__(self, other: "Missing") -> "Missing":
        return Missing(self.entries + other.entries, self.requests + other.requests, self.gaps + other.gaps)


@attrs.frozen
class _Part:
    """What one block has told."""

    block: tuple[str, int]
    unix_us: int
    requests: int
    tickets: tuple[Ticket, ...]
    definitions: frozenset[tuple[Alias, Position]]
    positions: frozenset[Position]
    missing: Missing
    "Before it."


@attrs.define(eq=False)
class Known:
    most: int = MOST
    requests: dict[Ticket, Applicant] = attrs.field(factory=dict)
    "Those that an actor was asked about, as far as they have ended."
    count: int = 0
    "Of all requests."
    asked: set[tuple[Alias, ProviderName]] = attrs.field(factory=set)
    "Providers that attempts were sent to, with their pools."
    is_cut: bool = False
    "Whether something was left out."
    _parts: deque[_Part] = attrs.field(factory=deque)
    _blocks: set[tuple[str, int]] = attrs.field(factory=set)
    _same: dict[Applicant, Applicant] = attrs.field(factory=dict)
    _served: Counter[Alias] = attrs.field(factory=Counter)
    _served_ns: Counter[Alias] = attrs.field(factory=Counter)
    _follows: tuple[str, int] | None = None
    "The process of the block taken last, and the entry that would come next."

    def take(self, block: Block) -> None:
        tickets: list[Ticket] = []
        for served in block.requests:
            if served.ticket is not None:
                applicant = Applicant.of(served)
                self.requests[served.ticket] = self._same.setdefault(applicant, applicant)
                tickets.append(served.ticket)
            if served.pool is not None and served.attempts:
                self.asked.update((served.pool, one.provider) for one in served.attempts)
                self._served[served.pool] += 1
                self._served_ns[served.pool] += served.total_ns
        part = _Part(
            _name(block),
            block.unix_us,
            len(block.requests),
            tuple(tickets),
            definitions_in((block,)),
            frozenset(served.position for served in block.requests),
            self._missing_before(block),
        )
        self._follows = block.process, block.first_seq + len(block.entries)
        self._parts.append(part)
        self._blocks.add(part.block)
        self.count += part.requests
        while self.count > self.most and len(self._parts) > 1:
            self._leave_out(self._parts.popleft())

    def has(self, block: Block) -> bool:
        """Whether the block is one of those that were gone over, and is not left out."""
        return _name(block) in self._blocks

    @property
    def since_us(self) -> int | None:
        """When the first block begins; None: there is none."""
        return self._parts[0].unix_us if self._parts else None

    @property
    def missing(self) -> Missing:
        """What is missing within the blocks, as far as they tell."""
        return sum((part.missing for part in self._parts), Missing())

    @property
    def definitions(self) -> frozenset[tuple[Alias, Position]]:
        """What has to be known of the event log."""
        return frozenset().union(*(part.definitions for part in self._parts))

    @property
    def positions(self) -> frozenset[Position]:
        """Of the tables that the requests met."""
        return frozenset().union(*(part.positions for part in self._parts))

    @property
    def lasting_ns(self) -> dict[Alias, Nanoseconds]:
        """How long requests of a pool last in the mean."""
        return {alias: self._served_ns[alias] // count for alias, count in self._served.items()}

    def _missing_before(self, block: Block) -> Missing:
        is_gap = False
        if self._follows is not None:
            process, seq = self._follows
            # A process numbers its entries from 1.
            is_gap = block.first_seq - block.dropped > (seq if block.process == process else 1)
        return Missing(block.dropped, block.dropped_requests, int(is_gap))

    def _leave_out(self, part: _Part) -> None:
        self.is_cut = True
        self.count -= part.requests
        self._blocks.discard(part.block)
        for ticket in part.tickets:
            self.requests.pop(ticket, None)


def _name(block: Block) -> tuple[str, int]:
    return block.process, block.first_seq
