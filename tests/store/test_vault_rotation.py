"""Replacing the vault's key: names and secrets stay, and no moment is without a key that opens everything."""

import base64
import itertools
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import trio

from adapters.store import Store, key_files, open_store, rotation
from adapters.store.rotation import Rotated, rotate_vault
from adapters.store.sealing import Sealed
from adapters.store.shelf import DatabaseShelf
from adapters.store.vault import KeyReplaced
from adapters.store.vault_key import read_key
from engine.errors import OutcomeUnknown, StartFailed
from tests.postgres import Server

SECRET = "sk-live-0123456789-very-secret"
KEY = base64.b64encode(bytes(range(32))).decode()
NEW_KEY = base64.b64encode(bytes(range(1, 33))).decode()
Change = Callable[[Sequence[Sealed]], Sequence[Sealed]]


class Place:
    """A database with one secret in its vault."""

    def __init__(self, url: str, key_file: Path, **environ: str) -> None:
        self.url, self.key_file, self.environ = url, key_file, environ
        self.name = ""

    def opened(self, **environ: str) -> AbstractAsyncContextManager[Store]:
        environ = environ or self.environ
        clock = itertools.count(1).__next__
        return open_store(self.url, environ=environ, clock_us=clock, key_file=self.key_file)

    async def fill(self) -> None:
        async with self.opened() as store:
            self.name = store.vault.credential_id(SECRET)
            await store.vault.keep({self.name: SECRET})

    async def rotate(self, new_key_file: Path | None = None, **environ: str) -> Rotated:
        return await rotate_vault(
            self.url, environ=self.environ | environ, key_file=self.key_file, new_key_file=new_key_file
        )

    async def opens(self, **environ: str) -> str:
        """The id of the key it opens with, having checked that all is as it was."""
        async with self.opened(**environ) as store:
            assert store.vault.resolve(self.name) == SECRET
            assert store.vault.credential_id(SECRET) == self.name
            return store.vault.key_id


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/a.db"
    server: Server = request.getfixturevalue("postgres")
    return server.url_of(request.getfixturevalue("log_database"))


@pytest.fixture
async def place(url: str, tmp_path: Path) -> Place:
    place = Place(url, tmp_path / "key")
    await place.fill()
    return place


@pytest.fixture
async def file(tmp_path: Path) -> Place:
    place = Place(f"sqlite+aiosqlite:///{tmp_path}/a.db", tmp_path / "key")
    await place.fill()
    return place


async def test_everything_opens_with_the_new_key_alone(place: Place) -> None:
    """Names are those from before, since events have them; the old key file is kept, the new one is its owner's."""
    before = place.key_file.read_bytes()
    old = await place.opens()
    rotated = await place.rotate()
    assert (rotated.entries, rotated.key_file) == (1, place.key_file)
    assert await place.opens() == rotated.key_id != old
    assert place.key_file.read_bytes() != before
    assert place.key_file.stat().st_mode & 0o777 == 0o600
    kept = key_files.old_of(place.key_file)
    assert kept.read_bytes() == before
    assert {one.name for one in place.key_file.parent.iterdir()} >= {"key", "key.old"}
    assert not key_files.draft_of(place.key_file).exists()
    place.key_file.write_bytes(before)
    with pytest.raises(StartFailed, match=f"sealed with key {rotated.key_id}"):
        await place.opens()


async def test_rotating_again_asks_for_the_old_key_to_be_removed(file: Place) -> None:
    """A key is never thrown away by us: a backup may need it."""
    await file.rotate()
    with pytest.raises(StartFailed, match=r"key\.old; remove it"):
        await file.rotate()
    key_files.old_of(file.key_file).unlink()
    second = await file.rotate()
    assert await file.opens() == second.key_id


async def test_the_operator_may_bring_the_key(file: Place, tmp_path: Path) -> None:
    """From a file or the environment; not from both, and not the present one."""
    wished = tmp_path / "wished"
    wished.write_text(NEW_KEY)
    with pytest.raises(StartFailed, match="chmod 600"):
        await file.rotate(wished)
    wished.chmod(0o600)
    with pytest.raises(StartFailed, match="given twice"):
        await file.rotate(wished, POINTSMAN_VAULT_KEY_NEW=NEW_KEY)
    with pytest.raises(StartFailed, match="missing"):
        await file.rotate(tmp_path / "none")
    assert (await file.rotate(wished)).key_id == read_key(wished).key_id == await file.opens()
    key_files.old_of(file.key_file).unlink()
    with pytest.raises(StartFailed, match="is the present one"):
        await file.rotate(wished)
    key_files.draft_of(file.key_file).unlink()
    await file.rotate(POINTSMAN_VAULT_KEY_NEW=KEY)
    assert await file.opens() == await file.opens(POINTSMAN_VAULT_KEY=KEY)


async def test_a_key_in_the_environment_is_replaced_there_by_the_operator(tmp_path: Path) -> None:
    """No file is made; with both variables set a process starts before and after."""
    both = {"POINTSMAN_VAULT_KEY": KEY, "POINTSMAN_VAULT_KEY_NEW": NEW_KEY}
    place = Place(f"sqlite+aiosqlite:///{tmp_path}/a.db", tmp_path / "key", POINTSMAN_VAULT_KEY=KEY)
    await place.fill()
    with pytest.raises(StartFailed, match="POINTSMAN_VAULT_KEY_NEW or as --new-key-file") as caught:
        await place.rotate()
    assert KEY not in str(caught.value)
    old = await place.opens(**both)
    rotated = await place.rotate(**both)
    assert (rotated.entries, rotated.key_file) == (1, None)
    assert old != rotated.key_id == await place.opens(**both) == await place.opens(POINTSMAN_VAULT_KEY=NEW_KEY)
    with pytest.raises(StartFailed, match=f"sealed with key {rotated.key_id}"):
        await place.opens()
    assert (await place.rotate(**both)).entries is None
    assert {one.name for one in tmp_path.iterdir()} == {"a.db"}


async def test_a_running_gateway_keeps_what_it_has_open(place: Place) -> None:
    """It can keep nothing more, opens nothing newer, and says that it is to be restarted with the new key."""
    async with place.opened() as running:
        old = running.vault.key_id
        rotated = await place.rotate()
        async with place.opened() as restarted:
            await restarted.vault.keep({"cred-2": "later"})
            for call in (running.vault.refresh(), running.vault.keep({"cred-3": "another"})):
                with pytest.raises(KeyReplaced, match="restart it with the new key") as caught:
                    await call
                assert (caught.value.key_id, caught.value.ours) == (rotated.key_id, old)
            assert running.vault.resolve(place.name) == SECRET
            await restarted.vault.refresh()
            assert restarted.vault.resolve("cred-2") == "later"
    assert await place.opens() == rotated.key_id


class Struck(Exception):
    """What the tests break a rotation off with."""


def _strike(*_: object) -> None:
    raise Struck


def before_the_transaction(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(DatabaseShelf, "replace", _strike)


def within_the_transaction(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rotation, "resealed", lambda _entries, **_keys: _strike())


def after_the_transaction(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(key_files, "install", _strike)


def between_the_files(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Path, "replace", _strike)


@pytest.mark.parametrize(
    ("where", "is_sealed"),
    [
        (before_the_transaction, False),
        (within_the_transaction, False),
        (after_the_transaction, True),
        (between_the_files, True),
    ],
)
async def test_broken_off_anywhere_all_of_it_opens_and_the_next_one_finishes(
    place: Place, where: Callable[[pytest.MonkeyPatch], None], is_sealed: bool
) -> None:
    """Also when it is broken off twice at the same place."""
    old = await place.opens()
    for _ in range(2):
        with pytest.MonkeyPatch.context() as patch:
            where(patch)
            with pytest.raises(Struck):
                await place.rotate()
        coming = read_key(key_files.draft_of(place.key_file)).key_id
        assert await place.opens() == (coming if is_sealed else old)
    rotated = await place.rotate()
    assert rotated.key_id == coming == await place.opens()
    assert rotated.entries == (None if is_sealed else 1)
    assert read_key(place.key_file).key_id == coming
    assert read_key(key_files.old_of(place.key_file)).key_id == old
    assert not key_files.draft_of(place.key_file).exists()


async def test_a_killed_rotation_leaves_what_opens(file: Place) -> None:
    """A real process, killed by SIGKILL before each change of a file in turn, until it comes to its end."""
    program = """
import os, signal, sys, trio
from pathlib import Path
from adapters.store.rotation import rotate_vault
left = int(sys.argv[3])
here = os.path.dirname(sys.argv[2])
def kill_at(event, args):
    global left
    if event in ("os.rename", "os.link", "os.remove") and str(args[0]).startswith(here):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(kill_at)
async def main():
    await rotate_vault(sys.argv[1], environ={}, key_file=Path(sys.argv[2]))
trio.run(main)
"""
    opens_with_the_coming_key = []
    for step in itertools.count():
        key_files.old_of(file.key_file).unlink(missing_ok=True)
        arguments = [sys.executable, "-c", program, file.url, str(file.key_file), str(step)]
        environ = {**os.environ, "PYTHONPATH": "."}
        ended = await trio.run_process(arguments, env=environ, check=False, capture_stderr=True)
        opens_with_the_coming_key.append(await file.opens() != read_key(file.key_file).key_id)
        if ended.returncode != -signal.SIGKILL:
            break
        await file.rotate()
    assert ended.returncode == 0, ended.stderr
    assert set(opens_with_the_coming_key) == {False, True}


async def test_an_outcome_that_is_unknown_throws_no_key_away(file: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The transaction may still come to its end, so the next rotation goes on with the same key."""
    replace = DatabaseShelf.replace

    async def answerless(shelf: DatabaseShelf, change: Change) -> int:
        await replace(shelf, change)
        raise OutcomeUnknown("the server did not answer")

    with monkeypatch.context() as patch:
        patch.setattr(DatabaseShelf, "replace", answerless)
        with pytest.raises(OutcomeUnknown, match="keep both keys and rotate again"):
            await file.rotate()
    with pytest.raises(StartFailed, match="rotate without a new key first"):
        await file.rotate(POINTSMAN_VAULT_KEY_NEW=NEW_KEY)
    rotated = await file.rotate()
    assert rotated.entries is None
    assert await file.opens() == rotated.key_id


async def test_only_one_rotates_at_a_time(file: Place) -> None:
    """The other is refused, since two would put their keys in each other's place."""
    with key_files.held(file.key_file), pytest.raises(StartFailed, match="being rotated by another process"):
        await file.rotate()
    assert (await file.rotate()).entries == 1


@pytest.mark.parametrize(
    ("url", "said"),
    [("memory:", "ends with its gateway"), ("sqlite+aiosqlite:///none.db", "does not exist"), ("x:", "URL")],
)
async def test_what_has_no_vault_is_not_rotated(
    url: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing is made in its place."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StartFailed, match=said) as caught:
        await rotate_vault(url, environ={})
    assert caught.value.wrong_input
    assert not list(tmp_path.iterdir())
