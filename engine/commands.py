"""Wishes to change the configuration. `engine.decide` turns each into events or rejects it."""

from collections.abc import Mapping
from typing import TypeAlias

import attrs

from engine.catalogue import Ledger
from engine.document import Document
from engine.events import EntityEvent
from engine.names import Alias, KeyId, Position, UserId
from engine.snapshot import Key, Manifest, Pool, RoutingSnapshot, Settings


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
class Account:
    """What a user has to pay with."""

    ledger: Ledger | None
    is_funded: bool


@attrs.frozen
class RollBack:
    """Make the table what it was at an earlier position, but for what `engine.rollback` does not bring back."""

    table: RoutingSnapshot = attrs.field(repr=False)
    with_revoked_keys: bool = False
    "Whether keys that were removed since, and secrets that were rotated away, are good again."
    accounts: Mapping[UserId, Account] = attrs.field(factory=dict)
    "Of users that the position has and the present table has not: as it was when they went."
    at_us: int | None = None
    "When, as in ChangeEntities; None: tariffs are as they were, too."
    expected: Position | None = None
    "The position that it is meant to lead back from; None: whichever is the present one."


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
    | RollBack
    | SettleAccounts
)
