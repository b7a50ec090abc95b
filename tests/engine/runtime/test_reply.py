"""The one-shot answer."""

import pytest
import trio
import trio.testing

from engine.runtime.reply import Reply


async def test_put_before_get() -> None:
    """House §5: the answer waits for the asker."""
    reply: Reply[int] = Reply()
    reply.put(7)
    with trio.testing.assert_checkpoints():
        assert await reply.get() == 7


async def test_put_after_get() -> None:
    """House §5: the asker waits for the answer, None included."""
    reply: Reply[int | None] = Reply()
    found = []
    async with trio.open_nursery() as nursery:

        async def ask() -> None:
            found.append(await reply.get())

        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        assert found == []
        reply.put(None)
    assert found == [None]


async def test_put_without_get() -> None:
    """House §5: nobody asks; nothing happens, and whoever asks later has the answer."""
    reply: Reply[int] = Reply()
    reply.put(7)
    assert await reply.get() == 7


async def test_a_cancelled_asker_does_not_wedge_the_answerer() -> None:
    """House §5: put after the asker is gone neither blocks nor fails, nor wakes anyone."""
    reply: Reply[int] = Reply()
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reply.get)
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()
    assert scope.cancelled_caught
    reply.put(7)
    assert await reply.get() == 7


async def test_an_answer_that_came_is_not_lost_to_a_cancel() -> None:
    """House §5: answered and cancelled in one step, the asker has the answer; the cancel waits its turn."""
    reply: Reply[int] = Reply()
    found = []

    async def ask() -> None:
        found.append(await reply.get())
        await trio.lowlevel.checkpoint()
        found.append(-1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        reply.put(7)
        nursery.cancel_scope.cancel()
    assert found == [7]


def test_two_answers_are_a_bug() -> None:
    """House §5: each question gets exactly one answer."""
    reply: Reply[int] = Reply()
    reply.put(1)
    with pytest.raises(RuntimeError, match="twice"):
        reply.put(2)
