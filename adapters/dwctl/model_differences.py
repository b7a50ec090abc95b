"""How the models that are there differ from those that are wished for.

Law: a name that goes from one model to another does so within one unit, so that no request finds it nowhere (DEF-44);
a rule comes to deny before the model it led to is gone.
"""

from collections.abc import Iterator, Mapping

from adapters.dwctl.ownership import Ownership
from adapters.dwctl.steps import Unit
from adapters.dwctl.wishes import Models
from engine.events import (
    ComponentRemoved,
    CompositeDefined,
    CompositeRemoved,
    DeploymentDefined,
    DeploymentRemoved,
    EndpointRemoved,
    TrafficRuleDefined,
    TrafficRuleRemoved,
)
from engine.names import Alias, ModelId
from engine.snapshot import Action

Model = DeploymentDefined | CompositeDefined


class ModelDifferences:
    def __init__(self, wished: Models, own: Ownership) -> None:
        self._wished = wished
        self._own = own
        self._catalogue = catalogue = own.snapshot.catalogue
        self._present: Mapping[ModelId, Model] = {**catalogue.deployments, **catalogue.composites}
        self.gone = frozenset(
            model_id
            for model_id in self._present
            if model_id not in wished.models and own.may_close(f"model:{model_id}")
        )
        "Models that are to be removed."
        self._changed = {
            model_id: model
            for model_id, model in wished.models.items()
            if self._present.get(model_id) != model
            and own.may_change(f"model:{model_id}", exists=model_id in self._present)
        }
        self._rules = tuple(self._rule_changes())

    def closing(self) -> Iterator[Unit]:
        for rule in self._rules:
            if rule.action == Action.DENY.value and rule.model_id in self._present:
                yield (rule,)

    def defining(self) -> Iterator[Unit]:
        """Endpoints, models, components and the other rules; models that are gone."""
        for endpoint_id, endpoint in self._wished.endpoints.items():
            present = self._catalogue.endpoints.get(endpoint_id)
            if present != endpoint and self._own.may_change(f"endpoint:{endpoint_id}", exists=present is not None):
                yield (endpoint,)
        placed: set[ModelId] = set()
        for model_id in self._changed:
            yield tuple(self._placed(model_id, placed))
        yield from self._components()
        for rule in self._rules:
            if rule.action != Action.DENY.value or rule.model_id not in self._present:
                yield (rule,)
        for model_id in sorted(self.gone - placed):
            yield (self._removal(model_id),)

    def leaving(self) -> Iterator[Unit]:
        """Rules whose going opens, and endpoints that nothing is at any more."""
        for model_id, rules in self._catalogue.rules.items():
            for rule in rules:
                if (model_id, rule.purpose) not in self._wished.rules and self._is_settled_here(model_id):
                    yield (TrafficRuleRemoved(model_id, rule.purpose),)
        for endpoint_id in self._catalogue.endpoints:
            if endpoint_id not in self._wished.endpoints and self._own.may_remove(f"endpoint:{endpoint_id}"):
                yield (EndpointRemoved(endpoint_id),)

    def _placed(
        self, model_id: ModelId, placed: set[ModelId]
    ) -> Iterator[Model | DeploymentRemoved | CompositeRemoved]:
        """A model's definition, after whatever has to give its name up first."""
        if model_id in placed:
            return
        placed.add(model_id)
        wish = self._changed.get(model_id)
        if wish is None:
            yield self._removal(model_id)
            return
        holder = self._holder(wish.alias)
        if holder not in {None, model_id}:
            yield from self._placed(holder or "", placed)
        before = self._present.get(model_id)
        if before is not None and type(before) is not type(wish):
            yield self._removal(model_id)
        yield wish

    def _holder(self, alias: Alias) -> ModelId | None:
        """The model that has an alias and is about to lose it."""
        holder = self._catalogue.models.get(alias)
        return holder if holder in self.gone or holder in self._changed else None

    def _removal(self, model_id: ModelId) -> DeploymentRemoved | CompositeRemoved:
        is_deployment = model_id in self._catalogue.deployments
        return DeploymentRemoved(model_id) if is_deployment else CompositeRemoved(model_id)

    def _components(self) -> Iterator[Unit]:
        for component in self._wished.components.values():
            composite_id = component.composite_id
            if component not in self._catalogue.components.get(composite_id, ()) and self._may_settle(composite_id):
                yield (component,)
        for composite_id, components in self._catalogue.components.items():
            for component in components:
                key = (composite_id, component.deployment_id)
                if key not in self._wished.components and self._is_settled_here(composite_id):
                    yield (ComponentRemoved(*key),)

    def _rule_changes(self) -> Iterator[TrafficRuleDefined]:
        for rule in self._wished.rules.values():
            if rule not in self._catalogue.rules.get(rule.model_id, ()) and self._may_settle(rule.model_id):
                yield rule

    def _may_settle(self, model_id: ModelId) -> bool:
        return self._own.may_change(f"model:{model_id}", exists=model_id in self._present)

    def _is_settled_here(self, model_id: ModelId) -> bool:
        """Whether what hangs on a model that stays is to be as the source has it."""
        return model_id in self._wished.models and self._may_settle(model_id)
