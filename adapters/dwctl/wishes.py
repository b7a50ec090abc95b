"""What the source says there should be, as facts of this control plane.

Law: all of it is by the source's own ids, which are the ids here too; secrets stand in `credentials` alone, on their
way to the vault.
"""

from collections.abc import Mapping

import attrs

from engine.events import (
    ComponentDefined,
    CompositeDefined,
    CreditsCheckpointed,
    DeploymentDefined,
    EndpointDefined,
    GroupDefined,
    TariffDefined,
    TrafficRuleDefined,
    UserDefined,
)
from engine.names import Alias, CredentialId, EndpointId, GroupId, KeyId, ModelId, TariffId, UserId
from engine.snapshot import Key


@attrs.frozen
class Models:
    endpoints: Mapping[EndpointId, EndpointDefined]
    models: Mapping[ModelId, DeploymentDefined | CompositeDefined]
    components: Mapping[tuple[ModelId, ModelId], ComponentDefined]
    "By composite and deployment."
    rules: Mapping[tuple[ModelId, str], TrafficRuleDefined]
    "By model and purpose."
    credentials: Mapping[CredentialId, str] = attrs.field(repr=False)


@attrs.frozen
class Access:
    users: Mapping[UserId, UserDefined]
    groups: Mapping[GroupId, GroupDefined]
    members: frozenset[tuple[GroupId, UserId]]
    grants: frozenset[tuple[GroupId, ModelId]]
    ledgers: Mapping[UserId, CreditsCheckpointed]
    tariffs: Mapping[TariffId, TariffDefined]
    keys: Mapping[KeyId, Key]


@attrs.frozen
class Wishes:
    models: Models
    access: Access
    escalation: tuple[Alias, ...] = ()
    "Models that batch keys may use without membership (SYNC-4)."
