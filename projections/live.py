"""The live read model: what every pool is doing now, and how it came from what it was doing before.

Law: each delta's `seq` is exactly one higher than the one before, and folding `apply` over the deltas since a `seq`
turns the snapshot at that `seq` into the newest one. The ring of deltas is bounded; who falls out of it starts again
from a snapshot (WS-2). A `PoolView` has no field that could hold a secret, so nothing here can.
"""

from collections import deque
from collections.abc import Mapping
from itertools import islice

import attrs

from engine.names import Alias, Position
from engine.pool.view import PoolView

RING = 256
"""How many deltas are kept: at ten a second, what happened in the last 25 seconds."""


@attrs.frozen
class Snapshot:
    """Everything, as of a `seq`."""

    seq: int
    position: Position
    "Of the last configuration event the gateway has taken over."
    pools: Mapping[Alias, PoolView]


@attrs.frozen
class Delta:
    """What differs from `seq - 1`."""

    seq: int
    position: Position
    pools: Mapping[Alias, PoolView | None]
    "The pools that changed, whole; None: the pool is gone."


def apply(snapshot: Snapshot, delta: Delta) -> Snapshot:
    """The snapshot one delta later. Raises ValueError for any delta but the next."""
    if delta.seq != snapshot.seq + 1:
        raise ValueError(f"delta {delta.seq} does not follow snapshot {snapshot.seq}")
    pools = {**snapshot.pools, **delta.pools}
    return Snapshot(delta.seq, delta.position, {alias: view for alias, view in pools.items() if view is not None})


class LiveView:
    """The newest state, and the ring of deltas that led to it."""

    def __init__(self, *, ring: int = RING) -> None:
        self._now = Snapshot(0, 0, {})
        self._deltas = deque[Delta](maxlen=ring)

    @property
    def seq(self) -> int:
        """Of the newest state; 0 before anything was observed."""
        return self._now.seq

    def observe(self, position: Position, views: Mapping[Alias, PoolView]) -> Delta | None:
        """Take over what is true now. The delta, or None where nothing differs."""
        held = self._now.pools
        changed: dict[Alias, PoolView | None] = {
            alias: view for alias, view in views.items() if held.get(alias) != view
        }
        changed.update((alias, None) for alias in held if alias not in views)
        if not changed and position == self._now.position:
            return None
        delta = Delta(self._now.seq + 1, position, changed)
        self._now = Snapshot(delta.seq, position, dict(views))
        self._deltas.append(delta)
        return delta

    def snapshot(self) -> Snapshot:
        return self._now

    def since(self, seq: int) -> tuple[Delta, ...] | None:
        """The deltas after `seq`, oldest first; None: it has left the ring or was never issued."""
        missing, kept = self._now.seq - seq, len(self._deltas)
        if not 0 <= missing <= kept:
            return None
        return tuple(islice(self._deltas, kept - missing, None))
