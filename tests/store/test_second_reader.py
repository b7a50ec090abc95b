"""A second process reads a long log: all of it or a part, and never anything else."""

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from adapters import starting
from adapters.starting import caught_up
from adapters.store import open_log as open_to_read
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


async def read_by_it(url: str, after: Position = 0) -> list[Recorded]:
    found: list[Recorded] = []
    async with second_reader(url) as second:
        assert await second.read_into(found.extend, after) == (found[-1].position if found else after)
    return found


@pytest.mark.parametrize("after", [0, 1, 4321, EVENTS])
async def test_it_gives_what_the_log_has(path: Path, after: Position) -> None:
    async with open_to_read(url_of(path)) as log:
        expected = await log.read(after, EVENTS)
    found = await read_by_it(url_of(path), after)
    assert found == list(expected)
    assert [one.correlation for one in found] == [one.correlation for one in expected]


async def test_it_reads_a_server_too(postgres: Server, log_database: str) -> None:
    url = postgres.url_of(log_database)
    async with opened(url) as one:
        await one.log.append([draft(n) for n in range(1, 501)], expected=0, actor="a")
        assert await read_by_it(url, 100) == list(await one.log.read(100, 500))


async def test_it_ends_before_what_does_not_fit(path: Path) -> None:
    """Issue 4: nothing is served that is not in the hash chain; whoever asked finds out why by itself."""
    change(path, "UPDATE events SET actor = 'b' WHERE position = 3210")
    found = await read_by_it(url_of(path))
    assert [one.position for one in found] == list(range(1, len(found) + 1))
    assert len(found) < 3210


@pytest.mark.parametrize("url", ["sqlite+aiosqlite:////nowhere/a.db", "memory:"])
async def test_where_it_cannot_read_it_gives_nothing(url: str) -> None:
    assert await read_by_it(url) == []


async def test_its_url_is_in_no_list_of_processes_and_it_is_gone_afterwards(path: Path) -> None:
    """Issue 4: a URL may have a password."""
    url, seen = url_of(path), list[tuple[bytes, bytes]]()

    def take(_: Sequence[Recorded]) -> None:
        seen.append(((process / "cmdline").read_bytes(), (process / "environ").read_bytes()))

    async with second_reader(url) as second:
        process = Path(f"/proc/{second.process.pid}")
        await second.read_into(take, 0)
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

    async def spy(self: SecondReader, take: Callable[[Sequence[Recorded]], None], after: Position) -> Position:
        def taken(recorded: Sequence[Recorded]) -> None:
            take(recorded)
            counts.append(len(recorded))
            on_taken(self)

        return await read_into(self, taken, after)

    monkeypatch.setattr(SecondReader, "read_into", spy)
    return counts


@pytest.mark.usefixtures("prompt")
async def test_a_start_is_the_same_with_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts, steps = spied(monkeypatch), list[Position]()
    async with open_log(path) as log:
        alone = await caught_up(log, routing.empty())
        assert counts == []
        assert await caught_up(log, routing.empty(), steps.append, url=url_of(path)) == alone
    assert (alone.position, sum(counts)) == (EVENTS, EVENTS - 200)
    assert steps == sorted(steps)
    assert steps[-1] == EVENTS


@pytest.mark.usefixtures("prompt")
async def test_a_start_goes_on_without_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed while it is read from; what it had sent is not lost, and not taken twice."""
    counts = spied(monkeypatch, lambda second: second.process.kill())
    async with open_log(path) as log:
        assert await caught_up(log, routing.empty(), url=url_of(path)) == await caught_up(log, routing.empty())
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
async def test_one_core_has_none(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    counts = spied(monkeypatch)
    async with open_log(path) as log:
        assert (await caught_up(log, routing.empty(), url=url_of(path))).position == EVENTS
    assert counts == []
