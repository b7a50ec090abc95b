"""The keys' actor."""

import itertools

import pytest
import trio
import trio.testing

from engine.runtime.caller_actor import CallerActor


@pytest.fixture
def actor(nursery: trio.Nursery) -> CallerActor:
    made = CallerActor(clock=itertools.count(1).__next__)
    nursery.start_soon(made.run)
    return made


async def test_a_limit_holds_over_all_askers(actor: CallerActor) -> None:
    """CL-1, CL-3: of ten at once, three get in; one leaves, one more gets in."""
    answers: list[bool] = []

    async def enter(ticket: int) -> None:
        answers.append(await actor.enter(ticket, "k", 3))

    async with trio.open_nursery() as asking:
        for ticket in range(10):
            asking.start_soon(enter, ticket)
    assert sorted(answers) == [False] * 7 + [True] * 3
    assert actor.active() == {"k": 3}
    for ticket in range(10):
        actor.leave(ticket)
    assert await actor.enter(11, "k", 1)
    assert actor.active() == {"k": 1}


async def test_leaving_without_an_answer_frees_all(actor: CallerActor) -> None:
    """FB-15: a cancelled asker leaves, whether it was let in or not; nothing stays."""
    with trio.CancelScope() as scope:
        scope.cancel()
        await actor.enter(1, "k", 1)
    actor.leave(1)
    await trio.testing.wait_all_tasks_blocked()
    assert actor.active() == {}
    assert not actor._replies
    assert await actor.enter(2, "k", 1)
