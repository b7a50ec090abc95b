"""The hub: it looks seldom, and only for somebody."""

import trio
import trio.testing
from trio.testing import MockClock

from adapters.live.hub import LiveHub
from engine.names import Position
from engine.pool.view import PoolView
from projections.live import Delta, LiveView, Snapshot


class Pools:
    """What the hub samples, and when it did."""

    def __init__(self, clock: MockClock, *, restless: bool = False) -> None:
        self._clock = clock
        self.position = 1
        self.restless = restless
        self.looks: list[float] = []

    def __call__(self) -> tuple[Position, dict[str, PoolView]]:
        self.looks.append(self._clock.current_time())
        if self.restless:
            self.position += 1
        return self.position, {}

    @property
    def shortest_gap(self) -> float:
        return min(later - earlier for earlier, later in zip(self.looks, self.looks[1:], strict=False))


async def test_nobody_watching_costs_nothing(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """No look is taken, whatever rings."""
    pools = Pools(autojump_clock, restless=True)
    hub = LiveHub(sample=pools)
    nursery.start_soon(hub.run)
    for _ in range(20):
        hub.ring()
        await trio.sleep(1)
    assert pools.looks == []


async def test_looking_ends_with_the_last_watcher_and_begins_again(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """A newcomer's snapshot is of now, not of when somebody looked last."""
    pools = Pools(autojump_clock)
    hub = LiveHub(sample=pools)
    nursery.start_soon(hub.run)
    with hub.watch():
        assert await hub.news(None) == Snapshot(1, 1, {})
    await trio.sleep(1)
    looks = len(pools.looks)
    pools.position = 5
    await trio.sleep(100)
    assert len(pools.looks) == looks
    with hub.watch():
        assert await hub.news(None) == Snapshot(2, 5, {})
    assert hub.watchers == 0


async def test_never_more_than_ten_looks_a_second(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """However much moves, however often it rings, however often clients come and go."""
    pools = Pools(autojump_clock, restless=True)
    hub = LiveHub(sample=pools)
    nursery.start_soon(hub.run)
    for _ in range(300):
        with hub.watch():
            hub.ring()
            await trio.sleep(0.013)
            hub.ring()
    assert len(pools.looks) > 20
    assert pools.shortest_gap >= 0.1 - 1e-9


async def test_a_ring_makes_a_quiet_gateway_looked_at_at_once(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """DEF-51: a configuration change is visible as soon as the bound allows."""
    pools = Pools(autojump_clock)
    hub = LiveHub(sample=pools)
    nursery.start_soon(hub.run)
    with hub.watch():
        first = await hub.news(None)
        assert isinstance(first, Snapshot)
        await trio.sleep(1)
        await trio.sleep_until(pools.looks[-1] + 0.15)
        pools.position = 2
        hub.ring()
        rung = trio.current_time()
        assert await hub.news(first.seq) == (Delta(2, 2, {}),)
        assert trio.current_time() - rung < 0.01


async def test_a_client_that_fell_out_of_the_ring_gets_a_snapshot(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """WS-2: it is conflated to the newest state; one that kept up gets dense deltas meanwhile."""
    pools = Pools(autojump_clock, restless=True)
    hub = LiveHub(LiveView(ring=4), sample=pools)
    nursery.start_soon(hub.run)
    with hub.watch():
        slow = await hub.news(None)
        assert isinstance(slow, Snapshot)
        seq = slow.seq
        while seq < slow.seq + 5:
            news = await hub.news(seq)
            assert isinstance(news, tuple)
            assert [delta.seq for delta in news] == [seq + 1]
            seq += 1
        assert await hub.news(slow.seq) == Snapshot(seq, pools.position, {})
        missed = await hub.news(seq - 3)
        assert isinstance(missed, tuple)
        assert [delta.seq for delta in missed] == [seq - 2, seq - 1, seq]


async def test_when_the_hub_ends_so_does_every_stream(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """Clients that wait are woken, and later ones do not wait."""
    hub = LiveHub(sample=Pools(autojump_clock))
    answers: list[object] = []

    async def client(seq: int | None) -> None:
        answers.append(await hub.news(seq))

    nursery.start_soon(client, None)
    nursery.start_soon(client, 0)
    await trio.testing.wait_all_tasks_blocked()
    hub.close()
    await trio.testing.wait_all_tasks_blocked()
    assert answers == [None, None]
    assert await hub.news(0) is None


async def test_cancelling_the_hub_closes_it(autojump_clock: MockClock) -> None:
    """So that the clients are told at shutdown."""
    hub = LiveHub(sample=Pools(autojump_clock))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub.run)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert await hub.news(None) is None
