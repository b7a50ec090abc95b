"""The vault: what is kept comes back, and to nobody else."""

import base64
import hmac
import itertools
import re
import sqlite3
from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path

import pytest

from adapters.store import Store, UnknownCredential, Vault, open_store
from adapters.store.sealing import NAMING
from adapters.store.shelf import MemoryShelf
from adapters.store.unlocking import open_vault
from adapters.store.vault_key import random_key, read_key
from engine.errors import StartFailed, StoreUnavailable

SECRET = "sk-live-0123456789-very-secret"
KEY = base64.b64encode(bytes(range(32))).decode()
OTHER_KEY = base64.b64encode(bytes(32)).decode()


def opened(path: Path, **environ: str) -> AbstractAsyncContextManager[Store]:
    return open_store(f"sqlite+aiosqlite:///{path}", environ=environ, clock_us=itertools.count(1).__next__)


async def filled(path: Path, **environ: str) -> str:
    """Keep the secret in a file's vault; its id."""
    async with opened(path, **environ) as store:
        name = store.vault.credential_id(SECRET)
        await store.vault.keep({name: SECRET})
        return name


def files(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in directory.iterdir()}


async def refusal(path: Path, **environ: str) -> StartFailed:
    with pytest.raises(StartFailed) as caught:
        async with opened(path, **environ):
            pass
    assert SECRET not in str(caught.value)
    return caught.value


async def test_what_is_kept_comes_back_after_a_restart(tmp_path: Path) -> None:
    """With the key file made on the first start."""
    path = tmp_path / "a.db"
    name = await filled(path)
    async with opened(path) as store:
        assert store.vault.resolve(name) == SECRET
        assert store.vault.credential_id(SECRET) == name


async def test_a_name_is_stable_and_says_nothing_without_the_key(tmp_path: Path) -> None:
    """Same key and secret, same name; another key, another name."""
    names = {await filled(tmp_path / f"{n}.db", POINTSMAN_VAULT_KEY=KEY) for n in range(2)}
    assert len(names) == 1
    assert re.fullmatch("cred-[0-9a-f]{16}", names.pop())
    assert await filled(tmp_path / "c.db", POINTSMAN_VAULT_KEY=OTHER_KEY) not in names


async def test_keeping_again_changes_nothing(tmp_path: Path) -> None:
    """The row stays, byte for byte; another secret under its name is a bug of the caller."""
    path = tmp_path / "a.db"
    name = await filled(path)
    with closing(sqlite3.connect(path)) as connection:
        before = connection.execute("SELECT * FROM vault").fetchall()
    async with opened(path) as store:
        await store.vault.keep({name: SECRET})
        with pytest.raises(ValueError, match="another secret") as caught:
            await store.vault.keep({name: "other-secret"})
        assert "other-secret" not in str(caught.value)
        with pytest.raises(ValueError, match="reference"):
            await store.vault.keep({"env:X": "y"})
        assert store.vault.resolve(name) == SECRET
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT * FROM vault").fetchall() == before


async def test_another_process_entries_are_found_on_refresh(tmp_path: Path) -> None:
    """Two open stores on one file; both may keep the same secret."""
    path = tmp_path / "a.db"
    async with opened(path) as one, opened(path) as two:
        name = one.vault.credential_id(SECRET)
        await one.vault.keep({name: SECRET})
        with pytest.raises(UnknownCredential):
            two.vault.resolve(name)
        await two.vault.keep({name: SECRET})
        other = two.vault.credential_id("b")
        await two.vault.keep({other: "b"})
        await one.vault.refresh()
        assert one.vault.resolve(other) == "b"


async def test_an_environment_reference_is_resolved_from_the_environment(tmp_path: Path) -> None:
    """Nothing of it is stored; a name that is not set, or empty, is unknown."""
    async with opened(tmp_path / "a.db", OPENAI=SECRET, EMPTY="") as store:
        assert store.vault.resolve("env:OPENAI") == SECRET
        for name in ("env:MISSING", "env:EMPTY"):
            with pytest.raises(UnknownCredential, match=f"{name}.*is not set"):
                store.vault.resolve(name)


async def test_an_unknown_name_is_named(tmp_path: Path) -> None:
    """UnknownCredential is a PointsmanError and a LookupError, and carries the id."""
    async with opened(tmp_path / "a.db") as store:
        with pytest.raises(UnknownCredential, match="'cred-0' is not in the vault") as caught:
            store.vault.resolve("cred-0")
        assert caught.value.credential_id == "cred-0"
        assert isinstance(caught.value, LookupError)


async def test_no_secret_is_in_the_files_or_in_a_repr(tmp_path: Path) -> None:
    """Looked for while the write-ahead log is still there, and after."""
    path = tmp_path / "a.db"
    async with opened(path, POINTSMAN_VAULT_KEY=KEY) as store:
        name = store.vault.credential_id(SECRET)
        await store.vault.keep({name: SECRET})
        during = b"".join(files(tmp_path).values())
        assert name.encode() in during
        assert SECRET.encode() not in during
        for text in (repr(store), repr(store.vault), str(store.vault)):
            assert SECRET not in text
            assert KEY not in text
    assert SECRET.encode() not in path.read_bytes()
    key = random_key()
    assert repr(key.material) not in repr(key)


async def test_with_the_key_in_the_environment_no_file_is_made(tmp_path: Path) -> None:
    """The key is where the operator wants it."""
    await filled(tmp_path / "a.db", POINTSMAN_VAULT_KEY=KEY)
    assert files(tmp_path).keys() == {"a.db"}


async def test_the_key_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Mode 0600, 32 bytes in base64, and nothing left of its making; the next start reads the same."""
    path = tmp_path / "a.db"
    await filled(path)
    key_file = tmp_path / "a.db.key"
    assert key_file.stat().st_mode & 0o777 == 0o600
    text = key_file.read_text()
    assert len(base64.b64decode(text)) == 32
    assert files(tmp_path).keys() == {"a.db", "a.db.key"}
    async with opened(path):
        assert key_file.read_text() == text


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o777])
async def test_a_key_file_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    """The sentence says what to run."""
    path = tmp_path / "a.db"
    await filled(path)
    (tmp_path / "a.db.key").chmod(mode)
    assert f"chmod 600 {path}.key" in str(await refusal(path))


@pytest.mark.parametrize("text", ["", "short", "!" * 44, base64.b64encode(bytes(31)).decode(), "ä" * 44])
async def test_a_malformed_key_is_refused_without_repeating_it(tmp_path: Path, text: str) -> None:
    """From the file or the environment (there, empty is not set)."""
    path = tmp_path / "a.db"
    await filled(path)
    (tmp_path / "a.db.key").write_text(text)
    from_file = await refusal(path)
    assert f"the key file {path}.key is malformed" in str(from_file)
    assert not text or text not in str(from_file)
    if text:
        from_environment = await refusal(path, POINTSMAN_VAULT_KEY=text)
        assert "environment variable POINTSMAN_VAULT_KEY is malformed" in str(from_environment)
        assert text not in str(from_environment)


async def test_a_lost_key_file_is_not_replaced(tmp_path: Path) -> None:
    """A new key would open nothing; the operator is asked for the old one."""
    path = tmp_path / "a.db"
    await filled(path)
    (tmp_path / "a.db.key").unlink()
    refused = await refusal(path)
    assert f"key file {path}.key is missing" in str(refused)
    assert files(tmp_path).keys() == {"a.db"}


async def test_a_vault_that_holds_nothing_says_so(tmp_path: Path) -> None:
    """A process that had another key was there first, and no secret is in danger: nothing is said of credentials."""
    path = tmp_path / "a.db"
    async with opened(path):
        pass
    made = read_key(tmp_path / "a.db.key").key_id
    (tmp_path / "a.db.key").unlink()
    refused = str(await refusal(path))
    assert f"vault was made with another key ({made}), whose key file {path}.key is missing" in refused
    assert "credentials" not in refused


async def test_another_key_is_refused_and_its_source_named(tmp_path: Path) -> None:
    """At the start, not at the first request; both keys by their ids, which are no part of them."""
    path = tmp_path / "a.db"
    await filled(path)
    ours = read_key(tmp_path / "a.db.key").key_id
    assert "environment variable POINTSMAN_VAULT_KEY" in str(await refusal(path, POINTSMAN_VAULT_KEY=KEY))
    (tmp_path / "a.db.key").write_text(OTHER_KEY)
    refused = await refusal(path)
    assert f"the key file {path}.key" in str(refused)
    assert f"sealed with key {ours}" in str(refused)
    assert read_key(tmp_path / "a.db.key").key_id in str(refused)
    assert OTHER_KEY not in str(refused)


@pytest.mark.parametrize(
    "change", ["id = 'cred-1'", "sealed = x'00'", "nonce = x'000000000000000000000000'", "nonce = x''"]
)
async def test_an_altered_entry_does_not_open(tmp_path: Path, change: str) -> None:
    """Nor does one that was moved under another name."""
    path = tmp_path / "a.db"
    await filled(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"UPDATE vault SET {change} WHERE id != 'naming'")  # noqa: S608  # one of the list
    assert "does not open" in str(await refusal(path))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("nonce = x'000000000000000000000000'", "naming does not open"),
        ("sealed = substr(sealed, 1, 8)", "naming does not open"),
        ("sealed = CAST(x'01020304' || substr(sealed, 5) AS BLOB)", "sealed with key 01020304"),
        ("sealed = x''", "sealed with key"),
    ],
)
async def test_an_altered_naming_entry_does_not_open(tmp_path: Path, change: str, said: str) -> None:
    """It would give every secret another name."""
    path = tmp_path / "a.db"
    await filled(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"UPDATE vault SET {change} WHERE id = 'naming'")  # noqa: S608  # one of the list
    assert said in str(await refusal(path))


async def test_a_vault_of_the_first_version_keeps_its_names(tmp_path: Path) -> None:
    """It had no naming entry: the names came from the key, and still do."""
    path = tmp_path / "a.db"
    name = await filled(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM vault WHERE id = 'naming'")
    derived = read_key(tmp_path / "a.db.key").derive(b"naming")
    assert name == "cred-" + hmac.digest(derived, SECRET.encode(), "sha256").hex()[:16]
    async with opened(path) as store:
        assert store.vault.credential_id(SECRET) == name
        assert store.vault.resolve(name) == SECRET
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM vault WHERE id = 'naming'").fetchone() == (1,)


async def test_another_key_does_not_claim_a_vault_of_the_first_version(tmp_path: Path) -> None:
    """Its entries are looked at before anything is put beside them."""
    path = tmp_path / "a.db"
    name = await filled(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM vault WHERE id = 'naming'")
    assert name in str(await refusal(path, POINTSMAN_VAULT_KEY=KEY))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT id FROM vault").fetchall() == [(name,)]


async def test_the_naming_entry_is_nobodys_credential(tmp_path: Path) -> None:
    """It cannot be resolved, nor kept over."""
    async with opened(tmp_path / "a.db") as store:
        with pytest.raises(UnknownCredential):
            store.vault.resolve(NAMING)
        with pytest.raises(ValueError, match="reserved"):
            await store.vault.keep({NAMING: "x"})


async def test_an_unread_vault_names_nothing() -> None:
    """Its names may be made with a key that it does not know yet, so none is guessed."""
    vault = Vault(random_key(), MemoryShelf(), environ={}, clock_us=lambda: 1)
    with pytest.raises(StoreUnavailable, match="not been read yet"):
        vault.credential_id(SECRET)
    await vault.refresh()
    assert vault.credential_id(SECRET).startswith("cred-")


async def test_a_sealed_entry_never_looks_the_same_twice() -> None:
    """Each has a nonce of its own."""
    key, sealed = random_key(), []
    for _ in range(2):
        shelf = MemoryShelf()
        vault = await open_vault(key, shelf, environ={}, clock_us=lambda: 1)
        await vault.keep({"cred-1": SECRET})
        sealed += await shelf.all()
    assert len({one.nonce for one in sealed}) == len({one.sealed for one in sealed}) == 4
