"""The snapshot cache: whole and equal, or nothing and the reason."""

import os
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import attrs
import pytest
import structlog
import trio

from adapters.store import cache as cache_module
from adapters.store import open_store
from adapters.store.cache import APPLICATION_ID, Cached, CacheUnusable, SnapshotCache
from adapters.store.sealing import Sealed
from adapters.store.unlocking import unlock
from adapters.store.vault import Shelf
from engine.errors import StartFailed, StoreUnavailable
from projections.table import empty
from tests.store.snapshots import Maker

SECRET = "sk-live-0123456789-very-secret"
HASH = bytes(range(32))
SEALED = (Sealed("cred-1", b"n" * 12, b"x" * 40, 7), Sealed("naming", b"m" * 12, b"y" * 52, 5))


@pytest.fixture
def cache(tmp_path: Path) -> SnapshotCache:
    return SnapshotCache(tmp_path / "cache.db")


async def why_not(cache: SnapshotCache) -> str:
    """The reason in the log for which nothing is loaded."""
    with structlog.testing.capture_logs() as lines:
        assert await cache.load() is None
    (line,) = lines
    assert line["event"] == "the snapshot cache is not used"
    assert line["log_level"] == "warning"
    assert line["file"] == str(cache.path)
    return str(line["why"])


def change(cache: SnapshotCache, statement: str) -> None:
    with closing(sqlite3.connect(cache.path)) as connection, connection:
        assert connection.execute(statement).rowcount != 0


async def test_what_was_saved_is_loaded(cache: SnapshotCache) -> None:
    """The last of what was saved, whatever was there before."""
    first, second = Maker().snapshot(5), Maker().snapshot(2)
    await cache.save(first, HASH, SEALED)
    assert await cache.load() == Cached(first, HASH, SEALED)
    await cache.save(second, HASH[::-1], ())
    assert await SnapshotCache(cache.path).load() == Cached(second, HASH[::-1], ())


async def test_a_cache_that_was_never_written_is_no_fault(cache: SnapshotCache) -> None:
    """It is said without a warning, and looking makes no file."""
    with structlog.testing.capture_logs() as lines:
        assert await cache.load() is None
    assert [line["log_level"] for line in lines] == ["info"]
    assert not cache.path.exists()


async def test_it_is_for_its_owner_alone(cache: SnapshotCache) -> None:
    """It has digests of client keys. One that others could have changed is not believed."""
    await cache.save(Maker().snapshot(), HASH, SEALED)
    assert cache.path.stat().st_mode & 0o777 == 0o600
    assert {one.name for one in cache.path.parent.iterdir()} == {"cache.db"}
    cache.path.chmod(0o620)
    assert "mode 0620" in await why_not(cache)
    await cache.save(empty(), HASH, SEALED)
    assert cache.path.stat().st_mode & 0o777 == 0o600
    assert await cache.load() is not None


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE part SET doc = zeroblob(length(doc)) WHERE n = 1", "not what was saved"),
        ("UPDATE part SET kind = 'keys' WHERE kind = 'pools'", "not what was saved"),
        ("DELETE FROM part WHERE n = 3", "not what was saved"),
        ("UPDATE part SET doc = 'text' WHERE n = 0", "not what was saved"),
        ("DELETE FROM sealed WHERE id = 'cred-1'", "not what was saved"),
        ("UPDATE sealed SET created_at = 8", "not what was saved"),
        ("UPDATE cache SET head_hash = zeroblob(32)", "not what was saved"),
        ("UPDATE cache SET sum = zeroblob(32)", "not what was saved"),
        ("UPDATE cache SET fingerprint = zeroblob(32)", "another version"),
        ("DELETE FROM cache", "nothing was saved"),
        ("DROP TABLE part", "cannot be read: no such table"),
        ("PRAGMA application_id=1", "no snapshot cache"),
    ],
)
async def test_what_was_altered_is_not_loaded(cache: SnapshotCache, statement: str, said: str) -> None:
    """Any of it; and the next save makes it good again, where the file is still ours."""
    await cache.save(Maker().snapshot(), HASH, SEALED)
    change(cache, statement)
    assert said in await why_not(cache)
    if "application_id" not in statement:
        await cache.save(empty(), HASH, SEALED)
        assert await cache.load() == Cached(empty(), HASH, SEALED)


async def test_damage_anywhere_in_the_file_is_noticed(cache: SnapshotCache) -> None:
    """Each page in turn written over: nothing, or what was saved where the page was not in use; never a crash."""
    snapshot = Maker().snapshot(40)
    await cache.save(snapshot, HASH, SEALED)
    whole = cache.path.read_bytes()
    refused = 0
    for start in range(0, len(whole), 4096):
        cache.path.write_bytes(whole[:start] + b"\xa5" * 2048 + whole[start + 2048 :])
        loaded = await cache.load()
        refused += loaded is None
        assert loaded is None or loaded == Cached(snapshot, HASH, SEALED)
    assert refused > len(whole) // 4096 // 2
    cache.path.write_bytes(whole[: len(whole) // 2])
    assert await cache.load() is None


async def test_a_damaged_cache_is_made_anew(cache: SnapshotCache) -> None:
    """Where its head still says that it is one."""
    await cache.save(Maker().snapshot(100), HASH, SEALED)
    content = cache.path.read_bytes()
    cache.path.write_bytes(content[:100] + b"\xa5" * 3000 + content[3100:])
    assert await cache.load() is None
    await cache.save(empty(), HASH, SEALED)
    assert await cache.load() == Cached(empty(), HASH, SEALED)


@pytest.mark.parametrize("content", [b"a shopping list\n" * 100, None])
async def test_another_programs_file_is_neither_read_nor_changed(cache: SnapshotCache, content: bytes | None) -> None:
    """Not a byte of it, nor its mode if nothing can be written."""
    if content is None:
        with closing(sqlite3.connect(cache.path)) as connection:
            connection.execute("CREATE TABLE cats (name)")
        content = cache.path.read_bytes()
    else:
        cache.path.write_bytes(content)
    cache.path.chmod(0o600)
    await why_not(cache)
    cache.path.chmod(0o640)
    with pytest.raises(CacheUnusable, match=str(cache.path)):
        await cache.save(empty(), HASH, ())
    assert cache.path.read_bytes() == content
    assert cache.path.stat().st_mode & 0o777 == 0o640


async def test_what_is_no_file_is_left_as_it_is(tmp_path: Path) -> None:
    """A device's mode, for one, is everybody's."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    path.chmod(0o644)
    with pytest.raises(CacheUnusable, match="it is no file"):
        await SnapshotCache(path).save(empty(), HASH, ())
    assert path.stat().st_mode & 0o777 == 0o644


async def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """A directory, and one that is missing."""
    for path in (tmp_path, tmp_path / "none" / "cache.db"):
        with pytest.raises(CacheUnusable, match="cannot be written"):
            await SnapshotCache(path).save(empty(), HASH, ())
    assert "directory" in await why_not(SnapshotCache(tmp_path)) or not list(tmp_path.iterdir())


async def test_other_code_reads_nothing(cache: SnapshotCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a new version would make of old parts would be a guess."""
    await cache.save(Maker().snapshot(), HASH, SEALED)
    monkeypatch.setattr(cache_module, "fingerprint", lambda: b"\0" * 32)
    assert "another version of pointsman" in await why_not(cache)


async def test_a_save_that_is_killed_leaves_what_was_there(cache: SnapshotCache) -> None:
    """A real process, killed by SIGKILL at each part in turn."""
    snapshot = Maker().snapshot()
    await cache.save(snapshot, HASH, SEALED)
    program = """
import os, signal, sys, trio
from pathlib import Path
from adapters.store import cache
from projections.table import empty
parts, left = cache.parts, int(sys.argv[2])
def killing(snapshot):
    for n, part in enumerate(parts(snapshot)):
        if n == left:
            os.kill(os.getpid(), signal.SIGKILL)
        yield part
cache.parts = killing
trio.run(cache.SnapshotCache(Path(sys.argv[1])).save, empty(), bytes(32), ())
"""
    for step in (0, 3, 5):
        arguments = [sys.executable, "-c", program, str(cache.path), str(step)]
        ended = await trio.run_process(arguments, env={**os.environ, "PYTHONPATH": "."}, check=False)
        assert ended.returncode == -signal.SIGKILL
        assert await cache.load() == Cached(snapshot, HASH, SEALED)


async def test_no_secret_is_in_the_file(cache: SnapshotCache, tmp_path: Path) -> None:
    """Credentials are in it as the vault seals them, and that is enough to open them while the database is away."""
    environ, key_file = dict[str, str](), tmp_path / "a.db.key"
    async with open_store(f"sqlite+aiosqlite:///{tmp_path}/a.db", environ=environ, clock_us=lambda: 1) as store:
        name = store.vault.credential_id(SECRET)
        await store.vault.keep({name: SECRET})
        await cache.save(empty(), HASH, store.vault.sealed)
        there = store.vault.sealed
    assert SECRET.encode() not in cache.path.read_bytes()
    cached = await cache.load()
    assert cached is not None
    assert set(cached.sealed) == set(there)

    vault = await unlock(_Away(), key_file, environ=environ, clock_us=lambda: 1, copies=cached.sealed)
    assert vault.resolve(name) == SECRET
    assert vault.credential_id(SECRET) == name
    with pytest.raises(StoreUnavailable):
        await vault.keep({"cred-2": "b"})
    with pytest.raises(StoreUnavailable):
        await unlock(_Away(), key_file, environ=environ, clock_us=lambda: 1)
    key_file.unlink()
    with pytest.raises(StartFailed, match="is missing"):
        await unlock(_Away(), key_file, environ=environ, clock_us=lambda: 1, copies=cached.sealed)
    assert not key_file.exists()


class _Away(Shelf):
    """The shelf of a server that does not answer."""

    async def all(self) -> tuple[Sealed, ...]:
        await trio.lowlevel.checkpoint()
        raise StoreUnavailable("no server")

    async def put(self, entries: object, *, key_id: str) -> None:  # noqa: ARG002 - the port's
        await self.all()


def test_its_mark_is_not_the_databases() -> None:
    """Neither is taken for the other when paths are mixed up."""
    from adapters.store.schema import APPLICATION_ID as OF_A_DATABASE  # noqa: PLC0415 - beside the other

    assert APPLICATION_ID != OF_A_DATABASE
    assert attrs.fields(Cached).snapshot
