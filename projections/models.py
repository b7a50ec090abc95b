"""The pool of a model, as the control plane's entities say (SYNC-9 to SYNC-14).

Law: deterministic, total, and each model's own affair: what is wrong with one entity takes out of service what needs
it, is told among the faults, and touches no other model (SYNC-13, DEF-2).
"""

from functools import lru_cache
from operator import attrgetter
from sys import intern

import attrs

from engine.events import NIL, CompositeDefined, DeploymentDefined, TrafficRuleDefined
from engine.names import ModelId
from engine.snapshot import Action, Fallback, Grants, Limits, Pool, Provider, Rule, Strategy
from engine.urls import normalise
from projections.table import Table

_ON_STATUS = (429, 500, 502, 503, 504)
"""Where a composite states none (FB-14)."""


_POOL = tuple(field.name for field in attrs.fields(Pool))
_values_of, _GRANTS = attrgetter(*_POOL), _POOL.index("grants")
_normalised = lru_cache(maxsize=4096)(normalise)
"""Many deployments are at one endpoint."""


def project(table: Table) -> None:
    """Bring the pools of all stale models up to date; where only the grants are, the rest of the pool stays."""
    for model_id in table.stale:
        model = _named(table, model_id)
        if model is None:
            continue
        faults: list[str] = []
        alias = intern(model.alias)
        table.touched.add(alias)
        table.pools[alias] = (
            _of_deployment(table, model, faults)
            if isinstance(model, DeploymentDefined)
            else _of_composite(table, model, faults)
        )
        if faults:
            table.faults[alias] = tuple(faults)
        else:
            table.faults.pop(alias)
    for model_id in table.stale_grants - table.stale:
        model = _named(table, model_id)
        if model is not None:
            alias = intern(model.alias)
            table.touched.add(alias)
            table.pools[alias] = _regranted(table.pools[alias], _grants(table, model_id, alias))
    table.stale.clear()
    table.stale_grants.clear()


def _regranted(pool: Pool, grants: Grants) -> Pool:
    """What `attrs.evolve` does, in a third of the time: a group that goes may have hundreds of models."""
    values = list(_values_of(pool))
    values[_GRANTS] = grants
    return Pool(*values)


def _named(table: Table, model_id: ModelId) -> DeploymentDefined | CompositeDefined | None:
    """The model, if there is one that goes by its name."""
    model = table.deployments.get(model_id) or table.composites.get(model_id)
    return None if model is None or table.models.get(model.alias) != model_id else model


def _of_deployment(table: Table, deployment: DeploymentDefined, faults: list[str]) -> Pool:
    """SYNC-9: one provider, which has the limits; the pool has none, and no fallback."""
    provider = _provider(table, deployment, faults, sanitize_response=deployment.sanitize_response)
    return Pool(
        alias=intern(deployment.alias),
        providers=() if provider is None else (provider,),
        grants=_grants(table, deployment.model_id, deployment.alias),
        rules=_rules(table, deployment.model_id, faults),
        sanitize_response=deployment.sanitize_response,
    )


def _of_composite(table: Table, composite: CompositeDefined, faults: list[str]) -> Pool:
    """SYNC-10 and SYNC-11: the limits are the pool's, and each provider has its deployment's."""
    providers = []
    for component in table.components.get(composite.model_id, ()):
        deployment = table.deployments.get(component.deployment_id)
        if not component.enabled or deployment is None:
            continue
        weight, sanitize = max(component.weight, 1), composite.sanitize_response
        provider = _provider(table, deployment, faults, weight=weight, sanitize_response=sanitize)
        if provider is not None:
            providers.append(provider)
    if not providers:
        faults.append("no component can serve it: enable or add one")
    return Pool(
        alias=intern(composite.alias),
        providers=tuple(providers),
        grants=_grants(table, composite.model_id, composite.alias),
        strategy=_strategy(composite.strategy, faults),
        limits=Limits(composite.max_concurrent, composite.requests_per_second, composite.burst),
        fallback=_fallback(composite),
        rules=_rules(table, composite.model_id, faults),
        sanitize_response=composite.sanitize_response,
        open_responses_adapter=_or_on(composite.open_responses_adapter),
    )


def _provider(
    table: Table, deployment: DeploymentDefined, faults: list[str], *, sanitize_response: bool, weight: int = 1
) -> Provider | None:
    """The provider that a deployment is, wherever it stands: its limits are one by its id (SYNC-17, DEF-20)."""
    endpoint = table.endpoints.get(deployment.endpoint_id)
    if endpoint is None:
        faults.append(f"deployment {deployment.model_id}: its endpoint {deployment.endpoint_id} is not defined")
        return None
    try:
        url = _normalised(endpoint.url)
    except ValueError as error:
        faults.append(f"deployment {deployment.model_id}: the URL of endpoint {endpoint.endpoint_id}: {error}")
        return None
    alias = deployment.alias
    return Provider(
        name=alias if alias.isascii() and alias.isprintable() else deployment.model_id,
        url=url,
        model=deployment.model_name,
        credential=endpoint.credential,
        auth_header=endpoint.auth_header,
        auth_prefix=endpoint.auth_prefix,
        weight=weight,
        limits=Limits(deployment.max_concurrent, deployment.requests_per_second, deployment.burst),
        deployment=deployment.model_id,
        sanitize_response=sanitize_response,
        trusted=deployment.trusted,
        open_responses_adapter=_or_on(deployment.open_responses_adapter),
    )


def _grants(table: Table, model_id: ModelId, alias: str) -> Grants:
    tariffs = (table.tariffs[tariff_id] for tariff_id in table.tariffs_of.get(model_id, ()))
    return Grants(
        groups=table.grants.get(model_id, frozenset()),
        is_free=all(tariff.is_free for tariff in tariffs if tariff.is_current),
        is_escalation=alias in table.escalation,
    )


def _rules(table: Table, model_id: ModelId, faults: list[str]) -> tuple[Rule, ...]:
    """SYNC-14. What cannot be understood denies, and what leads nowhere serves nobody (DEF-4)."""
    return tuple(_rule(table, defined, faults) for defined in table.rules.get(model_id, ()))


def _rule(table: Table, defined: TrafficRuleDefined, faults: list[str]) -> Rule:
    labels = {"purpose": defined.purpose}
    if defined.action != Action.REDIRECT.value:
        if defined.action != Action.DENY.value:
            faults.append(f"rule for purpose {defined.purpose}: the action {defined.action!r} is unknown, so it denies")
        return Rule(labels, Action.DENY)
    target_id = defined.target_id or NIL
    target = table.deployments.get(target_id) or table.composites.get(target_id)
    if target is None or table.models.get(target.alias) != target_id:
        what = "is not defined" if target is None else "has lost its name to another model"
        faults.append(f"rule for purpose {defined.purpose}: its target {defined.target_id} {what}")
        return Rule(labels, Action.DENY)
    return Rule(labels, Action.REDIRECT, target.alias, defined.opens_target)


def _fallback(composite: CompositeDefined) -> Fallback:
    """FB-14."""
    if composite.fallback_enabled is False:
        return Fallback()
    attempts = composite.fallback_max_attempts
    return Fallback(
        enabled=True,
        on_status=_ON_STATUS if composite.fallback_on_status is None else composite.fallback_on_status,
        on_rate_limit=_or_on(composite.fallback_on_rate_limit),
        with_replacement=composite.fallback_with_replacement or False,
        max_attempts=attempts if attempts is not None and attempts >= 1 else None,
    )


def _strategy(word: str | None, faults: list[str]) -> Strategy:
    """NULL and what is unknown are weighted (SYNC-10)."""
    if word is None:
        return Strategy.WEIGHTED_RANDOM
    try:
        return Strategy(word)
    except ValueError:
        faults.append(f"the strategy {word!r} is unknown, so providers share by weight")
        return Strategy.WEIGHTED_RANDOM


def _or_on(stated: bool | None) -> bool:
    return True if stated is None else stated
