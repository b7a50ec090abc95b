"""asyncio called from trio: answers, errors, cancels, the end."""

import asyncio
import threading

import pytest
import trio
import trio.testing

from adapters.store.bridge import open_asyncio_side
from engine.errors import OutcomeUnknown, StoreUnavailable


async def answer(number: int) -> tuple[int, str]:
    await asyncio.sleep(0)
    return number, threading.current_thread().name


async def test_a_call_runs_in_the_asyncio_thread() -> None:
    """And its result comes back."""
    async with open_asyncio_side() as side:
        assert await side.call(answer, 3) == (3, "asyncio-store")


async def test_an_error_comes_back_as_it_was_raised() -> None:
    """With its class and message."""

    async def fail() -> None:
        raise KeyError("x")

    async with open_asyncio_side() as side:
        with pytest.raises(KeyError, match="x"):
            await side.call(fail)


async def test_a_cancel_before_the_call_starts_nothing() -> None:
    """Cancelled then means not applied."""
    called = []

    async def note() -> None:
        called.append(1)

    async with open_asyncio_side() as side:
        with trio.CancelScope() as scope:
            scope.cancel()
            await side.call(note)
        assert scope.cancelled_caught
    assert called == []


async def test_a_cancel_during_the_call_waits_for_its_answer() -> None:
    """The coroutine is not disturbed, and the caller has its result; the next checkpoint sees the cancel."""
    async with open_asyncio_side() as side:
        started, go = trio.Event(), asyncio.Event()
        token = trio.lowlevel.current_trio_token()
        loops: list[asyncio.AbstractEventLoop] = []
        got = []

        async def slow() -> str:
            loops.append(asyncio.get_running_loop())
            token.run_sync_soon(started.set)
            await go.wait()
            return "applied"

        async def call(scope: trio.CancelScope) -> None:
            with scope:
                got.append(await side.call(slow))
                await trio.lowlevel.checkpoint()

        scope = trio.CancelScope()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(call, scope)
            await started.wait()
            scope.cancel()
            await trio.testing.wait_all_tasks_blocked()
            assert got == []
            loops[0].call_soon_threadsafe(go.set)
        assert got == ["applied"]
        assert scope.cancelled_caught


async def test_an_asyncio_cancel_never_reaches_trio() -> None:
    """It becomes OutcomeUnknown: somebody tore the loop down under the call."""

    async def cancelled() -> None:
        raise asyncio.CancelledError

    async with open_asyncio_side() as side:
        with pytest.raises(OutcomeUnknown):
            await side.call(cancelled)


async def test_after_the_end_calls_are_refused_and_the_thread_is_gone() -> None:
    """Also when the block ends with an error, which passes through as it is."""
    with pytest.raises(ZeroDivisionError):  # the block is what is tested
        async with open_asyncio_side() as side:
            raise ZeroDivisionError
    assert "asyncio-store" not in {thread.name for thread in threading.enumerate()}
    with pytest.raises(StoreUnavailable):
        await side.call(answer, 1)


async def test_the_end_waits_for_calls_without_blocking_trio() -> None:
    """A call under way at the end returns its answer, though it needs trio to go on meanwhile."""
    got = []
    async with trio.open_nursery() as nursery, open_asyncio_side() as side:
        started, go = trio.Event(), asyncio.Event()
        token = trio.lowlevel.current_trio_token()
        loops: list[asyncio.AbstractEventLoop] = []

        async def slow() -> str:
            loops.append(asyncio.get_running_loop())
            token.run_sync_soon(started.set)
            await go.wait()
            return "applied"

        async def call() -> None:
            got.append(await side.call(slow))

        async def release() -> None:
            await trio.testing.wait_all_tasks_blocked()
            loops[0].call_soon_threadsafe(go.set)

        nursery.start_soon(call)
        await started.wait()
        nursery.start_soon(release)
    assert got == ["applied"]
