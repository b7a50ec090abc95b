"""The facts everything is folded from.

Law: flat, primitive fields, whole state of the entity they name (applying one twice changes nothing), and
no secret: keys appear as digests, upstream credentials as names.
Their wire names and schema numbers live in `adapters/codec.py`, which has a golden file for each.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias
from uuid import UUID

import attrs

from engine.events.access import (
    NIL,
    AccessEvent,
    CreditsBooked,
    CreditsCheckpointed,
    EscalationChanged,
    FundsExhausted,
    FundsRestored,
    GrantAdded,
    GrantRemoved,
    GroupDefined,
    GroupRemoved,
    MemberAdded,
    MemberRemoved,
    TariffBegan,
    TariffDefined,
    TariffEnded,
    TariffRemoved,
    UserDefined,
    UserRemoved,
)
from engine.events.models import (
    BatchDefaultChanged,
    ComponentDefined,
    ComponentRemoved,
    CompositeDefined,
    CompositeRemoved,
    DeploymentDefined,
    DeploymentRemoved,
    EndpointDefined,
    EndpointRemoved,
    ModelEvent,
    TrafficRuleDefined,
    TrafficRuleRemoved,
)
from engine.events.office import (
    OfficeEvent,
    SourceClaimed,
    SourceReleased,
    TokenDefined,
    TokenRemoved,
)
from engine.events.routing import (
    KeyDefined,
    KeyRemoved,
    PoolDefined,
    PoolRemoved,
    ProviderDefined,
    ProviderRemoved,
    RoutingEvent,
    RuleDefined,
    RuleRemoved,
    SettingsChanged,
)
from engine.names import Position, Stream

__all__ = [
    "NIL",
    "AccessEvent",
    "BatchDefaultChanged",
    "ComponentDefined",
    "ComponentRemoved",
    "CompositeDefined",
    "CompositeRemoved",
    "CreditsBooked",
    "CreditsCheckpointed",
    "DeploymentDefined",
    "DeploymentRemoved",
    "Draft",
    "EndpointDefined",
    "EndpointRemoved",
    "EntityEvent",
    "EscalationChanged",
    "Event",
    "FundsExhausted",
    "FundsRestored",
    "GrantAdded",
    "GrantRemoved",
    "GroupDefined",
    "GroupRemoved",
    "KeyDefined",
    "KeyRemoved",
    "MemberAdded",
    "MemberRemoved",
    "ModelEvent",
    "OfficeEvent",
    "PoolDefined",
    "PoolRemoved",
    "ProviderDefined",
    "ProviderRemoved",
    "Recorded",
    "RoutingEvent",
    "RuleDefined",
    "RuleRemoved",
    "SettingsChanged",
    "SourceClaimed",
    "SourceReleased",
    "TariffBegan",
    "TariffDefined",
    "TariffEnded",
    "TariffRemoved",
    "TokenDefined",
    "TokenRemoved",
    "TrafficRuleDefined",
    "TrafficRuleRemoved",
    "UserDefined",
    "UserRemoved",
    "kind_of",
    "stream_of",
]

EntityEvent: TypeAlias = ModelEvent | AccessEvent | OfficeEvent
Event: TypeAlias = RoutingEvent | EntityEvent


_STREAMS: Final[Mapping[type, tuple[str, str | None]]] = {
    SettingsChanged: ("settings", None),
    KeyDefined: ("key", "key_id"),
    KeyRemoved: ("key", "key_id"),
    PoolDefined: ("pool", "alias"),
    PoolRemoved: ("pool", "alias"),
    ProviderDefined: ("pool", "alias"),
    ProviderRemoved: ("pool", "alias"),
    RuleDefined: ("pool", "alias"),
    RuleRemoved: ("pool", "alias"),
    EndpointDefined: ("endpoint", "endpoint_id"),
    EndpointRemoved: ("endpoint", "endpoint_id"),
    DeploymentDefined: ("model", "model_id"),
    DeploymentRemoved: ("model", "model_id"),
    CompositeDefined: ("model", "model_id"),
    CompositeRemoved: ("model", "model_id"),
    ComponentDefined: ("model", "composite_id"),
    ComponentRemoved: ("model", "composite_id"),
    TrafficRuleDefined: ("model", "model_id"),
    TrafficRuleRemoved: ("model", "model_id"),
    BatchDefaultChanged: ("batch", None),
    UserDefined: ("user", "user_id"),
    UserRemoved: ("user", "user_id"),
    GroupDefined: ("group", "group_id"),
    GroupRemoved: ("group", "group_id"),
    MemberAdded: ("group", "group_id"),
    MemberRemoved: ("group", "group_id"),
    GrantAdded: ("group", "group_id"),
    GrantRemoved: ("group", "group_id"),
    CreditsBooked: ("ledger", "user_id"),
    CreditsCheckpointed: ("ledger", "user_id"),
    FundsRestored: ("ledger", "user_id"),
    FundsExhausted: ("ledger", "user_id"),
    TariffDefined: ("tariff", "tariff_id"),
    TariffBegan: ("tariff", "tariff_id"),
    TariffEnded: ("tariff", "tariff_id"),
    TariffRemoved: ("tariff", "tariff_id"),
    EscalationChanged: ("escalation", None),
    TokenDefined: ("token", "token_id"),
    TokenRemoved: ("token", "token_id"),
    SourceReleased: ("source", "source"),
    SourceClaimed: ("source", "source"),
}


def stream_of(event: Event) -> Stream:
    """The entity an event belongs to, e.g. `pool:chat`; versions are dense within it."""
    kind, field = _STREAMS[type(event)]
    return kind if field is None else f"{kind}:{getattr(event, field)}"


def kind_of(event: Event) -> str:
    """What its stream's name begins with: one of a fixed few words, fit for a metric's label (DEF-14)."""
    return _STREAMS[type(event)][0]


@attrs.frozen
class Draft:
    """An event on its way into the log."""

    event_id: UUID
    event: Event
    actor: str | None = None
    "Who makes it so; None: who appends it."


@attrs.frozen(slots=False)  # made in half the time, and a start makes one of every event in the log
class Recorded:
    """An event in the log."""

    position: Position
    event: Event
    event_id: str
    "32 hexadecimal digits, as `correlation`: the `Draft.event_id` it was appended with."
    actor: str
    "Who made it so, e.g. `file:routes.json`; `token:ops for file:routes.json` in the place of another."
    recorded_at: int
    "Unix time in microseconds, from the writer's clock; for people, never for decisions."
    correlation: str = attrs.field(default="", eq=False)
    "The id of the first event of its append; empty where it was not asked for."
