"""Backup and restore, end to end: log and vault come back, and the hash chain says that it is the same log."""

import shlex
import shutil
import sqlite3
import subprocess
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
import trio

from adapters.store import Store, open_log, open_store
from adapters.store.backup import back_up, pg_dump_command
from adapters.store.vault_key import key_file_beside
from engine.errors import LogDamaged, StartFailed
from tests.contracts.event_log import draft
from tests.postgres import PASSWORD, Server
from tests.store.postgres_logs import server_of

SECRET = "sk-live-0123456789-very-secret"


def url_of(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


async def fill(store: Store, first: int, last: int) -> None:
    for number in range(first, last + 1):
        await store.log.append([draft(number)], expected=number - 1, actor="a")


async def keep(store: Store) -> str:
    name = store.vault.credential_id(SECRET)
    await store.vault.keep({name: SECRET})
    return name


async def test_a_copy_made_while_the_gateway_writes_is_restored(tmp_path: Path) -> None:
    """It is of one moment, and with its key file everything up to there is as it was."""
    path, copy = tmp_path / "a.db", tmp_path / "backup" / "copy.db"
    copy.parent.mkdir()
    async with open_store(url_of(path), environ={}, clock_us=lambda: 1) as store:
        name = await keep(store)
        await fill(store, 1, 20)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fill, store, 21, 120)
            made = await back_up(url_of(path), copy)
        assert 20 <= made.position <= 120
        assert await store.log.hash_at(made.position) == made.head_hash
        events = await store.log.read(0, made.position)
    assert {one.name for one in copy.parent.iterdir()} == {"copy.db"}
    assert copy.stat().st_mode & 0o777 == 0o600

    restored = tmp_path / "restored.db"
    shutil.copy(copy, restored)
    shutil.copy(key_file_beside(path), key_file_beside(restored))
    async with open_store(url_of(restored), environ={}, clock_us=lambda: 2) as store:
        assert await store.log.verify() == made.position
        assert await store.log.hash_at(made.position) == made.head_hash
        assert await store.log.read(0, 1000) == events
        assert store.vault.resolve(name) == SECRET
        assert store.vault.credential_id(SECRET) == name
        await fill(store, made.position + 1, made.position + 1)


async def test_the_key_is_not_in_the_copy(tmp_path: Path) -> None:
    """Nor the secret; without the key file the copy is refused by name of what is missing."""
    path, copy = tmp_path / "a.db", tmp_path / "copy.db"
    async with open_store(url_of(path), environ={}, clock_us=lambda: 1) as store:
        await keep(store)
    assert (await back_up(url_of(path), copy)).position == 0
    content = copy.read_bytes()
    assert SECRET.encode() not in content
    assert key_file_beside(path).read_bytes().strip() not in content
    with pytest.raises(StartFailed, match=r"copy\.db\.key is missing"):
        async with open_store(url_of(copy), environ={}, clock_us=lambda: 1):
            pass


async def test_nothing_is_replaced_and_nothing_left_behind(tmp_path: Path) -> None:
    """A name that is taken, a directory that is missing, another program's file, a database that is none."""
    path, cats, taken = tmp_path / "a.db", tmp_path / "cats.db", tmp_path / "taken"
    async with open_store(url_of(path), environ={}, clock_us=lambda: 1):
        pass
    taken.write_text("dear")
    with closing(sqlite3.connect(cats)) as connection:
        connection.execute("CREATE TABLE cats (name)")
    before = {one.name for one in tmp_path.iterdir()}
    for url, copy, said in (
        (url_of(path), taken, "is there already"),
        (url_of(path), tmp_path / "none" / "copy.db", "cannot be copied"),
        (url_of(cats), tmp_path / "copy.db", "another program"),
        (url_of(tmp_path / "none.db"), tmp_path / "copy.db", "does not exist"),
        ("memory:", tmp_path / "copy.db", "nothing to back up"),
    ):
        with pytest.raises(StartFailed, match=said):
            await back_up(url, copy)
    assert taken.read_text() == "dear"
    assert {one.name for one in tmp_path.iterdir()} == before


async def test_a_damaged_log_has_no_good_copy(tmp_path: Path) -> None:
    """The copy is verified before it has its name."""
    path = tmp_path / "a.db"
    async with open_store(url_of(path), environ={}, clock_us=lambda: 1) as store:
        await fill(store, 1, 3)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE events SET actor = 'mallory' WHERE position = 2")
    with pytest.raises(LogDamaged) as caught:
        await back_up(url_of(path), tmp_path / "copy.db")
    assert caught.value.position == 2
    assert {one.name for one in tmp_path.iterdir()} == {"a.db", "a.db.key"}


async def test_for_postgresql_its_own_tool_is_named(postgres: Server, log_database: str, tmp_path: Path) -> None:
    """With the exact command, for a shell, and without the password."""
    with pytest.raises(StartFailed, match="pg_dump --format=custom") as caught:
        await back_up(postgres.url_of(log_database), tmp_path / "my copy.dump")
    assert caught.value.wrong_input
    assert PASSWORD not in str(caught.value)
    assert f"'--file={tmp_path}/my copy.dump'" in str(caught.value)
    assert log_database in str(caught.value)
    assert not list(tmp_path.iterdir())


async def test_a_dump_of_postgresql_is_restored(
    postgres: Server, log_database: str, empty_database: str, tmp_path: Path
) -> None:
    """By the commands of docs/operations.md, while a gateway writes; the chain and the vault come back."""
    dump, key_file = tmp_path / "a.dump", tmp_path / "key"
    binaries = _binaries(postgres)
    source, target = postgres.url_of(log_database), postgres.url_of(empty_database)
    run = partial(trio.run_process, env={"PGPASSWORD": postgres.url.password or ""}, stderr=subprocess.STDOUT)
    async with open_store(source, environ={}, clock_us=lambda: 1, key_file=key_file) as store:
        name = await keep(store)
        await fill(store, 1, 10)
        command = pg_dump_command(server_of(source).url, dump)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fill, store, 11, 40)
            await run(shlex.split(f"{binaries}/{command}"))
        there = command.split("--dbname=")[1].replace(log_database, empty_database)
        await run([f"{binaries}/pg_restore", "--no-owner", "--exit-on-error", f"--dbname={there}", str(dump)])
        async with open_log(target) as log:
            position = await log.verify()
            assert 10 <= position <= 40
            assert await log.hash_at(position) == await store.log.hash_at(position)
        events = await store.log.read(0, position)
    async with open_store(target, environ={}, clock_us=lambda: 2, key_file=key_file) as restored:
        assert await restored.log.read(0, 1000) == events
        assert restored.vault.resolve(name) == SECRET
        await fill(restored, position + 1, position + 1)
        assert await restored.log.verify() == position + 1


def _binaries(postgres: Server) -> Path:
    """Of the tests' server; for one elsewhere, the system's, which must not be older than it."""
    own = getattr(postgres, "_binaries", None)
    found = Path(own) if own is not None else Path(shutil.which("pg_dump") or "").parent
    if not (found / "pg_dump").is_file() or not (found / "pg_restore").is_file():
        pytest.skip(f"there is no pg_dump and pg_restore in {found}")
    return found
