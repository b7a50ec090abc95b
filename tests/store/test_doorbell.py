"""The doorbell: nothing rung is lost, and rings close together open once."""

import trio
import trio.testing

from adapters.store.doorbell import Doorbell
from engine.ports import Wake


async def test_fifty_rings_in_fifty_milliseconds_open_a_few_times(autojump_clock: trio.testing.MockClock) -> None:  # noqa: ARG001
    """T16, SYNC-21, DEF-1: at most one opening in 5 ms, the first at once, the last ring within 5 ms."""
    bell = Doorbell(apart_s=0.005)
    seen: list[tuple[float, int]] = []
    start = trio.current_time()

    async def follow() -> None:
        position = 0
        while position < 50:
            assert await bell.wait(position) is Wake.NOTIFY
            position = bell.head
            seen.append((trio.current_time() - start, position))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow)
        await trio.testing.wait_all_tasks_blocked()
        for position in range(1, 51):
            bell.ring(position, Wake.NOTIFY)
            await trio.sleep(0.001)
    assert seen[0][0] < 0.001
    assert len(seen) <= 12
    assert seen[-1][0] < 0.049 + 0.006
    assert seen[-1][1] == 50


async def test_news_are_news_until_a_read_reached_the_end(autojump_clock: trio.testing.MockClock) -> None:  # noqa: ARG001
    """A read that began before they were told, or did not reach the end, settles nothing."""
    bell = Doorbell()
    early = bell.mark()
    bell.tell(Wake.NOTIFY)
    bell.settle(early, 0)
    assert bell.has_news(0)
    assert await bell.wait(0) is Wake.NOTIFY
    bell.ring(3, Wake.POLL)
    assert bell.has_news(3)
    bell.settle(bell.mark(), 3)
    assert not bell.has_news(3)
    assert bell.has_news(2)
    with trio.move_on_after(60) as waiting:
        await bell.wait(3)
    assert waiting.cancelled_caught


async def test_a_ring_after_quiet_opens_at_once(autojump_clock: trio.testing.MockClock) -> None:  # noqa: ARG001
    """Coalescing costs nothing where there is nothing to coalesce."""
    bell = Doorbell(apart_s=0.005)
    for position in range(1, 4):
        await trio.sleep(1)
        before = trio.current_time()
        bell.ring(position, Wake.OWN)
        assert await bell.wait(position - 1) is Wake.OWN
        assert trio.current_time() == before


async def test_all_who_wait_are_let_in_together(autojump_clock: trio.testing.MockClock) -> None:  # noqa: ARG001
    """One opening is for everybody, not for one after the other."""
    bell = Doorbell(apart_s=1)
    bell.ring(1, Wake.OWN)
    bell.ring(2, Wake.OWN)
    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(bell.wait, 0)
    assert trio.current_time() - start <= 1
