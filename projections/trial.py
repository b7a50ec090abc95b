"""One pass of recorded blocks under a table, or under two for comparison.

Law: what is tried is checked first: every recorded decision is computed again as it was; and on the traffic that the
table in force had decided, that table is tried, too, as any other would be: what comes out must be what was recorded.
"""

import attrs

from engine.names import Position, Ticket
from engine.recording import Block
from engine.snapshot import RoutingSnapshot
from projections.known import Known
from projections.replay import Definitions, Mismatch, Replay
from projections.story import definitions_in
from projections.tally import Comparison, Tally
from projections.traffic import Traffic, Went
from projections.what_if import WhatIf


@attrs.define(eq=False)
class SelfCheck:
    """Whether what is tried is worth anything."""

    recomputed: int = 0
    "Entries of the record that came out as they were recorded."
    mismatch: Mismatch | None = None
    "The first that did not."
    simulated: int = 0
    "Requests that the table in force had decided, on which it was tried."
    differing: int = 0
    "Those that came out otherwise than they were recorded."

    @property
    def is_good(self) -> bool:
        return self.mismatch is None and not self.differing


class Trial:
    """`before` is the table in force, `after` the one that is tried; None tries nothing but `before`. `alike`: the
    positions whose tables let in whom `before` does, to the same pools; None: the same blocks were checked already.
    """

    def __init__(
        self,
        before: RoutingSnapshot,
        after: RoutingSnapshot | None,
        definitions: Definitions,
        known: Known,
        *,
        alike: frozenset[Position] | None,
    ) -> None:
        lasting_ns = known.lasting_ns
        self._replay = None if alike is None else Replay(definitions)
        self._requests = known.requests
        self._alike = frozenset[Position]() if alike is None else alike
        self._table, self._definitions = before, definitions
        self._traffic = Traffic(known.requests)
        self._before = WhatIf(before, definitions, lasting_ns=lasting_ns)
        self._after = None if after is None else WhatIf(after, definitions, lasting_ns=lasting_ns)
        self._itself = WhatIf(before, definitions, lasting_ns=lasting_ns)
        "On nothing but what it decided."
        self._is_itself = False
        self._process, self._next_seq = "", 0
        self.check = SelfCheck()
        self.tally = Tally()
        "Under `before`."
        self.comparison = Comparison()
        self.first_difference: tuple[Ticket, Went, Went] | None = None
        "Of the table in force from the record."

    def take(self, block: Block) -> None:
        """One more block, of those the first pass went over, in the same order."""
        if block.process != self._process or block.first_seq != self._next_seq:
            self._interrupt()
        self._process = block.process
        self._next_seq = block.first_seq + len(block.entries)
        self._recompute(block)
        was, self._is_itself = self._is_itself, self._was_decided_by_it(block)
        if was and not self._is_itself:
            self._itself.forget()
        simulations = (*self._simulations(), self._itself) if self._is_itself else self._simulations()
        for one in simulations:
            one.enter(block)
        for event in self._traffic.events(block):
            for one in simulations:
                one.take(event)
        self._compare()

    def finish(self) -> None:
        """After the last block: requests that are taken to go on end."""
        for one in self._simulations():
            one.finish()
        self._compare()

    def _interrupt(self) -> None:
        """A hole: what runs is not known behind it."""
        self.finish()
        self._traffic.forget()
        for one in (*self._simulations(), self._itself):
            one.forget()
        self._is_itself = False

    def _simulations(self) -> tuple[WhatIf, ...]:
        return (self._before,) if self._after is None else (self._before, self._after)

    def _recompute(self, block: Block) -> None:
        check, again = self.check, self._replay
        if check.mismatch is not None or again is None:
            return
        check.mismatch = again.enter(block)
        for entry in block.entries if check.mismatch is None else ():
            check.mismatch = again.take(entry)
            if check.mismatch is not None:
                return
            check.recomputed += 1

    def _was_decided_by_it(self, block: Block) -> bool:
        """Whether the table in force is the one that everything in a block met, as far as the block tells."""
        if any(served.position not in self._alike for served in block.requests):
            return False
        if not block.requests and not self._is_itself:
            return False
        pools = self._table.pools
        return all(self._definitions(alias, at) == pools.get(alias) for alias, at in definitions_in((block,)))

    def _compare(self) -> None:
        """Count the requests that have ended everywhere."""
        recorded, before = self._traffic.went, self._before.went
        after = before if self._after is None else self._after.went
        for ticket in [ticket for ticket in recorded if ticket in before and ticket in after]:
            then, now = recorded.pop(ticket), before.pop(ticket)
            self.tally.add(now)
            self._check(ticket, then)
            if self._after is not None:
                self.comparison.add(now, after.pop(ticket))

    def _check(self, ticket: Ticket, then: Went) -> None:
        itself = self._itself.went.pop(ticket, None)
        who = self._requests.get(ticket)
        if itself is None or (who is not None and who.position not in self._alike):
            return
        self.check.simulated += 1
        if then.providers != itself.providers or then.refused != itself.refused:
            self.check.differing += 1
            self.first_difference = self.first_difference or (ticket, then, itself)


def is_alike(table: RoutingSnapshot, other: RoutingSnapshot) -> bool:
    """Whether two tables let in the same callers, to the same pools."""
    return table is other or (
        table.pools == other.pools and table.callers == other.callers and table.users == other.users
    )
