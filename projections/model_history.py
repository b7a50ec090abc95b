"""Sentences about endpoints, deployments, composites, their components and traffic rules.

Law: as in `projections.history`. Entities are shown by id, which never changes, and by name where they have one.
"""

from engine.catalogue import Catalogue
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
    ModelEvent,
    TrafficRuleDefined,
    TrafficRuleRemoved,
)
from engine.names import ModelId
from engine.snapshot import Action
from projections.phrases import changed, created, differences, missing, particulars, removed, with_it

_ACTIONS = {action.value for action in Action}


def model_sentence(before: Catalogue, event: ModelEvent) -> str:
    match event:
        case EndpointDefined() | EndpointRemoved():
            told = _endpoint(before, event)
        case DeploymentDefined() | DeploymentRemoved():
            told = _deployment(before, event)
        case CompositeDefined() | CompositeRemoved():
            told = _composite(before, event)
        case ComponentDefined() | ComponentRemoved():
            told = _component(before, event)
        case TrafficRuleDefined() | TrafficRuleRemoved():
            told = _rule(before, event)
        case BatchDefaultChanged():
            told = changed("default", differences(BatchDefaultChanged(before.batch_capacity), event))
    return told


def named(kind: str, entity_id: str, name: str) -> str:
    """`user 17 (Ann)`; the id alone where there is no other name."""
    return f"{kind} {entity_id} ({name})" if name not in ("", entity_id) else f"{kind} {entity_id}"


def model_named(catalogue: Catalogue, model_id: ModelId, kind: str = "model") -> str:
    model = catalogue.deployments.get(model_id) or catalogue.composites.get(model_id)
    return named(kind, model_id, "" if model is None else model.alias)


def is_model(catalogue: Catalogue, model_id: ModelId) -> bool:
    return model_id in catalogue.deployments or model_id in catalogue.composites


def _endpoint(before: Catalogue, event: EndpointDefined | EndpointRemoved) -> str:
    old = before.endpoints.get(event.endpoint_id)
    subject = named("endpoint", event.endpoint_id, "" if old is None else old.name)
    if isinstance(event, EndpointRemoved):
        there = len(before.deployments_at.get(event.endpoint_id, ())) if old is not None else 0
        return removed(subject, old is not None) + (f"; {there} deployment(s) are left without one" if there else "")
    if old is None:
        return created(subject, [event.url, *particulars(event, beside=frozenset({"url"}))])
    return changed(subject, differences(old, event))


def _deployment(before: Catalogue, event: DeploymentDefined | DeploymentRemoved) -> str:
    old, subject = before.deployments.get(event.model_id), model_named(before, event.model_id, "deployment")
    if isinstance(event, DeploymentRemoved):
        return removed(subject, old is not None) + (_gone_with(before, event.model_id) if old is not None else "")
    if old is not None:
        return changed(subject, differences(old, event))
    at = f"model {event.model_name} at endpoint {event.endpoint_id}"
    told = particulars(event, beside=frozenset({"alias", "model_name", "endpoint_id"}))
    instead = " in place of the composite" if event.model_id in before.composites else ""
    return created(subject, [f"alias {event.alias}", at, *told]) + instead


def _composite(before: Catalogue, event: CompositeDefined | CompositeRemoved) -> str:
    old, subject = before.composites.get(event.model_id), model_named(before, event.model_id, "composite")
    if isinstance(event, CompositeRemoved):
        return removed(subject, old is not None) + (_gone_with(before, event.model_id) if old is not None else "")
    if old is not None:
        return changed(subject, differences(old, event))
    instead = " in place of the deployment" if event.model_id in before.deployments else ""
    return created(subject, particulars(event)) + instead


def _component(before: Catalogue, event: ComponentDefined | ComponentRemoved) -> str:
    part = model_named(before, event.deployment_id, "component")
    subject = f"{part} of {model_named(before, event.composite_id, 'composite')}"
    parts = before.components.get(event.composite_id, ())
    old = next((one for one in parts if one.deployment_id == event.deployment_id), None)
    if isinstance(event, ComponentRemoved):
        return removed(subject, old is not None)
    if old is not None:
        return changed(subject, differences(old, event))
    composite, deployment = event.composite_id in before.composites, event.deployment_id in before.deployments
    return missing(subject, composite=composite, deployment=deployment) or created(
        subject, [f"weight {event.weight}", *particulars(event, beside=frozenset({"weight"}))]
    )


def _rule(before: Catalogue, event: TrafficRuleDefined | TrafficRuleRemoved) -> str:
    subject = f"rule for purpose {event.purpose} of {model_named(before, event.model_id)}"
    rules = before.rules.get(event.model_id, ())
    old = next((one for one in rules if one.purpose == event.purpose), None)
    if isinstance(event, TrafficRuleRemoved):
        return removed(subject, old is not None)
    if old is not None:
        return changed(subject, [f"{_order(before, old)} → {_order(before, event)}"] if old != event else [])
    return missing(subject, model=is_model(before, event.model_id)) or created(subject, [_order(before, event)])


def _order(catalogue: Catalogue, rule: TrafficRuleDefined) -> str:
    action = rule.action if rule.action in _ACTIONS else f"deny, for {rule.action} is unknown here"
    target = f" to {model_named(catalogue, rule.target_id)}" if rule.target_id is not None else ""
    return f"{action}{target}" + (", which opens it" if rule.opens_target else "")


def _gone_with(catalogue: Catalogue, model_id: ModelId) -> str:
    hanging = {
        "component(s)": catalogue.components,
        "place(s) in composites": catalogue.composites_of,
        "rule(s)": catalogue.rules,
        "grant(s)": catalogue.grants,
        "tariff(s)": catalogue.tariffs_of,
    }
    return with_it({what: len(parts.get(model_id, ())) for what, parts in hanging.items()})
