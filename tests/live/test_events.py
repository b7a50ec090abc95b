"""Configuration events on the live stream: once each, in order, and in nobody's way."""

import itertools
from collections.abc import Sequence
from uuid import UUID

import attrs
import trio
import trio.testing
from trio.testing import MockClock

from adapters.live.events import EventTeller
from adapters.live.hub import KEPT_S, LiveHub
from adapters.store import MemoryEventLog
from engine.commands import DefinePool
from engine.errors import StoreUnavailable
from engine.events import Recorded
from engine.names import Position
from engine.runtime.follower import Follower
from engine.runtime.writer import Writer
from engine.snapshot import Pool
from projections import routing
from projections.live import MOST_EVENTS, Delta, Snapshot
from projections.live_facts import EventTold, Observation
from tests.live.test_hub import said


@attrs.define
class Log:
    """What the stream reads; away where that is said."""

    _log: MemoryEventLog
    is_away: bool = False
    reads: int = 0

    async def read(self, after: Position, limit: int = 500) -> Sequence[Recorded]:
        self.reads += 1
        if self.is_away:
            raise StoreUnavailable("away")
        return await self._log.read(after, limit)


class Rig:
    """A log that is written and followed, and the hub beside it."""

    def __init__(self) -> None:
        numbers, memory = itertools.count(1), MemoryEventLog(clock_us=itertools.count(1_700_000_000_000_000).__next__)
        self.follower = Follower(memory, routing.empty(), fold=routing.fold)
        self.writer = Writer(memory, self.follower, new_id=lambda: UUID(int=next(numbers)), change=routing.change)
        self.log = Log(memory)
        teller = EventTeller(
            self.log, present=lambda: self.follower.snapshot, applied=self.follower.applied, fold=routing.fold
        )
        self.hub = LiveHub(sample=self.sample, events=teller)
        self.aliases = itertools.count()

    def sample(self) -> Observation:
        return Observation(self.follower.snapshot.position, {})

    async def run(self, nursery: trio.Nursery) -> None:
        nursery.start_soon(self.follower.run, lambda *_: self.hub.ring())
        nursery.start_soon(self.hub.run)
        await trio.testing.wait_all_tasks_blocked()

    async def change(self, count: int = 1) -> Position:
        """So many events, one after the other, and in force."""
        for _ in range(count):
            written = await self.writer.write(DefinePool(Pool(f"pool-{next(self.aliases)}")), actor="somebody")
        await self.follower.applied(written.position)
        return written.position


@attrs.define
class Client:
    """Hears everything."""

    hub: LiveHub
    seq: int | None = None
    events: list[EventTold] = attrs.field(factory=list)
    left_out: int = 0
    events_position: Position = 0

    async def hear(self) -> None:
        (message,) = said(await self.hub.news(self.seq))
        assert isinstance(message, Snapshot | Delta)
        if isinstance(message, Delta):
            self.events += message.events
            self.left_out += message.events_left_out
        self.seq, self.events_position = message.seq, message.events_position

    async def until(self, position: Position) -> None:
        while self.events_position < position:
            await self.hear()


async def test_each_event_is_told_once_with_what_it_changed(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """CFG-20, WS-2: whoever begins is told from which position on; then who, what and in which words."""
    rig = Rig()
    await rig.run(nursery)
    before = await rig.change(3)
    with rig.hub.watch():
        client = Client(rig.hub)
        await client.hear()
        assert (client.events_position, client.events) == (before, [])
        for _ in range(4):
            await rig.change()
            await trio.sleep(0.3)
        await client.until(before + 4)
    assert [event.position for event in client.events] == [4, 5, 6, 7]
    one = client.events[0]
    assert (one.type, one.stream, one.actor) == ("pool.defined", "pool:pool-3", "somebody")
    assert "pool-3" in one.sentence
    assert one.recorded_at_us == 1_700_000_000_000_003
    assert one.recorded_at == "2023-11-14T22:13:20.000003Z"
    assert client.left_out == 0
    assert autojump_clock.current_time() < 10


async def test_a_store_that_is_away_delays_events_and_nothing_else(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """The position moves on at once; what is told later is all there."""
    rig = Rig()
    await rig.run(nursery)
    with rig.hub.watch():
        client = Client(rig.hub)
        await client.hear()
        rig.log.is_away = True
        await rig.change(2)
        began = autojump_clock.current_time()
        await client.hear()
        assert autojump_clock.current_time() - began < 0.5
        assert (client.events_position, client.events) == (0, [])
        await trio.sleep(5)
        assert 2 < rig.log.reads < 10
        rig.log.is_away = False
        await client.until(2)
    assert [event.position for event in client.events] == [1, 2]


async def test_too_many_events_are_counted_and_left_to_the_log(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """Those that are told come first, so that the log can be asked for all after them."""
    rig = Rig()
    await rig.run(nursery)
    with rig.hub.watch():
        client = Client(rig.hub)
        await client.hear()
        rig.log.is_away = True
        await rig.change(MOST_EVENTS + 50)
        rig.log.is_away = False
        await client.until(MOST_EVENTS + 50)
        assert [event.position for event in client.events] == list(range(1, MOST_EVENTS + 1))
        assert client.left_out == 50
        await rig.change()
        await client.until(MOST_EVENTS + 51)
        assert client.events[-1].position == MOST_EVENTS + 51
    assert autojump_clock.current_time() < 10


async def test_nobody_watching_reads_nothing_and_who_comes_back_is_told(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """What happened within a minute is told to whoever resumes, later it is counted."""
    rig = Rig()
    await rig.run(nursery)
    client = Client(rig.hub)
    for away_s, told in ((KEPT_S / 2, 2), (2 * KEPT_S, 0)):
        with rig.hub.watch():
            await client.hear()
            await client.until(rig.follower.snapshot.position)
        await trio.sleep(2)
        client.events, client.left_out, reads = [], 0, rig.log.reads
        position = await rig.change(2)
        await trio.sleep(away_s)
        assert rig.log.reads == reads
        with rig.hub.watch():
            await client.until(position)
        assert (len(client.events), client.left_out) == (told, 2 - told)
        # So that there is something to hear.
        await rig.change()
    assert autojump_clock.current_time() > KEPT_S
