"""The event log in SQLite: the contract, the file after a close, other processes, tampering."""

import itertools
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from adapters.store.chain import Entry, Head, extend
from adapters.store.database import open_database
from adapters.store.sqlite import SqliteEventLog
from engine.errors import LogDamaged, StoreUnavailable
from engine.events import PoolDefined, ProviderDefined, ProviderRemoved, Recorded
from engine.ports import Wake
from tests.contracts.event_log import EventLogContract, OpenLog, all_of, an_id, draft, removed

APPENDER = Path(__file__).parent / "appender.py"


@asynccontextmanager
async def open_log(path: Path, *, busy_timeout_ms: int = 5000) -> AsyncIterator[SqliteEventLog]:
    async with open_database(path, busy_timeout_ms=busy_timeout_ms) as database:
        yield SqliteEventLog(database, clock_us=itertools.count(1).__next__, look_every_s=0.05)


def rows(path: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def change(path: Path, statement: str, *values: object) -> None:
    """As someone with access to the file would."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement, values)


class TestSqliteEventLog(EventLogContract):
    @pytest.fixture
    def open_log(self, tmp_path: Path) -> OpenLog:
        numbers = itertools.count()
        return lambda: open_log(tmp_path / f"{next(numbers)}.db")


async def test_a_reopened_log_is_the_same(tmp_path: Path) -> None:
    """Everything is in the file; appends go on where they ended."""
    path = tmp_path / "a.db"
    async with open_log(path) as log:
        await log.append([draft(1), draft(2)], expected=0, actor="a")
        before = list(await log.read(0))
    async with open_log(path) as log:
        assert list(await log.read(0)) == before
        assert (await log.append([draft(3)], expected=2, actor="a")).position == 3
        assert await log.verify() == 3


async def test_versions_are_dense_in_each_stream(tmp_path: Path) -> None:
    """A pool's providers and rules belong to the pool's stream; a key has its own."""
    path = tmp_path / "a.db"
    async with open_log(path) as log:
        await log.append(
            [
                draft(1, PoolDefined("chat", "priority", keys=None)),
                draft(2, removed("k")),
                draft(3, ProviderDefined("chat", "a", 0, "https://a/")),
            ],
            expected=0,
            actor="a",
        )
        await log.append([draft(4, ProviderRemoved("chat", "a")), draft(5, removed("k"))], expected=3, actor="a")
    assert rows(path, "SELECT stream_id, stream_version FROM events ORDER BY position") == [
        ("pool:chat", 1),
        ("key:k", 1),
        ("pool:chat", 2),
        ("pool:chat", 3),
        ("key:k", 2),
    ]


async def test_events_of_one_append_are_correlated(tmp_path: Path) -> None:
    """Their correlation id is the first one's event id."""
    path = tmp_path / "a.db"
    async with open_log(path) as log:
        await log.append([draft(1), draft(2)], expected=0, actor="a")
        await log.append([draft(3)], expected=2, actor="a")
    ids = [an_id(n).hex for n in (1, 1, 3)]
    assert rows(path, "SELECT correlation_id, causation_id FROM events ORDER BY position") == [(i, None) for i in ids]


@pytest.mark.parametrize(
    "column", ["stream_id", "event_id", "type", "payload", "actor", "correlation_id", "causation_id"]
)
@pytest.mark.parametrize("value", ["changed", "deadbeef" * 4, b"\x00", "{}"])
async def test_a_changed_text_is_found(tmp_path: Path, column: str, value: object) -> None:
    """Verification names the position, whichever stored field was changed."""
    await _tampered(tmp_path, f"UPDATE events SET {column} = ? WHERE position = 3", value)  # noqa: S608  # the column is one of the list


@pytest.mark.parametrize("column", ["stream_version", "schema_version", "recorded_at", "hash"])
@pytest.mark.parametrize("value", [77, "changed", b"\x01" * 32])
async def test_a_changed_number_or_hash_is_found(tmp_path: Path, column: str, value: object) -> None:
    """Also where it is no number any more."""
    await _tampered(tmp_path, f"UPDATE events SET {column} = ? WHERE position = 3", value)  # noqa: S608  # the column is one of the list


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM events WHERE position = 3",
        "DELETE FROM events WHERE position >= 3",
        "UPDATE events SET position = 9 WHERE position = 3",
        "UPDATE events SET payload = CAST(x'ff' AS TEXT) WHERE position = 3",
        "UPDATE log_head SET position = 2",
    ],
)
async def test_a_removed_moved_or_unreadable_event_is_found(tmp_path: Path, statement: str) -> None:
    """So is a head that was set back, at the first event beyond it."""
    await _tampered(tmp_path, statement)


async def test_nothing_is_taken_that_does_not_fit(tmp_path: Path) -> None:
    """A page that is handed on in pieces ends before the piece with the changed event."""
    path = tmp_path / "a.db"
    async with open_log(path) as log:
        await log.append([draft(n) for n in range(1, 301)], expected=0, actor="a")
    change(path, "UPDATE events SET actor = 'b' WHERE position = 200")
    taken: list[Recorded] = []
    async with open_log(path) as log:
        with pytest.raises(LogDamaged) as caught:
            await log.read_into(taken.extend, 0)
    assert caught.value.position == 200
    assert [one.position for one in taken] == list(range(1, len(taken) + 1))
    assert 0 < len(taken) < 200


async def _tampered(tmp_path: Path, statement: str, *values: object) -> None:
    path = tmp_path / "a.db"
    async with open_log(path) as log:
        await log.append([draft(n) for n in range(1, 5)], expected=0, actor="a")
        assert await log.verify() == 4
    change(path, statement, *values)
    async with open_log(path) as log:
        with pytest.raises(LogDamaged) as caught:
            await log.verify()
    assert caught.value.position == 3


@pytest.mark.parametrize("statement", ["DELETE FROM log_head", "UPDATE log_head SET position = 'x'"])
async def test_a_log_without_its_head_is_damaged(tmp_path: Path, statement: str) -> None:
    """Neither reading nor appending goes on as if nothing were."""
    path = tmp_path / "a.db"
    async with open_log(path) as log:
        await log.append([draft(1)], expected=0, actor="a")
    change(path, statement)
    async with open_log(path) as log:
        for call in (log.read(0), log.verify(), log.append([draft(2)], expected=1, actor="a")):
            with pytest.raises(LogDamaged):
                await call


async def test_a_changed_head_hash_is_found(tmp_path: Path) -> None:
    """The chain ends where the head says, or the head was changed."""
    path = tmp_path / "a.db"
    async with open_log(path) as log:
        await log.append([draft(1)], expected=0, actor="a")
    change(path, "UPDATE log_head SET hash = ?", bytes(32))
    async with open_log(path) as log:
        with pytest.raises(LogDamaged):
            await log.verify()


@pytest.mark.parametrize(
    ("statement", "position"),
    [
        ("DELETE FROM events WHERE position = 2", 2),
        ("DELETE FROM events WHERE position >= 2", 2),
        ("UPDATE log_head SET position = 1", 2),
        ("UPDATE events SET event_id = 'x' WHERE position = 2", 2),
        ("UPDATE events SET payload = '{' WHERE position = 2", 2),
        ("UPDATE events SET payload = CAST(x'ff' AS TEXT) WHERE position = 2", 1),
    ],
)
async def test_reading_does_not_pass_over_damage(tmp_path: Path, statement: str, position: int) -> None:
    """A gap or an unreadable event stops the reader, who is told where (for undecodable text: in which page)."""
    path = tmp_path / "a.db"
    async with open_log(path) as log:
        await log.append([draft(1), draft(2), draft(3)], expected=0, actor="a")
    change(path, statement)
    async with open_log(path) as log:
        with pytest.raises(LogDamaged) as caught:
            await log.read(0)
    assert caught.value.position == position


@pytest.mark.parametrize("is_unknown", [True, False])
async def test_an_event_of_a_newer_version_says_so(tmp_path: Path, is_unknown: bool) -> None:
    """An older program on a newer log stops with the reason; the chain holds all the same."""
    path = tmp_path / "a.db"
    async with open_log(path) as log:
        await log.append([draft(1)], expected=0, actor="a")
        first = Head(1, await log.hash_at(1) or b"")
    newer = {"type": "pool.painted", "schema_version": 1} if is_unknown else {"schema_version": 99}
    (row,) = rows(path, "SELECT * FROM events")
    entry = Entry(*row)._replace(position=2, stream_version=2, event_id=an_id(2).hex, **newer)
    change(path, "INSERT INTO events VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", *extend(first, entry))
    change(path, "UPDATE log_head SET position = 2, hash = (SELECT hash FROM events WHERE position = 2)")
    async with open_log(path) as log:
        assert await log.verify() == 2
        assert len(await log.read(0, 1)) == 1
        for call in (log.read(0), log.read(1), log.history("key:key-1")):
            with pytest.raises(LogDamaged, match=r"event 2: .*newer version"):
                await call


@pytest.mark.parametrize(
    ("statement", "position"),
    [
        ("UPDATE events SET actor = 'b' WHERE position = 2", 2),
        ("UPDATE events SET hash = x'01' WHERE position = 1", 2),
        ("DELETE FROM events WHERE position = 1", 1),
    ],
)
async def test_a_streams_history_is_checked_too(tmp_path: Path, statement: str, position: int) -> None:
    """Each event against its hash and the stored one of the event before it, whichever stream that is of."""
    path = tmp_path / "a.db"
    async with open_log(path) as log:
        await log.append([draft(1), draft(2)], expected=0, actor="a")
        assert len(await log.history("key:key-2")) == 1
        change(path, statement)
        with pytest.raises(LogDamaged) as caught:
            await log.history("key:key-2")
    assert caught.value.position == position


async def test_a_reader_remembers_what_it_checked(tmp_path: Path) -> None:
    """Rewriting events that it has read, with fitting hashes, does not go unnoticed at the next page."""
    path = tmp_path / "a.db"
    async with open_log(path) as log:
        await log.append([draft(1), draft(2)], expected=0, actor="a")
        assert len(await log.read(0)) == 2
        (row,) = rows(path, "SELECT * FROM events WHERE position = 2")
        (before,) = rows(path, "SELECT hash FROM events WHERE position = 1")
        forged = extend(Head(1, before[0]), Entry(*row)._replace(actor="somebody else"))
        change(path, "UPDATE events SET actor = ?, hash = ? WHERE position = 2", forged.actor, forged.hash)
        change(path, "UPDATE log_head SET hash = ?", forged.hash)
        with pytest.raises(LogDamaged):
            await log.read(2)
        await log.append([draft(3)], expected=2, actor="a")
        with pytest.raises(LogDamaged):
            await log.read(2)
        assert await log.verify() == 3


async def test_an_event_beyond_the_head_stops_appends(tmp_path: Path) -> None:
    """A head that was set back is damage, not a reason to retry."""
    path = tmp_path / "a.db"
    async with open_log(path) as log:
        await log.append([draft(1)], expected=0, actor="a")
    change(path, "UPDATE log_head SET position = 0")
    async with open_log(path) as log:
        with pytest.raises(LogDamaged):
            await log.append([draft(2)], expected=0, actor="a")


async def test_a_locked_file_was_not_written(tmp_path: Path) -> None:
    """StoreUnavailable means not applied; the same drafts enter once the lock is gone."""
    path = tmp_path / "a.db"
    async with open_log(path, busy_timeout_ms=20) as log:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable, match="locked"):
                await log.append([draft(1)], expected=0, actor="a")
            assert list(await log.read(0)) == []
            other.execute("ROLLBACK")
        assert (await log.append([draft(1)], expected=0, actor="a")).position == 1


async def test_a_closed_log_takes_no_calls(tmp_path: Path) -> None:
    """StoreUnavailable, not a hang and not the driver's error."""
    async with open_log(tmp_path / "a.db") as log:
        pass
    for call in (log.read(0), log.verify(), log.append([draft(1)], expected=0, actor="a")):
        with pytest.raises(StoreUnavailable, match="closed"):
            await call


async def test_closing_waits_for_the_appends_under_way(tmp_path: Path) -> None:
    """Each of them is told the truth: appended, or the store was closed."""
    path = tmp_path / "a.db"
    appended, refused = [], []

    async def write(number: int) -> None:
        try:
            while True:
                position = (await log.append([draft(number)], expected=len(appended), actor="a")).position
                appended.append(position)
                number += 100
        except StoreUnavailable:
            refused.append(number)

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery, open_log(path) as log:
            nursery.start_soon(write, 1)
            await log.wait(0)
    async with open_log(path) as log:
        assert [position for position, _, _ in await all_of(log)] == appended
    assert len(refused) == 1


async def test_another_process_append_wakes_a_waiter(tmp_path: Path) -> None:
    """Nobody rings across processes; the look at the head finds it."""
    path = tmp_path / "a.db"
    with trio.fail_after(30):
        async with open_log(path) as log, trio.open_nursery() as nursery:
            command = [sys.executable, str(APPENDER), str(path), "1"]
            nursery.start_soon(partial(trio.run_process, command, capture_stdout=True))
            assert await log.wait(0) is Wake.POLL
            assert [one.actor for one in await log.read(0)] == ["appender"]
            assert (await log.append([draft(1)], expected=1, actor="a")).position == 2


async def test_a_reader_that_begins_at_the_head_reads_on(tmp_path: Path) -> None:
    """SYNC-18: as one does that starts from its cache: nothing is there at first, and then something is."""
    async with open_log(tmp_path / "log.db") as log:
        await log.append([draft(1)], expected=0, actor="a")
    async with open_log(tmp_path / "log.db") as again:
        assert list(await again.read(1)) == []
        await again.append([draft(2)], expected=1, actor="a")
        assert [one.position for one in await again.read(1)] == [2]
