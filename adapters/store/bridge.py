"""asyncio in a thread of its own, called from trio.

Law: a call that has begun runs to its end. A trio cancel is seen before the call (nothing was applied) or after
it (the caller has its answer), never during it: forwarding a cancel into a running database call gives callers
"cancelled" for what was applied, and can leave SQLite's write lock held.
"""

import asyncio
import concurrent.futures
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar, TypeVarTuple

import trio
from anyio.from_thread import BlockingPortal, start_blocking_portal

from engine.errors import OutcomeUnknown, StoreUnavailable

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class AsyncioSide:
    """Where coroutines of asyncio libraries run."""

    def __init__(self, portal: BlockingPortal) -> None:
        self._portal = portal

    async def call(self, function: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
        """What the coroutine function returns or raises; it runs in the asyncio thread, time bounded by itself.

        Raises: trio.Cancelled (not begun), StoreUnavailable (not begun: the thread is gone),
        OutcomeUnknown (the thread's loop was torn down under it).
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        token, done = trio.lowlevel.current_trio_token(), trio.Event()
        try:
            future = self._portal.start_task_soon(function, *args)
        except RuntimeError as error:
            raise StoreUnavailable("the store is closed") from error

        def wake(_: object) -> None:
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(done.set)

        future.add_done_callback(wake)
        with trio.CancelScope(shield=True):
            await done.wait()
        try:
            return future.result()
        # Two unrelated classes; neither may reach a trio nursery.
        except (concurrent.futures.CancelledError, asyncio.CancelledError) as error:
            raise OutcomeUnknown("the store was shut down during the call") from error
        finally:
            del future  # it holds the exception, whose traceback holds this frame


@asynccontextmanager
async def open_asyncio_side() -> AsyncIterator[AsyncioSide]:
    """Start the thread; at the end wait for the calls in it and join it, without blocking trio."""
    thread = start_blocking_portal("asyncio", name="asyncio-store")
    portal = thread.__enter__()
    try:
        yield AsyncioSide(portal)
    finally:
        with trio.CancelScope(shield=True):
            # Always the exit of success: the exit of failure cancels what still runs in the loop.
            await trio.to_thread.run_sync(thread.__exit__, None, None, None)
