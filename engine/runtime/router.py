"""The running table: the current snapshot, and one actor for each of its pools.

Law: `apply` swaps one reference and sends each touched pool's actor its new definition in the same step, so a
request sees either the old table or the new one, never a mixture (DEF-44), and an untouched pool gets no message.
"""

from collections.abc import Callable, Iterable, Mapping

import trio

from engine.names import Alias
from engine.pool.meter import Meters
from engine.ports import Clock
from engine.runtime.journal import Journal
from engine.runtime.pool_actor import OnTurn, PoolActor
from engine.snapshot import RoutingSnapshot


class Router:
    def __init__(
        self,
        nursery: trio.Nursery,
        snapshot: RoutingSnapshot,
        *,
        clock: Clock,
        seed: Callable[[], int],
        journal: Journal,
        on_turn: OnTurn = lambda alias, turn: None,  # noqa: ARG005 - nobody
    ) -> None:
        self._nursery = nursery
        self._clock = clock
        self._seed = seed
        self._journal = journal
        self._on_turn = on_turn
        self._meters = Meters()
        self._actors: dict[Alias, PoolActor] = {}
        self._reconfigured = 0
        self.snapshot = snapshot
        self.apply(snapshot, snapshot.pools.keys())

    @property
    def actors(self) -> Mapping[Alias, PoolActor]:
        """By alias; those of removed aliases stay until their last request has ended."""
        return self._actors

    @property
    def reconfigured(self) -> int:
        """How many definitions have been sent to actors since the start."""
        return self._reconfigured

    def apply(self, snapshot: RoutingSnapshot, touched: Iterable[Alias]) -> None:
        """Make a snapshot the current one. `touched`: the pools that may differ from the one before."""
        before, self.snapshot = self.snapshot, snapshot
        for alias in touched:
            pool, actor = snapshot.pools.get(alias), self._actors.get(alias)
            if actor is None:
                if pool is None:
                    continue
                actor = self._start(alias)
            elif pool == before.pools.get(alias):
                continue
            self._reconfigured += 1
            actor.reconfigure(pool, snapshot.position)

    async def settled(self) -> None:
        """Return once every actor runs what it was sent."""
        while not all(actor.is_settled for actor in self._actors.values()):
            await trio.lowlevel.checkpoint()

    def _start(self, alias: Alias) -> PoolActor:
        actor = self._actors[alias] = PoolActor(
            alias,
            seed=self._seed(),
            clock=self._clock,
            meters=self._meters,
            journal=self._journal,
            on_turn=self._on_turn,
        )
        self._nursery.start_soon(actor.run, lambda: self._retire(alias), name=f"pool {alias}")
        return actor

    def _retire(self, alias: Alias) -> None:
        del self._actors[alias]
