"""What is noted is recorded, and what cannot be is counted and said."""

import os
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path

import pytest
import trio

from adapters import clock, recorder
from adapters.journal_opening import journal_of, recording
from adapters.recorder import Recorder
from adapters.settings import JournalSettings
from adapters.store.journal import open_journal
from engine.pool.messages import Acquire, Refusal, Refused, Tick
from engine.recording import Block, Served
from engine.runtime.journal import CAPACITY

MIB = 1 << 20


@asynccontextmanager
async def recorded(path: Path | None, database: str = "memory:", *, is_on: bool = True) -> AsyncIterator[Recorder]:
    """A recorder that runs."""
    settings = JournalSettings(file=path, is_on=is_on)
    ports = {"clock": clock.monotonic_ns, "unix_us": clock.unix_us}
    async with recording(settings, database, process="a-run", **ports) as made:  # type: ignore[arg-type]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(made.run)
            made.journal.begin_pool("chat", 1)
            yield made
            nursery.cancel_scope.cancel()
        await made.finish()


def note(made: Recorder, count: int = 1) -> None:
    for _ in range(count):
        made.journal.note("chat", Tick(clock.monotonic_ns()), ())


def served(number: int) -> Served:
    return Served(f"id-{number}", number, 1, 2, "chat", "chat", "k", 3, 200, "complete")


async def all_in(path: Path) -> list[Block]:
    async with open_journal(path) as journal:
        return [block async for block in journal.read()]


def entries(blocks: list[Block]) -> list[int]:
    return [entry.seq for block in blocks for entry in block.entries]


async def test_what_is_noted_can_be_read_once_it_is_flushed(tmp_path: Path) -> None:
    """Issue 5: also from another process, while it goes on being written."""
    path = tmp_path / "a.journal"
    async with recorded(path) as made:
        assert made.reader is not None
        note(made, 100)
        made.journal.note_request(served(7))
        await made.reader.flush()
        blocks = await all_in(path)
        assert entries(blocks) == list(range(1, 102))
        assert [one.request_id for block in blocks for one in block.requests] == ["id-7"]
        assert await made.reader.find("id-7") == blocks
        note(made, 3)
        assert made.report() == {"state": "writing", "problem": None, "dropped": 0}
    blocks = await all_in(path)
    assert entries(blocks) == list(range(1, 105)), "the rest is written at the end"
    assert [block.process for block in blocks] == ["a-run"] * len(blocks)
    assert all(block.at <= block.until for block in blocks)


async def test_what_was_overrun_is_counted_and_the_next_block_says_so(tmp_path: Path) -> None:
    """Issue 5: a hole is explicit; what follows begins with states that are known."""
    path = tmp_path / "a.journal"
    async with recorded(path) as made:
        note(made, 9)
        await made.flush()
        note(made, CAPACITY + 5)
        for number in range(CAPACITY + 2):
            made.journal.note_request(served(number))
        await made.flush()
        note(made, 2)
        await made.flush()
        assert dict(made.counts.dropped) == {"overrun": CAPACITY + 5}
        assert dict(made.counts.dropped_requests) == {"overrun": 2}
        assert made.report()["dropped"] == CAPACITY + 7
    blocks = await all_in(path)
    assert [(block.dropped, block.dropped_requests) for block in blocks] == [(0, 0), (CAPACITY + 5, 2), (0, 0)]
    assert entries(blocks) == [*range(1, 11), CAPACITY + 16, CAPACITY + 17]


async def test_a_number_that_does_not_fit_costs_its_piece_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    async with recorded(path) as made:
        note(made)
        await made.flush()
        made.journal.note("chat", Acquire(1, 1), (Refused(1, Refusal.POOL_RATE, 2**70),))
        await made.flush()
        note(made)
    blocks = await all_in(path)
    assert entries(blocks) == [1, 2, 4]
    assert [block.dropped for block in blocks] == [0, 1]
    assert dict(made.counts.dropped) == {"unencodable": 1}


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 4 MiB, where this process may mount one."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


async def test_a_full_disk_costs_blocks_and_nothing_else_until_there_is_room_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Issue 5: drops are counted and told in the next block; it goes on by itself."""
    monkeypatch.setattr(recorder, "_PENDING", 4)
    monkeypatch.setattr(recorder, "_RETRY_S", 0.05)
    with small_disk(tmp_path / "disk") as disk:
        path, ballast = disk / "a.journal", disk / "ballast"
        async with recorded(path) as made:
            note(made, 50)
            await made.flush()
            with suppress(OSError), ballast.open("wb", buffering=0) as file:
                while file.write(os.urandom(MIB)):
                    pass
            with suppress(OSError), ballast.open("ab", buffering=0) as file:
                while file.write(b"x"):
                    pass
            with trio.fail_after(30):
                while not made.counts.dropped:
                    note(made, 2000)
                    await made.flush()
            assert made.report()["state"] == "failing"
            assert "disk" in made.report()["problem"]
            ballast.unlink()
            with trio.fail_after(30):
                while made.report()["state"] == "failing":
                    note(made)
                    await made.flush()
            lost = sum(made.counts.dropped.values())
        blocks = await all_in(path)
        assert entries(blocks)[:51] == list(range(1, 52))
        assert sum(block.dropped for block in blocks) == lost > 0
        assert len(entries(blocks)) + lost == made.journal.seq
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    said = capsys.readouterr().out
    assert said.count("THE JOURNAL CANNOT BE WRITTEN; requests go on") == 1
    assert "the journal is written again" in said


async def test_a_file_that_is_refused_leaves_the_journal_off_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Issue 5: the gateway serves all the same, and nothing is overwritten."""
    path = tmp_path / "mine.txt"
    path.write_text("mine" * 400)
    async with recorded(path) as made:
        note(made, 10)
        await made.flush()
        assert made.reader is None
        assert made.report()["state"] == "off"
        assert str(path) in made.report()["problem"]
    assert path.read_text() == "mine" * 400
    assert "THE JOURNAL IS OFF" in capsys.readouterr().out


async def test_off_records_nothing(tmp_path: Path) -> None:
    async with recorded(tmp_path / "a.journal", is_on=False) as made:
        note(made, 10)
        await made.flush()
        assert made.report() == {"state": "off", "problem": "it is switched off"}
    assert list(tmp_path.iterdir()) == []


async def test_the_journal_of_a_log_that_is_forgotten_is_forgotten_with_it() -> None:
    async with recorded(None) as made:
        note(made)
        await made.flush()
        assert made.reader is not None
        assert (await made.reader.span()).entries == 2


def test_where_it_is_unless_the_operator_says_where() -> None:
    """Beside a SQLite database; for a server in the working directory."""
    forgotten = Path("/nowhere")
    assert journal_of("sqlite+aiosqlite:////var/lib/a.db", forgotten) == Path("/var/lib/a.db.journal")
    assert journal_of("postgresql+asyncpg://u:p@h/d", forgotten) == Path("pointsman.journal")
    assert journal_of("memory:", forgotten) == forgotten / "pointsman.journal"


async def test_a_file_that_is_gone_is_noticed_and_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Issue 5: a journal that cannot be written says so, and what waits is written once it can be."""
    monkeypatch.setattr(recorder, "_RETRY_S", 0.02)
    folder = tmp_path / "folder"
    folder.mkdir()
    async with recorded(folder / "a.journal") as made:
        note(made)
        await made.flush()
        folder.rename(tmp_path / "elsewhere")
        note(made)
        await made.flush()
        assert made.report()["state"] == "failing"
        assert "there is no directory" in made.report()["problem"]
        assert "pointsman_journal_up 0" in [f"{s.name} {s.value:g}" for one in made.metrics() for s in one.samples]
        folder.mkdir()
        with trio.fail_after(30):
            while made.report()["state"] == "failing":
                note(made)
                await made.flush()
        assert entries(await all_in(folder / "a.journal"))[0] == 3, "the first two were in the file that is gone"
    said = capsys.readouterr().out
    assert said.count("THE JOURNAL WAS DELETED OR REPLACED") == said.count("THE JOURNAL CANNOT BE WRITTEN") == 1
