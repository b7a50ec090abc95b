"""The running table."""

import pytest
import trio
import trio.testing

from engine.errors import Reason, Refused
from engine.pool.messages import Message, Reconfigure
from engine.snapshot import Pool
from tests.engine.runtime.running import a_request, running
from tests.engine.runtime.scripted_upstream import ScriptedUpstream
from tests.engine.tables import pool, provider, table

A, B = provider("a"), provider("b")
CHAT, MINI = pool("chat", A), pool("mini", B)


def definitions(told: list[tuple[str, Message]]) -> list[tuple[str, Pool | None]]:
    return [(alias, message.pool) for alias, message in told if isinstance(message, Reconfigure)]


async def test_only_pools_that_differ_get_a_message(told: list[tuple[str, Message]]) -> None:
    """DELTA-7: not the untouched, and not those that are touched and the same."""
    async with running(table([CHAT, MINI]), ScriptedUpstream()) as gateway:
        await trio.testing.wait_all_tasks_blocked()
        assert sorted(alias for alias, _ in definitions(told)) == ["chat", "mini"]
        told.clear()
        heavier = pool("chat", A, B)
        gateway.apply(table([heavier, MINI]), "chat", "mini", "nothing")
        gateway.apply(table([heavier, MINI]))
        gateway.apply(table([heavier, MINI]), "chat")
        await trio.testing.wait_all_tasks_blocked()
        assert definitions(told) == [("chat", heavier)]
        assert gateway.router.reconfigured == 3


async def test_a_removed_alias_retires_after_its_last_lease() -> None:
    """ADOPT-9: it takes no new request; its running one ends in peace; then its actor is gone."""
    upstream = ScriptedUpstream()
    async with running(table([CHAT, MINI]), upstream) as gateway:
        answer = await gateway.forward(a_request())
        async with answer:
            gateway.apply(table([MINI]), "chat")
            with pytest.raises(Refused) as caught:
                await gateway.forward(a_request())
            assert caught.value.reason is Reason.MODEL_NOT_FOUND
            await trio.testing.wait_all_tasks_blocked()
            assert "chat" in gateway.router.actors
            assert await answer.receive() == b"hello "
        await trio.testing.wait_all_tasks_blocked()
        assert gateway.router.actors.keys() == {"mini"}
        assert (await gateway.ask("mini"))[1] == b"hello world"


async def test_an_idle_alias_that_is_removed_is_gone_at_once() -> None:
    """ADOPT-8, ADOPT-9: and starts fresh when it is defined again."""
    async with running(table([CHAT, MINI]), ScriptedUpstream()) as gateway:
        first = gateway.router.actors["chat"]
        gateway.apply(table([MINI]), "chat")
        await trio.testing.wait_all_tasks_blocked()
        assert gateway.router.actors.keys() == {"mini"}
        gateway.apply(table([CHAT, MINI]), "chat")
        assert gateway.router.actors["chat"] is not first
        assert (await gateway.ask())[1] == b"hello world"


async def test_an_alias_that_returns_meanwhile_keeps_its_counters() -> None:
    """ADOPT-2, ADOPT-9: removed and back while a request runs: the same actor, the same count."""
    async with running(table([CHAT]), ScriptedUpstream()) as gateway:
        actor = gateway.router.actors["chat"]
        answer = await gateway.forward(a_request())
        async with answer:
            gateway.apply(table([]), "chat")
            await trio.testing.wait_all_tasks_blocked()
            gateway.apply(table([pool("chat", B, A)]), "chat")
            await trio.testing.wait_all_tasks_blocked()
            assert gateway.router.actors["chat"] is actor
            assert [slot.active for slot in gateway.state().slots] == [0, 1]
        await gateway.assert_nothing_is_held()


async def test_a_request_sees_the_old_table_or_the_new_one() -> None:
    """DEF-44, ORDER-5: with the two pools changing places at every step, no request meets half of it."""
    old, new = table([pool("chat", A)]), table([pool("chat", B)])
    upstream = ScriptedUpstream()
    async with running(old, upstream) as gateway:
        served = []

        async def ask() -> None:
            answer, _ = await gateway.ask()
            assert answer.provider in {A, B}
            served.append((answer.provider.name, answer.position))

        for turn in range(40):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask)
                nursery.start_soon(ask)
                for _ in range(turn % 4):
                    await trio.lowlevel.checkpoint()
                gateway.apply(new if turn % 2 == 0 else old, "chat")
        assert len(served) == 80
        # A position has one table: odd ones are the old one's, and the provider is always that table's.
        first = table([pool("chat", A)]).position
        assert {(name, (position - first) % 2) for name, position in served} == {("a", 0), ("b", 1)}
        await gateway.assert_nothing_is_held()
