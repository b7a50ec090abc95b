"""What the control plane has defined, as it was defined: the pools of models are projected from this.

Law: immutable, as the snapshot it is part of; `projections` alone makes one. The maps beside the entities answer,
without a search, what an event about one entity means for the others (DELTA-2).
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal

import attrs

from engine.events import (
    ComponentDefined,
    CompositeDefined,
    DeploymentDefined,
    EndpointDefined,
    GroupDefined,
    TrafficRuleDefined,
)
from engine.names import Alias, Digest, EndpointId, GroupId, ModelId, Position, Source, TariffId, TokenId, UserId
from engine.tariffs import Tariff

BATCH_CAPACITY = 10
"""Batch requests at once where nothing else is said (CAP-1)."""


@attrs.frozen
class Ledger:
    """What a user's entries come to (SYNC-6)."""

    balance: Decimal = Decimal(0)
    seq: int = 0
    "Of the last entry that is counted."


@attrs.frozen
class User:
    """What a request needs to know about the one who pays for it."""

    user_id: UserId
    name: str = ""
    groups: frozenset[GroupId] = frozenset()
    is_funded: bool = False
    "As the last of FundsRestored and FundsExhausted said."


@attrs.frozen
class Token:
    """An admin token."""

    token_id: TokenId
    scope: str
    name: str = ""
    expires_at: int | None = None
    "Unix seconds."


@attrs.frozen
class Stream:
    """What is known of an entity's events."""

    version: int
    "How many there are; the entity's ETag."
    position: Position
    "Of the last one."
    source: Source
    "Who wrote that one."


@attrs.frozen
class Catalogue:
    endpoints: Mapping[EndpointId, EndpointDefined]
    deployments: Mapping[ModelId, DeploymentDefined]
    composites: Mapping[ModelId, CompositeDefined]
    components: Mapping[ModelId, tuple[ComponentDefined, ...]]
    "Of each composite, in the order of SYNC-11; the disabled ones too."
    rules: Mapping[ModelId, tuple[TrafficRuleDefined, ...]]
    "Of each model, by purpose (RULE-9)."
    models: Mapping[Alias, ModelId]
    deployments_at: Mapping[EndpointId, Mapping[ModelId, None]]
    composites_of: Mapping[ModelId, Mapping[ModelId, None]]
    "The composites that a deployment is a component of, enabled or not."
    redirects_to: Mapping[ModelId, Mapping[ModelId, None]]
    "The models whose rules lead to a model."
    groups: Mapping[GroupId, GroupDefined]
    members: Mapping[GroupId, Mapping[UserId, None]]
    grants: Mapping[ModelId, frozenset[GroupId]]
    granted: Mapping[GroupId, Mapping[ModelId, None]]
    tariffs: Mapping[TariffId, Tariff]
    tariffs_of: Mapping[ModelId, frozenset[TariffId]]
    ledgers: Mapping[UserId, Ledger]
    token_ids: Mapping[TokenId, Digest]
    escalation: frozenset[Alias] = frozenset()
    batch_capacity: int = BATCH_CAPACITY
    "Of the models that state none."


class Capacities(Mapping[Alias, int]):
    """Batch requests each model takes at once (CAP-1), made out where one is asked for, so that a new default for all
    of them is a single value.
    """

    __slots__ = ("_catalogue",)

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def __getitem__(self, alias: Alias) -> int:
        model_id = self._catalogue.models[alias]
        model = self._catalogue.deployments.get(model_id) or self._catalogue.composites[model_id]
        stated = model.batch_capacity
        return stated if stated is not None and stated > 0 else self._catalogue.batch_capacity

    def __iter__(self) -> Iterator[Alias]:
        return iter(self._catalogue.models)

    def __len__(self) -> int:
        return len(self._catalogue.models)
