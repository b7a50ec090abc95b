"""The follower, on a real log in memory."""

import itertools
from collections.abc import Iterable
from uuid import UUID

import pytest
import trio
import trio.testing

from adapters.store import MemoryEventLog
from engine.definitions import define_key, define_pool
from engine.errors import LogDamaged, StoreUnavailable
from engine.events import Draft, Event, KeyRemoved, PoolRemoved
from engine.names import Alias
from engine.runtime.follower import Follower
from engine.snapshot import RoutingSnapshot
from projections import routing
from tests.engine.runtime.troubled_log import TroubledLog
from tests.engine.tables import key, plain, pool, table


class Published:
    """What was handed on."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, frozenset[Alias]]] = []

    def __call__(self, snapshot: RoutingSnapshot, touched: frozenset[Alias]) -> None:
        self.seen.append((snapshot.position, touched))


@pytest.fixture
def memory() -> MemoryEventLog:
    return MemoryEventLog(clock_us=itertools.count(1).__next__)


@pytest.fixture
def log(memory: MemoryEventLog) -> TroubledLog:
    return TroubledLog(memory)


@pytest.fixture
def follower(log: TroubledLog) -> Follower:
    return Follower(log, routing.empty(), fold=routing.fold)


async def append(log: TroubledLog, events: Iterable[Event], expected: int) -> int:
    drafts = [Draft(UUID(int=number), event) for number, event in enumerate(events, expected + 1)]
    return (await log.append(drafts, expected=expected, actor="test")).position


CHAT, MINI = define_pool(pool("chat")), define_pool(pool("mini"))


async def test_what_is_read_is_folded_and_handed_on(log: TroubledLog, follower: Follower) -> None:
    """SYNC-29: once, with the pools it may differ in; nothing new is not handed on."""
    await append(log, [CHAT, define_key(key("k")), MINI], 0)
    published = Published()
    await follower.catch_up(published)
    await follower.catch_up(published)
    assert published.seen == [(3, frozenset({"chat", "mini"}))]
    assert plain(follower.snapshot) == plain(table([pool("chat"), pool("mini")], [key("k")]))


@pytest.mark.parametrize("count", [499, 500, 501, 1000, 1201])
async def test_an_append_becomes_visible_at_once(log: TroubledLog, follower: Follower, count: int) -> None:
    """DEF-44: however many pages it takes to read, there is no table of a part of it."""
    published = Published()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(follower.run, published)
        await append(log, [define_pool(pool(f"pool-{n}")) for n in range(count)], 0)
        await follower.applied(count)
        nursery.cancel_scope.cancel()
    assert [position for position, _ in published.seen] == [count]
    assert len(published.seen[0][1]) == len(follower.snapshot.pools) == count


@pytest.mark.parametrize("missing", [1, 2, 3])
async def test_a_gap_is_damage(log: TroubledLog, follower: Follower, missing: int) -> None:
    """SYNC-29: a position is never skipped; the table stays as it was, and the error says where."""
    await append(log, [CHAT, MINI, PoolRemoved("mini"), KeyRemoved("k")], 0)
    log.skipping = {missing}
    published = Published()
    with pytest.raises(LogDamaged) as caught:
        await follower.catch_up(published)
    assert caught.value.position == missing + 1
    assert follower.snapshot.position == 0
    assert published.seen == []


async def test_damage_holds_the_last_table(
    log: TroubledLog, follower: Follower, autojump_clock: trio.testing.MockClock
) -> None:
    """SYNC-29: a log that cannot be trusted is not followed, which is said, until it can be again."""
    del autojump_clock
    await append(log, [CHAT], 0)
    published = Published()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(follower.run, published)
        await follower.applied(1)
        log.skipping = {2}
        await append(log, [MINI, PoolRemoved("mini")], 1)
        await trio.sleep(5)
        assert follower.is_stuck
        assert "gap" in (follower.failing_since or "")
        assert follower.snapshot.position == 1
        log.skipping = set()
        await follower.applied(3)
        await trio.testing.wait_all_tasks_blocked()
        assert (follower.is_stuck, follower.failing_since) == (False, None)
        nursery.cancel_scope.cancel()


async def test_a_store_that_is_away_leaves_the_table_in_force(
    log: TroubledLog, follower: Follower, autojump_clock: trio.testing.MockClock
) -> None:
    """DEF-5, house §8: it is said why, tried again each second, and caught up with when it is back."""
    del autojump_clock
    await append(log, [CHAT], 0)
    published = Published()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(follower.run, published)
        await follower.applied(1)
        log.on_read = [StoreUnavailable("the disk is gone"), StoreUnavailable("still")]
        start = trio.current_time()
        await append(log, [MINI], 1)
        await trio.sleep(0.5)
        why = [follower.failing_since]
        assert set(follower.snapshot.pools) == {"chat"}
        await follower.applied(2)
        assert trio.current_time() - start == pytest.approx(2)
        await trio.testing.wait_all_tasks_blocked()
        assert [*why, follower.failing_since] == ["the disk is gone", None]
        nursery.cancel_scope.cancel()
    assert published.seen == [(1, frozenset({"chat"})), (2, frozenset({"mini"}))]


async def test_a_store_that_leaves_between_pages_shows_no_half(
    log: TroubledLog, follower: Follower, autojump_clock: trio.testing.MockClock
) -> None:
    """DEF-44: what was read of an append before the store went away is read again."""
    del autojump_clock
    await append(log, [define_pool(pool(f"pool-{n}")) for n in range(700)], 0)
    log.on_read = [None, StoreUnavailable("away")]
    published = Published()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(follower.run, published)
        await follower.applied(700)
        nursery.cancel_scope.cancel()
    assert [position for position, _ in published.seen] == [700]


async def test_a_store_that_is_away_at_the_start_is_an_error(log: TroubledLog, follower: Follower) -> None:
    """House §8: only `run` is patient; who catches up by hand is told."""
    log.on_read = [StoreUnavailable("away")]
    with pytest.raises(StoreUnavailable):
        await follower.catch_up()


async def test_all_who_wait_for_a_position_wake(log: TroubledLog, follower: Follower) -> None:
    """House §4: at it or past it; one that is past already does not wait."""
    woken: list[int] = []

    async def wait_for(position: int) -> None:
        await follower.applied(position)
        woken.append(position)

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            for position in (0, 1, 2, 3):
                nursery.start_soon(wait_for, position)
            await append(log, [CHAT, MINI], 0)
            await follower.catch_up()
            await trio.testing.wait_all_tasks_blocked()
            assert sorted(woken) == [0, 1, 2]
            await append(log, [KeyRemoved("k")], 2)
            await follower.catch_up()
    assert sorted(woken) == [0, 1, 2, 3]
