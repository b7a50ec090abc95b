"""Keeping the snapshot cache close to what is in force.

Law: it is written after a change, not more often than it may be, and once more at the end where something is still
missing in it; a cache that cannot be written is said so and never stops the gateway.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog
import trio

from adapters.store.cache import SnapshotCache
from adapters.store.sealing import Sealed
from engine.errors import StoreError
from engine.names import Position
from engine.snapshot import RoutingSnapshot

EVERY_S: Final = 30.0
_AT_THE_END_S: Final = 5.0
"""How long the last event's hash may take; the writing itself is not broken off."""

_log = structlog.get_logger("pointsman")


async def keep_cache(
    cache: SnapshotCache,
    *,
    applied: Callable[[Position], Awaitable[object]],
    snapshot: Callable[[], RoutingSnapshot],
    hash_at: Callable[[Position], Awaitable[bytes | None]],
    sealed: Callable[[], Sequence[Sealed]],
    saved: Position = 0,
    every_s: float = EVERY_S,
) -> None:
    """Save until cancelled. `applied` returns once a position is in force; `saved` is the one the cache has."""

    async def save() -> bool:
        wanted = snapshot()
        try:
            head_hash = await hash_at(wanted.position)
            if head_hash is None:
                return False  # the log is another one, which the follower will say
            await cache.save(wanted, head_hash, sealed())
        except StoreError as error:
            _log.warning("the snapshot cache was not written", file=str(cache.path), problem=str(error))
            return False
        nonlocal saved
        saved = wanted.position
        return True

    try:
        while True:
            await applied(saved + 1)
            await save()
            await trio.sleep(every_s)
    finally:
        if snapshot().position > saved:
            with trio.move_on_after(_AT_THE_END_S, shield=True):
                await save()
