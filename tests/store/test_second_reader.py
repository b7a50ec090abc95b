"""A second process reads a long log: all of it or a part, and never anything else."""

import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio

from adapters import starting
from adapters.starting import caught_up
from adapters.store import open_log as open_to_read
from adapters.store import second_reader as reader_module
from adapters.store.chain import Head
from adapters.store.second_reader import SecondReader, second_reader
from engine.errors import LogDamaged
from engine.events import Recorded
from engine.names import Position
from projections import routing
from tests.contracts.event_log import draft
from tests.postgres import Server
from tests.store.postgres_logs import opened
from tests.store.test_sqlite_log import change, open_log

EVENTS = 5000


def url_of(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A file with a log that is too long for one piece, or one page, of the reader's."""
    path = tmp_path / "a.db"
    async with open_log(path) as log:
        for before in range(0, EVENTS, 1000):
            await log.append([draft(before + n) for n in range(1, 1001)], expected=before, actor="a")
    return path


async def read_by_it(url: str, head: Head) -> list[Recorded]:
    found: list[Recorded] = []
    async with second_reader(url) as second:
        reached = await second.read_into(found.extend, head)
    assert reached.position == (found[-1].position if found else head.position)
    return found


async def head_at(url: str, position: Position) -> Head:
    async with open_to_read(url) as log:
        stored = await log.hash_at(position)
    assert stored is not None
    return Head(position, stored)


@pytest.mark.parametrize("after", [0, 1, 4321, EVENTS])
async def test_it_gives_what_the_log_has(path: Path, after: Position) -> None:
    async with open_to_read(url_of(path)) as log:
        expected = await log.read(after, EVENTS)
    found = await read_by_it(url_of(path), await head_at(url_of(path), after))
    assert found == list(expected)
    assert [one.correlation for one in found] == [one.correlation for one in expected]


async def test_it_reads_a_server_too(postgres: Server, log_database: str) -> None:
    url = postgres.url_of(log_database)
    async with opened(url) as one:
        await one.log.append([draft(n) for n in range(1, 501)], expected=0, actor="a")
        assert await read_by_it(url, await head_at(url, 100)) == list(await one.log.read(100, 500))


async def test_it_ends_before_what_does_not_fit(path: Path) -> None:
    """Issue 4: nothing is served that is not in the hash chain; whoever asked finds out why by itself."""
    change(path, "UPDATE events SET actor = 'b' WHERE position = 3210")
    found = await read_by_it(url_of(path), Head())
    assert [one.position for one in found] == list(range(1, len(found) + 1))
    assert len(found) < 3210


@pytest.mark.parametrize("url", ["sqlite+aiosqlite:////nowhere/a.db", "memory:"])
async def test_where_it_cannot_read_it_gives_nothing(url: str) -> None:
    assert await read_by_it(url, Head()) == []


async def test_it_gives_nothing_of_another_log(path: Path) -> None:
    """One that stands where the first did, after the question: it does not continue what was checked."""
    head = attrs.evolve(await head_at(url_of(path), 1000), hash=bytes(32))
    assert await read_by_it(url_of(path), head) == []


@pytest.mark.parametrize("said", [b"", b"\0", b"\0\0\0\0\2\xc1\xc1", b"\0\0\0\1\0half"])
async def test_what_it_says_that_is_not_understood_is_nothing(
    tmp_path: Path, said: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program"
    octal = "".join(f"\\{byte:03o}" for byte in said)
    program.write_text(f"#!/bin/sh\ncat > /dev/null\nprintf '{octal}'\n")
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    assert await read_by_it("memory:", Head()) == []


async def test_its_url_is_in_no_list_of_processes_and_it_is_gone_afterwards(path: Path) -> None:
    """Issue 4: a URL may have a password."""
    url, seen = url_of(path), list[tuple[bytes, bytes]]()

    def take(_: Sequence[Recorded]) -> None:
        seen.append(((process / "cmdline").read_bytes(), (process / "environ").read_bytes()))

    async with second_reader(url) as second:
        process = Path(f"/proc/{second.process.pid}")
        await second.read_into(take, Head())
    command, environ = seen[0]
    assert b"second_reader" in command
    assert str(path).encode() not in command + environ
    assert second.process.returncode is not None


@pytest.fixture
def prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log of some thousand events is long, and the other process is waited for."""
    monkeypatch.setattr(starting, "_PAGE", 100)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(starting, "second_reader", waited_for)


@asynccontextmanager
async def waited_for(url: str) -> AsyncIterator[SecondReader]:
    async with second_reader(url) as second:
        while not second.is_ready():
            await trio.sleep(0.01)
        yield second


def spied(monkeypatch: pytest.MonkeyPatch, on_taken: Callable[[SecondReader], None] = lambda _: None) -> list[int]:
    """How many events came from the other process, call by call."""
    counts: list[int] = []
    read_into = SecondReader.read_into

    async def spy(self: SecondReader, take: Callable[[Sequence[Recorded]], None], head: Head) -> Head:
        def taken(recorded: Sequence[Recorded]) -> None:
            take(recorded)
            counts.append(len(recorded))
            on_taken(self)

        return await read_into(self, taken, head)

    monkeypatch.setattr(SecondReader, "read_into", spy)
    return counts


@pytest.mark.usefixtures("prompt")
async def test_a_start_is_the_same_with_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts, steps = spied(monkeypatch), list[Position]()
    async with open_log(path) as log:
        alone = await caught_up(log, routing.empty())
    assert counts == []
    async with open_log(path) as log:
        assert await caught_up(log, routing.empty(), steps.append, url=url_of(path)) == alone
    assert (alone.position, sum(counts)) == (EVENTS, EVENTS - 200)
    assert steps == sorted(steps)
    assert steps[-1] == EVENTS


@pytest.mark.usefixtures("prompt")
async def test_what_it_read_was_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 4: a log that ends before an event which was there once is damaged, whoever had read that."""
    counts = spied(monkeypatch)
    async with open_log(path) as log:
        await caught_up(log, routing.empty(), url=url_of(path))
        assert counts
        change(path, "DELETE FROM events WHERE position > 2000")
        change(path, "UPDATE log_head SET position = 2000, hash = (SELECT hash FROM events WHERE position = 2000)")
        with pytest.raises(LogDamaged) as caught:
            await log.read(EVENTS)
    assert caught.value.position == 2001


@pytest.mark.usefixtures("prompt")
async def test_a_start_goes_on_without_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed while it is read from; what it had sent is not lost, and not taken twice."""
    counts = spied(monkeypatch, lambda second: second.process.kill())
    async with open_log(path) as log:
        with_it = await caught_up(log, routing.empty(), url=url_of(path))
        assert with_it == await caught_up(log, routing.empty())
    assert counts


@pytest.mark.usefixtures("prompt")
async def test_a_start_says_what_is_wrong_though_the_other_met_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change(path, "UPDATE events SET payload = '{}' WHERE position = 3210")
    counts = spied(monkeypatch)
    async with open_log(path) as log:
        with pytest.raises(LogDamaged) as caught:
            await caught_up(log, routing.empty(), url=url_of(path))
    assert caught.value.position == 3210
    assert sum(counts) > 1000


@pytest.mark.usefixtures("prompt")
async def test_a_start_gives_up_one_that_stops(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is neither gone nor does it go on."""
    monkeypatch.setattr(reader_module, "_PATIENCE_S", 0.5)
    counts = spied(monkeypatch, lambda second: second.process.send_signal(signal.SIGSTOP))
    async with open_log(path) as log:
        assert (await caught_up(log, routing.empty(), url=url_of(path))).position == EVENTS
    assert counts


@pytest.mark.usefixtures("prompt")
async def test_a_start_does_without_where_there_is_no_process(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(path.with_name("no-such-program")))
    async with open_log(path) as log:
        assert (await caught_up(log, routing.empty(), url=url_of(path))).position == EVENTS


@pytest.mark.usefixtures("prompt")
async def test_one_core_has_none(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    counts = spied(monkeypatch)
    async with open_log(path) as log:
        assert (await caught_up(log, routing.empty(), url=url_of(path))).position == EVENTS
    assert counts == []
