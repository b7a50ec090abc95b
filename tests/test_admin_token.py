"""The process' own token, the log's tokens, and the first of all."""

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import attrs
import pytest
import trio
from structlog.testing import capture_logs

from adapters.admin_token import LOCAL, Tokens, own_token
from adapters.store import MemoryEventLog
from engine.access import digest
from engine.commands import ChangeEntities
from engine.errors import StartFailed, StoreUnavailable
from engine.events import TokenDefined, TokenRemoved
from engine.ports import EventLog
from engine.runtime.follower import Follower
from engine.runtime.writer import Writer
from projections import routing
from tests.engine.runtime.troubled_log import TroubledLog

SECRET = "a-secret-of-the-tests"
NOW = 1_000


@attrs.frozen
class Process:
    """One gateway's half of a log."""

    writer: Writer
    file: Path
    shown: list[str]

    async def start(self, secret: str | None = None) -> bytes | None:
        return await own_token(secret, self.file, self.writer, show=self.shown.append)

    def tokens(self, local: bytes | None, now: int = NOW) -> Tokens:
        return Tokens(local, snapshot=lambda: self.writer.snapshot, unix_s=lambda: now)


Begin = Callable[..., Process]


@pytest.fixture
async def memory() -> MemoryEventLog:
    return MemoryEventLog(clock_us=itertools.count(1).__next__)


@pytest.fixture
def begin(memory: MemoryEventLog, nursery: trio.Nursery, tmp_path: Path) -> Begin:
    numbers = itertools.count(1)

    def begun(name: str = "one", log: EventLog | None = None) -> Process:
        follower = Follower(log or memory, routing.empty(), fold=routing.fold)
        nursery.start_soon(follower.run, lambda _snapshot, _touched: None)
        writer = Writer(log or memory, follower, new_id=lambda: UUID(int=next(numbers)), change=routing.change)
        return Process(writer, tmp_path / name, [])

    return begun


@asynccontextmanager
async def defined(process: Process, *facts: TokenDefined | TokenRemoved) -> AsyncIterator[None]:
    written = await process.writer.write(ChangeEntities(facts), actor="me")
    while process.writer.snapshot.position < written.position:
        await trio.lowlevel.checkpoint()
    yield


async def test_the_first_token_is_made_once_kept_and_shown(begin: Begin, memory: MemoryEventLog) -> None:
    """Issue item 6: in the log by its digest, in a file of 0600, once on the screen, and in no line of the log."""
    process = begin()
    with capture_logs() as logged:
        local = await process.start()
        assert local is not None
        again = await process.start()
    secret = process.file.read_text().strip()
    assert (digest(secret.encode()), again, process.file.stat().st_mode & 0o777) == (local, local, 0o600)
    (event,) = [one.event for one in await memory.read(0)]
    assert event == TokenDefined("first", local.hex(), "admin", "first")
    (text,) = process.shown
    assert secret in text
    assert str(process.file) in text
    assert secret not in f"{logged} {event} {process.writer.snapshot}"
    assert local.hex() not in f"{logged} {event} {process.writer.snapshot}"


async def test_a_process_takes_what_it_is_given(begin: Begin, memory: MemoryEventLog) -> None:
    """The variable before the file, the file before the log; nothing is made or shown."""
    process = begin()
    process.file.write_text("what-the-file-holds\n")
    process.file.chmod(0o600)
    assert await process.start(SECRET) == digest(SECRET.encode())
    assert await process.start() == digest(b"what-the-file-holds")
    assert not process.shown
    assert not await memory.read(0)


async def test_where_the_log_has_tokens_a_process_makes_none(begin: Begin) -> None:
    """It has none of its own, and takes those of the log; where the last is gone it makes one again."""
    process = begin()
    async with defined(process, TokenDefined("a", digest(b"a").hex(), "read")):
        assert await process.start() is None
    assert not process.file.exists()
    async with defined(process, TokenRemoved("a")):
        assert await process.start() is not None
    assert len(process.shown) == 1


async def test_of_two_that_start_at_once_one_makes_the_first_token(begin: Begin, memory: MemoryEventLog) -> None:
    """The other leaves no file behind and shows nothing: what it made is good nowhere."""
    one, two = begin("one"), begin("two")
    found: list[bytes | None] = []

    async def start(process: Process) -> None:
        found.append(await process.start())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(start, one)
        nursery.start_soon(start, two)
    assert [len(await memory.read(0)), found.count(None)] == [1, 1]
    assert len(one.shown) + len(two.shown) == 1
    assert one.file.exists() + two.file.exists() == 1
    (local,) = [each for each in found if each is not None]
    for process in (one, two):
        with trio.fail_after(5):
            while not process.writer.snapshot.tokens:
                await trio.lowlevel.checkpoint()
        secret = (one if one.file.exists() else two).file.read_text().strip()
        holder = process.tokens(None).holder_of(f"Bearer {secret}".encode())
        assert holder is not None
        assert (holder.token_id, digest(secret.encode())) == ("first", local)


async def test_a_store_that_is_away_leaves_the_token_to_its_process(begin: Begin, memory: MemoryEventLog) -> None:
    """It can be administered all the same, and says that no other process knows the token."""
    log = TroubledLog(memory)
    log.before_append = [StoreUnavailable("away")]
    process = begin(log=log)
    local = await process.start()
    assert local == digest(process.file.read_text().strip().encode())
    assert "did not take it: away" in process.shown[0]
    assert not await memory.read(0)


@pytest.mark.parametrize(
    ("content", "mode", "told"),
    [
        ("a-good-token-of-mine\n", 0o644, "can be read by others (mode 0644)"),
        ("short\n", 0o600, "holds no token"),
        ("two\nlines-of-secrets\n", 0o600, "holds no token"),
        ("\xe9" * 20, 0o600, "holds no token"),
    ],
)
async def test_a_file_that_is_no_token_is_named_and_not_quoted(
    begin: Begin, content: str, mode: int, told: str
) -> None:
    """Exit code 2: the operator's to mend."""
    process = begin()
    process.file.write_text(content)
    process.file.chmod(mode)
    with pytest.raises(StartFailed) as caught:
        await process.start()
    assert told in caught.value.sentence
    assert content.strip() not in caught.value.sentence
    assert caught.value.wrong_input


async def test_a_place_where_no_file_can_be_made_is_named(begin: Begin, tmp_path: Path) -> None:
    """And nothing is in the log."""
    process = attrs.evolve(begin(), file=tmp_path / "missing" / "token")
    with pytest.raises(StartFailed, match="cannot be made: No such file or directory"):
        await process.start()


async def test_a_bearer_of_any_good_token_is_known(begin: Begin) -> None:
    """The process' own and the log's, by scope; expired, removed, misspelt and absent ones are nobody's."""
    process = begin()
    facts: list[TokenDefined | TokenRemoved] = [
        TokenDefined("reader", digest(b"r").hex(), "read"),
        TokenDefined("late", digest(b"l").hex(), "operate", expires_at=NOW),
        TokenDefined("gone", digest(b"g").hex(), "admin"),
        TokenRemoved("gone"),
    ]
    async with defined(process, *facts):
        tokens = process.tokens(digest(SECRET.encode()))
        assert tokens.holder_of(f"Bearer {SECRET}".encode()) == LOCAL
        reader = tokens.holder_of(b"Bearer r")
        assert reader is not None
        assert (reader.token_id, reader.scope) == ("reader", "read")
        for wrong in (None, b"", b"r", b"Basic r", b"Bearer", b"Bearer ", b"Bearer R", b"Bearer l", b"Bearer g"):
            assert not tokens.accepts(wrong)
        assert process.tokens(None, NOW - 1).accepts(b"Bearer l")
        assert not process.tokens(None).accepts(f"Bearer {SECRET}".encode())
