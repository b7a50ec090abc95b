"""Where sealed entries are kept: the same in memory, in SQLite and in PostgreSQL."""

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeAlias

import pytest
import trio

from adapters.store import open_store
from adapters.store.database import open_database
from adapters.store.postgres_database import open_postgres
from adapters.store.sealing import NAMING, NotOpened, Seal, resealed, sealed_with
from adapters.store.shelf import DatabaseShelf, MemoryShelf
from adapters.store.unlocking import open_vault
from adapters.store.vault import KeyReplaced, Shelf, Vault
from adapters.store.vault_key import VaultKey, random_key
from engine.errors import StartFailed
from tests.postgres import Server
from tests.store.postgres_logs import server_of

OpenShelf: TypeAlias = Callable[[], AbstractAsyncContextManager[Shelf]]


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def open_shelf(request: pytest.FixtureRequest, tmp_path: Path) -> OpenShelf:
    """Opens a shelf, each time on the same entries."""
    memory = MemoryShelf()

    @asynccontextmanager
    async def open_() -> AsyncIterator[Shelf]:
        if request.param == "memory":
            yield memory
        elif request.param == "sqlite":
            async with open_database(tmp_path / "a.db") as file:
                yield DatabaseShelf(file)
        else:
            async with open_postgres(server_of(url)) as server:
                yield DatabaseShelf(server)

    if request.param == "postgres":
        server: Server = request.getfixturevalue("postgres")
        url = server.url_of(request.getfixturevalue("log_database"))
    return open_


async def vault_on(shelf: Shelf, key: VaultKey) -> Vault:
    return await open_vault(key, shelf, environ={}, clock_us=itertools.count(1).__next__)


async def test_an_entry_that_is_there_stays(open_shelf: OpenShelf) -> None:
    """Whoever puts it again, and whatever with it; the rest of what is put enters."""
    seal = Seal(random_key())
    first, second, third = (seal.close(name, b"x", 1) for name in ("cred-1", "cred-1", "cred-2"))
    async with open_shelf() as shelf:
        assert await shelf.all() in ([], ())
        await shelf.put([first], key_id=seal.key_id)
        await shelf.put([second, third], key_id=seal.key_id)
        assert list(await shelf.all()) == [first, third]
    async with open_shelf() as again:
        assert list(await again.all()) == [first, third]


async def test_what_is_sealed_with_another_key_is_not_put(open_shelf: OpenShelf) -> None:
    """Once the vault says which key it has, and in the transaction that would have put it."""
    key, other = random_key(), random_key()
    async with open_shelf() as shelf:
        await vault_on(shelf, key)
        before = await shelf.all()
        with pytest.raises(KeyReplaced) as caught:
            await shelf.put([Seal(other).close("cred-1", b"x", 1)], key_id=other.key_id)
        assert (caught.value.key_id, caught.value.ours) == (key.key_id, other.key_id)
        assert await shelf.all() == before


async def test_replacing_is_of_all_or_of_none(open_shelf: OpenShelf) -> None:
    """A key that does not open one of them changes none."""
    key, new = random_key(), random_key()
    async with open_shelf() as shelf:
        vault = await vault_on(shelf, key)
        await vault.keep({"cred-1": "a", "cred-2": "b"})
        before = await shelf.all()
        with pytest.raises(NotOpened):
            await shelf.replace(partial(resealed, old=new, new=key))
        assert await shelf.all() == before
        assert await shelf.replace(partial(resealed, old=key, new=new)) == 3
        after = {entry.id: entry for entry in await shelf.all()}
        assert after.keys() == {"cred-1", "cred-2", NAMING}
        assert all(Seal(new).open(entry) for entry in after.values())
        assert [after[one.id].created_at for one in before] == [one.created_at for one in before]


async def test_of_two_that_start_at_once_with_keys_of_their_own_one_is_refused(open_shelf: OpenShelf) -> None:
    """Before it keeps anything; the entry of the first to arrive stands."""
    keys = [random_key("one"), random_key("two"), random_key("three")]
    opened, refused = [], []

    async with open_shelf() as shelf:
        both_looked = trio.Event()
        waiting = set(keys)

        class Meeting:
            """A shelf that shows all of them an empty vault before any of them puts something."""

            def __init__(self, key: VaultKey) -> None:
                self.put, self.replace, self._key = shelf.put, shelf.replace, key

            async def all(self) -> object:
                entries = await shelf.all()
                waiting.discard(self._key)
                if not waiting:
                    both_looked.set()
                await both_looked.wait()
                return entries

        async def start(key: VaultKey) -> None:
            try:
                opened.append(await vault_on(Meeting(key), key))  # type: ignore[arg-type]
            except (StartFailed, KeyReplaced) as error:
                refused.append(str(error))

        async with trio.open_nursery() as nursery:
            for key in keys:
                nursery.start_soon(start, key)
        entries = await shelf.all()
    assert len(opened) == 1
    assert len(refused) == 2
    assert all(f"sealed with key {opened[0].key_id}" in one for one in refused)
    assert sealed_with(entries) == opened[0].key_id
    assert len(entries) == 1


async def test_nothing_is_kept_under_the_old_key_while_it_is_replaced(open_shelf: OpenShelf) -> None:
    """Keepers of the old key run beside the rotation: each kept before it and was sealed anew, or was told."""
    key, new = random_key(), random_key()
    kept, told = [], []
    async with open_shelf() as shelf, open_shelf() as beside:
        keepers = [await vault_on(one, key) for one in (shelf, beside)]

        async def keep(vault: Vault, number: int) -> None:
            try:
                await vault.keep({f"cred-{number}": str(number)})
                kept.append(f"cred-{number}")
            except KeyReplaced:
                told.append(number)

        async def rotate() -> None:
            while not kept:
                await trio.lowlevel.checkpoint()
            await beside.replace(partial(resealed, old=key, new=new))

        async def keep_until_told(number: int) -> None:
            for n in itertools.count(number, 2):
                await keep(keepers[number], n)
                if told:
                    return

        async with trio.open_nursery() as nursery:
            nursery.start_soon(rotate)
            nursery.start_soon(keep_until_told, 0)
            nursery.start_soon(keep_until_told, 1)
        after = await vault_on(shelf, new)
        assert kept
        assert [after.resolve(name) for name in kept] == [name.removeprefix("cred-") for name in kept]
        assert len(await shelf.all()) == len(kept) + 1


async def test_a_second_replica_with_another_key_is_refused(
    postgres: Server, log_database: str, tmp_path: Path
) -> None:
    """On one server, in one clear sentence, at the start; with the first one's key it starts."""
    url = postgres.url_of(log_database)
    own, other = tmp_path / "own", tmp_path / "other"
    async with open_store(url, environ={}, clock_us=lambda: 1, key_file=own) as first:
        name = first.vault.credential_id("secret")
        await first.vault.keep({name: "secret"})
        with pytest.raises(StartFailed, match=f"key file {other} is missing"):
            async with open_store(url, environ={}, clock_us=lambda: 1, key_file=other):
                pass
        other.write_bytes(random_key().text())
        other.chmod(0o600)
        with pytest.raises(StartFailed, match="have the same") as caught:
            async with open_store(url, environ={}, clock_us=lambda: 1, key_file=other):
                pass
        assert str(other) in str(caught.value)
        assert first.vault.key_id in str(caught.value)
        other.write_bytes(own.read_bytes())
        async with open_store(url, environ={}, clock_us=lambda: 1, key_file=other) as second:
            assert second.vault.resolve(name) == "secret"
            assert second.vault.credential_id("secret") == name
