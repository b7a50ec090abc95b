"""The writer, on a real log in memory."""

import itertools
from functools import partial
from uuid import UUID

import attrs
import pytest
import trio

from adapters.store import MemoryEventLog
from engine.commands import ChangeSettings, Command, DefineKey, DefinePool, RemovePool
from engine.definitions import define_pool, define_rule
from engine.errors import LogDamaged, OutcomeUnknown, Rejected, StoreUnavailable, WrongPosition
from engine.events import Draft
from engine.runtime.follower import Follower
from engine.runtime.writer import Writer
from engine.snapshot import Settings
from projections import routing
from tests.engine.runtime.troubled_log import TroubledLog
from tests.engine.tables import key, pool, provider, redirect


@attrs.frozen
class Rig:
    memory: MemoryEventLog
    log: TroubledLog
    follower: Follower
    writer: Writer

    async def events(self) -> list[str]:
        return [type(one.event).__name__ for one in await self.memory.read(0)]


@pytest.fixture
async def rig(nursery: trio.Nursery) -> Rig:
    memory = MemoryEventLog(clock_us=itertools.count(1).__next__)
    log = TroubledLog(memory)
    follower = Follower(log, routing.empty(), fold=routing.fold)
    numbers = itertools.count(1)
    nursery.start_soon(follower.run, lambda _snapshot, _touched: None)
    return Rig(
        memory, log, follower, Writer(log, follower, new_id=lambda: UUID(int=next(numbers)), change=routing.change)
    )


A = provider("a")


async def test_a_command_is_in_the_log_at_the_position_it_gets(rig: Rig) -> None:
    """House §4: and in the table when that position is applied; the same again appends nothing."""
    position = (await rig.writer.write(DefinePool(pool("chat", A)), actor="me")).position
    assert position == 2
    await rig.follower.applied(position)
    assert rig.writer.snapshot.pools["chat"] == pool("chat", A)
    assert (await rig.writer.write(DefinePool(pool("chat", A)), actor="me")).position == 2
    assert await rig.events() == ["PoolDefined", "ProviderDefined"]
    assert {one.actor for one in await rig.memory.read(0)} == {"me"}


async def test_a_rejected_command_leaves_no_trace(rig: Rig) -> None:
    """RULE-10: it either is in the log or was rejected."""
    with pytest.raises(Rejected):
        await rig.writer.write(DefinePool(pool("chat", A, rules=(redirect("gone"),))), actor="me")
    assert rig.log.tried == []


async def test_a_log_that_moved_on_is_decided_on_again(rig: Rig) -> None:
    """DELTA-7: another writer defined half of the wish just before: only the rest is appended, with new ids."""

    async def other() -> None:
        await rig.memory.append([Draft(UUID(int=999), define_pool(pool("chat")))], expected=0, actor="other")

    rig.log.before_append = [other]
    assert (await rig.writer.write(DefinePool(pool("chat", A)), actor="me")).position == 2
    assert await rig.events() == ["PoolDefined", "ProviderDefined"]
    assert [len(ids) for ids in rig.log.tried] == [2, 1]
    assert not set(rig.log.tried[0]) & set(rig.log.tried[1])


async def test_a_wish_that_another_fulfilled_appends_nothing(rig: Rig) -> None:
    """DELTA-7: the position is where it holds."""

    async def other() -> None:
        await rig.memory.append([Draft(UUID(int=999), define_pool(pool("chat")))], expected=0, actor="other")

    rig.log.before_append = [other]
    assert (await rig.writer.write(DefinePool(pool("chat")), actor="me")).position == 1
    assert await rig.events() == ["PoolDefined"]


async def test_a_wish_that_another_made_impossible_is_rejected(rig: Rig) -> None:
    """RULE-10: decided again on the newest table, not on the one first seen."""
    for one in (pool("mini", A), pool("chat", A)):
        await rig.follower.applied((await rig.writer.write(DefinePool(one), actor="me")).position)

    async def other() -> None:
        rule = define_rule("chat", 0, redirect("mini"))
        await rig.memory.append([Draft(UUID(int=999), rule)], expected=4, actor="other")

    rig.log.before_append = [other]
    with pytest.raises(Rejected):
        await rig.writer.write(RemovePool("mini"), actor="me")
    await rig.follower.applied(5)
    assert set(rig.follower.snapshot.pools) == {"chat", "mini"}


@pytest.mark.parametrize("applied", [True, False])
async def test_a_doubtful_append_is_repeated_with_the_same_ids(
    rig: Rig, autojump_clock: trio.testing.MockClock, applied: bool
) -> None:
    """SYNC-29, house §4: applied or not, once or three times in doubt, the command is in the log once."""
    del autojump_clock
    doubts = [OutcomeUnknown("connection lost")] * 3
    (rig.log.after_append if applied else rig.log.before_append)[:] = doubts
    assert (await rig.writer.write(DefinePool(pool("chat", A)), actor="me")).position == 2
    assert len(rig.log.tried) == 4
    assert len(set(rig.log.tried)) == 1
    assert await rig.events() == ["PoolDefined", "ProviderDefined"]
    assert await rig.memory.verify() == 2


async def test_a_doubtful_append_that_others_overtook_is_settled(
    rig: Rig, autojump_clock: trio.testing.MockClock
) -> None:
    """SYNC-29: it was applied, the answer was lost, others went on: its own position comes back."""
    del autojump_clock

    async def lost() -> None:
        await rig.memory.append([Draft(UUID(int=999), define_pool(pool("mini")))], expected=1, actor="other")
        raise OutcomeUnknown("connection lost")

    rig.log.after_append = [lost]
    assert (await rig.writer.write(DefinePool(pool("chat")), actor="me")).position == 1
    assert await rig.events() == ["PoolDefined", "PoolDefined"]


async def test_doubt_without_end_is_said(rig: Rig, autojump_clock: trio.testing.MockClock) -> None:
    """House §4: after ten seconds of asking the doubt is the caller's. Nothing was appended twice."""
    del autojump_clock
    rig.log.after_append = [OutcomeUnknown("connection lost")] * 1000
    with pytest.raises(OutcomeUnknown):
        await rig.writer.write(DefinePool(pool("chat")), actor="me")
    assert len(set(rig.log.tried)) == 1
    assert await rig.events() == ["PoolDefined"]


async def test_what_is_in_doubt_stays_so_while_the_store_is_away(
    rig: Rig, autojump_clock: trio.testing.MockClock
) -> None:
    """House §4: the append was applied, its answer lost, and then nobody answers: never "surely not applied"."""
    del autojump_clock
    rig.log.after_append = [OutcomeUnknown("connection lost")]
    rig.log.before_append = [None, *[StoreUnavailable("refused")] * 1000]
    with pytest.raises(OutcomeUnknown):
        await rig.writer.write(DefinePool(pool("chat")), actor="me")
    assert await rig.events() == ["PoolDefined"]


async def test_a_settled_doubt_is_no_repetition(rig: Rig, autojump_clock: trio.testing.MockClock) -> None:
    """What the log had already is this very command's, so nobody was told of it before."""
    del autojump_clock
    rig.log.after_append = [OutcomeUnknown("connection lost")]
    written = await rig.writer.write(DefinePool(pool("chat")), actor="me")
    assert (written.position, written.is_repeated) == (1, False)


async def test_a_log_that_has_gone_back_is_said(rig: Rig) -> None:
    """DELTA-7: a backup was put back under a running gateway: deciding again would never end."""
    for name in ("chat", "mini"):
        await rig.writer.write(DefinePool(pool(name)), actor="me")
    rig.log.before_append = [WrongPosition(2, 1)]
    with pytest.raises(LogDamaged, match="event 2"):
        await rig.writer.write(DefinePool(pool("more")), actor="me")


async def test_commands_of_one_process_take_turns(rig: Rig) -> None:
    """DELTA-7: a hundred at once append a hundred times, and none of them has to decide again."""
    async with trio.open_nursery() as nursery:
        for number in range(100):
            nursery.start_soon(partial(rig.writer.write, DefinePool(pool(f"pool-{number}")), actor="me"))
    assert len(rig.log.tried) == 100
    assert len(await rig.events()) == 100


async def test_a_store_that_is_away_is_said_at_once(rig: Rig) -> None:
    """House §8: surely not applied, so the caller may decide."""
    rig.log.before_append = [StoreUnavailable("away")]
    with pytest.raises(StoreUnavailable):
        await rig.writer.write(DefinePool(pool("chat")), actor="me")
    assert await rig.events() == []


async def test_racing_writers_all_succeed(rig: Rig) -> None:
    """DELTA-7, DEF-44: twelve at once on two writers: each command holds, and nothing is said twice."""
    second = Writer(rig.log, rig.follower, new_id=lambda: UUID(int=next(numbers)), change=routing.change)
    numbers = itertools.count(10_000)
    commands: list[Command] = [
        *[DefinePool(pool(f"pool-{n}", A)) for n in range(5)],
        *[DefineKey(key(f"key-{n}")) for n in range(5)],
        DefinePool(pool("pool-0", A)),
        ChangeSettings(Settings(strict_mode=True)),
    ]
    positions: list[int] = []

    async def write(writer: Writer, command: Command) -> None:
        positions.append((await writer.write(command, actor="me")).position)

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            for number, command in enumerate(commands):
                nursery.start_soon(write, (rig.writer, second)[number % 2], command)
        await rig.follower.applied(max(positions))
    snapshot = rig.follower.snapshot
    assert set(snapshot.pools) == {f"pool-{n}" for n in range(5)}
    assert all(one.providers == (A,) for one in snapshot.pools.values())
    assert set(snapshot.keys) == {f"key-{n}" for n in range(5)}
    assert snapshot.settings.strict_mode
    assert max(positions) == await rig.memory.verify() == 5 * 2 + 5 + 1
