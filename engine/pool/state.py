"""What one pool knows about its requests in flight.

Law: the number of tickets is the pool's in-flight count, and the sum of `active` over all slots, draining ones
included, is the number of tickets that hold a slot.
"""

import attrs

from engine.names import Alias, Position, Ticket
from engine.snapshot import Pool, Provider


@attrs.define(eq=False)
class Slot:
    """One provider's live counter. It outlives definitions: a change of weight or limit keeps it (ADOPT-2)."""

    provider: Provider
    active: int = 0

    @property
    def is_full(self) -> bool:
        limit = self.provider.limits.max_concurrent
        return limit is not None and self.active >= limit


@attrs.define(eq=False)
class Journey:
    """One request inside the pool, from its first `Acquire` to its `Finish`."""

    slot: Slot | None = None
    "What the running attempt holds; None between attempts."
    attempts: int = 0
    tried: list[Slot] = attrs.field(factory=list)
    "Slots this request is not to get again (LB-11)."


@attrs.define(eq=False)
class PoolState:
    alias: Alias
    seed: int
    "Of the pool's random draws."
    pool: Pool | None = None
    "None: not configured yet, or retired."
    position: Position = 0
    slots: list[Slot] = attrs.field(factory=list)
    "In the pool's order."
    draining: list[Slot] = attrs.field(factory=list)
    "Of providers that are gone, until their last lease ends."
    journeys: dict[Ticket, Journey] = attrs.field(factory=dict)
    draws: int = 0
    "How many random draws were made."
    changes: int = 0
    "How often anything observable changed; lets an observer skip what is as it was."

    @property
    def is_over(self) -> bool:
        """Whether the alias is gone and its last request has ended."""
        return self.pool is None and not self.journeys
