"""Wishes to change the configuration. `engine.decide` turns each into events or rejects it."""

from typing import TypeAlias

import attrs

from engine.names import Alias, KeyId
from engine.snapshot import Key, Manifest, Pool, Settings


@attrs.frozen
class ApplyManifest:
    """Make the table equal to the manifest: define what differs, remove what it does not name."""

    manifest: Manifest


@attrs.frozen
class DefinePool:
    pool: Pool


@attrs.frozen
class RemovePool:
    alias: Alias


@attrs.frozen
class DefineKey:
    key: Key


@attrs.frozen
class RemoveKey:
    key_id: KeyId


@attrs.frozen
class ChangeSettings:
    settings: Settings


Command: TypeAlias = ApplyManifest | DefinePool | RemovePool | DefineKey | RemoveKey | ChangeSettings
