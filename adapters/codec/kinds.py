"""What each event class is called in the log, and the schema it is written in now."""

from collections.abc import Mapping
from typing import Any, Final

import attrs

from engine.events import (
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
    EscalationChanged,
    FundsExhausted,
    FundsRestored,
    GrantAdded,
    GrantRemoved,
    GroupDefined,
    GroupRemoved,
    KeyDefined,
    KeyRemoved,
    MemberAdded,
    MemberRemoved,
    PoolDefined,
    PoolRemoved,
    ProviderDefined,
    ProviderRemoved,
    RuleDefined,
    RuleRemoved,
    SettingsChanged,
    SourceClaimed,
    SourceReleased,
    TariffBegan,
    TariffDefined,
    TariffEnded,
    TariffRemoved,
    TokenDefined,
    TokenRemoved,
    TrafficRuleDefined,
    TrafficRuleRemoved,
    UserDefined,
    UserRemoved,
)


@attrs.frozen
class Kind:
    name: str
    schema: int
    "From 1."
    event: type[Any]


KINDS: Final = (
    Kind("settings.changed", 1, SettingsChanged),
    Kind("key.defined", 2, KeyDefined),
    Kind("key.removed", 1, KeyRemoved),
    Kind("pool.defined", 2, PoolDefined),
    Kind("pool.removed", 1, PoolRemoved),
    Kind("provider.defined", 2, ProviderDefined),
    Kind("provider.removed", 1, ProviderRemoved),
    Kind("rule.defined", 2, RuleDefined),
    Kind("rule.removed", 1, RuleRemoved),
    Kind("endpoint.defined", 1, EndpointDefined),
    Kind("endpoint.removed", 1, EndpointRemoved),
    Kind("deployment.defined", 1, DeploymentDefined),
    Kind("deployment.removed", 1, DeploymentRemoved),
    Kind("composite.defined", 1, CompositeDefined),
    Kind("composite.removed", 1, CompositeRemoved),
    Kind("component.defined", 1, ComponentDefined),
    Kind("component.removed", 1, ComponentRemoved),
    Kind("traffic_rule.defined", 1, TrafficRuleDefined),
    Kind("traffic_rule.removed", 1, TrafficRuleRemoved),
    Kind("batch_default.changed", 1, BatchDefaultChanged),
    Kind("user.defined", 1, UserDefined),
    Kind("user.removed", 1, UserRemoved),
    Kind("group.defined", 1, GroupDefined),
    Kind("group.removed", 1, GroupRemoved),
    Kind("member.added", 1, MemberAdded),
    Kind("member.removed", 1, MemberRemoved),
    Kind("grant.added", 1, GrantAdded),
    Kind("grant.removed", 1, GrantRemoved),
    Kind("credits.booked", 1, CreditsBooked),
    Kind("credits.checkpointed", 1, CreditsCheckpointed),
    Kind("funds.restored", 1, FundsRestored),
    Kind("funds.exhausted", 1, FundsExhausted),
    Kind("tariff.defined", 1, TariffDefined),
    Kind("tariff.began", 1, TariffBegan),
    Kind("tariff.ended", 1, TariffEnded),
    Kind("tariff.removed", 1, TariffRemoved),
    Kind("escalation.changed", 1, EscalationChanged),
    Kind("token.defined", 1, TokenDefined),
    Kind("token.removed", 1, TokenRemoved),
    Kind("source.released", 1, SourceReleased),
    Kind("source.claimed", 1, SourceClaimed),
)

NAMES: Final[Mapping[type[Any], str]] = {kind.event: kind.name for kind in KINDS}
"""What each event is called in the log."""
