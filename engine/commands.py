"""Wishes to change the configuration. `engine.decide` turns each into events or rejects it."""

from typing import TypeAlias

import attrs

from engine.document import Document
from engine.events import EntityEvent
from engine.names import Alias, KeyId
from engine.snapshot import Key, Manifest, Pool, Settings


@attrs.frozen
class ApplyManifest:
    """Make a source's part of the table equal to the manifest: define what differs, remove what it does not name."""

    manifest: Manifest
    takes_over: bool = False
    "Whether what other files have defined is its own too, as for the one file that a gateway watches."


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
class DefineKeys:
    keys: tuple[Key, ...]


@attrs.frozen
class RemoveKey:
    key_id: KeyId


@attrs.frozen
class ChangeSettings:
    settings: Settings


@attrs.frozen
class ChangeEntities:
    """Make facts of the control plane so, all or none, in this order."""

    facts: tuple[EntityEvent, ...]
    "A booking whose number is 0 gets the next one of its ledger."
    may_be_faulty: bool = False
    "Whether an endpoint's URL may be unusable, as it may in another system's tables (SYNC-13)."
    at_us: int | None = None
    "When, in Unix microseconds: a tariff that has begun by then begins in the same append; None: a clock will say."


@attrs.frozen
class ApplyDocument:
    """Make the table what a document says: define what differs, remove what a section that is there does not name. What
    a file manages stays as it is; `engine.replacing.left_alone` tells what that would be.
    """

    document: Document
    may_be_faulty: bool = False
    "As in ChangeEntities, which `at_us` is too."
    at_us: int | None = None


@attrs.frozen
class SettleAccounts:
    """Make events of what time has brought about: tariffs that begin and end, and balances that stand on the other side
    of zero than access goes by (DEF-16).
    """

    at_us: int
    "Unix microseconds."


Command: TypeAlias = (
    ApplyManifest
    | DefinePool
    | RemovePool
    | DefineKey
    | DefineKeys
    | RemoveKey
    | ChangeSettings
    | ChangeEntities
    | ApplyDocument
    | SettleAccounts
)
