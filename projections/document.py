"""Tables as documents of plain values: what `export` writes, and what a table looks like to programs.

Law: deterministic, the same table the same document. Credentials are names. Digests are in it only where they are asked
for, as an export needs them to be imported whole.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from engine import events as facts
from engine.document import Document, document_of
from engine.snapshot import RoutingSnapshot
from projections.plain import Plain, fields_of, plain

VERSION: Final = 1
"""What stands at the top of a document, as `pointsman`; it counts up when an older reader would misread one."""


def exported(snapshot: RoutingSnapshot, *, with_digests: bool = False) -> Plain:
    """Everything that was defined, in the native format; what is at its default is left out."""
    return native(document_of(snapshot), with_digests=with_digests)


def native(document: Document, *, with_digests: bool = False) -> Plain:
    """A document in the native format."""
    told: Plain = {"pointsman": VERSION}
    if document.settings is not None:
        told["settings"] = fields_of(document.settings)
    for section, entities, name in (("pools", document.pools, "alias"), ("keys", document.keys, "key_id")):
        if entities is not None:
            told[section] = {
                one: fields_of(value, beside=(name,), with_digests=with_digests, sparse=True)
                for one, value in entities.items()
            }
    for section, some in document.facts.items():
        told[section] = _EMPTY.get(section, dict)()
        for fact in some:
            _TOLD[type(fact)](told, fact)
    if not with_digests:
        for token in told.get("tokens", {}).values():
            del token["digest"]
    return told


def shown(snapshot: RoutingSnapshot) -> Plain:
    """All that is in force at a position: what was defined, models' pools with the rest, and what is wrong with them.

    No digests. Of pools and keys every field is told, at its default or not.
    """
    return {
        "position": snapshot.position,
        **native(attrs.evolve(document_of(snapshot), pools=None, keys=None)),
        "pools": plain(snapshot.pools),
        "keys": plain(snapshot.keys),
        "capacities": plain(snapshot.capacities),
        "faults": plain(snapshot.faults),
    }


def _entity(section: str, name: str) -> Callable[[Plain, Any], None]:
    def tell(told: Plain, fact: Any) -> None:
        told[section][getattr(fact, name)] = fields_of(fact, beside=(name,), with_digests=True, sparse=True)

    return tell


def _component(told: Plain, fact: facts.ComponentDefined) -> None:
    fields = fields_of(fact, beside=("composite_id", "deployment_id"), sparse=True)
    told["composites"][fact.composite_id].setdefault("components", {})[fact.deployment_id] = fields


def _rule(told: Plain, fact: facts.TrafficRuleDefined) -> None:
    fields = fields_of(fact, beside=("model_id", "purpose"), sparse=True)
    told["rules"].setdefault(fact.model_id, {})[fact.purpose] = fields


def _funded(told: Plain, fact: facts.FundsRestored) -> None:
    told["users"][fact.user_id]["is_funded"] = True


def _member(told: Plain, fact: facts.MemberAdded) -> None:
    told["groups"][fact.group_id].setdefault("members", []).append(fact.user_id)


def _grant(told: Plain, fact: facts.GrantAdded) -> None:
    # The public group is not defined by anybody, but may be granted models.
    told["groups"].setdefault(fact.group_id, {}).setdefault("grants", []).append(fact.model_id)


def _turned(told: Plain, fact: facts.TariffBegan | facts.TariffEnded) -> None:
    told["tariffs"][fact.tariff_id]["is_current" if isinstance(fact, facts.TariffBegan) else "has_ended"] = True


def _escalation(told: Plain, fact: facts.EscalationChanged) -> None:
    told["escalation"] = list(fact.aliases)


def _batch_default(told: Plain, fact: facts.BatchDefaultChanged) -> None:
    told["batch_default"] = fact.batch_capacity


def _released(told: Plain, fact: facts.SourceReleased) -> None:
    told["released"].append(fact.source)


def _untold(_told: Plain, _fact: Any) -> None:
    """As it is where nothing is said."""


_EMPTY: Final[Mapping[str, Callable[[], Any]]] = {"released": list, "escalation": list}

_TOLD: Final[Mapping[type, Callable[[Plain, Any], None]]] = {
    facts.SourceReleased: _released,
    facts.BatchDefaultChanged: _batch_default,
    facts.EndpointDefined: _entity("endpoints", "endpoint_id"),
    facts.DeploymentDefined: _entity("deployments", "model_id"),
    facts.CompositeDefined: _entity("composites", "model_id"),
    facts.ComponentDefined: _component,
    facts.TrafficRuleDefined: _rule,
    facts.UserDefined: _entity("users", "user_id"),
    facts.GroupDefined: _entity("groups", "group_id"),
    facts.MemberAdded: _member,
    facts.GrantAdded: _grant,
    facts.TariffDefined: _entity("tariffs", "tariff_id"),
    facts.TariffBegan: _turned,
    facts.TariffEnded: _turned,
    facts.CreditsCheckpointed: _entity("ledgers", "user_id"),
    facts.FundsRestored: _funded,
    facts.FundsExhausted: _untold,
    facts.EscalationChanged: _escalation,
    facts.TokenDefined: _entity("tokens", "token_id"),
}
