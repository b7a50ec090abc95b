"""What time brings about, on a clock that jumps."""

import itertools
from collections.abc import Callable
from uuid import UUID

import attrs
import pytest
import trio
import trio.testing

from adapters.store import MemoryEventLog
from engine.access import refusal
from engine.commands import ChangeEntities, DefineKeys
from engine.errors import Reason, StoreUnavailable
from engine.events import (
    NIL,
    CreditsBooked,
    DeploymentDefined,
    Draft,
    EndpointDefined,
    GrantAdded,
    TariffDefined,
    UserDefined,
)
from engine.runtime.follower import Follower
from engine.runtime.timekeeper import Timekeeper
from engine.runtime.writer import Writer
from projections import routing
from tests.engine.runtime.troubled_log import TroubledLog
from tests.engine.tables import key

BEGUN = 1_800_000_000_000_000
HOUR = 3600 * 10**6
_ids = itertools.count(1)


def wall_us() -> int:
    """Unix microseconds that go as trio's clock does."""
    return BEGUN + round(trio.current_time() * 10**6)


@attrs.frozen
class Gateway:
    log: TroubledLog
    follower: Follower
    writer: Writer
    timekeeper: Timekeeper

    async def told(self, *facts: object) -> None:
        command = ChangeEntities(facts)  # type: ignore[arg-type]
        await self.follower.applied((await self.writer.write(command, actor="me")).position)
        self.timekeeper.ring()

    @property
    def reason(self) -> Reason | None:
        there = self.follower.snapshot
        return refusal(there, there.keys["k"], there.pools["one"])


async def gateway(nursery: trio.Nursery, memory: MemoryEventLog, *, ahead_us: int = 0) -> Gateway:
    log = TroubledLog(memory)
    follower = Follower(log, routing.empty(), fold=routing.fold)
    await follower.catch_up()
    nursery.start_soon(follower.run, lambda _snapshot, _touched: None)
    writer = Writer(log, follower, new_id=lambda: UUID(int=next(_ids)), change=routing.change)
    return Gateway(log, follower, writer, Timekeeper(writer, unix_us=lambda: wall_us() + ahead_us))


@pytest.fixture
def memory() -> MemoryEventLog:
    return MemoryEventLog(clock_us=itertools.count(1).__next__)


@pytest.fixture
async def first(nursery: trio.Nursery, memory: MemoryEventLog) -> Gateway:
    """With a model that is open to all who can pay for it, and a key of a user who cannot."""
    one = await gateway(nursery, memory)
    model = (
        EndpointDefined("e", "http://e.example/"),
        DeploymentDefined("m", "one", "real", "e"),
        GrantAdded(NIL, "m"),
    )
    await one.told(*model, UserDefined("u"))
    await one.writer.write(DefineKeys((attrs.evolve(key("k"), user_id="u"),)), actor="me")
    nursery.start_soon(one.timekeeper.run)
    await trio.testing.wait_all_tasks_blocked()
    return one


async def turns(memory: MemoryEventLog) -> list[str]:
    """What clocks have appended."""
    return [type(one.event).__name__ for one in await memory.read(0) if one.actor == "clock"]


async def until(is_so: Callable[[], bool]) -> float:
    """Hours since the beginning when it is."""
    while not is_so():
        await trio.sleep(5)
    return trio.current_time() / 3600


async def test_a_tariff_begins_and_ends_at_its_time(
    first: Gateway, memory: MemoryEventLog, autojump_clock: trio.testing.MockClock
) -> None:
    """DEF-16, SYNC-5, SYNC-30: the model is free, costs for an hour, and is free again; nobody changed anything."""
    del autojump_clock
    await first.told(TariffDefined("t", "m", "1", "0", BEGUN + 2 * HOUR, BEGUN + 3 * HOUR))
    assert first.reason is None
    assert await until(lambda: first.reason is Reason.PAYMENT_REQUIRED) == pytest.approx(2, abs=0.01)
    assert await until(lambda: first.reason is None) == pytest.approx(3, abs=0.01)
    await trio.sleep(24 * 3600)
    assert await turns(memory) == ["TariffBegan", "TariffEnded"]


async def test_a_price_that_changes_leaves_no_gap(
    first: Gateway, memory: MemoryEventLog, autojump_clock: trio.testing.MockClock
) -> None:
    """DEF-16: a tariff that has begun goes on under another price, without an event of the clock."""
    del autojump_clock
    await first.told(TariffDefined("t", "m", "1", "0", BEGUN))
    await until(lambda: first.reason is Reason.PAYMENT_REQUIRED)
    seen = []
    for price in ("2", "3"):
        await first.told(TariffDefined("t", "m", price, "0", BEGUN))
        seen.append(first.reason)
    assert seen == [Reason.PAYMENT_REQUIRED] * 2
    assert await turns(memory) == ["TariffBegan"]


async def test_what_came_about_while_nobody_ran_is_made_up_for(
    nursery: trio.Nursery, memory: MemoryEventLog, autojump_clock: trio.testing.MockClock
) -> None:
    """DEF-16: a gateway that starts late finds what is over, and what should have begun."""
    del autojump_clock
    one = await gateway(nursery, memory)
    await one.told(EndpointDefined("e", "http://e.example/"), DeploymentDefined("m", "one", "real", "e"))
    await one.told(
        TariffDefined("t1", "m", "1", "0", BEGUN + HOUR), TariffDefined("t2", "m", "1", "0", None, BEGUN + HOUR)
    )
    await one.told(TariffDefined("t3", "m", "1", "0", BEGUN + HOUR, BEGUN + 2 * HOUR))
    assert await turns(memory) == []
    await trio.sleep(5 * 3600)
    late = await gateway(nursery, memory)
    nursery.start_soon(late.timekeeper.run)
    await until(lambda: late.follower.snapshot.catalogue.tariffs["t1"].is_current)
    assert await turns(memory) == ["TariffBegan", "TariffEnded", "TariffEnded"]
    assert late.follower.snapshot.catalogue.tariffs["t3"].has_ended
    assert not late.follower.snapshot.catalogue.tariffs["t2"].is_current


async def test_two_clocks_say_each_thing_once(
    first: Gateway, nursery: trio.Nursery, memory: MemoryEventLog, autojump_clock: trio.testing.MockClock
) -> None:
    """DEF-16: every replica may run one: whoever comes second finds that it holds."""
    del autojump_clock
    second = await gateway(nursery, memory)
    nursery.start_soon(second.timekeeper.run)
    for number in range(1, 6):
        when = BEGUN + number * HOUR
        await first.told(TariffDefined(f"t{number}", "m", "1", "0", when, when + HOUR))
    second.timekeeper.ring()
    await trio.sleep(10 * 3600)
    assert sorted(await turns(memory)) == ["TariffBegan"] * 5 + ["TariffEnded"] * 5
    assert first.follower.snapshot == second.follower.snapshot


async def test_clocks_that_differ_do_not_argue(
    first: Gateway, nursery: trio.Nursery, memory: MemoryEventLog, autojump_clock: trio.testing.MockClock
) -> None:
    """DEF-16, SYNC-5: the quick clock begins and ends it; the slow one, for whom it is on, takes nothing back."""
    del autojump_clock
    quick = await gateway(nursery, memory, ahead_us=HOUR // 2)
    nursery.start_soon(quick.timekeeper.run)
    await quick.told(TariffDefined("t", "m", "1", "0", BEGUN + 2 * HOUR, BEGUN + 3 * HOUR))
    seen = []
    for _ in range(20):
        first.timekeeper.ring()
        quick.timekeeper.ring()
        await trio.sleep(900)
        seen.append(first.reason)
    assert seen.count(Reason.PAYMENT_REQUIRED) == 4
    assert await turns(memory) == ["TariffBegan", "TariffEnded"]


async def test_a_store_that_is_away_delays_it(
    first: Gateway, memory: MemoryEventLog, autojump_clock: trio.testing.MockClock
) -> None:
    """DEF-5, DEF-16: the clock goes on trying, and nothing else is lost."""
    del autojump_clock
    await first.told(TariffDefined("t", "m", "1", "0", BEGUN + HOUR))
    await trio.sleep(1)
    first.log.before_append[:] = [StoreUnavailable("away")] * 6
    at = await until(lambda: first.reason is Reason.PAYMENT_REQUIRED)
    assert at * 3600 == pytest.approx(3600 + 6 * 5, abs=6)
    assert await turns(memory) == ["TariffBegan"]


async def test_it_settles_accounts_that_are_not(
    first: Gateway, memory: MemoryEventLog, autojump_clock: trio.testing.MockClock
) -> None:
    """DEF-16: a booking that came without its event, from whatever wrote it."""
    del autojump_clock
    booked = [Draft(UUID(int=10**9), CreditsBooked("u", 1, "purchase", "1"))]
    await memory.append(booked, expected=first.follower.snapshot.position, actor="other")
    await until(lambda: "u" in first.follower.snapshot.catalogue.ledgers)
    first.timekeeper.ring()
    await until(lambda: first.follower.snapshot.users["u"].is_funded)
    assert await turns(memory) == ["FundsRestored"]
