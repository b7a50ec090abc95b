"""A gateway's engine without a gateway: clients of keys with limits, pools with fallback, a table that stands, and all
of it recorded as the real one records it.
"""

from typing import Any

import attrs

from engine.access import admit
from engine.caller import Enter, Leave
from engine.errors import Refused
from engine.fallback import tries_again_on_failure, tries_again_on_status
from engine.pool.messages import (
    ABANDONED,
    SUCCEEDED,
    UNSENT,
    Acquire,
    Finish,
    Kind,
    Leased,
    Outcome,
    Reconfigure,
    Retry,
    Tick,
)
from engine.pool.messages import Refused as NotLeased
from engine.recording import Attempted, Served
from engine.runtime.journal import Journal
from engine.snapshot import Pool, RoutingSnapshot
from tests.projections.recorded import ENDS, Recorded, S


@attrs.define
class _Request:
    ticket: int
    alias: str
    key_id: str | None
    begun: int
    lease: Leased | None = None
    attempts: tuple[Attempted, ...] = ()


class Gateway(Recorded):
    """`table` decides; `failing` names the providers that mostly fail."""

    def __init__(
        self,
        seed: int,
        table: RoutingSnapshot,
        *,
        failing: frozenset[str] = frozenset(),
        journal: Journal | None = None,
    ) -> None:
        self.snapshot = table
        self.failing = failing
        self.open: dict[int, _Request] = {}
        super().__init__(seed, sorted(table.pools), journal=journal)

    def turn_to(self, table: RoutingSnapshot) -> None:
        """Another table is in force."""
        self.snapshot = table
        for alias in sorted(table.pools):
            if alias in self.states:
                self.define(alias)
            else:
                self.start(alias)

    def define(self, alias: str) -> None:
        """Actors run the table's definitions, of its position."""
        pool = self.table[alias, self.snapshot.position] = self.snapshot.pools[alias]
        self.tell(alias, Reconfigure(pool, self.snapshot.position, self.at))

    def pool(self, alias: str) -> Pool:
        return self.snapshot.pools[alias]

    def one(self) -> None:
        chance = self.random
        match chance.randrange(10):
            case 0 | 1 | 2 | 3:
                alias = chance.choice([*sorted(self.snapshot.pools), "nothing"])
                self.ask(alias, chance.choice([None, *sorted(self.snapshot.keys)]))
            case 4:
                self.tell(chance.choice(sorted(self.states)), Tick(self.at))
            case _ if self.open:
                self.go_on_with(self.open[chance.choice(sorted(self.open))])
            case _:
                pass

    def ask(self, alias: str, key_id: str | None) -> None:
        digest = None if key_id is None else self.snapshot.keys[key_id].digest
        try:
            let_in = admit(self.snapshot, alias, digest, self.at // S)
        except Refused as refused:
            self.served(_Request(0, alias, key_id, self.at), reason=refused.reason.value, is_known=False)
            return
        request = _Request(next(self.tickets), alias, key_id, self.at)
        key = let_in.key
        if key is not None and (key.limits.max_concurrent or key.limits.requests_per_second):
            entered = Enter(request.ticket, self.at, key.key_id, key.limits, self.snapshot.position)
            self.keys(entered)
            if request.ticket not in self.callers.tickets:
                self.served(request, reason="rate_limit")
                return
        self.at += self.random.randrange(1000)
        self.open[request.ticket] = request
        self.hear(self.tell(let_in.pool.alias, Acquire(request.ticket, self.at, self.random.choice([None, 7]))))

    def tell(self, alias: str, message: Any) -> tuple[Any, ...]:
        effects = super().tell(alias, message)
        if not isinstance(message, Acquire):
            self.hear(effects)
        return effects

    def hear(self, effects: tuple[Any, ...]) -> None:
        for effect in effects:
            request = self.open.get(effect.ticket)
            if request is None:
                continue
            if isinstance(effect, Leased):
                request.lease = effect
                request.attempts += (Attempted(effect.provider.name, self.at, 0, 200, "answered"),)
            elif isinstance(effect, NotLeased):
                was_asked = bool(request.attempts)
                self.end(request, ABANDONED if was_asked else UNSENT, reason=None if was_asked else "rate_limit")

    def go_on_with(self, request: _Request) -> None:
        """An attempt ends, as the forwarding engine takes it."""
        lease, pool = request.lease, self.snapshot.pools[self.alias_of(request)]
        if lease is None:
            return
        fails = lease.provider.name in self.failing and self.random.randrange(4)
        bad = [end for end in ENDS if end.kind is Kind.FAILED]
        outcome = self.random.choice(bad) if fails else SUCCEEDED
        request.lease = None
        if fails and self.tries_again(pool, lease, outcome):
            self.tell(pool.alias, Retry(request.ticket, self.at, outcome))
        else:
            self.end(request, outcome)

    def alias_of(self, request: _Request) -> str:
        return next(alias for alias, state in self.states.items() if request.ticket in state.journeys)

    def tries_again(self, pool: Pool, lease: Leased, outcome: Outcome) -> bool:
        if outcome.failure is not None:
            return tries_again_on_failure(pool.fallback, outcome.failure)
        return outcome.status is not None and tries_again_on_status(pool.fallback, outcome.status, lease.provider)

    def end(self, request: _Request, outcome: Outcome, reason: str | None = None) -> None:
        self.open.pop(request.ticket, None)
        for alias, state in self.states.items():
            if request.ticket in state.journeys or (reason and alias == request.alias):
                super().tell(alias, Finish(request.ticket, self.at, outcome))
                break
        if request.ticket in self.callers.tickets:
            self.keys(Leave(request.ticket, self.at, bool(request.attempts)))
        self.served(request, reason=reason)

    def served(self, request: _Request, reason: str | None, *, is_known: bool = True) -> None:
        self.journal.note_request(
            Served(
                request_id=f"r{request.ticket}-{request.begun}",
                ticket=request.ticket if is_known else None,
                at=request.begun,
                total_ns=self.at - request.begun,
                alias=request.alias,
                pool=request.alias if is_known else None,
                key_id=request.key_id,
                position=self.snapshot.position,
                status=200,
                outcome="refused" if reason else "complete",
                reason=reason,
                attempts=request.attempts,
            )
        )
