"""The key that seals the vault: from the environment, else from a file.

Law: a key is made only where nothing is sealed yet. An existing key file is complete (it appears under its name
in one step, on disk) and readable by its owner alone, or the start is refused. No key is in an error or a repr.
"""

import base64
import binascii
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

import attrs
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from adapters.store.key_files import draft_of, make
from engine.errors import StartFailed

VARIABLE: Final = "POINTSMAN_VAULT_KEY"
NEW_VARIABLE: Final = "POINTSMAN_VAULT_KEY_NEW"
"""What replaces the key in VARIABLE; while both are set, a process opens the vault before and after."""

KEY_FILE: Final = Path("pointsman.vault-key")
"""Where the key is that seals a server's vault, unless the operator says where."""

HOLDS: Final = "The database holds sealed credentials, but their"
"""How it begins to be said that a key is missing."""

_SIZE: Final = 32


@attrs.frozen
class VaultKey:
    material: bytes = attrs.field(repr=False)
    source: str
    "Where it came from, for the operator."

    def derive(self, purpose: bytes) -> bytes:
        """32 bytes that say nothing about the key or about those of another purpose (HKDF, RFC 5869)."""
        return HKDF(algorithm=SHA256(), length=_SIZE, salt=None, info=b"pointsman vault " + purpose).derive(
            self.material
        )

    @property
    def key_id(self) -> str:
        """8 hexadecimal digits by which people and databases tell keys apart."""
        return sha256(self.derive(b"identity")).hexdigest()[:8]

    def text(self) -> bytes:
        """As a key file holds it. A secret."""
        return base64.b64encode(self.material) + b"\n"


def random_key(source: str = "this process") -> VaultKey:
    return VaultKey(os.urandom(_SIZE), source)


def key_file_beside(database: Path) -> Path:
    """Where a SQLite database has its key."""
    return database.with_name(database.name + ".key")


def key_for(key_file: Path, environ: Mapping[str, str], *, in_use: str | None) -> VaultKey:
    """The vault's key; `in_use`: why there must be one already, as `read_key` words it; None: it may be made. Raises
    StartFailed. Blocks on files.
    """
    text = environ.get(VARIABLE)
    if text:
        return _parse(text, f"the environment variable {VARIABLE}")
    if in_use is None:
        with suppress(FileExistsError):
            make(key_file, random_key().text())
        return read_key(key_file)
    return read_key(key_file, wanted=in_use)


def coming_key(key_file: Path, environ: Mapping[str, str]) -> VaultKey | None:
    """The key that a rotation is bringing in, or was when it was broken off. Raises StartFailed. Blocks on files."""
    if environ.get(VARIABLE):
        text = environ.get(NEW_VARIABLE)
        return _parse(text, f"the environment variable {NEW_VARIABLE}") if text else None
    draft = draft_of(key_file)
    return read_key(draft) if draft.exists() else None


def read_key(path: Path, *, wanted: str = HOLDS) -> VaultKey:
    """The key in a file; `wanted` begins the sentence that says it is missing. Raises StartFailed."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(1024)
    except FileNotFoundError as error:
        raise StartFailed(f"{wanted} key file {path} is missing; put it back, or set {VARIABLE} to the key.") from error
    except OSError as error:
        raise StartFailed(f"The vault's key file {path} cannot be read: {error.strerror}.") from error
    if mode & 0o077:
        raise StartFailed(
            f"The vault's key file {path} can be read or written by other users (mode {mode:04o}); "
            f"run `chmod 600 {path}`."
        )
    return _parse(text.decode("ascii", "replace"), f"the key file {path}")


def new_key(new_key_file: Path | None, environ: Mapping[str, str]) -> VaultKey | None:
    """The key that the operator wants the vault to have; None where that is left to us. Raises StartFailed."""
    text = environ.get(NEW_VARIABLE)
    if text and new_key_file is not None:
        raise StartFailed(
            f"The new vault key is given twice: in {NEW_VARIABLE} and as --new-key-file; give one of them.",
            wrong_input=True,
        )
    if new_key_file is not None:
        return read_key(new_key_file, wanted="The new vault key's")
    return _parse(text, f"the environment variable {NEW_VARIABLE}") if text else None


def _parse(text: str, source: str) -> VaultKey:
    try:
        material = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        material = b""
    if len(material) != _SIZE:
        # `from None`: the decoder's error may quote the text.
        raise StartFailed(
            f"The vault key in {source} is malformed; it is {_SIZE} random bytes in base64 (44 characters), "
            "for instance from `openssl rand -base64 32`.",
            wrong_input=True,
        ) from None
    return VaultKey(material, source)
