"""Opening the vault: which key it has, and whether that is the one its entries are sealed with.

Law: nobody gets a vault whose entries do not open, and no key is made while there may be some. After a rotation that
was broken off, the key it was bringing in opens what the present one does not.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import structlog
import trio

from adapters.store.sealing import NAMING, Sealed, sealed_with
from adapters.store.vault import Shelf, Vault
from adapters.store.vault_key import HOLDS, VaultKey, coming_key, key_for
from engine.errors import StoreUnavailable

_log = structlog.get_logger("pointsman")


async def unlock(
    shelf: Shelf,
    key_file: Path,
    *,
    environ: Mapping[str, str],
    clock_us: Callable[[], int],
    copies: Sequence[Sealed] | None = None,
) -> Vault:
    """The vault with all its entries open. Raises StartFailed where the key is not theirs, StoreUnavailable.

    `copies`: what to open while the shelf is away, from the cache of an earlier run; None: the shelf must be there.
    Without any, a vault whose shelf is away holds nothing and names nothing until it is refreshed.
    """
    is_there = True
    try:
        entries = await shelf.all()
    except StoreUnavailable:
        if copies is None:
            raise
        is_there, entries = False, copies
    key = await trio.to_thread.run_sync(_fitting, key_file, environ, entries, is_there)
    vault = Vault(key, shelf, environ=environ, clock_us=clock_us)
    if is_there:
        await vault.refresh()
    else:
        vault.admit(entries)
    return vault


async def open_vault(key: VaultKey, shelf: Shelf, *, environ: Mapping[str, str], clock_us: Callable[[], int]) -> Vault:
    """The vault of a key that is known. Raises as `unlock`."""
    vault = Vault(key, shelf, environ=environ, clock_us=clock_us)
    await vault.refresh()
    return vault


def _fitting(key_file: Path, environ: Mapping[str, str], entries: Sequence[Sealed], is_there: bool) -> VaultKey:
    key = key_for(key_file, environ, in_use=_why_in_use(entries, is_there))
    key_id = sealed_with(entries)
    if key_id is not None and key_id != key.key_id:
        coming = coming_key(key_file, environ)
        if coming is not None and coming.key_id == key_id:
            _log.warning("the vault's rotation is not finished", key_id=key_id, key_from=coming.source)
            return coming
    return key


def _why_in_use(entries: Sequence[Sealed], is_there: bool) -> str | None:
    """How the sentence begins that says the key is missing; None: nothing is sealed, so that one may be made."""
    if any(entry.id != NAMING for entry in entries):
        return HOLDS
    if entries:
        # The first process on a database leaves an entry that says whose vault it is, before any credential.
        return f"The database's vault was made with another key ({sealed_with(entries)}), whose"
    return None if is_there else "The database is away and may hold sealed credentials, but their"
