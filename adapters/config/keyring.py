"""Client keys of a file: definitions, global keys, and the lists of the pools.

Law: one secret is one key, however often and however it is written (CFG-12); the id of a definition stands for
its secret and is no credential itself (CFG-13). Only digests are kept.
"""

from difflib import get_close_matches
from hashlib import sha256

import attrs

from adapters.config.findings import Finding, JsonPath
from adapters.config.references import References
from engine.names import Digest, KeyId
from engine.snapshot import Key, Limits


@attrs.define
class Keyring:
    """Made once per file, filled in order: all definitions, the global keys, then the pools' entries."""

    references: References
    definition_ids: frozenset[KeyId]
    "All ids that are defined, also those whose definition is broken."
    keys: dict[KeyId, Key] = attrs.field(factory=dict)
    origins: dict[KeyId, JsonPath] = attrs.field(factory=dict)
    "Where each key is written first."
    _ids: dict[Digest, KeyId] = attrs.field(factory=dict, repr=False)

    def define(self, key_id: KeyId, text: str, path: JsonPath, labels: dict[str, str], limits: Limits) -> None:
        """A definition, at `path`; its secret is at `path.key`."""
        place = (*path, "key")
        secret = self.references.client_secret(text, place)
        if secret is None:
            return
        if secret in self.definition_ids:
            self._problem(place, "the secret equals the id of a key definition, which is public", "another secret")
            return
        digest = _digest(secret)
        other = self._ids.get(digest)
        if other is not None:
            self._problem(place, f"the same secret as key definition {other!r}", "a secret of its own")
            return
        self._add(Key(key_id=key_id, digest=digest, labels=labels, limits=limits), path)

    def entry(self, text: str, path: JsonPath) -> KeyId | None:
        """The key that an entry of a list means; None if it is unusable, which is then among the errors."""
        if text in self.definition_ids:
            return text if text in self.keys else None
        secret = self.references.client_secret(text, path)
        if secret is None:
            return None
        digest = _digest(secret)
        key_id = self._ids.get(digest)
        if key_id is None:
            key_id = anonymous_key_id(digest)
            if key_id in self.keys or key_id in self.definition_ids:
                self._problem(path, f"the name of this key would be {key_id!r}, which is taken", "another id there")
                return None
            self._add(Key(key_id=key_id, digest=digest), path)
            self._ask_whether_meant(text, path)
        return key_id

    def _ask_whether_meant(self, text: str, path: JsonPath) -> None:
        """A mistyped id would be a secret that opens the pool. The entry is not repeated, since it may be one."""
        meant = get_close_matches(text, self.definition_ids, n=1)
        if meant:
            what = f"a secret of its own, not a key definition; did you mean `{meant[0]}`?"
            self.references.warnings.append(Finding(path, what))

    def open_all_pools(self, text: str, path: JsonPath) -> None:
        """An entry of `global_keys`."""
        key_id = self.entry(text, path)
        if key_id is not None:
            self.keys[key_id] = attrs.evolve(self.keys[key_id], opens_all_pools=True)

    def _add(self, key: Key, path: JsonPath) -> None:
        self.keys[key.key_id] = key
        self.origins[key.key_id] = path
        self._ids[key.digest] = key.key_id

    def _problem(self, path: JsonPath, what: str, valid: str) -> None:
        self.references.errors.append(Finding(path, f"{what}; valid: {valid}"))


def anonymous_key_id(digest: Digest) -> KeyId:
    """The id of a secret that has no definition: "key-" and the first 12 hexadecimal digits of its SHA-256.

    SHA-256 cannot be run backwards, and 48 bits of it do not tell apart the guesses for a secret of 128 random bits:
    2^80 candidates share them. For a secret that can be guessed the id confirms a guess, as any digest would.
    """
    return f"key-{digest.hex()[:12]}"


def _digest(secret: str) -> Digest:
    return sha256(secret.encode()).digest()
