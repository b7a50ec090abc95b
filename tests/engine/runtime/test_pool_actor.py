"""A pool's actor around its machine."""

import itertools

import pytest
import trio
import trio.testing

from engine.pool.messages import ABANDONED, SUCCEEDED, Acquire, Finish, Leased, Message, Reconfigure, Refusal, Refused
from engine.runtime.pool_actor import PoolActor
from engine.snapshot import Fallback
from tests.engine.tables import pool, provider

ONE = pool("chat", provider("a", limit=1), provider("b", limit=1), fallback=Fallback(enabled=True))


class Watched(PoolActor):
    """One that knows whether it has ended."""

    over = 0

    def on_over(self) -> None:
        self.over += 1


@pytest.fixture
def actor(nursery: trio.Nursery) -> Watched:
    made = Watched("chat", seed=1, clock=itertools.count(100).__next__)
    nursery.start_soon(made.run, made.on_over)
    made.reconfigure(ONE, 1)
    return made


async def test_a_question_is_answered(actor: Watched) -> None:
    """CL-4, LB-10: a lease, another after a failure, then none; and one for the next who asks."""
    first = await actor.acquire(1)
    assert isinstance(first, Leased)
    second = await actor.retry(1, ABANDONED)
    assert isinstance(second, Leased)
    assert {first.provider.name, second.provider.name} == {"a", "b"}
    assert await actor.retry(1, ABANDONED) == Refused(1, Refusal.EXHAUSTED)
    actor.finish(1, SUCCEEDED)
    assert isinstance(await actor.acquire(2), Leased)
    assert isinstance(await actor.acquire(3), Leased)
    assert await actor.acquire(4) == Refused(4, Refusal.PROVIDERS_FULL)


async def test_messages_are_taken_in_order_with_their_time(actor: Watched, told: list[tuple[str, Message]]) -> None:
    """House §5: time arrives in the message, as integer nanoseconds of the clock at the asking."""
    await actor.acquire(1)
    actor.finish(1, SUCCEEDED)
    actor.reconfigure(ONE, 2)
    await trio.testing.wait_all_tasks_blocked()
    assert told == [
        ("chat", Reconfigure(ONE, 1, 100)),
        ("chat", Acquire(1, 101)),
        ("chat", Finish(1, 102, SUCCEEDED)),
        ("chat", Reconfigure(ONE, 2, 103)),
    ]


async def test_every_asker_gets_its_own_answer(actor: Watched) -> None:
    """House §5: two leases for fifty who ask at once; each answer is about its own ticket."""
    answers = {}

    async def ask(ticket: int) -> None:
        answers[ticket] = await actor.acquire(ticket)

    async with trio.open_nursery() as asking:
        for ticket in range(50):
            asking.start_soon(ask, ticket)
    assert all(answer.ticket == ticket for ticket, answer in answers.items())
    assert sum(isinstance(answer, Leased) for answer in answers.values()) == 2


async def test_a_cancelled_asker_that_finishes_leaves_nothing(actor: Watched) -> None:
    """FB-15: the question may have been answered or not; the finish after it frees whatever it took."""
    for ticket in range(20):
        with trio.CancelScope() as scope:
            scope.cancel()
            await actor.acquire(ticket)
        assert scope.cancelled_caught
        actor.finish(ticket, ABANDONED)
    assert isinstance(await actor.acquire(100), Leased)
    assert isinstance(await actor.acquire(101), Leased)
    seen = actor.view()
    assert seen is not None
    assert seen.active == 2
    assert not actor._replies


async def test_a_retired_pool_ends_after_its_last_request(actor: Watched) -> None:
    """ADOPT-9: it refuses new ones and calls `on_over` once, when the last has finished."""
    await actor.acquire(1)
    actor.reconfigure(None, 2)
    assert await actor.acquire(2) == Refused(2, Refusal.RETIRED)
    assert actor.view() is None
    actor.finish(2, ABANDONED)
    await trio.testing.wait_all_tasks_blocked()
    assert actor.over == 0
    actor.finish(1, SUCCEEDED)
    await trio.testing.wait_all_tasks_blocked()
    assert actor.over == 1


async def test_a_pool_that_returns_in_the_same_breath_goes_on(actor: Watched) -> None:
    """ADOPT-9: removed and defined again before it looked: it never ended."""
    await trio.testing.wait_all_tasks_blocked()
    changes = actor.changes
    actor.reconfigure(None, 2)
    actor.reconfigure(ONE, 3)
    assert isinstance(await actor.acquire(1), Leased)
    assert actor.over == 0
    assert actor.changes == changes + 3
