"""Where upstream credentials live: sealed with AES-GCM in the database, open in this process' memory.

Law: nothing leaves but through `resolve`. Names reveal nothing without the key and outlive it, all entries are sealed
with one key, and no repr, error or log line holds a secret.
"""

import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import attrs

from adapters.secret_files import SecretFiles
from adapters.store.references import UnknownCredential, is_reference, resolve_reference
from adapters.store.sealing import NAMING, NotOpened, Seal, Sealed, sealed_with
from adapters.store.vault_key import VARIABLE, VaultKey
from engine.errors import StartFailed, StoreUnavailable
from engine.names import CredentialId


@attrs.frozen
class KeyReplaced(StoreUnavailable):
    """The vault was sealed anew while this process ran; nothing was applied."""

    key_id: str
    "Of the key it has now."
    ours: str

    @property
    def advice(self) -> str:  # type: ignore[override]  # of this one error
        return str(self)

    def __str__(self) -> str:
        return (
            f"the vault is sealed with key {self.key_id} now, and this process has key {self.ours}: what it has open "
            "stays in use, what came later is closed to it; restart it with the new key"
        )


class Shelf(Protocol):
    """Where sealed entries are kept."""

    async def all(self) -> Sequence[Sealed]: ...

    async def put(self, entries: Sequence[Sealed], *, key_id: str) -> None:
        """Durable before it returns; an id that is there already stays as it is.

        Raises: KeyReplaced where what is there is sealed with another key than this one, StoreError.
        """
        ...

    async def replace(self, change: Callable[[Sequence[Sealed]], Sequence[Sealed]]) -> int:
        """Put what `change` makes of all entries in their place, in one step. How many there were.

        Nobody puts anything between. Raises: what `change` raises, StoreError.
        """
        ...


class Vault:
    """Credentials by name; `adapters.store.unlocking` makes one."""

    def __init__(self, key: VaultKey, shelf: Shelf, *, environ: Mapping[str, str], clock_us: Callable[[], int]) -> None:
        self.key_id = key.key_id
        self._source = key.source
        self._first_naming = key.derive(b"naming")
        self._naming: bytes | None = None
        self._seal = Seal(key)
        self._shelf = shelf
        self._environ = environ
        self._clock_us = clock_us
        self._files = SecretFiles(clock_us)
        self._sealed: dict[CredentialId, Sealed] = {}
        self._secrets: dict[CredentialId, str] = {}

    def __repr__(self) -> str:
        return f"Vault({len(self._secrets)} credentials, key {self.key_id} from {self._source})"

    @property
    def sealed(self) -> tuple[Sealed, ...]:
        """All entries it has opened, as they are stored."""
        return tuple(self._sealed.values())

    def credential_id(self, secret: str) -> CredentialId:
        """The name under which this secret is kept: the same for the same secret and vault, on every start.

        Raises StoreUnavailable where the vault could not be read yet.
        """
        if self._naming is None:
            raise StoreUnavailable("the vault has not been read yet, so that nothing in it can be named")
        return "cred-" + hmac.digest(self._naming, secret.encode(), "sha256").hex()[:16]

    async def keep(self, credentials: Mapping[CredentialId, str]) -> None:
        """Seal and store; on disk when it returns. Keeping the same again changes nothing.

        Raises: ValueError (no name for a secret, or another secret than the one kept under that name), StoreError,
        of which KeyReplaced says that this process needs a restart.
        """
        fresh = {}
        for credential_id, secret in credentials.items():
            if is_reference(credential_id) or credential_id == NAMING:
                raise ValueError(f"{credential_id!r} is a reference or reserved; only secrets are kept")
            kept = self._secrets.get(credential_id)
            if kept is None:
                fresh[credential_id] = secret
            elif not hmac.compare_digest(kept.encode(), secret.encode()):
                raise ValueError(f"{credential_id!r} is kept with another secret; a new secret has a new id")
        if fresh:
            now = self._clock_us()
            entries = [self._seal.close(name, secret.encode(), now) for name, secret in fresh.items()]
            await self._shelf.put(entries, key_id=self.key_id)
            self._secrets.update(fresh)
            self._sealed.update((entry.id, entry) for entry in entries)

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
        entries = await self._shelf.all()
        if sealed_with(entries) is None:
            self.admit(entries)
            # Where two begin at once, the entry of one of them stands; the other finds out by reading it.
            naming = self._seal.close(NAMING, self._first_naming, self._clock_us())
            await self._shelf.put([naming], key_id=self.key_id)
            entries = await self._shelf.all()
        self.admit(entries)

    def admit(self, entries: Sequence[Sealed]) -> None:
        """Open entries from the shelf or from a copy of it; all or none.

        Raises: StartFailed where they are not of this key, KeyReplaced where they were when it began.
        """
        key_id = sealed_with(entries)
        if key_id is not None and key_id != self.key_id:
            if self._naming is not None:
                raise KeyReplaced(key_id, self.key_id)
            raise StartFailed(
                f"The vault is sealed with key {key_id}, and the key from {self._source} is key {self.key_id}: all "
                f"processes on a database have the same; give this one the right one in {VARIABLE} or in its key file."
            )
        opened = {}
        for entry in entries:
            if self._sealed.get(entry.id) != entry:
                opened[entry.id] = self._open(entry)
        naming = opened.pop(NAMING, self._naming)
        secrets = {name: _text(name, secret) for name, secret in opened.items()}
        self._naming = naming
        self._secrets.update(secrets)
        self._sealed.update((entry.id, entry) for entry in entries)

    def _open(self, entry: Sealed) -> bytes:
        try:
            return self._seal.open(entry)
        except NotOpened:
            raise StartFailed(
                f"The vault's entry {entry.id} does not open with the key from {self._source}: "
                f"it was sealed with another key, or altered; give the right one in {VARIABLE} or in the key file."
            ) from None


def _text(name: CredentialId, secret: bytes) -> str:
    try:
        return secret.decode()
    except UnicodeDecodeError:
        # `from None`: the error quotes the bytes.
        raise StartFailed(f"The vault's entry {name} is no text; it was not sealed by pointsman.") from None
