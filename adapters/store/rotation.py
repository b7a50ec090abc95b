"""Replacing the vault's key: every entry is sealed anew in one transaction, names stay.

Law: whenever this is broken off, the key file or the one beside it opens everything; the next rotation finishes what
this one left. The order is: the new key on disk, the transaction, the new key in the present one's place.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import attrs
import trio

from adapters.store import key_files
from adapters.store.database import open_database
from adapters.store.postgres_database import open_postgres
from adapters.store.sealing import NotOpened, resealed, sealed_with
from adapters.store.shelf import DatabaseShelf
from adapters.store.unlocking import open_vault
from adapters.store.urls import PostgresServer, place_of
from adapters.store.vault import Shelf
from adapters.store.vault_key import (
    HOLDS,
    KEY_FILE,
    NEW_VARIABLE,
    VARIABLE,
    VaultKey,
    key_file_beside,
    key_for,
    new_key,
    random_key,
    read_key,
)
from engine.errors import OutcomeUnknown, StartFailed


@attrs.frozen
class Rotated:
    """What a rotation did."""

    key_id: str
    "Of the key that is in force now."
    entries: int | None
    "How many were sealed anew; None where an earlier rotation had done so and only its files were put in place."
    key_file: Path | None
    "Where the new key is; None where the environment gives keys and the operator puts the new one there."


async def rotate_vault(
    url: str, *, environ: Mapping[str, str], key_file: Path | None = None, new_key_file: Path | None = None
) -> Rotated:
    """As `rotate`, of the vault behind a database URL."""
    place = place_of(url)
    match place:
        case None:
            raise StartFailed("A memory: database ends with its gateway; it has no key to replace.", wrong_input=True)
        case Path():
            if not place.is_file():
                raise StartFailed(f"The database {place} does not exist.", wrong_input=True)
            key_file = key_file or key_file_beside(place)
            async with open_database(place) as file:
                return await rotate(DatabaseShelf(file), key_file, environ=environ, new_key_file=new_key_file)
        case PostgresServer():
            key_file = key_file or KEY_FILE.absolute()
            async with open_postgres(place) as server:
                return await rotate(DatabaseShelf(server), key_file, environ=environ, new_key_file=new_key_file)


async def rotate(
    shelf: Shelf, key_file: Path, *, environ: Mapping[str, str], new_key_file: Path | None = None
) -> Rotated:
    """Seal the vault with another key: the operator's, else a new one. Raises StartFailed, StoreError."""
    wished = await trio.to_thread.run_sync(new_key, new_key_file, environ)
    if not await shelf.all():
        raise StartFailed("Nothing is sealed in this database; a gateway's first start makes its key.")
    if environ.get(VARIABLE):
        return await _rotate_environment(shelf, key_file, environ, wished)
    with key_files.held(key_file):
        return await _rotate_file(shelf, key_file, environ, wished)


async def _rotate_environment(
    shelf: Shelf, key_file: Path, environ: Mapping[str, str], wished: VaultKey | None
) -> Rotated:
    if wished is None:
        raise StartFailed(
            f"The vault's key is in the environment variable {VARIABLE}, where this command cannot put another; "
            f"give the new one in {NEW_VARIABLE} or as --new-key-file.",
            wrong_input=True,
        )
    old = await trio.to_thread.run_sync(lambda: key_for(key_file, environ, in_use=HOLDS))
    if sealed_with(await shelf.all()) == wished.key_id:
        return Rotated(wished.key_id, None, None)
    return Rotated(wished.key_id, await _reseal(shelf, old, wished, environ), None)


async def _rotate_file(shelf: Shelf, key_file: Path, environ: Mapping[str, str], wished: VaultKey | None) -> Rotated:
    draft = key_files.draft_of(key_file)
    left = await trio.to_thread.run_sync(lambda: read_key(draft) if draft.exists() else None)
    if left is not None and wished is not None and wished.key_id != left.key_id:
        # Its transaction may yet come to its end, so that key must not be thrown away.
        raise StartFailed(
            f"A rotation to key {left.key_id} was broken off, with its key in {draft}; "
            "rotate without a new key first, which finishes it."
        )
    if left is not None and sealed_with(await shelf.all()) == left.key_id:
        await trio.to_thread.run_sync(key_files.install, key_file)
        return Rotated(left.key_id, None, key_file)
    if key_files.is_kept(key_file):
        raise StartFailed(
            f"The key of an earlier rotation is still in {key_files.old_of(key_file)}; remove it, once no backup "
            "that you may restore needs it, and rotate again."
        )
    old = await trio.to_thread.run_sync(read_key, key_file)
    new = left or wished or random_key(f"the key file {draft}")
    if left is None:
        await trio.to_thread.run_sync(key_files.make, draft, new.text())
    entries = await _reseal(shelf, old, new, environ)
    await trio.to_thread.run_sync(key_files.install, key_file)
    return Rotated(new.key_id, entries, key_file)


async def _reseal(shelf: Shelf, old: VaultKey, new: VaultKey, environ: Mapping[str, str]) -> int:
    """How many credentials there are."""
    if new.key_id == old.key_id:
        raise StartFailed(f"The new vault key is the present one, key {old.key_id}; give another.", wrong_input=True)
    # So that the key is known to open everything, and a vault of the first version has its naming key by itself.
    await open_vault(old, shelf, environ=environ, clock_us=lambda: 0)
    try:
        return await shelf.replace(partial(resealed, old=old, new=new)) - 1
    except NotOpened as error:
        raise StartFailed(
            f"The vault was sealed anew by another process meanwhile; nothing was changed: {error}."
        ) from None
    except OutcomeUnknown as error:
        raise OutcomeUnknown(
            f"it is not known whether the vault is sealed with key {old.key_id} or {new.key_id} ({error}); "
            "keep both keys and rotate again, which finds out"
        ) from error
