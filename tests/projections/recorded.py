"""Two pools with a deployment in common and a few keys, driven by chance from a fixed seed, and all of it recorded."""

import itertools
from collections.abc import Iterable
from random import Random
from typing import Any

from engine import caller
from engine.caller import CallerState, Enter, Leave
from engine.checkpoint import KeptPool, keep_keys, keep_meter, keep_pool
from engine.errors import Failure
from engine.names import Alias, KeyId, Position
from engine.pool import machine
from engine.pool.messages import (
    ABANDONED,
    SUCCEEDED,
    UNSENT,
    Acquire,
    Answered,
    Finish,
    Kind,
    Leased,
    Outcome,
    Reconfigure,
    Retry,
    Tick,
)
from engine.pool.meter import Meters
from engine.pool.state import PoolState
from engine.recording import Block
from engine.runtime.journal import Journal, Kept
from engine.snapshot import AllOpen, Backoff, CircuitPolicy, Fallback, Limits, Pool, Provider, Strategy

S = 10**9
ENDS = [
    SUCCEEDED,
    ABANDONED,
    UNSENT,
    Outcome(Kind.FAILED, status=500),
    Outcome(Kind.FAILED, status=429, told_ns=2 * S),
    Outcome(Kind.FAILED, status=401),
    Outcome(Kind.FAILED, failure=Failure.CONNECT),
    Outcome(Kind.SUCCEEDED, 200, None, None, 5_000_000),
]
KEYS = {"team": Limits(3, 2.5, 4), "guest": Limits(None, 0.5, 2), "staff": Limits(5, None, None)}


class Recorded:
    """`definitions` is what the event log would know of the pools' definitions."""

    def __init__(
        self, seed: int, aliases: Iterable[Alias] = ("chat", "mini"), *, journal: Journal | None = None
    ) -> None:
        self.random = Random(seed)
        self.journal = Journal() if journal is None else journal
        self.meters, self.callers = Meters(), CallerState()
        self.states: dict[Alias, PoolState] = {}
        self.tickets = itertools.count(1)
        self.positions = itertools.count(1)
        self.running: list[tuple[Alias, int]] = []
        self.table: dict[tuple[Alias, Position], Pool] = {}
        self.at = self.begun = S
        self.first = 1
        for alias in aliases:
            self.start(alias)

    def start(self, alias: Alias) -> None:
        """An actor begins."""
        seed = self.random.randrange(2**64)
        self.journal.begin_pool(alias, seed)
        self.states[alias] = PoolState(alias, seed, self.meters)
        self.define(alias)

    def define(self, alias: Alias) -> None:
        position = next(self.positions)
        pool = self.table[alias, position] = self.pool(alias)
        self.tell(alias, Reconfigure(pool, position, self.at))

    def definitions(self, alias: Alias, position: Position) -> Pool | None:
        return self.table[alias, position]

    def tell(self, alias: Alias, message: Any) -> tuple[Any, ...]:
        """As the actor does it."""
        if alias not in self.journal.pools or isinstance(message, Reconfigure):
            self.journal.keep_pool(self.states[alias], message)
        effects = machine.step(self.states[alias], message)
        self.journal.note(alias, message, effects)
        return effects

    def pool(self, alias: Alias) -> Pool:
        chance = self.random
        shared = Limits(chance.choice([2, 5]), chance.choice([0.5, 3.3]), 4)
        names = chance.sample("abde", chance.choice([1, 2, 2, 3]))
        providers = [
            Provider(name, f"http://{name}.example/", weight=chance.choice([0, 1, 3]), credential=f"env:{name}")
            for name in names
        ]
        if chance.randrange(4):
            providers.append(Provider("c", "http://c.example/", deployment="big", limits=shared))
        if not chance.randrange(3):
            providers.append(Provider("f", "http://f.example/", deployment="rare", limits=Limits(1)))
        return Pool(
            alias,
            tuple(providers),
            strategy=chance.choice(list(Strategy)),
            limits=Limits(chance.choice([None, 9]), chance.choice([None, 7]), None),
            fallback=Fallback(
                enabled=True,
                on_rate_limit=True,
                on_status=(5,),
                max_attempts=4,
                backoff=chance.choice([None, Backoff(100), Backoff(300, jitter="none")]),
            ),
            circuit=CircuitPolicy(failures=2, cooldowns_s=(1, 3), when_all_open=chance.choice(list(AllOpen))),
        )

    def go_on(self, steps: int) -> None:
        for _ in range(steps):
            self.at += self.random.randrange(S // 4)
            self.one()

    def one(self) -> None:
        chance, alias = self.random, self.random.choice(sorted(self.states))
        match chance.randrange(24):
            case 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8:
                self.begin(alias, next(self.tickets))
            case 9 | 10 | 11 if self.running:
                where, ticket = chance.choice(self.running)
                self.tell(where, Retry(ticket, self.at, chance.choice(ENDS)))
            case 12 | 13 | 14 | 15 | 16 | 17 if self.running:
                where, ticket = self.running.pop(chance.randrange(len(self.running)))
                self.tell(where, Finish(ticket, self.at, chance.choice(ENDS)))
                self.keys(Leave(ticket, self.at, chance.choice([True, False])))
            case 18 if self.running:
                where, ticket = chance.choice(self.running)
                self.tell(where, Answered(ticket, self.at))
            case 19 | 20:
                self.define(alias)
            case 21:
                self.tell(alias, Reconfigure(None, next(self.positions), self.at))
                if self.states[alias].is_over:
                    # ADOPT-9: its actor ends, and another one may follow.
                    self.start(alias)
            case _:
                self.tell(alias, Tick(self.at))

    def begin(self, alias: Alias, ticket: int) -> None:
        key_id = self.random.choice(list(KEYS))
        self.keys(Enter(ticket, self.at, key_id, KEYS[key_id], 1))
        affinity = self.random.choice([None, 2**63])
        if isinstance(self.tell(alias, Acquire(ticket, self.at, affinity))[-1], Leased):
            self.running.append((alias, ticket))

    def keys(self, message: caller.CallerMessage) -> None:
        self.journal.keep_key(self.callers, message)
        self.journal.note(None, message, caller.step(self.callers, message))

    def block(self) -> Block:
        """What was recorded since the last one."""
        taken, kept = self.journal.take(), self.journal.close()
        first, self.first = self.first, self.journal.seq + 1
        begun, self.begun = self.begun, self.at
        entries = tuple(note.entry() for note in taken.notes)
        return Block(
            "a-run",
            first,
            1_750_000_000_000_000 + begun // 1000,
            begun,
            self.at,
            taken.dropped,
            taken.dropped_requests,
            kept.pools,
            kept.meters,
            kept.keys,
            entries,
            taken.served,
        )

    def blocks(self, *steps: int) -> list[Block]:
        found = []
        for count in steps:
            self.go_on(count)
            found.append(self.block())
        return found

    def everything(self) -> Kept:
        """How all is now."""
        pools: dict[Alias, KeptPool] = {alias: keep_pool(state) for alias, state in self.states.items()}
        meters = {name: keep_meter(meter) for name, meter in self.meters.shared.items()}
        key_ids: tuple[KeyId, ...] = tuple(self.callers.keys)
        return Kept(pools, meters, keep_keys(self.callers, key_ids))
