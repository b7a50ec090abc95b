"""The live read model: what the gateway is doing now, and how it came from what it was doing before.

Law: each delta applies to the state at its `since` alone, and folding `apply` over the deltas from any `seq` gives the
state at the last one's, whatever was merged on the way and whichever pools are watched. The ring holds of each delta
what it named, and of views only the newest ones, so it is small, and bounded all the same; who falls out of it starts
again from a snapshot (WS-2). Nothing here has a field that could hold a secret.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from enum import Enum
from itertools import islice
from typing import Final, TypeAlias, TypeVar

import attrs

from engine.names import Alias, KeyId, Position
from engine.pool.view import KeyView, PoolView
from projections.live_facts import EventTold, GatewayView, Happened, Observation

RING: Final = 256
"""How many deltas are kept: at ten a second, what happened in the last 25 seconds."""
HELD: Final = 1_000_000
"""How many names of pools and keys they may hold together, 8 MB; the newest delta is kept anyway."""
MOST_EVENTS: Final = 100
"""Events in one delta."""

Watched: TypeAlias = frozenset[Alias] | None
"""The pools somebody wants to hear of; None: all."""

_Name = TypeVar("_Name")
_View = TypeVar("_View")


class Gap(Enum):
    """Why a `seq` has no deltas."""

    EXPIRED = "expired"
    "It has left the ring."
    UNKNOWN = "unknown_seq"
    "This process never issued it."


@attrs.frozen
class Snapshot:
    """Everything, as of a `seq`."""

    seq: int
    position: Position
    "Of the last configuration event that all pools run."
    pools: Mapping[Alias, PoolView]
    keys: Mapping[KeyId, KeyView] = attrs.field(factory=dict)
    gateway: GatewayView = attrs.field(factory=GatewayView)
    events_position: Position = 0
    "The configuration events up to this one are not told in later deltas."


@attrs.frozen
class Delta:
    """What differs between two `seq`."""

    since: int
    seq: int
    position: Position
    pools: Mapping[Alias, PoolView | None]
    "The pools that changed, whole; None: the pool is gone."
    keys: Mapping[KeyId, KeyView | None] = attrs.field(factory=dict)
    "The same of keys; None: it is as good as new."
    gateway: GatewayView | None = None
    "None: as it was."
    events_position: Position = 0
    events: tuple[EventTold, ...] = ()
    "Configuration events, oldest first."
    events_left_out: int = 0
    "How many follow those and are only in the log."


def apply(snapshot: Snapshot, delta: Delta) -> Snapshot:
    """The snapshot at a delta's `seq`. Raises ValueError for a delta that applies to another one."""
    if delta.since != snapshot.seq:
        raise ValueError(f"delta {delta.seq} applies to {delta.since} and not to {snapshot.seq}")
    return Snapshot(
        delta.seq,
        delta.position,
        _folded(snapshot.pools, delta.pools),
        _folded(snapshot.keys, delta.keys),
        delta.gateway or snapshot.gateway,
        delta.events_position,
    )


@attrs.frozen
class _Step:
    """What one look found to differ: names, not views, since whoever is told later is told how it is then."""

    pools: tuple[Alias, ...]
    keys: tuple[KeyId, ...]
    gateway: bool
    moved: bool
    "Whether a position did."
    happened: Happened

    @property
    def size(self) -> int:
        return len(self.pools) + len(self.keys)


class LiveView:
    """The newest state, and the ring of steps that led to it. `seq`: the first one."""

    def __init__(self, *, seq: int = 0, ring: int = RING, held: int = HELD) -> None:
        self._first = seq
        self._now = Snapshot(seq, 0, {})
        self._ring = ring
        self._most_held = held
        self._steps = deque[_Step]()
        self._held = 0

    @property
    def seq(self) -> int:
        """Of the newest state; the first one before anything was observed."""
        return self._now.seq

    @property
    def position(self) -> Position:
        return self._now.position

    def observe(self, seen: Observation, happened: Happened | None = None) -> bool:
        """Take over what is true now. Whether anything differs, and so the `seq`."""
        now, told = self._now, happened or Happened(seen.position)
        step = _Step(
            _differing(now.pools, seen.pools),
            _differing(now.keys, seen.keys),
            seen.gateway != now.gateway,
            (now.position, now.events_position) != (seen.position, told.position),
            told,
        )
        if not (step.size or step.gateway or step.moved or told.events or told.left_out):
            return False
        self._now = Snapshot(now.seq + 1, seen.position, dict(seen.pools), dict(seen.keys), seen.gateway, told.position)
        self._keep(step)
        return True

    def snapshot(self, watched: Watched = None) -> Snapshot:
        now = self._now
        if watched is None:
            return now
        return attrs.evolve(now, pools={alias: view for alias, view in now.pools.items() if alias in watched})

    def gap(self, seq: int) -> Gap | None:
        """Why a `seq` has no deltas; None: it has, or is the newest."""
        if not self._first <= seq <= self._now.seq:
            return Gap.UNKNOWN
        return None if self._now.seq - seq <= len(self._steps) else Gap.EXPIRED

    def since(self, seq: int, watched: Watched = None) -> Delta | None:
        """All that differs from a `seq` without a gap, as one delta; None: nothing that whoever watches some pools
        would see.
        """
        now, kept = self._now, len(self._steps)
        steps = tuple(islice(self._steps, kept - (now.seq - seq), None))
        aliases = {alias for step in steps for alias in step.pools if watched is None or alias in watched}
        keys = {key_id for step in steps for key_id in step.keys}
        gateway = now.gateway if any(step.gateway for step in steps) else None
        events, left_out = _told(step.happened for step in steps)
        if not (aliases or keys or gateway or events or left_out or any(step.moved for step in steps)):
            return None
        return Delta(
            seq,
            now.seq,
            now.position,
            {alias: now.pools.get(alias) for alias in aliases},
            {key_id: now.keys.get(key_id) for key_id in keys},
            gateway,
            now.events_position,
            events,
            left_out,
        )

    def _keep(self, step: _Step) -> None:
        self._steps.append(step)
        self._held += step.size
        while len(self._steps) > self._ring or (self._held > self._most_held and len(self._steps) > 1):
            self._held -= self._steps.popleft().size


def _differing(before: Mapping[_Name, _View], now: Mapping[_Name, _View]) -> tuple[_Name, ...]:
    changed = [name for name, view in now.items() if before.get(name) != view]
    changed += [name for name in before if name not in now]
    return tuple(changed)


def _folded(before: Mapping[_Name, _View], changed: Mapping[_Name, _View | None]) -> Mapping[_Name, _View]:
    if not changed:
        return before
    return {name: view for name, view in {**before, **changed}.items() if view is not None}


def _told(happened: Iterable[Happened]) -> tuple[tuple[EventTold, ...], int]:
    """The oldest events of all, and how many follow them: none is left out in front of one that is told."""
    events: list[EventTold] = []
    left_out = 0
    for one in happened:
        room = 0 if left_out else MOST_EVENTS - len(events)
        events += one.events[:room]
        left_out += max(0, len(one.events) - room) + one.left_out
    return tuple(events), left_out
