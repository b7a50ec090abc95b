"""What the actors were told and answered, in order."""

import trio.testing

from engine.caller import CallerState, Enter, Leave
from engine.caller import step as step_keys
from engine.pool.machine import step
from engine.pool.messages import Acquire, Finish, Reconfigure, Retry, Tick
from engine.pool.meter import Meters
from engine.pool.state import PoolState
from engine.runtime.journal import Entry, Journal, Started
from engine.snapshot import Backoff, Fallback, Strategy
from tests.engine.runtime.running import running
from tests.engine.runtime.scripted_upstream import Reply, ScriptedUpstream
from tests.engine.tables import key, pool, provider, secret_of, table

TICK = Tick(1)
ON = Fallback(enabled=True, on_status=(5,), backoff=Backoff(100), max_attempts=3)
A, B = provider("a", limit=5, deployment="d"), provider("b", rps=5)
TABLE = table(
    [pool("chat", A, B, strategy=Strategy.PRIORITY, fallback=ON), pool("mini", A, rps=3)],
    [key("k", rps=2, limit=3, opens_all=True)],
)


def test_entries_are_numbered_without_gaps() -> None:
    """Issue 3: from 1, over all actors; what was taken does not come again."""
    journal = Journal()
    assert (journal.seq, journal.take()) == (0, [])
    for alias in ("chat", None, "mini"):
        journal.note(alias, TICK, ())
    taken = journal.take()
    assert taken == [Entry(1, "chat", TICK, ()), Entry(2, None, TICK, ()), Entry(3, "mini", TICK, ())]
    assert (journal.take(), journal.dropped) == ([], 0)
    journal.note("chat", TICK, ())
    assert [entry.seq for entry in journal.take()] == [4]


def test_what_a_slow_reader_misses_is_counted() -> None:
    """Issue 3: bounded, never blocking: the oldest go first, and the gap shows in the numbers."""
    journal = Journal(capacity=3)
    for _ in range(5):
        journal.note("chat", TICK, ())
    assert [entry.seq for entry in journal.take()] == [3, 4, 5]
    assert journal.dropped == 2
    for _ in range(3):
        journal.note("chat", TICK, ())
    assert [entry.seq for entry in journal.take()] == [6, 7, 8]
    assert journal.dropped == 2
    for _ in range(10):
        journal.note("chat", TICK, ())
    assert len(journal.take()) == 3
    assert (journal.dropped, journal.seq) == (9, 18)


async def test_all_that_decides_is_in_it_and_gives_the_same_again(autojump_clock: trio.testing.MockClock) -> None:
    """Issue 3: a whole run, backoffs, refusals, a change and a removal included, from nothing but the entries."""
    upstream = ScriptedUpstream(a=[Reply(500), Reply(200), Reply(503)])
    async with running(TABLE, upstream) as gateway:
        k = secret_of("k")
        async with trio.open_nursery() as nursery:
            for alias in ("chat", "mini"):
                nursery.start_soon(gateway.ask, alias, k)
        await trio.sleep(2)
        await gateway.ask("chat", k)
        gateway.apply(table([pool("chat", B, A)], TABLE.keys.values()), "chat", "mini")
        await trio.sleep(1)
        await gateway.ask("chat", k)
        await trio.testing.wait_all_tasks_blocked()
        entries = gateway.journal.take()
    assert autojump_clock.autojump_threshold == 0
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    kinds = {type(entry.input) for entry in entries}
    assert kinds == {Started, Reconfigure, Acquire, Retry, Tick, Finish, Enter, Leave}
    pools, keys, meters = dict[str, PoolState](), CallerState(), Meters()
    for entry in entries:
        match entry.input:
            case Started(seed=seed):
                assert entry.alias is not None
                pools[entry.alias] = PoolState(entry.alias, seed, meters)
            case Enter() | Leave():
                assert step_keys(keys, entry.input) == entry.answers
            case _:
                assert entry.alias is not None
                assert step(pools[entry.alias], entry.input) == entry.answers
    assert pools["mini"].is_over
    assert pools["chat"].retries >= 1
