"""The events about endpoints and models, folded into the catalogue.

Law: total, and each event marks as stale exactly the models whose pools it may change: of a deployment also the
composites it is in, of an endpoint all deployments at it, of a model's name those whose rules lead to it (DELTA-2).
"""

from engine.events import (
    BatchDefaultChanged,
    ComponentDefined,
    ComponentRemoved,
    CompositeDefined,
    CompositeRemoved,
    DeploymentDefined,
    DeploymentRemoved,
    EndpointDefined,
    EndpointRemoved,
    TrafficRuleDefined,
    TrafficRuleRemoved,
)
from engine.names import EndpointId, ModelId
from projections.table import Table, link, unlink


def endpoint_defined(table: Table, event: EndpointDefined) -> None:
    table.endpoints[event.endpoint_id] = event
    _stale_at(table, event.endpoint_id)


def endpoint_removed(table: Table, event: EndpointRemoved) -> None:
    table.endpoints.pop(event.endpoint_id)
    _stale_at(table, event.endpoint_id)


def deployment_defined(table: Table, event: DeploymentDefined) -> None:
    if event.model_id in table.composites:
        composite_removed(table, CompositeRemoved(event.model_id))
    old = table.deployments.get(event.model_id)
    if old is not None and old.endpoint_id != event.endpoint_id:
        unlink(table.deployments_at, old.endpoint_id, event.model_id)
    table.deployments[event.model_id] = event
    link(table.deployments_at, event.endpoint_id, event.model_id)
    _name(table, old, event)
    _stale_deployment(table, event.model_id)


def deployment_removed(table: Table, event: DeploymentRemoved) -> None:
    old = table.deployments.pop(event.model_id)
    if old is None:
        return
    unlink(table.deployments_at, old.endpoint_id, event.model_id)
    _stale_deployment(table, event.model_id)
    for composite_id in table.composites_of.get(event.model_id, ()):
        component_removed(table, ComponentRemoved(composite_id, event.model_id))
    _forget(table, old)


def composite_defined(table: Table, event: CompositeDefined) -> None:
    if event.model_id in table.deployments:
        deployment_removed(table, DeploymentRemoved(event.model_id))
    old = table.composites.get(event.model_id)
    table.composites[event.model_id] = event
    _name(table, old, event)
    table.stale.add(event.model_id)


def composite_removed(table: Table, event: CompositeRemoved) -> None:
    old = table.composites.pop(event.model_id)
    if old is None:
        return
    for component in table.components.pop(event.model_id) or ():
        unlink(table.composites_of, component.deployment_id, event.model_id)
    _forget(table, old)


def component_defined(table: Table, event: ComponentDefined) -> None:
    if event.composite_id not in table.composites or event.deployment_id not in table.deployments:
        return
    others = [one for one in _components(table, event.composite_id) if one.deployment_id != event.deployment_id]
    # A total order, where the seed had none among equals (DEF-18).
    others.append(event)
    others.sort(key=lambda one: (one.sort_order, -one.weight, one.deployment_id))
    table.components[event.composite_id] = tuple(others)
    link(table.composites_of, event.deployment_id, event.composite_id)
    table.stale.add(event.composite_id)


def component_removed(table: Table, event: ComponentRemoved) -> None:
    kept = tuple(one for one in _components(table, event.composite_id) if one.deployment_id != event.deployment_id)
    if kept:
        table.components[event.composite_id] = kept
    else:
        table.components.pop(event.composite_id)
    unlink(table.composites_of, event.deployment_id, event.composite_id)
    table.stale.add(event.composite_id)


def traffic_rule_defined(table: Table, event: TrafficRuleDefined) -> None:
    if event.model_id not in table.deployments and event.model_id not in table.composites:
        return
    traffic_rule_removed(table, TrafficRuleRemoved(event.model_id, event.purpose))
    rules = sorted((*table.rules.get(event.model_id, ()), event), key=lambda rule: rule.purpose)
    table.rules[event.model_id] = tuple(rules)
    if event.target_id is not None:
        link(table.redirects_to, event.target_id, event.model_id)


def traffic_rule_removed(table: Table, event: TrafficRuleRemoved) -> None:
    table.stale.add(event.model_id)
    rules = table.rules.get(event.model_id, ())
    kept = tuple(rule for rule in rules if rule.purpose != event.purpose)
    if kept:
        table.rules[event.model_id] = kept
    else:
        table.rules.pop(event.model_id)
    left = {rule.target_id for rule in kept}
    for rule in rules:
        if rule.target_id is not None and rule.target_id not in left:
            unlink(table.redirects_to, rule.target_id, event.model_id)


def batch_default_changed(table: Table, event: BatchDefaultChanged) -> None:
    table.batch_capacity = event.batch_capacity


def _components(table: Table, composite_id: ModelId) -> tuple[ComponentDefined, ...]:
    return table.components.get(composite_id, ())


def _name(
    table: Table, old: DeploymentDefined | CompositeDefined | None, new: DeploymentDefined | CompositeDefined
) -> None:
    """Take the model's name down, and give up the one before: no request sees both gone (DEF-44)."""
    holder = table.models.get(new.alias)
    if old is not None and old.alias == new.alias and holder is not None:
        return
    if old is not None and table.models.get(old.alias) == old.model_id:
        del table.models[old.alias]
        table.drop(old.alias)
    table.models[new.alias] = new.model_id
    table.stale.update(table.redirects_to.get(new.model_id, ()))
    if holder is not None:
        table.stale.update(table.redirects_to.get(holder, ()))


def _forget(table: Table, model: DeploymentDefined | CompositeDefined) -> None:
    """All that hangs on a model that is gone: its name, rules, grants and tariffs."""
    model_id = model.model_id
    if table.models.get(model.alias) == model_id:
        del table.models[model.alias]
        table.drop(model.alias)
    for rule in table.rules.pop(model_id) or ():
        if rule.target_id is not None:
            unlink(table.redirects_to, rule.target_id, model_id)
    for group_id in table.grants.pop(model_id) or ():
        unlink(table.granted, group_id, model_id)
    for tariff_id in table.tariffs_of.pop(model_id) or ():
        del table.tariffs[tariff_id]
    table.stale.update(table.redirects_to.get(model_id, ()))


def _stale_at(table: Table, endpoint_id: EndpointId) -> None:
    for model_id in table.deployments_at.get(endpoint_id, ()):
        _stale_deployment(table, model_id)


def _stale_deployment(table: Table, model_id: ModelId) -> None:
    table.stale.add(model_id)
    table.stale.update(table.composites_of.get(model_id, ()))
