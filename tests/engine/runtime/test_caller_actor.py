"""The keys' actor."""

import itertools

import pytest
import trio
import trio.testing

from engine.caller import Enter, Entry, Leave
from engine.runtime.caller_actor import CallerActor
from engine.runtime.journal import Journal
from tests.engine.tables import key


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def actor(nursery: trio.Nursery, journal: Journal) -> CallerActor:
    made = CallerActor(clock=itertools.count(1).__next__, journal=journal)
    nursery.start_soon(made.run)
    return made


async def enter(actor: CallerActor, ticket: int, limit: int, position: int = 1) -> Entry:
    return (await actor.enter(ticket, key("k", limit=limit), position)).entry


async def test_a_limit_holds_over_all_askers(actor: CallerActor) -> None:
    """CL-1, CL-3: of ten at once, three get in; one leaves, one more gets in."""
    answers: list[Entry] = []

    async def ask(ticket: int) -> None:
        answers.append(await enter(actor, ticket, 3))

    async with trio.open_nursery() as asking:
        for ticket in range(10):
            asking.start_soon(ask, ticket)
    assert (answers.count(Entry.GRANTED), answers.count(Entry.FULL)) == (3, 7)
    assert actor.standing() == {"k": (3, None)}
    for ticket in range(10):
        actor.leave(ticket, spent=True)
    assert await enter(actor, 11, 1, 2) is Entry.GRANTED
    assert actor.standing() == {"k": (1, None)}


async def test_leaving_without_an_answer_frees_all(actor: CallerActor) -> None:
    """FB-15, ORDER-2: a cancelled asker leaves, whether it was let in or not; nothing stays, and no token is gone."""
    limited = key("k", limit=1, rps=0.001, burst=1)
    for ticket in range(5):
        with trio.CancelScope() as scope:
            scope.cancel()
            await actor.enter(ticket, limited, 1)
        actor.leave(ticket, spent=False)
    await trio.testing.wait_all_tasks_blocked()
    assert not any(active for active, _ in actor.standing().values())
    assert not actor._replies
    assert (await actor.enter(9, limited, 1)).entry is Entry.GRANTED


async def test_all_it_is_told_is_in_the_journal(actor: CallerActor, journal: Journal) -> None:
    """Issue 3: with its time, its answer and no pool's alias."""
    limited = key("k", limit=1)
    admitted = await actor.enter(1, limited, 4)
    actor.leave(1, spent=True)
    await trio.testing.wait_all_tasks_blocked()
    notes = journal.take().notes
    assert [(note.alias, note.input, note.answers) for note in notes] == [
        (None, Enter(1, 1, "k", limited.limits, 4), (admitted,)),
        (None, Leave(1, 2, True), ()),
    ]
