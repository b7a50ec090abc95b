"""What the actors were told and answered, in order, and how they were when they were told it."""

import trio.testing

from engine.checkpoint import keep_meter, keep_pool
from engine.pool.machine import step
from engine.pool.messages import Acquire, Reconfigure, Tick
from engine.pool.meter import Meters
from engine.pool.state import PoolState
from engine.recording import Block, Served
from engine.runtime.journal import Journal, Note
from engine.snapshot import Backoff, Fallback, Strategy
from projections.replay import replay
from tests.engine.runtime.running import Running, running
from tests.engine.runtime.scripted_upstream import Reply, ScriptedUpstream
from tests.engine.tables import key, pool, provider, secret_of, table

TICK = Tick(1)
ON = Fallback(enabled=True, on_status=(5,), backoff=Backoff(100), max_attempts=3)
A, B = provider("a", limit=5, deployment="d"), provider("b", rps=5)
TABLE = table(
    [pool("chat", A, B, strategy=Strategy.PRIORITY, fallback=ON), pool("mini", A, rps=3)],
    [key("k", rps=2, limit=3, opens_all=True)],
)
SERVED = Served("a-request", 7, 1, 2, "chat", "chat", "k", 3, 200, "complete")


def test_notes_are_numbered_without_gaps() -> None:
    """Issue 3: from 1, over all actors; what was taken does not come again."""
    journal = Journal()
    assert (journal.seq, journal.take().notes) == (0, ())
    for alias in ("chat", None, "mini"):
        journal.note(alias, TICK, ())
    taken = journal.take()
    assert taken.notes == (Note(1, "chat", TICK, ()), Note(2, None, TICK, ()), Note(3, "mini", TICK, ()))
    assert (journal.take().notes, taken.dropped) == ((), 0)
    journal.note("chat", TICK, ())
    assert [note.seq for note in journal.take().notes] == [4]


def test_what_a_slow_reader_misses_is_counted() -> None:
    """Issue 3: bounded, never blocking: the oldest go first, and the gap shows in the numbers."""
    journal = Journal(capacity=3)
    for _ in range(5):
        journal.note("chat", TICK, ())
        journal.note_request(SERVED)
    taken = journal.take()
    assert [note.seq for note in taken.notes] == [3, 4, 5]
    assert (taken.dropped, len(taken.served), taken.dropped_requests) == (2, 3, 2)
    for _ in range(3):
        journal.note("chat", TICK, ())
    taken = journal.take()
    assert ([note.seq for note in taken.notes], taken.dropped) == ([6, 7, 8], 0)
    for _ in range(10):
        journal.note("chat", TICK, ())
    assert (journal.take().dropped, journal.seq) == (7, 18)


def test_a_journal_without_capacity_keeps_nothing() -> None:
    """Issue 5: where nothing is recorded, noting costs no memory."""
    journal = Journal(capacity=0)
    state = PoolState("chat", 1, Meters())
    journal.keep_pool(state, TICK)
    journal.note("chat", TICK, ())
    journal.note_request(SERVED)
    assert (journal.take().notes, journal.take().served, journal.close().pools) == ((), (), {})
    assert journal.seq == 1


def test_a_state_is_kept_as_it_was_before_the_first_message_and_no_other_time() -> None:
    """Issue 5: what follows in the same block can be computed from it."""
    journal, state = Journal(), PoolState("chat", 1, Meters())
    journal.begin_pool("chat", 1)
    first = Reconfigure(TABLE.pools["chat"], 1, 1)
    journal.keep_pool(state, first)
    step(state, first)
    assert journal.close().pools == {}, "it began in this block"
    before = keep_pool(state)
    for ticket in (1, 2):
        message = Acquire(ticket, 5)
        if "chat" not in journal.pools:
            journal.keep_pool(state, message)
        step(state, message)
    kept = journal.close()
    assert kept.pools == {"chat": before}
    assert set(kept.meters) == {"d"}
    assert kept.meters["d"].active == 0


def test_a_meter_that_a_new_definition_brings_in_is_kept_before_it() -> None:
    """SYNC-17: it may be in use by other pools; one that was not there yet is not told of."""
    journal, meters = Journal(), Meters()
    chat, mini = PoolState("chat", 1, meters), PoolState("mini", 2, meters)
    step(chat, Reconfigure(TABLE.pools["chat"], 1, 1))
    step(chat, Acquire(1, 2))
    before = keep_meter(meters.shared["d"])
    other = provider("o", deployment="new")
    message = Reconfigure(pool("mini", A, other), 2, 3)
    journal.keep_pool(mini, message)
    step(mini, message)
    again = Reconfigure(pool("chat", A, other), 3, 3)
    journal.keep_pool(chat, again)
    step(chat, again)
    assert journal.close().meters == {"d": before}


async def test_all_that_decides_is_in_it_and_gives_the_same_again(autojump_clock: trio.testing.MockClock) -> None:
    """Issue 3: a whole run, backoffs, refusals, a change and a removal included, from nothing but the blocks."""
    upstream = ScriptedUpstream(a=[Reply(500), Reply(200), Reply(503)])
    changed = table([pool("chat", B, A)], TABLE.keys.values())
    tables = {TABLE.position: TABLE, TABLE.position + 1: changed}
    async with running(TABLE, upstream) as gateway:
        k = secret_of("k")
        blocks = [block(gateway)]
        async with trio.open_nursery() as nursery:
            for alias in ("chat", "mini"):
                nursery.start_soon(gateway.ask, alias, k)
        blocks.append(block(gateway))
        await trio.sleep(2)
        await gateway.ask("chat", k)
        gateway.apply(changed, "chat", "mini")
        await trio.sleep(1)
        await gateway.ask("chat", k)
        await trio.testing.wait_all_tasks_blocked()
        blocks.append(block(gateway))
    assert autojump_clock.autojump_threshold == 0
    entries = [entry for one in blocks for entry in one.entries]
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    assert {type(entry.told).__name__ for entry in entries} == {
        *("Started", "Reconfigured", "Acquire", "Retry", "Tick", "Finish", "Enter", "Leave"),
    }
    definitions = {position: one.pools for position, one in tables.items()}
    for first in range(len(blocks)):
        rest = blocks[first:]
        told = sum(len(one.entries) for one in rest)
        assert replay(iter(rest), lambda alias, position: definitions[position].get(alias)) == (told, None)


def block(gateway: Running) -> Block:
    """What was noted since the last one."""
    taken, kept = gateway.journal.take(), gateway.journal.close()
    first = taken.notes[0].seq if taken.notes else gateway.journal.seq + 1
    entries = tuple(note.entry() for note in taken.notes)
    return Block("run", first, 0, 0, 0, 0, 0, kept.pools, kept.meters, kept.keys, entries, taken.served)
