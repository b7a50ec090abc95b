"""When the cache is written."""

from pathlib import Path

import attrs
import pytest
import structlog
import trio

from adapters.store.cache import Cached, CacheUnusable, SnapshotCache
from adapters.store.cache_keeping import keep_cache
from adapters.store.sealing import Sealed
from engine.errors import StoreUnavailable
from engine.names import Position
from engine.snapshot import RoutingSnapshot
from projections.table import empty

SEALED = (Sealed("cred-1", b"n" * 12, b"x" * 40, 7),)


class Gateway(SnapshotCache):
    """A gateway's table, and a cache that notes when what was saved in it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.saved: list[tuple[float, Position]] = []
        self.is_away = False
        self.cannot_be_written = False
        self.position = 0
        self._moved = trio.Event()
        self._began = trio.current_time()

    async def save(self, snapshot: RoutingSnapshot, head_hash: bytes, sealed: object) -> None:
        assert head_hash == _hash(snapshot.position)
        assert sealed == SEALED
        await trio.lowlevel.checkpoint()
        if self.cannot_be_written:
            raise CacheUnusable("the disk is full")
        self.saved.append((trio.current_time() - self._began, snapshot.position))

    def move(self, position: Position) -> None:
        self.position = position
        self._moved.set()
        self._moved = trio.Event()

    async def applied(self, position: Position) -> None:
        while self.position < position:
            await self._moved.wait()

    async def hash_at(self, position: Position) -> bytes | None:
        await trio.lowlevel.checkpoint()
        if self.is_away:
            raise StoreUnavailable("no server")
        return _hash(position)

    async def keep(self, saved: Position = 0) -> None:
        await keep_cache(
            self,
            applied=self.applied,
            snapshot=lambda: attrs.evolve(empty(), position=self.position),
            hash_at=self.hash_at,
            sealed=lambda: SEALED,
            saved=saved,
            every_s=30,
        )


def _hash(position: Position) -> bytes:
    return position.to_bytes(32, "big")


@pytest.fixture
async def gateway(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path / "cache.db")


async def test_a_change_is_saved_at_once_and_more_of_them_together(
    gateway: Gateway, autojump_clock: trio.testing.MockClock
) -> None:
    """At most every so many seconds, the last of them within that time, and never without a change."""
    del autojump_clock
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gateway.keep)
        await trio.sleep(5)
        for position in range(1, 11):
            gateway.move(position)
            await trio.sleep(1)
        await trio.sleep(1000)
        nursery.cancel_scope.cancel()
    assert gateway.saved == [(5, 1), (35, 10)]


async def test_what_is_missing_at_the_end_is_saved_then(
    gateway: Gateway, autojump_clock: trio.testing.MockClock
) -> None:
    """Once, and only where something is."""
    del autojump_clock
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gateway.keep)
        gateway.move(1)
        await trio.sleep(1)
        gateway.move(2)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert gateway.saved == [(0, 1), (2, 2)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gateway.keep, 2)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert len(gateway.saved) == 2


@pytest.mark.parametrize("trouble", ["is_away", "cannot_be_written"])
async def test_trouble_is_said_and_tried_again(
    gateway: Gateway, trouble: str, autojump_clock: trio.testing.MockClock
) -> None:
    """Without ending anything: the log that cannot tell the last event's hash, or a full disk."""
    del autojump_clock
    setattr(gateway, trouble, True)
    with structlog.testing.capture_logs() as lines:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(gateway.keep)
            gateway.move(1)
            await trio.sleep(50)
            setattr(gateway, trouble, False)
            await trio.sleep(50)
            nursery.cancel_scope.cancel()
    assert gateway.saved == [(60, 1)]
    assert [line["event"] for line in lines] == ["the snapshot cache was not written"] * 2


async def test_an_end_without_an_answer_does_not_wait_for_ever(
    gateway: Gateway, autojump_clock: trio.testing.MockClock
) -> None:
    """The log has a few seconds to tell the last event's hash."""
    del autojump_clock

    async def never(_position: Position) -> bytes | None:
        await trio.sleep_forever()
        return None

    async with trio.open_nursery() as nursery:
        gateway.hash_at = never  # type: ignore[method-assign]
        nursery.start_soon(gateway.keep)
        gateway.move(1)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert gateway.saved == []
    assert trio.current_time() - gateway._began == 6


async def test_on_a_real_file(tmp_path: Path) -> None:
    """What is kept is what `load` gives."""
    cache = SnapshotCache(tmp_path / "cache.db")
    snapshot = attrs.evolve(empty(), position=3)

    async def at_once(position: Position) -> None:
        if position > 3:
            await trio.sleep_forever()

    async def hash_at(position: Position) -> bytes | None:
        await trio.lowlevel.checkpoint()
        return _hash(position)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            lambda: keep_cache(
                cache, applied=at_once, snapshot=lambda: snapshot, hash_at=hash_at, sealed=lambda: SEALED, every_s=0
            )
        )
        with trio.fail_after(10):
            while (cached := await cache.load()) is None:
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    assert cached == Cached(snapshot, _hash(3), SEALED)
