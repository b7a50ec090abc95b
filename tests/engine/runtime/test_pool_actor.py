"""A pool's actor around its machine."""

import itertools

import attrs
import pytest
import trio
import trio.testing

from engine.pool.messages import (
    ABANDONED,
    SUCCEEDED,
    Acquire,
    Effect,
    Finish,
    Leased,
    Message,
    Reconfigure,
    Refusal,
    Tick,
)
from engine.pool.meter import Meters
from engine.recording import Started
from engine.runtime.journal import Journal
from engine.runtime.pool_actor import PoolActor
from engine.snapshot import Backoff, CircuitPolicy, Fallback
from tests.engine.runtime.running import trio_clock
from tests.engine.tables import pool, provider

ON = Fallback(enabled=True)
ONE = pool("chat", provider("a", limit=1), provider("b", limit=1), fallback=ON, circuit=CircuitPolicy(enabled=False))
SLOW = attrs.evolve(ONE, fallback=Fallback(enabled=True, max_attempts=9, backoff=Backoff(100, 300, 2, "none")))


class Watched(PoolActor):
    """One that knows whether it has ended."""

    over = 0

    def on_over(self) -> None:
        self.over += 1


def refusal(effect: Effect) -> Refusal | None:
    return None if isinstance(effect, Leased) else effect.refusal


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def actor(nursery: trio.Nursery, journal: Journal) -> Watched:
    made = Watched("chat", seed=1, clock=itertools.count(100).__next__, meters=Meters(), journal=journal)
    nursery.start_soon(made.run, made.on_over)
    made.reconfigure(ONE, 1)
    return made


@pytest.fixture
def slow(nursery: trio.Nursery, journal: Journal) -> Watched:
    """One with a backoff, whose time is trio's."""
    made = Watched("chat", seed=1, clock=trio_clock, meters=Meters(), journal=journal)
    nursery.start_soon(made.run, made.on_over)
    made.reconfigure(SLOW, 1)
    return made


async def test_a_question_is_answered(actor: Watched) -> None:
    """CL-4, LB-10: a lease, another after a failure, then none; and one for the next who asks."""
    first = await actor.acquire(1)
    assert isinstance(first, Leased)
    second = await actor.retry(1, ABANDONED)
    assert isinstance(second, Leased)
    assert {first.provider.name, second.provider.name} == {"a", "b"}
    assert refusal(await actor.retry(1, ABANDONED)) is Refusal.EXHAUSTED
    actor.finish(1, SUCCEEDED)
    assert isinstance(await actor.acquire(2), Leased)
    assert isinstance(await actor.acquire(3), Leased)
    assert refusal(await actor.acquire(4)) is Refusal.PROVIDERS_FULL


async def test_messages_are_taken_in_order_with_their_time(
    actor: Watched, told: list[tuple[str, Message]], journal: Journal
) -> None:
    """House §5, issue 3: time arrives in the message, as the clock was at the asking; all of it is journalled."""
    lease = await actor.acquire(1, 77)
    actor.answered(1)
    actor.finish(1, SUCCEEDED)
    actor.reconfigure(ONE, 2)
    await trio.testing.wait_all_tasks_blocked()
    assert [(alias, type(message).__name__, message.at) for alias, message in told] == [
        ("chat", "Reconfigure", 100),
        ("chat", "Acquire", 101),
        ("chat", "Answered", 102),
        ("chat", "Finish", 103),
        ("chat", "Reconfigure", 104),
    ]
    assert told[1:4:2] == [("chat", Acquire(1, 101, 77)), ("chat", Finish(1, 103, SUCCEEDED))]
    notes = journal.take().notes
    assert [note.input for note in notes] == [Started(1), *(message for _, message in told)]
    assert [note.answers for note in notes] == [(), (), (lease,), (), (), ()]
    assert {note.alias for note in notes} == {"chat"}


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
    assert refusal(await actor.acquire(2)) is Refusal.RETIRED
    assert actor.view() is None
    actor.finish(2, ABANDONED)
    await trio.testing.wait_all_tasks_blocked()
    assert actor.over == 0
    actor.finish(1, SUCCEEDED)
    await trio.testing.wait_all_tasks_blocked()
    assert actor.over == 1


async def test_a_pool_that_returns_in_the_same_breath_goes_on(actor: Watched, told: list[tuple[str, Message]]) -> None:
    """ADOPT-9: removed and defined again before it looked: it never ended; it is settled once it has looked."""
    await trio.testing.wait_all_tasks_blocked()
    actor.reconfigure(None, 2)
    actor.reconfigure(ONE, 3)
    assert not actor.is_settled
    assert isinstance(await actor.acquire(1), Leased)
    assert (actor.over, actor.is_settled) == (0, True)
    assert [message.position for _, message in told if isinstance(message, Reconfigure)] == [1, 2, 3]


async def test_a_backoff_is_over_in_time(
    slow: Watched, told: list[tuple[str, Message]], autojump_clock: trio.testing.MockClock
) -> None:
    """FB-8: 100, 200, 300, 300 ms by the clock, woken by nothing else."""
    del autojump_clock
    await slow.acquire(1)
    for attempt, pause_s in enumerate([0.1, 0.2, 0.3, 0.3], start=2):
        asked = trio.current_time()
        lease = await slow.retry(1, ABANDONED)
        assert isinstance(lease, Leased)
        assert lease.attempt == attempt
        assert trio.current_time() - asked == pytest.approx(pause_s, abs=1e-6)
    # A deadline in float seconds may fire a nanosecond early; it must not spin.
    assert 4 <= sum(isinstance(message, Tick) for _, message in told) <= 8


async def test_several_pauses_end_each_in_its_time(slow: Watched, autojump_clock: trio.testing.MockClock) -> None:
    """House §5: the earliest deadline counts, also when it is set while the actor waits for a later one."""
    del autojump_clock
    slow.reconfigure(attrs.evolve(SLOW, providers=(provider("a"),)), 2)
    begun = trio.current_time()
    ended = {}

    async def ask(ticket: int, after_s: float, failures: int) -> None:
        await trio.sleep(after_s)
        await slow.acquire(ticket)
        for _ in range(failures):
            assert isinstance(await slow.retry(ticket, ABANDONED), Leased)
        ended[ticket] = trio.current_time() - begun

    async with trio.open_nursery() as asking:
        asking.start_soon(ask, 1, 0, 3)
        asking.start_soon(ask, 2, 0.15, 1)
        asking.start_soon(ask, 3, 0.31, 1)
    expected = {1: 0.6, 2: 0.25, 3: 0.41}
    assert ended == {ticket: pytest.approx(at_s, abs=1e-6) for ticket, at_s in expected.items()}


async def test_a_client_that_leaves_in_a_pause_is_not_waited_for(
    slow: Watched, told: list[tuple[str, Message]], autojump_clock: trio.testing.MockClock
) -> None:
    """FB-15, T25: no attempt follows, nothing is held, and the actor's deadline is gone."""
    del autojump_clock
    await slow.acquire(1)
    with trio.move_on_after(0.05) as scope:
        await slow.retry(1, ABANDONED)
    assert scope.cancelled_caught
    slow.finish(1, ABANDONED)
    await trio.sleep(10)
    assert not any(isinstance(message, Tick) for _, message in told)
    assert not slow._replies
    assert not slow.state.journeys
    assert [slot.active for slot in slow.state.slots] == [0, 0]


async def test_a_pool_that_goes_answers_those_that_pause(slow: Watched, autojump_clock: trio.testing.MockClock) -> None:
    """ADOPT-9, house §5: at once, and when the last has finished the actor ends."""
    del autojump_clock
    answers: list[Refusal | None] = []

    async def ask() -> None:
        await slow.acquire(1)
        answers.append(refusal(await slow.retry(1, ABANDONED)))

    async with trio.open_nursery() as asking:
        asking.start_soon(ask)
        await trio.sleep(0.05)
        assert answers == []
        slow.reconfigure(None, 2)
        await trio.sleep(0.01)
        assert (answers, slow.over) == ([Refusal.EXHAUSTED], 0)
    slow.finish(1, ABANDONED)
    await trio.testing.wait_all_tasks_blocked()
    assert slow.over == 1
