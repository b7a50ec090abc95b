"""Wished-for facts of the control plane to the events that make them so.

Law: as `engine.decide`: exactly what is not true already (DELTA-7), with all that follows from it stated as events of
its own, in an order in which each makes sense when it comes.
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import attrs

from engine import events as facts
from engine.amounts import amount_of, minus, plus
from engine.catalogue import Ledger
from engine.definitions import define_pool
from engine.events import (
    ComponentRemoved,
    CreditsBooked,
    CreditsCheckpointed,
    Event,
    FundsExhausted,
    FundsRestored,
    KeyRemoved,
    TrafficRuleRemoved,
)
from engine.names import UserId
from engine.scope import pools_without
from engine.snapshot import RoutingSnapshot
from engine.tariffs import defined

ADDING: Final = frozenset({"purchase", "admin_grant"})
"""The kinds of entries that add to a balance; all others subtract (SYNC-6)."""


def changes_of(snapshot: RoutingSnapshot, event: Any, at_us: int | None = None) -> Iterator[Event]:
    """The events that a fact comes to, itself among them; none where it holds already.

    `at_us`: when, in Unix microseconds; None: nobody looked at a clock.
    """
    if _holds(snapshot, event):
        return
    match event:
        case facts.DeploymentRemoved():
            for composite_id in sorted(snapshot.catalogue.composites_of.get(event.model_id, ())):
                yield ComponentRemoved(composite_id, event.model_id)
            yield from _rules_to(snapshot, event.model_id)
            yield event
        case facts.CompositeRemoved():
            yield from _rules_to(snapshot, event.model_id)
            yield event
        case facts.UserRemoved():
            yield from _keys_gone(snapshot, event.user_id)
            yield event
        case facts.TariffDefined():
            yield from _priced(snapshot, event, at_us)
        case CreditsBooked():
            ledger = snapshot.catalogue.ledgers.get(event.user_id) or Ledger()
            numbered = attrs.evolve(event, seq=event.seq or ledger.seq + 1)
            yield numbered
            yield from funds(snapshot, event.user_id, booked(ledger, numbered).balance)
        case CreditsCheckpointed():
            yield event
            yield from funds(snapshot, event.user_id, checkpointed(Ledger(), event).balance)
        case _:
            yield event


def _keys_gone(snapshot: RoutingSnapshot, user_id: UserId) -> Iterator[Event]:
    """A user's keys go along, lest they come to life again with another user of that id; no list keeps their ids."""
    keys = frozenset(key_id for key_id, key in snapshot.keys.items() if key.user_id == user_id)
    if not keys:
        return
    # The lists first: nobody else gets in by the going of a key.
    for pool in pools_without(snapshot, keys).values():
        yield define_pool(pool)
    for key_id in sorted(keys):
        yield KeyRemoved(key_id)


def _priced(snapshot: RoutingSnapshot, event: facts.TariffDefined, at_us: int | None) -> Iterator[Event]:
    """A definition, and what time has brought about by it already: between the two a model would be free (SYNC-5)."""
    old = snapshot.catalogue.tariffs.get(event.tariff_id)
    if at_us is not None and event.valid_from is not None and event.valid_from > at_us:
        if old is not None and old.is_current:
            # It is to wait, which one that is current does not by being defined anew.
            yield facts.TariffRemoved(event.tariff_id)
        old = None
    yield event
    turn = None if at_us is None else defined(old, event).turn(at_us)
    if turn is not None:
        yield turn


def booked(ledger: Ledger, entry: CreditsBooked) -> Ledger:
    """A ledger one entry later: as it was, where that is a repetition or no amount."""
    amount = amount_of(entry.amount)
    if amount is None or entry.seq <= ledger.seq:
        return ledger
    return Ledger((plus if entry.kind in ADDING else minus)(ledger.balance, amount), entry.seq)


def checkpointed(ledger: Ledger, event: CreditsCheckpointed) -> Ledger:
    """A ledger at a checkpoint: as it was, where later entries are counted already, and so say more."""
    balance = amount_of(event.balance)
    return ledger if balance is None or event.seq < ledger.seq else Ledger(balance, event.seq)


def funds(snapshot: RoutingSnapshot, user_id: UserId, balance: Decimal) -> Iterator[FundsRestored | FundsExhausted]:
    """The crossing of zero, where a balance is on the other side of it than access goes by (SYNC-5)."""
    user = snapshot.users.get(user_id)
    if user is not None and user.is_funded != (balance > 0):
        yield FundsRestored(user_id) if balance > 0 else FundsExhausted(user_id)


def _rules_to(snapshot: RoutingSnapshot, model_id: str) -> Iterator[Event]:
    """SYNC-3: with the target of a redirect goes the rule."""
    for source_id in sorted(snapshot.catalogue.redirects_to.get(model_id, ())):
        for rule in snapshot.catalogue.rules.get(source_id, ()):
            if rule.target_id == model_id:
                yield TrafficRuleRemoved(source_id, rule.purpose)


def _holds(snapshot: RoutingSnapshot, event: Any) -> bool:
    return _HOLDS[type(event)](snapshot, event)


def _component_holds(snapshot: RoutingSnapshot, event: facts.ComponentDefined) -> bool:
    return event in snapshot.catalogue.components.get(event.composite_id, ())


def _component_is_gone(snapshot: RoutingSnapshot, event: ComponentRemoved) -> bool:
    components = snapshot.catalogue.components.get(event.composite_id, ())
    return all(one.deployment_id != event.deployment_id for one in components)


def _rule_is_gone(snapshot: RoutingSnapshot, event: TrafficRuleRemoved) -> bool:
    return all(rule.purpose != event.purpose for rule in snapshot.catalogue.rules.get(event.model_id, ()))


def _user_holds(snapshot: RoutingSnapshot, event: facts.UserDefined) -> bool:
    user = snapshot.users.get(event.user_id)
    return user is not None and user.name == event.name


def _checkpoint_holds(snapshot: RoutingSnapshot, event: CreditsCheckpointed) -> bool:
    ledger = snapshot.catalogue.ledgers.get(event.user_id)
    return ledger is not None and (ledger.balance, ledger.seq) == (amount_of(event.balance), event.seq)


def _tariff_holds(snapshot: RoutingSnapshot, event: facts.TariffDefined) -> bool:
    tariff = snapshot.catalogue.tariffs.get(event.tariff_id)
    return tariff is not None and tariff.defined == event


def _token_holds(snapshot: RoutingSnapshot, event: facts.TokenDefined) -> bool:
    token = snapshot.tokens.get(bytes.fromhex(event.digest))
    return token is not None and (token.token_id, token.scope, token.name, token.expires_at) == (
        event.token_id,
        event.scope,
        event.name,
        event.expires_at,
    )


def _is_member(snapshot: RoutingSnapshot, event: facts.MemberAdded | facts.MemberRemoved) -> bool:
    user = snapshot.users.get(event.user_id)
    return user is not None and event.group_id in user.groups


def _is_granted(snapshot: RoutingSnapshot, event: facts.GrantAdded | facts.GrantRemoved) -> bool:
    return event.group_id in snapshot.catalogue.grants.get(event.model_id, frozenset())


def _has_begun(snapshot: RoutingSnapshot, event: facts.TariffBegan) -> bool:
    tariff = snapshot.catalogue.tariffs.get(event.tariff_id)
    return tariff is None or tariff.is_current


def _has_ended(snapshot: RoutingSnapshot, event: facts.TariffEnded) -> bool:
    tariff = snapshot.catalogue.tariffs.get(event.tariff_id)
    return tariff is None or tariff.has_ended


def _is_funded(snapshot: RoutingSnapshot, event: FundsRestored | FundsExhausted) -> bool:
    user = snapshot.users.get(event.user_id)
    return user is not None and user.is_funded


_HOLDS: Final[Mapping[type, Callable[[RoutingSnapshot, Any], bool]]] = {
    facts.EndpointDefined: lambda s, e: s.catalogue.endpoints.get(e.endpoint_id) == e,
    facts.EndpointRemoved: lambda s, e: e.endpoint_id not in s.catalogue.endpoints,
    facts.DeploymentDefined: lambda s, e: s.catalogue.deployments.get(e.model_id) == e,
    facts.DeploymentRemoved: lambda s, e: e.model_id not in s.catalogue.deployments,
    facts.CompositeDefined: lambda s, e: s.catalogue.composites.get(e.model_id) == e,
    facts.CompositeRemoved: lambda s, e: e.model_id not in s.catalogue.composites,
    facts.ComponentDefined: _component_holds,
    facts.ComponentRemoved: _component_is_gone,
    facts.TrafficRuleDefined: lambda s, e: e in s.catalogue.rules.get(e.model_id, ()),
    facts.TrafficRuleRemoved: _rule_is_gone,
    facts.BatchDefaultChanged: lambda s, e: s.catalogue.batch_capacity == e.batch_capacity,
    facts.UserDefined: _user_holds,
    facts.UserRemoved: lambda s, e: e.user_id not in s.users,
    facts.GroupDefined: lambda s, e: s.catalogue.groups.get(e.group_id) == e,
    facts.GroupRemoved: lambda s, e: e.group_id not in s.catalogue.groups,
    facts.MemberAdded: _is_member,
    facts.MemberRemoved: lambda s, e: not _is_member(s, e),
    facts.GrantAdded: _is_granted,
    facts.GrantRemoved: lambda s, e: not _is_granted(s, e),
    facts.CreditsBooked: lambda s, e: False,  # noqa: ARG005 - each entry counts
    facts.CreditsCheckpointed: _checkpoint_holds,
    facts.FundsRestored: _is_funded,
    facts.FundsExhausted: lambda s, e: not _is_funded(s, e),
    facts.TariffDefined: _tariff_holds,
    facts.TariffBegan: _has_begun,
    facts.TariffEnded: _has_ended,
    facts.TariffRemoved: lambda s, e: e.tariff_id not in s.catalogue.tariffs,
    facts.EscalationChanged: lambda s, e: s.catalogue.escalation == frozenset(e.aliases),
    facts.TokenDefined: _token_holds,
    facts.TokenRemoved: lambda s, e: e.token_id not in s.catalogue.token_ids,
    facts.SourceReleased: lambda s, e: e.source in s.released,
    facts.SourceClaimed: lambda s, e: e.source not in s.released,
}
