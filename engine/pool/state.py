"""What one pool knows about its requests in flight, its limits and its providers' health.

Law: the number of tickets is the pool's in-flight count, and the sum of `active` over all slots, draining ones
included, is the number of tickets that hold a slot.
"""

import heapq
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import attrs

from engine.limiter import Limiter
from engine.names import Alias, CredentialId, Nanoseconds, Position, ProviderName, Ticket
from engine.pool.circuit import Circuit, Turn
from engine.pool.draw import Dice
from engine.pool.messages import Refusal
from engine.pool.meter import Meter, Meters
from engine.pool.ring import Ring
from engine.pool.terms import Terms, terms_of
from engine.snapshot import DEFAULT_TIMEOUTS, Pool, Provider, Timeouts


@attrs.define(eq=False)
class Slot:
    """One provider's live state. It outlives definitions: a change of weight or limit keeps it (ADOPT-2)."""

    provider: Provider
    meter: Meter
    name: ProviderName = ""
    weight: int = 0
    score: int = 0
    "What the strategy compares before load, lower first: priority, cost or latency."
    timeouts: Timeouts = DEFAULT_TIMEOUTS
    active: int = 0
    "Leases of this pool."
    latency_ns: Nanoseconds = 0
    "Moving average of the time to an answer's head; 0 before the first."
    sampled_at: Nanoseconds = 0
    "When it last got a sample."
    health: Circuit = attrs.field(factory=Circuit)
    credential: Circuit = attrs.field(factory=Circuit)
    "The same machine for 401, 403 and a missing secret; a new credential resets it, and nothing else (ADOPT-6, KEY-3)."
    is_barred: bool = False
    "Whether one of the two is not closed."
    openings: int = 0
    "How often one of them was opened."
    chosen: int = 0
    "Attempts it was given so far; for observers alone."


@attrs.define(eq=False)
class Journey:
    """One request inside the pool, from its first `Acquire` to its `Finish`."""

    affinity: int | None = None
    slot: Slot | None = None
    "What the running attempt holds; None between attempts."
    attempts: int = 0
    tried: dict[Slot, int] | None = None
    "Slots this request is not to get again (LB-11), with the attempt that had them."
    due: Nanoseconds | None = None
    "When its backoff is over; None: it waits for nothing."
    paused_ns: Nanoseconds = 0
    "All its pauses so far."
    credential: CredentialId | None = None
    "What the running attempt was sent with: the provider may have another one since."


@attrs.define(eq=False)
class PoolState:
    alias: Alias
    seed: int
    "Of the pool's random draws."
    meters: Meters = attrs.field(factory=Meters)
    "Of deployments; the process's one table."
    pool: Pool | None = None
    "None: not configured yet, or retired."
    terms: Terms = attrs.field(factory=lambda: terms_of(Pool("")))
    position: Position = 0
    defined_at: Position = 0
    "The position of the last definition that was not a farewell."
    limiter: Limiter | None = None
    "The pool's own rate limit."
    slots: list[Slot] = attrs.field(factory=list)
    "In the pool's order."
    draining: list[Slot] = attrs.field(factory=list)
    "Of providers that are gone, until their last lease ends."
    ring: Ring | None = None
    "For `consistent_hash`."
    choose: "Choose" = attrs.field(default=lambda slots, _state, _journey: (slots[0], ()))
    "The strategy's function; asked only where there are several admissible slots."
    journeys: dict[Ticket, Journey] = attrs.field(factory=dict)
    dice: Dice = attrs.Factory(lambda self: Dice(self.seed), takes_self=True)
    alarms: list[tuple[Nanoseconds, Ticket]] = attrs.field(factory=list)
    "A heap of when backoffs end; an entry whose journey says otherwise is void."
    turns: tuple[Turn, ...] = ()
    "What the last step made of circuits."
    retries: int = 0
    "Additional attempts so far (FB-9)."
    budgets_exhausted: int = 0
    "Requests that had attempts left but no backoff (FB-9)."
    refused: Mapping[Refusal, int] = attrs.field(factory=dict)
    "Requests that got no attempt so far, by why; replaced, never changed. For observers alone."

    @property
    def is_over(self) -> bool:
        """Whether the alias is gone and its last request has ended."""
        return self.pool is None and not self.journeys

    def wait(self, ticket: Ticket, journey: Journey, due: Nanoseconds) -> None:
        journey.due = due
        heapq.heappush(self.alarms, (due, ticket))

    def next_due(self) -> Nanoseconds | None:
        """When the next backoff ends."""
        alarms = self.alarms
        while alarms:
            due, ticket = alarms[0]
            journey = self.journeys.get(ticket)
            if journey is not None and journey.due == due:
                return due
            heapq.heappop(alarms)
        return None


Choice: TypeAlias = tuple[Slot, Sequence[Slot]]
"""The chosen slot, and those it was drawn from, if there was a draw."""

Choose: TypeAlias = Callable[[Sequence[Slot], PoolState, Journey], Choice]
"""A strategy: one of the admissible slots, which are two or more."""
