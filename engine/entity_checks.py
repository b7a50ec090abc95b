"""What a fact about the control plane must satisfy, given what there is already.

Law: total; every problem, each at its own field (DEF-10). What passes here is projected without a fault, but for what
comes about later by other facts.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from engine.checks import MOST_SECONDS
from engine.errors import Problem
from engine.events import (
    NIL,
    BatchDefaultChanged,
    ComponentDefined,
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
    GroupDefined,
    MemberAdded,
    TariffDefined,
    TokenDefined,
    TrafficRuleDefined,
    UserDefined,
)
from engine.funds_checks import booking_problems, checkpoint_problems, tariff_problems
from engine.policy_checks import FRAMING, TOKEN, UNPRINTABLE, limit_problems
from engine.reference_checks import (
    Problems,
    alias_problems,
    is_model,
    led_to_problems,
    model_problems,
    text_problems,
    user_problems,
)
from engine.snapshot import Action, Limits, RoutingSnapshot, Strategy
from engine.urls import normalise

ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~@:+-]{0,127}")
"""What an id is made of, so that it can stand in an address."""
SCOPES: Final = ("read", "operate", "admin")
"""Of admin tokens; each includes those before it."""
_IDS = (
    *("endpoint_id", "model_id", "composite_id", "deployment_id"),
    *("user_id", "group_id", "tariff_id", "token_id"),
)


_LONGEST_URL = 2048
_MOST_NUMBER = 2**53
"""What every reader of JSON can tell from its neighbours."""


def problems_of_entity(snapshot: RoutingSnapshot, event: EntityEvent, *, may_be_faulty: bool = False) -> Problems:
    """Everything wrong with a wished-for fact. `may_be_faulty`: a URL may be one that cannot be used (SYNC-13)."""
    for name in _IDS:
        value = getattr(event, name, None)
        if value is not None and ID.fullmatch(value) is None:
            yield Problem((name,), f"{value!r} is no id", "1 to 128 letters, digits and . _ ~ @ : + -")
    for field in attrs.fields(type(event)):
        value = getattr(event, field.name)
        if isinstance(value, int) and abs(value) > _MOST_NUMBER:
            yield Problem((field.name,), f"{value} is too large", f"at most {_MOST_NUMBER}")
            return
    if isinstance(event, EndpointDefined):
        yield from _endpoint(event, may_be_faulty=may_be_faulty)
        return
    check = _CHECKS.get(type(event))
    if check is not None:
        yield from check(snapshot, event)


def _endpoint(event: EndpointDefined, *, may_be_faulty: bool) -> Problems:
    try:
        normalise(event.url)
    except ValueError as error:
        if not may_be_faulty:
            yield Problem(("url",), str(error), "an absolute http or https URL such as https://api.example/v1")
    if TOKEN.fullmatch(event.auth_header) is None or event.auth_header.lower() in FRAMING:
        yield Problem(("auth_header",), f"{event.auth_header!r} cannot carry it", "an HTTP header name")
    if UNPRINTABLE.search(event.auth_prefix):
        yield Problem(("auth_prefix",), "has a control character", "printable characters")
    yield from text_problems("name", event.name)
    yield from text_problems("url", event.url, least=1, most=_LONGEST_URL)
    yield from text_problems("credential", event.credential or "", most=_LONGEST_URL)


def _endpoint_removed(snapshot: RoutingSnapshot, event: EndpointRemoved) -> Problems:
    users = sorted(snapshot.catalogue.deployments_at.get(event.endpoint_id, ()))
    if users:
        named = ", ".join(users[:5]) + (", …" if len(users) > 5 else "")
        yield Problem(("endpoint_id",), f"{len(users)} deployment(s) are at it: {named}", "one without deployments")


def _deployment(snapshot: RoutingSnapshot, event: DeploymentDefined) -> Problems:
    yield from alias_problems(snapshot, event.alias, event.model_id)
    if event.model_id in snapshot.catalogue.composites:
        yield Problem(("model_id",), "is the id of a composite", "an id of its own")
    if event.endpoint_id not in snapshot.catalogue.endpoints:
        yield Problem(("endpoint_id",), f"no endpoint has the id {event.endpoint_id!r}", "the id of an endpoint")
    yield from text_problems("model_name", event.model_name, least=1)
    yield from limit_problems((), Limits(event.max_concurrent, event.requests_per_second, event.burst))
    yield from _batch(event.batch_capacity)


def _composite(snapshot: RoutingSnapshot, event: CompositeDefined) -> Problems:
    yield from alias_problems(snapshot, event.alias, event.model_id)
    if event.model_id in snapshot.catalogue.deployments:
        yield Problem(("model_id",), "is the id of a deployment", "an id of its own")
    strategies = [strategy.value for strategy in Strategy]
    if event.strategy is not None and event.strategy not in strategies:
        yield Problem(("strategy",), f"{event.strategy!r} is unknown", " or ".join(strategies))
    for place, pattern in enumerate(event.fallback_on_status or ()):
        if not 1 <= pattern <= 599:
            yield Problem(("fallback_on_status", place), f"{pattern} matches no status", "1 to 599 (FB-2)")
    attempts = event.fallback_max_attempts
    if attempts is not None and attempts < 1:
        yield Problem(("fallback_max_attempts",), f"{attempts} attempts serve nobody", "1 or more")
    yield from limit_problems((), Limits(event.max_concurrent, event.requests_per_second, event.burst))
    yield from _batch(event.batch_capacity)


def _component(snapshot: RoutingSnapshot, event: ComponentDefined) -> Problems:
    """SYNC-3."""
    if event.composite_id not in snapshot.catalogue.composites:
        yield Problem(("composite_id",), f"no composite has the id {event.composite_id!r}", "the id of a composite")
    if event.deployment_id not in snapshot.catalogue.deployments:
        what = f"no deployment has the id {event.deployment_id!r}"
        yield Problem(("deployment_id",), what, "the id of a deployment, not of a composite")
    if not 1 <= event.weight <= 100:
        yield Problem(("weight",), f"{event.weight} is out of range", "a whole number, 1 to 100")


def _rule(snapshot: RoutingSnapshot, event: TrafficRuleDefined) -> Problems:
    """RULE-10."""
    yield from model_problems(snapshot, event.model_id)
    yield from text_problems("purpose", event.purpose, least=1)
    if event.action not in {action.value for action in Action}:
        yield Problem(("action",), f"{event.action!r} is unknown", "deny or redirect")
    elif event.action == Action.DENY.value:
        if event.target_id is not None:
            yield Problem(("target_id",), "a rule that denies leads nowhere", "no target, or the action redirect")
    elif event.target_id == event.model_id:
        yield Problem(("target_id",), "redirects to its own model", "another model")
    elif event.target_id is None or not is_model(snapshot, event.target_id):
        yield Problem(("target_id",), f"no model has the id {event.target_id!r}", "the id of a model")


def _model_removed(snapshot: RoutingSnapshot, event: DeploymentRemoved | CompositeRemoved) -> Problems:
    catalogue = snapshot.catalogue
    model = catalogue.deployments.get(event.model_id) or catalogue.composites.get(event.model_id)
    if model is not None and catalogue.models.get(model.alias) == event.model_id:
        yield from led_to_problems(snapshot, model.alias, "model_id")


def _escalation(_: RoutingSnapshot, event: EscalationChanged) -> Problems:
    for place, alias in enumerate(event.aliases):
        for problem in text_problems("aliases", alias, least=1):
            yield attrs.evolve(problem, where=("aliases", place))


def _batch_default(_: RoutingSnapshot, event: BatchDefaultChanged) -> Problems:
    yield from _batch(event.batch_capacity)


def _user(_: RoutingSnapshot, event: UserDefined) -> Problems:
    if event.user_id == NIL:
        yield Problem(("user_id",), "is the system user, who exists by itself", "another id")
    yield from text_problems("name", event.name)


def _group(_: RoutingSnapshot, event: GroupDefined) -> Problems:
    if event.group_id == NIL:
        yield Problem(("group_id",), "is the public group, which exists by itself", "another id")
    yield from text_problems("name", event.name)


def _member(snapshot: RoutingSnapshot, event: MemberAdded) -> Problems:
    if event.group_id not in snapshot.catalogue.groups:
        yield Problem(("group_id",), f"no group has the id {event.group_id!r}", "the id of a group with members")
    yield from user_problems(snapshot, event.user_id)


def _grant(snapshot: RoutingSnapshot, event: GrantAdded) -> Problems:
    if event.group_id != NIL and event.group_id not in snapshot.catalogue.groups:
        yield Problem(("group_id",), f"no group has the id {event.group_id!r}", f"the id of a group, or {NIL}")
    yield from model_problems(snapshot, event.model_id)


def _funds(snapshot: RoutingSnapshot, event: FundsRestored | FundsExhausted) -> Problems:
    yield from user_problems(snapshot, event.user_id)


def _token(snapshot: RoutingSnapshot, event: TokenDefined) -> Problems:
    if event.scope not in SCOPES:
        yield Problem(("scope",), f"{event.scope!r} is unknown", " or ".join(SCOPES))
    if re.fullmatch("[0-9a-f]{64}", event.digest) is None:
        yield Problem(("digest",), "not a SHA-256 digest", "64 hexadecimal digits")
        return
    holder = snapshot.tokens.get(bytes.fromhex(event.digest))
    if holder is not None and holder.token_id != event.token_id:
        yield Problem(("secret",), f"the same secret as token {holder.token_id!r}", "a secret of its own")
    if event.expires_at is not None and not 0 <= event.expires_at <= MOST_SECONDS:
        yield Problem(("expires_at",), f"{event.expires_at} is no time", "seconds since 1970")
    yield from text_problems("name", event.name)


def _batch(capacity: int | None) -> Problems:
    if capacity is not None and capacity < 1:
        yield Problem(("batch_capacity",), f"{capacity} lets nothing through", "a whole number, 1 or more")


_CHECKS: Final[Mapping[type, Callable[[RoutingSnapshot, Any], Problems]]] = {
    EndpointRemoved: _endpoint_removed,
    DeploymentDefined: _deployment,
    CompositeDefined: _composite,
    ComponentDefined: _component,
    TrafficRuleDefined: _rule,
    DeploymentRemoved: _model_removed,
    CompositeRemoved: _model_removed,
    EscalationChanged: _escalation,
    BatchDefaultChanged: _batch_default,
    UserDefined: _user,
    GroupDefined: _group,
    MemberAdded: _member,
    GrantAdded: _grant,
    CreditsBooked: booking_problems,
    CreditsCheckpointed: checkpoint_problems,
    FundsRestored: _funds,
    FundsExhausted: _funds,
    TariffDefined: tariff_problems,
    TokenDefined: _token,
}
