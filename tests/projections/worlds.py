"""Random tables with all that the control plane defines, small enough that names meet each other."""

from typing import Any

import attrs
from hypothesis import strategies as st

from engine.commands import ApplyManifest, ChangeEntities, DefineKeys
from engine.decide import decide
from engine.errors import Rejected
from engine.events import (
    NIL,
    BatchDefaultChanged,
    ComponentDefined,
    ComponentRemoved,
    CompositeDefined,
    CompositeRemoved,
    CreditsBooked,
    CreditsCheckpointed,
    DeploymentDefined,
    DeploymentRemoved,
    EndpointDefined,
    EndpointRemoved,
    EntityEvent,
    EscalationChanged,
    FundsExhausted,
    FundsRestored,
    GrantAdded,
    GrantRemoved,
    GroupDefined,
    GroupRemoved,
    MemberAdded,
    MemberRemoved,
    Recorded,
    SourceReleased,
    TariffBegan,
    TariffDefined,
    TariffEnded,
    TokenDefined,
    TokenRemoved,
    TrafficRuleDefined,
    UserDefined,
    UserRemoved,
)
from engine.snapshot import RoutingSnapshot
from projections import routing
from tests.engine.manifests import manifests
from tests.engine.tables import an_id_of

