"""The queue for a database's connections.

Law: a server that is frozen costs nobody the waits of those before them too: who gets no connection in time gives up,
and has surely changed nothing.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from engine.errors import StoreUnavailable


@asynccontextmanager
async def place(places: trio.Semaphore, patience_s: float) -> AsyncIterator[None]:
    """One of the places until the block ends, if it can be had within so many seconds. Raises StoreUnavailable."""
    with trio.move_on_after(patience_s) as patience:
        await places.acquire()
    if patience.cancelled_caught:
        raise StoreUnavailable(f"all connections to the database have been busy for {patience_s:g} s")
    try:
        yield
    finally:
        places.release()
