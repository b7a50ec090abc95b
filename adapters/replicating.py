"""What this process tells the other gateways on its store: that it is there, and which position it has applied.

Law: a store that is away costs nothing but the news; the requests of this process never wait for it.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import trio

from adapters.store import Replica, Replicas
from engine.errors import StoreError
from engine.names import Position

EVERY_S: Final = 2.0
"""Between two beats where nothing changes."""
_SHORTEST_S: Final = 0.2
_GONE_US: Final = 3_600_000_000
"""A replica that has not been heard of for an hour is taken off the list."""
_FAREWELL_S: Final = 1.0


async def keep_telling(
    replicas: Replicas,
    *,
    replica: Callable[[], Replica],
    applied: Callable[[Position], Awaitable[None]],
) -> None:
    """Beat until cancelled: after each change, and every two seconds. `replica` is this one as it is now."""
    try:
        while True:
            told = replica()
            with suppress(StoreError):
                await replicas.beat(told)
                for seen in await replicas.all():
                    if seen.age_us > _GONE_US:
                        await replicas.forget(seen.replica.replica_id)
            await trio.sleep(_SHORTEST_S)
            with trio.move_on_after(EVERY_S - _SHORTEST_S):
                await applied(told.position + 1)
    finally:
        with trio.move_on_after(_FAREWELL_S, shield=True), suppress(StoreError):
            await replicas.forget(replica().replica_id)
