"""Endpoints, deployments, composites, components and traffic rules (SYNC-9 to SYNC-14).

Law: one bad row costs what needs it and nothing else (SYNC-13, DEF-2); a rule that cannot be understood, or leads
nowhere, denies (DEF-4).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from adapters.dwctl.findings import Findings
from adapters.dwctl.rows import Row
from adapters.dwctl.wishes import Models
from adapters.secret_files import SENDABLE
from engine.events import (
    ComponentDefined,
    CompositeDefined,
    DeploymentDefined,
    EndpointDefined,
    TrafficRuleDefined,
)
from engine.names import Alias, CredentialId, EndpointId, ModelId
from engine.snapshot import Action
from engine.urls import normalise

Source = Mapping[str, Sequence[Mapping[str, Any]]]
Model = DeploymentDefined | CompositeDefined

_STRATEGIES: Final = ("weighted_random", "priority")


def models_of(
    source: Source, credential_id: Callable[[str], CredentialId], findings: Findings, *, opens_redirects: bool
) -> Models:
    credentials: dict[CredentialId, str] = {}
    endpoints = {}
    for values in source["endpoints"]:
        endpoint = _endpoint(Row(values, f"endpoint {values['id']}", findings), credential_id, credentials)
        endpoints[endpoint.endpoint_id] = endpoint
    models = _models(source["models"], endpoints, findings)
    components = {}
    for values in source.get("components", ()):
        component = _component(values, models, findings)
        if component is not None:
            components[component.composite_id, component.deployment_id] = component
    rules = {}
    for values in source.get("rules", ()):
        rule = _rule(values, models, findings, opens_redirects=opens_redirects)
        if rule is not None:
            rules[rule.model_id, rule.purpose] = rule
    return Models(endpoints, models, components, rules, credentials)


def _endpoint(
    row: Row, credential_id: Callable[[str], CredentialId], credentials: dict[CredentialId, str]
) -> EndpointDefined:
    try:
        normalise(row.text("url"))
    except ValueError:
        row.tell("the URL of an endpoint cannot be used: its deployments serve nobody until it is mended")
    secret, credential = row.text("api_key"), None
    if secret and SENDABLE.fullmatch(secret) is None:
        row.tell("the API key of an endpoint cannot be sent in a header: none is sent")
    elif secret:
        credential = credential_id(secret)
        credentials[credential] = secret
    return EndpointDefined(
        row.text("id"),
        row.text("url"),
        credential,
        row.text("auth_header_name", "Authorization"),
        row.text("auth_header_prefix", "Bearer "),
        row.label("name"),
    )


def _models(
    rows: Sequence[Mapping[str, Any]], endpoints: Mapping[EndpointId, EndpointDefined], findings: Findings
) -> Mapping[ModelId, Model]:
    """By id. Of several with one alias a composite stays, as dwctl has it, else the first by id (SYNC-16, DEF-19)."""
    holders: dict[Alias, Model] = {}
    for values in sorted(rows, key=lambda row: (not row.get("is_composite"), str(row["id"]))):
        row = Row(values, f"model {values['alias'] or values['id']}", findings)
        if row.flag("deleted", default=False):
            continue
        model = _composite(row) if row.flag("is_composite", default=False) else _deployment(row, endpoints)
        if model is None:
            continue
        holder = holders.setdefault(model.alias, model)
        if holder is not model:
            findings.tell(
                "not carried over: a model whose alias another model has (DEF-19)",
                f"{model.model_id}: {model.alias} is model {holder.model_id}",
            )
    return {model.model_id: model for model in holders.values()}


def _deployment(row: Row, endpoints: Mapping[EndpointId, EndpointDefined]) -> DeploymentDefined | None:
    endpoint_id = row.text("hosted_on")
    if endpoint_id not in endpoints:
        row.tell("not carried over: a deployment without an endpoint")
        return None
    if row.flag("fallback_with_replacement", default=False) and row.flag("fallback_enabled", default=True):
        row.tell("not carried over: a deployment's retries at its one provider; a composite of it may retry")
    limits = row.limits()
    return DeploymentDefined(
        row.text("id"),
        row.text("alias"),
        row.text("model_name"),
        endpoint_id,
        limits.max_concurrent,
        limits.requests_per_second,
        limits.burst,
        row.batch_capacity(),
        row.flag("sanitize_responses", default=False),
        row.flag("trusted", default=False),
        row.maybe("open_responses_adapter"),
    )


def _composite(row: Row) -> CompositeDefined:
    limits = row.limits()
    strategy = row.values.get("lb_strategy")
    if strategy is not None and strategy not in _STRATEGIES:
        row.tell(f"lb_strategy is neither {' nor '.join(_STRATEGIES)}: {_STRATEGIES[0]} counts, as in dwctl")
        strategy = None
    attempts = row.whole("fallback_max_attempts")
    if attempts is not None and attempts < 1:
        row.tell("fallback_max_attempts is 0 or below: there is no bound, as in dwctl")
        attempts = None
    return CompositeDefined(
        row.text("id"),
        row.text("alias"),
        strategy,
        row.maybe("fallback_enabled"),
        row.maybe("fallback_on_rate_limit"),
        _statuses(row),
        row.maybe("fallback_with_replacement"),
        attempts,
        limits.max_concurrent,
        limits.requests_per_second,
        limits.burst,
        row.batch_capacity(),
        row.flag("sanitize_responses", default=False),
        row.maybe("open_responses_adapter"),
    )


def _statuses(row: Row) -> tuple[int, ...] | None:
    stated = row.values.get("fallback_on_status")
    if stated is None:
        return None
    usable = tuple(status for status in stated if isinstance(status, int) and 1 <= status <= 599)
    if len(usable) < len(stated):
        row.tell("fallback_on_status has statuses outside 1 to 599, which are left out")
    return usable


def _component(
    values: Mapping[str, Any], models: Mapping[ModelId, Model], findings: Findings
) -> ComponentDefined | None:
    """SYNC-3 and SYNC-11. What is deleted, or was not carried over, is told where it is a model."""
    composite = models.get(str(values["composite_model_id"]))
    deployment = models.get(str(values["deployed_model_id"]))
    if composite is None or deployment is None:
        return None
    row = Row(values, f"{deployment.alias} in {composite.alias}", findings)
    if not (isinstance(composite, CompositeDefined) and isinstance(deployment, DeploymentDefined)):
        row.tell("not carried over: a component that is no deployment in a composite")
        return None
    weight = row.whole("weight")
    kept = 1 if weight is None else min(max(weight, 1), 100)
    if weight is not None and weight != kept:
        row.tell("the weight of a component is outside 1 to 100: the nearest of these counts")
    order = row.whole("sort_order") or 0
    return ComponentDefined(
        composite.model_id, deployment.model_id, kept, order, enabled=row.flag("enabled", default=True)
    )


def _rule(
    values: Mapping[str, Any], models: Mapping[ModelId, Model], findings: Findings, *, opens_redirects: bool
) -> TrafficRuleDefined | None:
    model = models.get(str(values["deployed_model_id"]))
    if model is None:
        return None
    row = Row(values, f"model {model.alias}, purpose {values['api_key_purpose']}", findings)
    purpose, action = row.text("api_key_purpose"), row.text("action")
    if not purpose:
        row.tell("not carried over: a traffic rule without a purpose, which no key matches")
        return None
    denies = TrafficRuleDefined(model.model_id, purpose, Action.DENY.value)
    if action == Action.DENY.value:
        return denies
    if action != Action.REDIRECT.value:
        row.tell("the action of a traffic rule is neither deny nor redirect: it denies (DEF-4)")
        return denies
    target_id = row.text("redirect_target_id")
    if target_id not in models or target_id == model.model_id:
        row.tell("a redirect leads to no model, a deleted one or its own: it denies (DEF-4)")
        return denies
    if not opens_redirects:
        row.tell("a redirect admits only callers that may use its target too, unlike in dwctl (DEF-26)")
    return TrafficRuleDefined(model.model_id, purpose, Action.REDIRECT.value, target_id, opens_target=opens_redirects)
