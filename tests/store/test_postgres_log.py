"""The event log in PostgreSQL: the contract, order between writers, wakes, tampering."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

import pytest
import trio
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import VerifiableLog, open_log, statements
from adapters.store.admission import prepare
from adapters.store.postgres import CHANNEL, PostgresEventLog
from engine.errors import LogDamaged, StoreUnavailable, WrongPosition
from engine.ports import Appended, Wake
from tests.contracts.event_log import EventLogContract, OpenLog, all_of, draft, removed
from tests.postgres import EMPTY_LOG, Server
from tests.store.postgres_logs import opened


@pytest.fixture
def url(postgres: Server, log_database: str) -> str:
    return postgres.url_of(log_database)


class TestPostgresEventLog(EventLogContract):
    @pytest.fixture
    def open_log(self, postgres: Server, log_database: str) -> OpenLog:
        @asynccontextmanager
        async def open_() -> AsyncIterator[PostgresEventLog]:
            await postgres.rows(EMPTY_LOG, database=log_database)
            async with opened(postgres.url_of(log_database)) as one:
                yield one.log

        return open_


async def test_an_identity_column_loses_the_slow_writers_event(postgres: Server, log_database: str) -> None:
    """Why there is a counter row: the place is taken before the commit, and a follower has passed it by then."""

    async def race() -> list[str]:
        first, second, follower = [await postgres.connect(log_database) for _ in range(3)]
        await first.execute("DROP TABLE IF EXISTS naive")
        await first.execute("CREATE TABLE naive (position BIGINT GENERATED ALWAYS AS IDENTITY, name TEXT)")
        seen: list[str] = []
        position = 0

        async def follow() -> None:
            nonlocal position
            rows = "SELECT position, name FROM naive WHERE position > $1 ORDER BY position"
            for row in await follower.fetch(rows, position):
                position = row["position"]
                seen.append(row["name"])

        slow = first.transaction()
        await slow.start()
        await first.execute("INSERT INTO naive (name) VALUES ('slow')")
        await second.execute("INSERT INTO naive (name) VALUES ('fast')")
        await follow()
        await slow.commit()
        await follow()
        for connection in (first, second, follower):
            await connection.close()
        return seen

    assert await trio.to_thread.run_sync(lambda: asyncio.run(race())) == ["fast"]


async def test_the_counter_row_keeps_the_order_of_commits(url: str) -> None:
    """SYNC-29: who took its place first commits first, the other waits, and a follower sees both in order.

    They are of one stream: what the other decides on it must read after its wait.
    """
    async with opened(url) as slow, opened(url) as fast:
        may_commit = asyncio.Event()
        has_its_place = trio.Event()
        token = trio.lowlevel.current_trio_token()
        order: list[str] = []

        async def append_slowly(connection: AsyncConnection) -> None:
            batch = prepare([draft(1, removed("one"))], 0, "slow", None, 1)
            await statements.append(connection, batch)
            token.run_sync_soon(has_its_place.set)
            await may_commit.wait()

        async def append_first() -> None:
            await slow.database.write(append_slowly)
            order.append("slow")

        async def append_second() -> None:
            await fast.log.append([draft(2, removed("one"))], expected=1, actor="fast")
            order.append("fast")

        async def let_it_commit() -> None:
            may_commit.set()

        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(append_first)
                await has_its_place.wait()
                nursery.start_soon(append_second)
                while not await _waits_for_a_lock(fast.database):
                    assert list(await fast.log.read(0)) == []
                await slow.database.side.call(let_it_commit)
        assert [one.actor for one in await fast.log.read(0)] == ["slow", "fast"]
        assert order == ["slow", "fast"]
        assert await fast.log.verify() == 2


async def _waits_for_a_lock(database: object) -> bool:
    async def look(connection: AsyncConnection) -> bool:
        found = await connection.exec_driver_sql(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(found.scalar_one())

    return await database.read(look)  # type: ignore[attr-defined, no-any-return]


async def test_each_wake_says_why(url: str) -> None:
    """Own writes, other processes' and the clock are told apart, for they are counted apart (SYNC-22)."""
    async with opened(url) as here, opened(url, catch_up_s=0.05) as there:
        with trio.fail_after(10):
            assert await there.log.wait(0) is Wake.POLL
            await here.log.append([draft(1)], expected=0, actor="a")
            assert await here.log.wait(0) is Wake.OWN
            # Now it knows how far it reaches, so that its own notification tells it nothing if it comes late.
            assert len(await here.log.read(0)) == 1
            await there.log.append([draft(2)], expected=1, actor="a")
            assert await here.log.wait(1) is Wake.NOTIFY
            assert len(await here.log.read(1)) == 1


async def test_a_log_that_never_looks_is_still_told(url: str) -> None:
    """Catch-up of 0 is none: without news a reader waits on, and with some it is woken (SYNC-22)."""
    async with opened(url, catch_up_s=0) as here, opened(url) as there:
        with trio.move_on_after(0.2) as waiting:
            await here.log.wait(0)
        assert waiting.cancelled_caught
        await there.log.append([draft(1)], expected=0, actor="a")
        with trio.fail_after(5):
            assert await here.log.wait(0) is Wake.NOTIFY


@pytest.mark.parametrize("payload", ["", "9" * 30, "999 x", "²", "-1; DROP TABLE events"])
async def test_a_forged_notification_costs_a_read_at_most(postgres: Server, log_database: str, payload: str) -> None:
    """It wakes once; after the read all is as before, and the next real one is heard."""
    async with opened(postgres.url_of(log_database)) as one, opened(postgres.url_of(log_database)) as other:
        with trio.fail_after(10):
            await postgres.rows("SELECT pg_notify($1, $2)", CHANNEL, payload, database=log_database)
            assert await one.log.wait(0) is Wake.NOTIFY
            assert list(await one.log.read(0)) == []
            with trio.move_on_after(0.05) as waiting:
                await one.log.wait(0)
            assert waiting.cancelled_caught
            await other.log.append([draft(1)], expected=0, actor="a")
            assert await one.log.wait(0) is Wake.NOTIFY


async def test_a_burst_of_notifications_is_a_few_reads(postgres: Server, log_database: str) -> None:
    """T16, SYNC-21, DEF-1: fifty at once are read a few times, and the last of them is seen."""
    reads = 0
    async with opened(postgres.url_of(log_database)) as one, opened(postgres.url_of(log_database)) as other:

        async def follow() -> None:
            nonlocal reads
            while not await one.log.read(0):
                reads += 1
                await one.log.wait(0)

        async def burst(connection: AsyncConnection) -> None:
            for number in range(49):
                await connection.exec_driver_sql(f"SELECT pg_notify('{CHANNEL}', '{number} other')")
                await connection.commit()

        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(follow)
                began = trio.current_time()
                await other.database.write(burst)
                took = trio.current_time() - began
                await other.log.append([draft(1)], expected=0, actor="a")
        assert reads <= 3 + took / 0.005


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("stream_id", "'key:other'"),
        ("stream_version", "77"),
        ("event_id", "'deadbeef-dead-beef-dead-beefdeadbeef'"),
        ("type", "'key.defined'"),
        ("schema_version", "9"),
        ("payload", "'{}'"),
        ("actor", "'somebody else'"),
        ("correlation_id", "'deadbeef-dead-beef-dead-beefdeadbeef'"),
        ("correlation_id", "NULL"),
        ("causation_id", "'deadbeef-dead-beef-dead-beefdeadbeef'"),
        ("recorded_at", "77"),
        ("hash", "decode(repeat('01', 32), 'hex')"),
        ("hash", "''"),
        ("position", "9"),
    ],
)
async def test_a_changed_column_is_found(postgres: Server, log_database: str, column: str, value: str) -> None:
    """By verification and by whoever reads, at the event that was changed, whichever stored field it was."""
    async with opened(postgres.url_of(log_database)) as writer:
        await writer.log.append([draft(n) for n in range(1, 5)], expected=0, actor="a")
        assert await writer.log.verify() == 4
        await postgres.rows(f"UPDATE events SET {column} = {value} WHERE position = 3", database=log_database)  # noqa: S608
        for call in (writer.log.verify(), writer.log.read(0), writer.log.read(2)):
            with pytest.raises(LogDamaged) as caught:
                await call
            assert caught.value.position == 3


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM events WHERE position = 3",
        "DELETE FROM events WHERE position >= 3",
        "UPDATE log_head SET position = 2",
        """DELETE FROM events WHERE position >= 3;
        UPDATE log_head SET position = 2, hash = (SELECT hash FROM events WHERE position = 2);""",
    ],
)
async def test_a_log_that_lost_events_is_damaged(postgres: Server, log_database: str, statement: str) -> None:
    """Also one that fits in itself, to whoever has read more of it before."""
    async with opened(postgres.url_of(log_database)) as writer:
        await writer.log.append([draft(n) for n in range(1, 5)], expected=0, actor="a")
        assert len(await writer.log.read(0)) == 4
        await postgres.rows(statement, database=log_database)
        for after in (0, 2):
            with pytest.raises(LogDamaged):
                await writer.log.read(after)


async def test_an_event_beyond_the_head_stops_appends(postgres: Server, log_database: str) -> None:
    """A head that was set back is damage, not a reason to retry; a repetition is still recognised."""
    async with opened(postgres.url_of(log_database)) as writer:
        await writer.log.append([draft(1)], expected=0, actor="a")
        await postgres.rows("UPDATE log_head SET position = 0", database=log_database)
        with pytest.raises(LogDamaged):
            await writer.log.append([draft(2)], expected=0, actor="a")
        assert await writer.log.append([draft(1)], expected=0, actor="a") == Appended(1, is_repeated=True)


async def test_an_operator_looks_while_others_write(url: str) -> None:
    """`open_log` reads and verifies beside a writer, and cannot write."""
    async with opened(url) as writer:
        await writer.log.append([draft(1)], expected=0, actor="a")
        async with open_log(url) as log:
            assert [one.actor for one in await log.read(0)] == ["a"]
            await writer.log.append([draft(2)], expected=1, actor="a")
            assert await log.verify() == 2
            writing = log.append  # type: ignore[attr-defined]
            with pytest.raises(StoreUnavailable, match="opened for reading"):
                await writing([draft(3)], expected=2, actor="a")


async def test_many_processes_append_without_a_gap(url: str) -> None:
    """Three of them race for every position; each event is there once."""
    async with opened(url) as a, opened(url) as b, opened(url) as c:

        async def write(log: VerifiableLog, first: int) -> None:
            for number in range(first, first + 15):
                head = 0
                while True:
                    page = await log.read(head, 500)
                    head += len(page)
                    with suppress(WrongPosition):
                        await log.append([draft(number)], expected=head, actor="a")
                        break

        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                for number, one in enumerate((a, b, c)):
                    nursery.start_soon(partial(write, one.log, number * 100 + 1))
        there = await all_of(a.log)
        assert [position for position, _, _ in there] == list(range(1, 46))
        assert len({event_id for _, event_id, _ in there}) == 45
        assert await b.log.verify() == 45
