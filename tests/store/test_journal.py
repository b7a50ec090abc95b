"""The recorded journal in its file: written, read, found in, forgotten, damaged."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import attrs
import pytest
import trio

from adapters.store.journal import JournalReader, open_journal
from adapters.store.journal_file import JournalRefused
from adapters.store.journal_writing import JournalWriter
from adapters.store.journal_written import open_to_write
from adapters.store.transactions import ConstraintBroken
from engine.recording import Block
from projections.replay import replay
from tests.projections.recorded import Recorded
from tests.store.journal_values import UNIX_US, everything, packed_of

HOUR_US = 3600 * 10**6
APPENDER = Path(__file__).parent / "journal_appender.py"
ROOT = Path(__file__).resolve().parents[2]


@asynccontextmanager
async def writing(path: Path, *, age_us: int = 24 * HOUR_US, size: int = 1 << 30) -> AsyncIterator[JournalWriter]:
    async with open_to_write(path) as database:
        yield JournalWriter(database, age_us=age_us, size_bytes=size)


async def all_of(journal: JournalReader) -> list[Block]:
    return [block async for block in journal.read()]


async def written(path: Path, count: int, *, seed: int = 1) -> tuple[Recorded, list[Block]]:
    """A journal of so many blocks, and what is in it."""
    recorded, blocks = Recorded(seed), []
    async with writing(path) as writer:
        for number in range(1, count + 1):
            packed, block = packed_of(recorded, number)
            await writer.write(packed)
            blocks.append(block)
    return recorded, blocks


def damage(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


async def test_blocks_are_read_as_they_were_written_and_replay(tmp_path: Path) -> None:
    """Issue 5: in order, from any of them on, beside whoever writes and after it."""
    path = tmp_path / "a.journal"
    recorded, blocks = await written(path, 9)
    async with open_journal(path) as journal:
        assert await all_of(journal) == blocks
    for first in (0, 4, 8):
        count = sum(len(block.entries) for block in blocks[first:])
        assert replay(iter(blocks[first:]), recorded.definitions) == (count, None)


async def test_a_span_is_read_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    _, blocks = await written(path, 9)
    since, until = blocks[3].unix_us, blocks[6].unix_us
    async with open_journal(path) as journal:
        found = [block async for block in journal.read(since, until)]
        assert [block.first_seq for block in found] == [block.first_seq for block in blocks[2:7]]
        assert [block async for block in journal.read(until_us=0)] == []
        span = await journal.span()
    assert (span.first_us, span.blocks, span.unreadable) == (blocks[0].unix_us, 9, 0)
    assert span.entries == sum(len(block.entries) for block in blocks)
    assert span.bytes > 0


async def test_a_request_is_found_by_its_id_and_by_its_decisions_number(tmp_path: Path) -> None:
    """Issue 5: with all blocks that tell of it; of the newest run where several had the name."""
    path = tmp_path / "a.journal"
    recorded = Recorded(1)
    packed, _ = everything()
    async with writing(path) as writer:
        for number in range(1, 30):
            await writer.write(packed_of(recorded, number, process="other")[0])
        await writer.write(packed)
        ended = attrs.evolve(packed, number=6, chunks=(), entries=0, tickets=[[9, 12]], aliases=())
        await writer.write(ended)
    async with open_journal(path) as journal:
        for name in ("id-1", "9"):
            found = await journal.find(name)
            assert [(block.process, len(block.entries)) for block in found] == [("a-run", 15), ("a-run", 0)], name
        assert await journal.find("id-2") == (await journal.find("9"))[1:], "no actor was asked: the newest"
        assert await journal.find("11") == (await journal.find("9"))[:1]
        for unknown in ("id-4", "", "99999", "-9", "chat", "٣"):
            assert await journal.find(unknown) == []


async def test_the_last_block_of_a_pool_up_to_a_moment(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    _, blocks = await written(path, 9)
    told = [block for block in blocks if any(entry.alias == "mini" for entry in block.entries)]
    async with open_journal(path) as journal:
        for until, last in ((blocks[-1].unix_us, told[-1:]), (told[2].unix_us, told[2:3]), (UNIX_US, [])):
            found = [one async for one in journal.back({"mini", "nobody"}, until)]
            assert found == [(one, {"mini"}) for one in last]
        both = [one async for one in journal.back({"mini", "chat"}, blocks[-1].unix_us)]
        assert [names for _, names in both if "mini" in names and "chat" in names] in ([], [{"mini", "chat"}])
        assert frozenset().union(*(names for _, names in both)) == {"mini", "chat"}
        assert len({one.first_seq for one, _ in both}) == len(both) <= 2


async def test_what_is_too_old_or_too_much_goes_the_oldest_first(tmp_path: Path) -> None:
    """Issue 5: retention by age and by size, a few at a time, and the file shrinks."""
    path = tmp_path / "a.journal"
    recorded = Recorded(1)
    blocks = [packed_of(recorded, number)[0] for number in range(1, 101)]
    filled = [attrs.evolve(one, chunks=[*one.chunks], process=os.urandom(20_000).hex()) for one in blocks]
    async with writing(path, age_us=HOUR_US) as writer:
        for one in filled:
            await writer.write(one)
        now = blocks[60].until_us + HOUR_US
        steps = 1
        while await writer.forget(now):
            steps += 1
        assert steps == 2, "thirty-two at a time"
        async with open_journal(path) as journal:
            assert [block.first_seq for block in await all_of(journal)] == [one.first_seq for one in blocks[60:]]
    async with writing(path, size=2 << 20) as writer:
        large = path.stat().st_size
        while await writer.forget(0):
            pass
        for _ in range(20):
            await writer.forget(0)
        async with open_journal(path) as journal:
            left = await all_of(journal)
    assert 0 < len(left) < 40
    assert left[-1].first_seq == blocks[-1].first_seq
    assert path.stat().st_size < min(large, 5 << 20)


async def test_a_block_is_written_once(tmp_path: Path) -> None:
    """One of which nobody knows whether it was stored is stored again, or said to be there."""
    packed, block = everything()
    async with writing(tmp_path / "a.journal") as writer:
        await writer.write(packed)
        with pytest.raises(ConstraintBroken):
            await writer.write(packed)
        async with open_journal(tmp_path / "a.journal") as journal:
            assert await all_of(journal) == [block]


async def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    async with writing(path) as writer:
        await writer.write(everything()[0])
        modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()}
    assert set(modes) >= {"a.journal", "a.journal-wal"}
    assert set(modes.values()) == {0o600}


async def test_two_gateways_do_not_write_one_file(tmp_path: Path) -> None:
    async with writing(tmp_path / "a.journal"):
        with pytest.raises(JournalRefused, match="is written by another gateway; give each its own with --journal"):
            async with writing(tmp_path / "a.journal"):
                pass
    async with writing(tmp_path / "a.journal"):
        pass


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("PRAGMA application_id=77", "is no journal of pointsman; give another file"),
        ("PRAGMA user_version=2", "has version 2, this version of pointsman knows 1: it was written by a newer"),
    ],
)
async def test_a_file_of_others_is_refused_and_left_as_it_is(tmp_path: Path, statement: str, sentence: str) -> None:
    path = tmp_path / "a.journal"
    await written(path, 2)
    damage(path, statement)
    before = path.read_bytes()
    for opened in (writing(path), open_journal(path)):
        with pytest.raises(JournalRefused, match=sentence):
            async with opened:
                pass
    assert path.read_bytes() == before


async def test_what_is_no_file_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    """A device's mode, for one, is everybody's."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    path.chmod(0o644)
    with pytest.raises(JournalRefused, match="is no file"):
        async with open_to_write(path):
            pass
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


async def test_a_text_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("what I wanted to remember" * 100)
    for opened in (writing(path), open_journal(path)):
        with pytest.raises(JournalRefused, match="file is not a database"):
            async with opened:
                pass
    assert path.read_text() == "what I wanted to remember" * 100
    with pytest.raises(JournalRefused, match="There is no journal"):
        async with open_journal(tmp_path / "nothing"):
            pass
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE content SET doc = substr(doc, 1, length(doc) - 20) WHERE id = 4",
        "UPDATE content SET doc = zeroblob(400) WHERE id = 4",
    ],
)
async def test_a_damaged_block_is_skipped_and_said(
    tmp_path: Path, statement: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Issue 5: loudly, in the log and in the span; all others are there, and replay resumes behind it."""
    path = tmp_path / "a.journal"
    recorded, blocks = await written(path, 9)
    damage(path, statement)
    async with open_journal(path) as journal:
        found = await all_of(journal)
        assert await all_of(journal) == found
        assert (await journal.span()).unreadable == 1
    assert [block.first_seq for block in found] == [block.first_seq for block in (*blocks[:3], *blocks[4:])]
    assert (capsys.readouterr().out + caplog.text).count("cannot be read and is skipped") == 1
    assert replay(iter(found), recorded.definitions)[1] is None


async def test_a_file_that_was_cut_off_is_set_aside_and_a_new_one_begun(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Issue 5: never mended, never guessed from."""
    path = tmp_path / "a.journal"
    await written(path, 60)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with pytest.raises(JournalRefused, match="cannot be read: database disk image is malformed"):
        async with open_journal(path):
            pass
    async with writing(path) as writer:
        await writer.write(everything()[0])
    assert "THE JOURNAL IS DAMAGED and was set aside" in capsys.readouterr().out
    assert (tmp_path / "a.journal.damaged-1").exists()
    async with open_journal(path) as journal:
        assert await all_of(journal) == [everything()[1]]


async def test_kill_9_loses_at_most_the_last_second_and_damages_nothing(tmp_path: Path) -> None:
    """Issue 5: with real SIGKILL, again and again on the same file."""
    path = tmp_path / "a.journal"
    for turn, lines in enumerate((24, 28)):
        process = f"run-{turn}"
        noted, stored = await trio.to_thread.run_sync(killed_after, path, process, lines)
        async with open_journal(path) as journal:
            blocks = [block for block in await all_of(journal) if block.process == process]
            assert (await journal.span()).unreadable == 0
        seqs = [entry.seq for block in blocks for entry in block.entries]
        assert seqs == list(range(1, len(seqs) + 1))
        assert len(seqs) >= stored
        assert len(seqs) >= noted
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def killed_after(path: Path, process: str, lines: int) -> tuple[int, int]:
    """What an appender that is killed had noted a second before, and what it knew to be written at the end."""
    command = [sys.executable, str(APPENDER), str(path), process]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    said: list[tuple[float, int, int]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as child:
        assert child.stdout is not None
        try:
            for _ in range(lines):
                seq, stored = child.stdout.readline().split()
                said.append((time.monotonic(), int(seq), int(stored)))
        finally:
            child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    end = said[-1][0]
    return max((seq for at, seq, _ in said if at <= end - 1), default=0), said[-1][2]
