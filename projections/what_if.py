"""Recorded traffic under another table: who would have been let in, and which providers would have been asked.

Law: decisions, no predictions. Requests come when they came, from the callers they came from. An attempt at a provider
that was asked then ends as it did then; one at a provider that was not asked is taken to be answered, by the time the
request ended. Under the table that decided then, all comes out as it was.
"""

import heapq
from collections.abc import Mapping
from typing import Final

import attrs

from engine.errors import Reason
from engine.names import Alias, Nanoseconds, Ticket
from engine.pool import machine
from engine.pool.draw import mixed
from engine.pool.messages import (
    SUCCEEDED,
    UNSENT,
    Acquire,
    Answered,
    Effect,
    Finish,
    Leased,
    Message,
    Outcome,
    Reconfigure,
    Retry,
    Tick,
)
from engine.pool.meter import Meters
from engine.pool.state import PoolState
from engine.recording import Block
from engine.restoring import restore_meter, restore_pool
from engine.snapshot import RoutingSnapshot
from projections.gate import Gate
from projections.replay import Definitions
from projections.traffic import (
    ACCESS,
    Arrived,
    Began,
    Ended,
    Entered,
    Event,
    Failed,
    Left,
    Passed,
    Probed,
    Verdict,
    Went,
    verdict_of,
)
from projections.under_way import Running

_S: Final = 10**9
_NO_POOL: Final = Verdict(ACCESS, Reason.MODEL_NOT_FOUND.value)


class WhatIf:
    """`definitions`: what decided then, to begin with; `lasting_ns`: how long a request of a pool is taken to last that
    was refused then.
    """

    def __init__(
        self, table: RoutingSnapshot, definitions: Definitions, *, lasting_ns: Mapping[Alias, Nanoseconds]
    ) -> None:
        self._table = table
        self._definitions = definitions
        self._lasting_ns = lasting_ns
        self._gate = Gate(table)
        self.went: dict[Ticket, Went] = {}
        "How the requests that ended went; for the reader to take away."
        self.forget()

    def forget(self) -> None:
        """What runs is not known after a hole."""
        self._gate.forget()
        self._pools: dict[Alias, PoolState] = {}
        self._meters = Meters()
        self._at_keys: dict[Ticket, Went] = {}
        "Who came to its key and not yet to its pool."
        self._entered: set[Ticket] = set()
        "Whose end at the key will be told."
        self._running: dict[Ticket, Running] = {}
        self._ends: list[tuple[Nanoseconds, Ticket]] = []
        self._now: Nanoseconds = 0

    def enter(self, block: Block) -> None:
        """Take up what begins to be known with a block."""
        self._now = max(self._now, block.at)
        self._gate.enter(block)
        for name, meter in block.meters.items():
            if name not in self._meters.shared:
                self._meters.shared[name] = restore_meter(meter)
        for alias, kept in block.pools.items():
            if alias not in self._pools:
                pool = self._definitions(alias, kept.defined_at) if kept.defined_at else None
                self._pools[alias] = restore_pool(alias, kept, pool, self._meters)
                self._configure(alias)

    def take(self, event: Event) -> None:
        if not isinstance(event, Began):
            self._now = max(self._now, event.at)
            self._end_those_due()
        match event:
            case Entered():
                self._entered.add(event.ticket)
                unknown = Went(None, event.key_id, None)
                self._at_keys[event.ticket] = self._gate.admit(event.ticket, event.at, event.applicant, unknown)
            case Left():
                self._left(event)
            case Arrived():
                self._arrived(event)
            case Failed():
                self._failed(event)
            case Ended():
                self._ended(event)
            case Probed():
                self._probed(event)
            case Passed():
                self._carry(event.pool, Tick(self._now))
            case Began():
                self._pools[event.alias] = PoolState(event.alias, event.seed, self._meters)
                self._configure(event.alias)

    def finish(self) -> None:
        """Nothing more comes: requests whose end is not recorded end."""
        for _, ticket in sorted(self._ends):
            if (running := self._running.get(ticket)) is not None:
                self._over(ticket, running, SUCCEEDED)
        self._ends.clear()

    def _configure(self, alias: Alias) -> None:
        message = Reconfigure(self._table.pools.get(alias), self._table.position, self._now)
        self._tell(self._pools[alias], message)

    def _arrived(self, event: Arrived) -> None:
        ticket = event.ticket
        went = self._at_keys.pop(ticket, None)
        if went is None:
            unknown = Went(event.pool, None, event.pool)
            went = self._gate.admit(ticket, event.at, event.applicant, unknown)
        elif went.refused is None and went.pool is None:
            went = attrs.evolve(went, alias=event.pool, pool=event.pool)
        if went.refused is not None:
            self._refuse(ticket, went)
        elif (state := self._state_of(went.pool)) is None:
            self._refuse(ticket, attrs.evolve(went, pool=None, refused=_NO_POOL))
        else:
            self._running[ticket] = Running(went, state, event.is_refused)
            self._tell(state, Acquire(ticket, self._now, event.affinity))

    def _refuse(self, ticket: Ticket, went: Went) -> None:
        self.went[ticket] = went
        self._gate.leave(ticket, self._now, spent=False)

    def _left(self, event: Left) -> None:
        self._entered.discard(event.ticket)
        running = self._running.get(event.ticket)
        if running is None or not running.ends_itself:
            self._gate.leave(event.ticket, self._now, spent=event.spent)

    def _state_of(self, alias: Alias | None) -> PoolState | None:
        if alias is not None and alias not in self._pools and alias in self._table.pools:
            # One that the record does not tell of; its draws are as good as any.
            self._pools[alias] = PoolState(alias, mixed(sum(alias.encode())), self._meters)
            self._configure(alias)
        return None if alias is None else self._pools.get(alias)

    def _tell(self, state: PoolState, message: Message) -> None:
        for effect in machine.step(state, message):
            self._hear(effect)

    def _hear(self, effect: Effect) -> None:
        running = self._running.get(effect.ticket)
        if running is None:
            return
        if isinstance(effect, Leased):
            running.granted(effect.provider)
            if running.ends_itself and effect.attempt == 1:
                lasting_ns = self._lasting_ns.get(running.state.alias, _S)
                heapq.heappush(self._ends, (self._now + lasting_ns, effect.ticket))
            return
        running.asked = None
        if not running.went.providers:
            running.went = attrs.evolve(running.went, refused=verdict_of(effect))
            self._over(effect.ticket, running, UNSENT)

    def _failed(self, event: Failed) -> None:
        running = self._running.get(event.ticket)
        if running is None:
            self._carry(event.pool, Retry(event.ticket, self._now, event.outcome))
            return
        if event.provider is not None:
            running.has_failed(event.provider, event.outcome)
        if running.ends_itself or not running.is_at(event.provider):
            return
        if running.tries_again(event.outcome):
            self._tell(running.state, Retry(event.ticket, self._now, event.outcome))
        else:
            self._over(event.ticket, running, event.outcome)

    def _ended(self, event: Ended) -> None:
        running = self._running.get(event.ticket)
        if running is None:
            self._carry(event.pool, Finish(event.ticket, self._now, event.outcome))
            return
        if running.ends_itself:
            return
        while running.asked is not None and not running.is_at(event.provider):
            outcome, asked = running.outcome, running.went.providers
            if not running.tries_again(outcome):
                self._over(event.ticket, running, outcome)
                return
            self._tell(running.state, Retry(event.ticket, self._now, outcome))
            if running.went.providers == asked:
                break
        self._over(event.ticket, running, event.outcome)

    def _probed(self, event: Probed) -> None:
        running = self._running.get(event.ticket)
        if running is None:
            self._carry(event.pool, Answered(event.ticket, self._now))
        elif running.is_at(event.provider):
            self._tell(running.state, Answered(event.ticket, self._now))

    def _carry(self, pool: Alias, message: Message) -> None:
        """For a request of before: it is not told of, but it frees what it holds."""
        if (state := self._pools.get(pool)) is not None:
            self._tell(state, message)

    def _end_those_due(self) -> None:
        while self._ends and self._ends[0][0] <= self._now:
            ticket = heapq.heappop(self._ends)[1]
            if (running := self._running.get(ticket)) is not None:
                self._over(ticket, running, SUCCEEDED)

    def _over(self, ticket: Ticket, running: Running, outcome: Outcome) -> None:
        del self._running[ticket]
        self.went[ticket] = running.went
        if running.ends_itself or ticket not in self._entered:
            self._gate.leave(ticket, self._now, spent=bool(running.went.providers))
        self._tell(running.state, Finish(ticket, self._now, outcome))
