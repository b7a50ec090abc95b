"""The hub: it looks seldom, and only for somebody; it makes each text once, and takes a bounded share of the time."""

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from adapters.live.hub import LONGEST_S, SHARE, SHORTEST_S, LiveHub, News
from adapters.live.messages import Message, decode
from engine.pool.view import PoolView, ProviderView
from projections.live import Delta, LiveView, Snapshot
from projections.live_facts import Observation


class Pools:
    """What the hub samples, and when it did."""

    def __init__(self, clock: MockClock, *, restless: bool = False) -> None:
        self._clock = clock
        self.position = 1
        self.restless = restless
        self.pools: dict[str, PoolView] = {}
        self.looks: list[float] = []

    def __call__(self) -> Observation:
        self.looks.append(self._clock.current_time())
        if self.restless:
            self.position += 1
        return Observation(self.position, self.pools)

    @property
    def shortest_gap(self) -> float:
        return min(later - earlier for earlier, later in zip(self.looks, self.looks[1:], strict=False))


def pool(alias: str, active: int = 0) -> PoolView:
    provider = ProviderView(name="a", url="http://a.example/", weight=1, active=active, limit=4)
    return PoolView(
        alias, 1, "weighted_random", active, None, fallback=False, rules=0, keys=None, providers=(provider,)
    )


def said(news: News | None) -> list[Message | None]:
    assert news is not None
    return [decode(payload(frame)) for frame in news.frames]


def payload(frame: bytes) -> bytes:
    """Of a whole message of a server (RFC 6455, 5.2)."""
    assert frame[0] == 0x81
    begin = {126: 4, 127: 10}.get(frame[1], 2)
    assert len(frame) - begin == (frame[1] if begin == 2 else int.from_bytes(frame[2:begin], "big"))
    return frame[begin:]


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
        assert said(await hub.news(None)) == [Snapshot(1, 1, {}, events_position=1)]
    await trio.sleep(1)
    looks = len(pools.looks)
    pools.position = 5
    await trio.sleep(100)
    assert len(pools.looks) == looks
    with hub.watch():
        assert said(await hub.news(None)) == [Snapshot(2, 5, {}, events_position=5)]
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
        (first,) = said(await hub.news(None))
        assert isinstance(first, Snapshot)
        await trio.sleep(1)
        await trio.sleep_until(pools.looks[-1] + 0.15)
        pools.position = 2
        hub.ring()
        rung = trio.current_time()
        assert said(await hub.news(first.seq)) == [Delta(1, 2, 2, {}, events_position=2)]
        assert trio.current_time() - rung < 0.01


async def test_what_a_client_missed_comes_as_one_delta_or_it_begins_again(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """WS-2: one that kept up gets dense deltas meanwhile; one that fell out of the ring is told so."""
    pools = Pools(autojump_clock, restless=True)
    hub = LiveHub(LiveView(ring=4), sample=pools)
    nursery.start_soon(hub.run)
    with hub.watch():
        (begun,) = said(await hub.news(None))
        assert isinstance(begun, Snapshot)
        seq = begun.seq
        while seq < begun.seq + 5:
            (delta,) = said(await hub.news(seq))
            assert isinstance(delta, Delta)
            assert (delta.since, delta.seq) == (seq, seq + 1)
            seq = delta.seq
        missed = await hub.news(seq - 3)
        assert said(missed) == [Delta(seq - 3, seq, pools.position, {}, events_position=pools.position)]
        again, snapshot = said(await hub.news(begun.seq))
        assert (again.since, again.reason) == (begun.seq, "expired")  # type: ignore[union-attr]
        assert snapshot == Snapshot(seq, pools.position, {}, events_position=pools.position)
        unknown, _ = said(await hub.news(seq + 7))
        assert unknown.reason == "unknown_seq"  # type: ignore[union-attr]


async def test_the_same_news_are_one_text(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """Made once for all who know and watch the same, and never for longer than it is news."""
    pools = Pools(autojump_clock)
    pools.pools = {"a": pool("a"), "b": pool("b")}
    hub = LiveHub(sample=pools)
    nursery.start_soon(hub.run)
    with hub.watch():
        begun = await hub.news(None)
        assert begun is not None
        pools.pools = {"a": pool("a", 1), "b": pool("b")}
        one, other = await hub.news(begun.seq), await hub.news(begun.seq)
        assert one is not None
        assert other is not None
        assert one.frames[0] is other.frames[0]
        # Told nothing of what it does not watch, but how far that goes.
        assert await hub.news(begun.seq, watched=frozenset("b")) == News(begun.seq + 1, ())
        (narrow,) = said(await hub.news(begun.seq, watched=frozenset("a")))
        assert isinstance(narrow, Delta)
        assert narrow.pools == {"a": pool("a", 1)}
        pools.pools = {"a": pool("a", 1), "b": pool("b", 2)}
        (later,) = said(await hub.news(begun.seq, begun.seq + 1, frozenset("b")))
        assert isinstance(later, Delta)
        assert (later.since, later.seq, later.pools) == (begun.seq, begun.seq + 2, {"b": pool("b", 2)})


@pytest.mark.parametrize(("clients", "pools", "period_s"), [(1, 1, SHORTEST_S), (40, 50, None), (400, 1, LONGEST_S)])
async def test_the_more_it_costs_the_seldomer_it_looks(
    nursery: trio.Nursery, autojump_clock: MockClock, clients: int, pools: int, period_s: float | None
) -> None:
    """By the number of clients and the size of their news, up to a second."""
    source = Pools(autojump_clock, restless=True)
    hub = LiveHub(sample=source)
    nursery.start_soon(hub.run)
    busy = 0

    async def client() -> None:
        nonlocal busy
        with hub.watch():
            news = await hub.news(None)
            while news is not None:
                busy += 1
                source.pools = {f"pool {number}": pool(f"pool {number}", busy) for number in range(pools)}
                news = await hub.news(news.seq)

    for _ in range(clients):
        nursery.start_soon(client)
    await trio.sleep(3)
    source.looks.clear()
    await trio.sleep(5)
    gaps = [later - earlier for earlier, later in zip(source.looks, source.looks[1:], strict=False)]
    assert min(gaps) == pytest.approx(max(gaps), rel=0.01)
    if period_s is not None:
        assert gaps[0] == pytest.approx(period_s)
    else:
        assert SHORTEST_S < gaps[0] < LONGEST_S
        assert gaps[0] == pytest.approx(hub.cost_s / SHARE, rel=0.15)


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
