"""asyncio in a thread of its own, called from trio.

Law: a call that has begun runs to its end. A trio cancel is seen before the call (nothing was applied) or after
it (the caller has its answer), never during it: forwarding a cancel into a running database call gives callers
"cancelled" for what was applied, and can leave SQLite's write lock held.
"""

import asyncio
import concurrent.futures
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar, TypeVarTuple

import trio
from anyio.from_thread import start_blocking_portal

from engine.errors import OutcomeUnknown, StoreUnavailable

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class AsyncioSide:
    """Where coroutines of asyncio libraries run."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._under_way = 0
        self._is_closed = False
        self._idle = trio.Event()

    async def call(self, function: Callable[[*Ts], Coroutine[Any, Any, T]], *args: *Ts) -> T:
        """What the coroutine function returns or raises; it runs in the asyncio thread, time bounded by itself.

        Raises: trio.Cancelled (not begun), StoreUnavailable (not begun: the thread is gone),
        OutcomeUnknown (the thread's loop was torn down under it).
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._is_closed:
            raise StoreUnavailable("the store is closed")
        token, done = trio.lowlevel.current_trio_token(), trio.Event()

        def wake(_: object) -> None:
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(done.set)

        # Not by the portal, which has its caller, and so every request, wait until the other thread gets to it.
        work = function(*args)
        try:
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError as error:
            work.close()
            raise StoreUnavailable("the store is closed") from error
        future.add_done_callback(wake)
        self._under_way += 1
        try:
            with trio.CancelScope(shield=True):
                await done.wait()
            return future.result()
        # Two unrelated classes; neither may reach a trio nursery.
        except (concurrent.futures.CancelledError, asyncio.CancelledError) as error:
            raise OutcomeUnknown("the store was shut down during the call") from error
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()
            del future  # it holds the exception, whose traceback holds this frame

    async def aclose(self) -> None:
        """Wait for the calls under way; later ones raise StoreUnavailable."""
        self._is_closed = True
        self._idle = trio.Event()
        if self._under_way:
            await self._idle.wait()


@asynccontextmanager
async def open_asyncio_side() -> AsyncIterator[AsyncioSide]:
    """Start the thread; at the end wait for the calls in it and join it, without blocking trio."""
    thread = start_blocking_portal("asyncio", name="asyncio-store")
    portal = thread.__enter__()
    side = AsyncioSide(portal.call(asyncio.get_running_loop))
    try:
        yield side
    finally:
        with trio.CancelScope(shield=True):
            await side.aclose()
            # Always the exit of success: the exit of failure cancels what still runs in the loop.
            await trio.to_thread.run_sync(thread.__exit__, None, None, None)
