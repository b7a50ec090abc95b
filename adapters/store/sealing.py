"""What a vault key does to an entry: AES-GCM, bound to the entry's name.

Law: an entry opens only with the key and under the name it was sealed with. One entry, `naming`, holds what names are
made from; it says in the clear which key all are sealed with, and whoever cannot open it has another key.
"""

import os
from collections.abc import Iterable
from typing import Final

import attrs
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.store.vault_key import VaultKey
from engine.errors import PointsmanError
from engine.names import CredentialId

NAMING: Final = "naming"
"""The entry with the key that names are made with. It stays the same when the vault's key is replaced."""

_NONCE: Final = 12
_MARK: Final = 4
"Bytes of a key's id before the sealed naming key."


@attrs.frozen
class Sealed:
    """A row of the vault table."""

    id: CredentialId
    nonce: bytes
    sealed: bytes
    created_at: int
    "Unix microseconds."


@attrs.frozen
class NotOpened(PointsmanError):
    """An entry was sealed with another key, or altered."""

    id: CredentialId

    def __str__(self) -> str:
        return f"the vault's entry {self.id} does not open"


class Seal:
    """A vault key at work."""

    def __init__(self, key: VaultKey) -> None:
        self.key_id = key.key_id
        self._cipher = AESGCM(key.derive(b"sealing"))

    def close(self, name: CredentialId, secret: bytes, created_at: int) -> Sealed:
        nonce, mark = os.urandom(_NONCE), self._mark(name)
        return Sealed(name, nonce, mark + self._cipher.encrypt(nonce, secret, mark + name.encode()), created_at)

    def open(self, entry: Sealed) -> bytes:
        """Raises NotOpened."""
        mark = self._mark(entry.id)
        try:
            if not entry.sealed.startswith(mark):
                raise NotOpened(entry.id)
            return self._cipher.decrypt(entry.nonce, entry.sealed[len(mark) :], mark + entry.id.encode())
        except (InvalidTag, ValueError):
            raise NotOpened(entry.id) from None

    def _mark(self, name: CredentialId) -> bytes:
        return bytes.fromhex(self.key_id) if name == NAMING else b""


def sealed_with(entries: Iterable[Sealed]) -> str | None:
    """The id of the key that these are sealed with; None where they do not say."""
    for entry in entries:
        if entry.id == NAMING:
            return entry.sealed[:_MARK].hex()
    return None


def resealed(entries: Iterable[Sealed], old: VaultKey, new: VaultKey) -> list[Sealed]:
    """The same secrets, the naming key among them, under another key. Raises NotOpened."""
    before, after = Seal(old), Seal(new)
    return [after.close(entry.id, before.open(entry), entry.created_at) for entry in entries]
