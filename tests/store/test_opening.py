"""Taking a database into use: each refusal is a sentence, and a foreign file stays untouched."""

import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from adapters.store import open_log, open_store
from adapters.store.schema import SCHEMA_VERSION
from engine.errors import StartFailed
from tests.contracts.event_log import draft

NOBODY = 65534


async def refusal(url: str | Path) -> StartFailed:
    """What opening it is refused with."""
    url = f"sqlite+aiosqlite:///{url}" if isinstance(url, Path) else url
    with pytest.raises(StartFailed) as caught:
        async with open_store(url, environ={}, clock_us=lambda: 1):
            pass
    return caught.value


def files(directory: Path) -> set[str]:
    return {file.name for file in directory.iterdir()}


@pytest.mark.parametrize(
    "url",
    [
        "",
        "pointsman.db",
        ":memory:",
        "memory",
        "sqlite:///pointsman.db",
        "sqlite+aiosqlite://",
        "sqlite+aiosqlite:///:memory:",
        "sqlite+aiosqlite://pointsman.db",
        "sqlite+aiosqlite:///a.db?mode=ro",
        "postgresql://me:hunter2@host/db",
        "postgresql+asyncpg://me:hunter2@host",
        "postgresql+asyncpg://me:hunter2@host/db?password=hunter2",
        "postgresql+asyncpg://me:hunter2@host:port/db",
        "me:hunter2@",
    ],
)
async def test_another_url_is_refused_with_the_valid_ones(url: str) -> None:
    """Wrong input; the URL is not repeated, for it may hold a password."""
    refused = await refusal(url)
    assert refused.wrong_input
    assert "sqlite+aiosqlite:///relative.db" in str(refused)
    assert "memory:" in str(refused)
    assert "hunter2" not in str(refused)


async def test_a_relative_file_is_made_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three slashes are relative, four absolute; both are the same file here."""
    monkeypatch.chdir(tmp_path)
    async with open_store("sqlite+aiosqlite:///my data.db", environ={}, clock_us=lambda: 1) as store:
        await store.log.append([draft(1)], expected=0, actor="a")
    assert (tmp_path / "my data.db").is_file()
    async with open_store(f"sqlite+aiosqlite:///{tmp_path}/my data.db", environ={}, clock_us=lambda: 1) as store:
        assert await store.log.verify() == 1


async def test_memory_has_a_log_and_a_vault() -> None:
    """`memory:` works like the others and leaves nothing."""
    async with open_store("memory:", environ={}, clock_us=lambda: 1) as store:
        assert (await store.log.append([draft(1)], expected=0, actor="a")).position == 1
        assert await store.log.verify() == 1
        name = store.vault.credential_id("secret")
        await store.vault.keep({name: "secret"})
        await store.vault.refresh()
        assert store.vault.resolve(name) == "secret"


async def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    """It is not made: a mistyped path should not grow a tree."""
    refused = await refusal(tmp_path / "none" / "a.db")
    assert f"the directory {tmp_path / 'none'} does not exist" in str(refused)
    assert refused.wrong_input


async def test_a_directory_is_no_database(tmp_path: Path) -> None:
    """The sentence says so."""
    assert "is a directory" in str(await refusal(tmp_path))


async def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path) -> None:
    """Not a byte of it changes, and no key file appears."""
    path = tmp_path / "a.db"
    content = b"a shopping list\n" * 100
    path.write_bytes(content)
    assert "is not an SQLite database" in str(await refusal(path))
    assert path.read_bytes() == content
    assert files(tmp_path) == {"a.db"}


async def test_another_programs_database_is_refused_and_kept(tmp_path: Path) -> None:
    """Not a byte of it changes."""
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE cats (name)")
    content = path.read_bytes()
    assert "belongs to another program" in str(await refusal(path))
    assert path.read_bytes() == content
    assert files(tmp_path) == {"a.db"}


async def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    """The sentence names both schemas."""
    path = tmp_path / "a.db"
    async with open_store(f"sqlite+aiosqlite:///{path}", environ={}, clock_us=lambda: 1):
        pass
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version=99")
    refused = await refusal(path)
    assert "has schema 99, this version of pointsman knows 2" in str(refused)
    assert "newer version" in str(refused)


async def test_a_file_of_the_first_version_is_upgraded(tmp_path: Path) -> None:
    """Its events and secrets stay as they are; it gets the tables that came later, and an older program refuses it."""
    path = tmp_path / "a.db"
    async with open_store(f"sqlite+aiosqlite:///{path}", environ={}, clock_us=lambda: 1) as store:
        await store.log.append([draft(1)], expected=0, actor="a")
        name = store.vault.credential_id("secret")
        await store.vault.keep({name: "secret"})
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("DROP TABLE replica; DROP TABLE pointsman_schema; PRAGMA user_version=1")
    async with open_log(f"sqlite+aiosqlite:///{path}") as log:
        assert await log.verify() == 1
    async with open_store(f"sqlite+aiosqlite:///{path}", environ={}, clock_us=lambda: 1) as store:
        assert (await store.log.append([draft(2)], expected=1, actor="a")).position == 2
        assert await store.log.verify() == 2
        assert store.vault.resolve(name) == "secret"
        assert list(await store.replicas.all()) == []
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        assert connection.execute("SELECT version_num FROM pointsman_schema").fetchall() == [(str(SCHEMA_VERSION),)]


async def test_a_file_of_the_first_version_has_the_tables_of_revision_1(tmp_path: Path) -> None:
    """What its release made with these statements is what the first revision makes."""
    path = tmp_path / "a.db"
    async with open_store(f"sqlite+aiosqlite:///{path}", environ={}, clock_us=lambda: 1):
        pass
    with closing(sqlite3.connect(path)) as connection:
        made = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    assert {name: "".join(made[name].split()) for name in FIRST} == {n: "".join(s.split()) for n, s in FIRST.items()}


FIRST = {
    "events": """CREATE TABLE events (
        position INTEGER NOT NULL, stream_id TEXT NOT NULL, stream_version INTEGER NOT NULL, event_id CHAR(32) NOT NULL,
        type TEXT NOT NULL, schema_version SMALLINT NOT NULL, payload TEXT NOT NULL, actor TEXT NOT NULL,
        correlation_id CHAR(32), causation_id CHAR(32), recorded_at INTEGER NOT NULL, hash BLOB NOT NULL,
        PRIMARY KEY (position), UNIQUE (stream_id, stream_version), UNIQUE (event_id))""",
    "log_head": """CREATE TABLE log_head (
        id SMALLINT NOT NULL, position INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (id))""",
    "vault": """CREATE TABLE vault (
        id TEXT NOT NULL, nonce BLOB NOT NULL, sealed BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (id))""",
}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become another user, to whom permissions apply")
async def test_a_read_only_database_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The sentence asks for write permission."""
    directory = tmp_path_factory.mktemp("read-only")
    path = directory / "a.db"
    async with open_store(f"sqlite+aiosqlite:///{path}", environ={}, clock_us=lambda: 1):
        pass
    path.chmod(0o444)
    below = Path(tempfile.gettempdir())
    opened = [(one, one.stat().st_mode) for one in (directory, *directory.parents) if below in one.parents]
    for one, mode in opened:
        one.chmod(mode | 0o055)
    os.seteuid(NOBODY)
    try:
        refused = await refusal(path)
    finally:
        os.seteuid(0)
        for one, mode in opened:
            one.chmod(mode)
    assert "is read-only" in str(refused)
    assert "writable" in str(refused)
    assert not refused.wrong_input


async def test_an_error_in_the_block_passes_through_as_it_is(tmp_path: Path) -> None:
    """Not wrapped in a group; the file is closed behind it."""
    with pytest.raises(ZeroDivisionError):  # the block is what is tested
        async with open_store(f"sqlite+aiosqlite:///{tmp_path}/a.db", environ={}, clock_us=lambda: 1):
            raise ZeroDivisionError
    assert files(tmp_path) == {"a.db", "a.db.key"}
