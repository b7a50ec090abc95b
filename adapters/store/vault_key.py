"""The key that seals the vault: from the environment, else from a file beside the database.

Law: a key is made only where nothing is sealed yet. An existing key file is complete (it appears under its name
in one step, on disk) and readable by its owner alone, or the start is refused.
"""

import base64
import binascii
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import attrs
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from engine.errors import StartFailed

VARIABLE: Final = "POINTSMAN_VAULT_KEY"
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


def random_key() -> VaultKey:
    return VaultKey(os.urandom(_SIZE), "this process")


def key_for(database: Path, environ: Mapping[str, str], *, in_use: bool) -> VaultKey:
    """The vault key of a database file; `in_use`: there are sealed entries. Raises StartFailed. Blocks on files."""
    text = environ.get(VARIABLE)
    if text:
        return _parse(text, f"the environment variable {VARIABLE}")
    path = database.with_name(database.name + ".key")
    if not in_use:
        with suppress(FileExistsError):
            _make(path)
    return _read(path)


def _read(path: Path) -> VaultKey:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(1024)
    except FileNotFoundError as error:
        raise StartFailed(
            f"The database holds sealed credentials, but their key file {path} is missing; "
            f"put it back, or set {VARIABLE} to the key."
        ) from error
    except OSError as error:
        raise StartFailed(f"The vault's key file {path} cannot be read: {error.strerror}.") from error
    if mode & 0o077:
        raise StartFailed(
            f"The vault's key file {path} can be read or written by other users (mode {mode:04o}); "
            f"run `chmod 600 {path}`."
        )
    return _parse(text.decode("ascii", "replace"), f"the key file {path}")


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


def _make(path: Path) -> None:
    """A new key file, by a name of its own first so that no crash leaves half a key. Raises FileExistsError."""
    if path.exists():
        raise FileExistsError
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(base64.b64encode(os.urandom(_SIZE)) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)  # unlike a rename, this refuses to replace a key
        finally:
            draft.unlink()
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except FileExistsError:
        raise
    except OSError as error:
        raise StartFailed(f"The vault's key file {path} cannot be made: {error.strerror}.") from error
