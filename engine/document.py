"""All that a control plane consists of, as the wishes and facts that make it so from nothing.

Law: what `document_of` tells of a table makes an equal one of an empty log, and makes nothing of the table itself
(a property test holds both). What is made from the rest, such as models' pools, is not in it. What time has brought
about is not taken back: a tariff that waits in the document and has begun or ended since stays as it is.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

import attrs

from engine.events import (
    BatchDefaultChanged,
    ComponentDefined,
    ComponentRemoved,
    CompositeDefined,
    CompositeRemoved,
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
from engine.names import Alias, KeyId
from engine.snapshot import Key, Pool, RoutingSnapshot, Settings

Path: TypeAlias = tuple[str, ...]
"""Where a fact stands in a document; one fact a path and kind."""


@attrs.frozen
class Document:
    """What is wished for. A section that is not there leaves what it would be about as it is; one that is there is all
    there is to be of its kind.
    """

    settings: Settings | None = None
    pools: Mapping[Alias, Pool] | None = None
    "Those that are defined by themselves."
    keys: Mapping[KeyId, Key] | None = None
    facts: Mapping[str, tuple[EntityEvent, ...]] = attrs.field(factory=dict)
    "By the section that they are stated in."


@attrs.frozen(eq=False)
class Kind:
    """Facts that a document can state."""

    section: str
    classes: tuple[type, ...]
    facts: Callable[[RoutingSnapshot], Iterable[EntityEvent]]
    "Those that hold."
    path: Callable[[Any], Path]
    "Below the section."
    undo: Callable[[Any], EntityEvent] | None = None
    "What makes one hold no more; None: nothing does, but what removes the entity that it is about."


def document_of(snapshot: RoutingSnapshot) -> Document:
    """The table as a document, with every section."""
    facts: dict[str, list[EntityEvent]] = {kind.section: [] for kind in KINDS}
    for kind in KINDS:
        facts[kind.section] += kind.facts(snapshot)
    return Document(
        settings=snapshot.settings,
        pools={alias: pool for alias, pool in sorted(snapshot.pools.items()) if pool.grants is None},
        keys=dict(sorted(snapshot.keys.items())),
        facts={section: tuple(some) for section, some in facts.items()},
    )


def kind_of(fact: type) -> Kind:
    """The kind of a class of facts."""
    return _BY_CLASS[fact]


def _users(snapshot: RoutingSnapshot) -> Iterator[UserDefined]:
    for user_id, user in sorted(snapshot.users.items()):
        yield UserDefined(user_id, user.name)


def _funds(snapshot: RoutingSnapshot) -> Iterator[FundsRestored | FundsExhausted]:
    for user_id, user in sorted(snapshot.users.items()):
        yield FundsRestored(user_id) if user.is_funded else FundsExhausted(user_id)


def _turns(snapshot: RoutingSnapshot) -> Iterator[TariffBegan | TariffEnded]:
    """Of one that waits nothing is said: time decides."""
    for tariff_id, tariff in sorted(snapshot.catalogue.tariffs.items()):
        if tariff.is_current:
            yield TariffBegan(tariff_id)
        elif tariff.has_ended:
            yield TariffEnded(tariff_id)


def _members(snapshot: RoutingSnapshot) -> Iterator[MemberAdded]:
    for group_id, members in sorted(snapshot.catalogue.members.items()):
        yield from (MemberAdded(group_id, user_id) for user_id in sorted(members))


def _grants(snapshot: RoutingSnapshot) -> Iterator[GrantAdded]:
    for group_id, models in sorted(snapshot.catalogue.granted.items()):
        yield from (GrantAdded(group_id, model_id) for model_id in sorted(models))


def _ledgers(snapshot: RoutingSnapshot) -> Iterator[CreditsCheckpointed]:
    for user_id, ledger in sorted(snapshot.catalogue.ledgers.items()):
        yield CreditsCheckpointed(user_id, format(ledger.balance, "f"), ledger.seq)


def _tokens(snapshot: RoutingSnapshot) -> Iterator[TokenDefined]:
    for token_id, digest in sorted(snapshot.catalogue.token_ids.items()):
        token = snapshot.tokens[digest]
        yield TokenDefined(token_id, digest.hex(), token.scope, token.name, token.expires_at)


def _values(entities: Mapping[str, Any]) -> Iterator[Any]:
    return (entities[name] for name in sorted(entities))


def _flat(entities: Mapping[str, tuple[Any, ...]]) -> Iterator[Any]:
    return (one for name in sorted(entities) for one in entities[name])


KINDS: Final = (
    Kind(
        "released",
        (SourceReleased,),
        lambda table: (SourceReleased(source) for source in sorted(table.released)),
        lambda fact: (fact.source,),
        lambda fact: SourceClaimed(fact.source),
    ),
    Kind(
        "batch_default",
        (BatchDefaultChanged,),
        lambda table: (BatchDefaultChanged(table.catalogue.batch_capacity),),
        lambda _: (),
    ),
    Kind(
        "endpoints",
        (EndpointDefined,),
        lambda table: _values(table.catalogue.endpoints),
        lambda fact: (fact.endpoint_id,),
        lambda fact: EndpointRemoved(fact.endpoint_id),
    ),
    Kind(
        "deployments",
        (DeploymentDefined,),
        lambda table: _values(table.catalogue.deployments),
        lambda fact: (fact.model_id,),
        lambda fact: DeploymentRemoved(fact.model_id),
    ),
    Kind(
        "composites",
        (CompositeDefined,),
        lambda table: _values(table.catalogue.composites),
        lambda fact: (fact.model_id,),
        lambda fact: CompositeRemoved(fact.model_id),
    ),
    Kind(
        "composites",
        (ComponentDefined,),
        lambda table: _flat(table.catalogue.components),
        lambda fact: (fact.composite_id, "components", fact.deployment_id),
        lambda fact: ComponentRemoved(fact.composite_id, fact.deployment_id),
    ),
    Kind(
        "rules",
        (TrafficRuleDefined,),
        lambda table: _flat(table.catalogue.rules),
        lambda fact: (fact.model_id, fact.purpose),
        lambda fact: TrafficRuleRemoved(fact.model_id, fact.purpose),
    ),
    Kind("users", (UserDefined,), _users, lambda fact: (fact.user_id,), lambda fact: UserRemoved(fact.user_id)),
    Kind(
        "groups",
        (GroupDefined,),
        lambda table: _values(table.catalogue.groups),
        lambda fact: (fact.group_id,),
        lambda fact: GroupRemoved(fact.group_id),
    ),
    Kind(
        "groups",
        (MemberAdded,),
        _members,
        lambda fact: (fact.group_id, "members", fact.user_id),
        lambda fact: MemberRemoved(fact.group_id, fact.user_id),
    ),
    Kind(
        "groups",
        (GrantAdded,),
        _grants,
        lambda fact: (fact.group_id, "grants", fact.model_id),
        lambda fact: GrantRemoved(fact.group_id, fact.model_id),
    ),
    Kind(
        "tariffs",
        (TariffDefined,),
        lambda table: (tariff.defined for tariff in _values(table.catalogue.tariffs)),
        lambda fact: (fact.tariff_id,),
        lambda fact: TariffRemoved(fact.tariff_id),
    ),
    Kind("tariffs", (TariffBegan, TariffEnded), _turns, lambda fact: (fact.tariff_id, "is_current")),
    # Money is not removed by being left unsaid.
    Kind("ledgers", (CreditsCheckpointed,), _ledgers, lambda fact: (fact.user_id,)),
    Kind("users", (FundsRestored, FundsExhausted), _funds, lambda fact: (fact.user_id, "is_funded")),
    Kind(
        "escalation",
        (EscalationChanged,),
        lambda table: (EscalationChanged(tuple(sorted(table.catalogue.escalation))),),
        lambda _: (),
    ),
    Kind("tokens", (TokenDefined,), _tokens, lambda fact: (fact.token_id,), lambda fact: TokenRemoved(fact.token_id)),
)
"""In the order in which they build on each other."""

SECTIONS: Final = ("settings", "pools", "keys", *dict.fromkeys(kind.section for kind in KINDS))

_BY_CLASS: Final = {one: kind for kind in KINDS for one in kind.classes}
