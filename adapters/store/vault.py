"""Where upstream credentials live: sealed with AES-GCM in the database, open in this process' memory.

Law: nothing leaves but through `resolve`. Names reveal nothing without the key, an entry opens only under its
own name, and no repr, error or log line holds a secret.
"""

import hmac
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import attrs
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.secret_files import SecretFiles
from adapters.store.references import UnknownCredential, is_reference, resolve_reference
from adapters.store.vault_key import VARIABLE, VaultKey
from engine.errors import StartFailed
from engine.names import CredentialId

_NONCE: Final = 12


@attrs.frozen
class Sealed:
    """A row of the vault table."""

    id: CredentialId
    nonce: bytes
    sealed: bytes
    created_at: int
    "Unix microseconds."


class Shelf(Protocol):
    """Where sealed entries are kept."""

    async def all(self) -> Sequence[Sealed]: ...

    async def put(self, entries: Sequence[Sealed]) -> None:
        """Durable before it returns; an id that is there already stays as it is."""
        ...


class Vault:
    """Credentials by name; `open_vault` makes one."""

    def __init__(self, key: VaultKey, shelf: Shelf, *, environ: Mapping[str, str], clock_us: Callable[[], int]) -> None:
        self._source = key.source
        self._naming = key.derive(b"naming")
        self._cipher = AESGCM(key.derive(b"sealing"))
        self._shelf = shelf
        self._environ = environ
        self._clock_us = clock_us
        self._files = SecretFiles(clock_us)
        self._secrets: dict[CredentialId, str] = {}

    def __repr__(self) -> str:
        return f"Vault({len(self._secrets)} credentials, key from {self._source})"

    def credential_id(self, secret: str) -> CredentialId:
        """The name under which this secret is kept: the same for the same secret and key, on every start."""
        return "cred-" + hmac.digest(self._naming, secret.encode(), "sha256").hex()[:16]

    async def keep(self, credentials: Mapping[CredentialId, str]) -> None:
        """Seal and store; on disk when it returns. Keeping the same again changes nothing.

        Raises: ValueError (a reference, or another secret than the one kept under that id), StoreError.
        """
        fresh = {}
        for credential_id, secret in credentials.items():
            if is_reference(credential_id):
                raise ValueError(f"{credential_id!r} is a reference; only secrets are kept")
            kept = self._secrets.get(credential_id)
            if kept is None:
                fresh[credential_id] = secret
            elif not hmac.compare_digest(kept.encode(), secret.encode()):
                raise ValueError(f"{credential_id!r} is kept with another secret; a new secret has a new id")
        if fresh:
            now = self._clock_us()
            await self._shelf.put([self._seal(name, secret, now) for name, secret in fresh.items()])
            self._secrets.update(fresh)

    def resolve(self, credential_id: CredentialId) -> str:
        """The secret. References are followed, not looked up in the vault. Raises UnknownCredential."""
        if is_reference(credential_id):
            return resolve_reference(credential_id, self._environ, self._files.read)
        secret = self._secrets.get(credential_id)
        if secret is None:
            raise UnknownCredential(credential_id)
        return secret

    async def refresh(self) -> None:
        """Open every stored entry, also those another process kept. Raises StartFailed, StoreError."""
        self._secrets.update({entry.id: self._open(entry) for entry in await self._shelf.all()})

    def _seal(self, credential_id: CredentialId, secret: str, now: int) -> Sealed:
        nonce = os.urandom(_NONCE)
        return Sealed(credential_id, nonce, self._cipher.encrypt(nonce, secret.encode(), credential_id.encode()), now)

    def _open(self, entry: Sealed) -> str:
        try:
            return self._cipher.decrypt(entry.nonce, entry.sealed, entry.id.encode()).decode()
        except (InvalidTag, ValueError):
            raise StartFailed(
                f"The vault's entry {entry.id} does not open with the key from {self._source}: "
                f"it was sealed with another key, or altered; give the right one in {VARIABLE} or in the key file."
            ) from None


async def open_vault(key: VaultKey, shelf: Shelf, *, environ: Mapping[str, str], clock_us: Callable[[], int]) -> Vault:
    """The vault with all its entries open. Raises StartFailed where the key is not theirs."""
    vault = Vault(key, shelf, environ=environ, clock_us=clock_us)
    await vault.refresh()
    return vault
