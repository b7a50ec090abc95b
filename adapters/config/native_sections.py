"""The sections of a native document, each to what it wishes for.

Law: total; what cannot be read is reported at its place and left out. A document with a report is used by nobody.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from adapters.config.findings import JsonPath
from adapters.config.typed import Report, a_value, an_object, structured, unknown
from engine import events as facts
from engine.events import NIL, EntityEvent
from engine.snapshot import Key, Pool, Settings

_UNSAID: Final = object()
Facts: TypeAlias = Iterator[EntityEvent | None]
Read: TypeAlias = Callable[[object, JsonPath, Report], Any]
Part: TypeAlias = Callable[[str, Mapping[str, Any], Any, JsonPath, Report], Facts]
"""Reads one field of an entity, by the entity's id and its other fields, as facts of its own."""


def _settings(raw: object, path: JsonPath, report: Report) -> Settings | None:
    return structured(raw, Settings, path, report)


def _named(kind: type[Any], name: str) -> Read:
    """Values by the name that is also one of their fields."""

    def read(raw: object, path: JsonPath, report: Report) -> dict[str, Any]:
        return {
            one: structured(fields, kind, (*path, one), report, given={name: one})
            for one, fields in an_object(raw, path, report).items()
        }

    return read


def _entities(kind: type[Any], name: str, parts: Mapping[str, Part]) -> Read:
    def read(raw: object, path: JsonPath, report: Report) -> list[EntityEvent]:
        found: list[EntityEvent | None] = []
        for one, given in an_object(raw, path, report).items():
            place = (*path, one)
            fields = dict(an_object(given, place, report))
            apart = {part: fields.pop(part, _UNSAID) for part in parts}
            if kind is facts.GroupDefined and one == NIL:
                # The public group exists by itself and has no name.
                unknown(fields, (*parts,), place, report)
            else:
                found.append(structured(fields, kind, place, report, given={name: one}))
            for part, value in apart.items():
                found += parts[part](one, fields, value, (*place, part), report)
        return [fact for fact in found if fact is not None]

    return read


def _components(one: str, _fields: Mapping[str, Any], raw: Any, path: JsonPath, report: Report) -> Facts:
    for deployment_id, fields in an_object({} if raw is _UNSAID else raw, path, report).items():
        given = {"composite_id": one, "deployment_id": deployment_id}
        yield structured(fields, facts.ComponentDefined, (*path, deployment_id), report, given=given)


def _funded(one: str, _fields: Mapping[str, Any], raw: Any, path: JsonPath, report: Report) -> Facts:
    is_funded = raw is not _UNSAID and a_value(raw, bool, path, report)
    yield facts.FundsRestored(one) if is_funded else facts.FundsExhausted(one)


def _turned(one: str, fields: Mapping[str, Any], raw: Any, path: JsonPath, report: Report) -> Facts:
    """One that is to begin at some time and is not current may as well wait: `has_ended` tells that it does not."""
    is_current = None if raw is _UNSAID else a_value(raw, bool, path, report)
    if is_current:
        yield facts.TariffBegan(one)
    elif is_current is False and fields.get("valid_from") is None:
        yield facts.TariffEnded(one)


def _ended(one: str, _fields: Mapping[str, Any], raw: Any, path: JsonPath, report: Report) -> Facts:
    if raw is not _UNSAID and a_value(raw, bool, path, report):
        yield facts.TariffEnded(one)


def _links(kind: type[Any]) -> Part:
    def read(one: str, _fields: Mapping[str, Any], raw: Any, path: JsonPath, report: Report) -> Facts:
        for other in a_value([] if raw is _UNSAID else raw, tuple[str, ...], path, report) or ():
            yield kind(one, other)

    return read


def _rules(raw: object, path: JsonPath, report: Report) -> list[EntityEvent]:
    found = [
        structured(fields, facts.TrafficRuleDefined, (*path, model_id, purpose), report, given=given)
        for model_id, rules in an_object(raw, path, report).items()
        for purpose, fields in an_object(rules, (*path, model_id), report).items()
        for given in ({"model_id": model_id, "purpose": purpose},)
    ]
    return [fact for fact in found if fact is not None]


def _batch_default(raw: object, path: JsonPath, report: Report) -> list[EntityEvent]:
    capacity = a_value(raw, int, path, report)
    return [] if capacity is None else [facts.BatchDefaultChanged(capacity)]


def _escalation(raw: object, path: JsonPath, report: Report) -> list[EntityEvent]:
    return [facts.EscalationChanged(tuple(sorted(set(a_value(raw, tuple[str, ...], path, report) or ()))))]


def _released(raw: object, path: JsonPath, report: Report) -> list[EntityEvent]:
    return [facts.SourceReleased(source) for source in a_value(raw, tuple[str, ...], path, report) or ()]


READERS: Final[Mapping[str, Read]] = {
    "settings": _settings,
    "pools": _named(Pool, "alias"),
    "keys": _named(Key, "key_id"),
    "released": _released,
    "batch_default": _batch_default,
    "endpoints": _entities(facts.EndpointDefined, "endpoint_id", {}),
    "deployments": _entities(facts.DeploymentDefined, "model_id", {}),
    "composites": _entities(facts.CompositeDefined, "model_id", {"components": _components}),
    "rules": _rules,
    "users": _entities(facts.UserDefined, "user_id", {"is_funded": _funded}),
    "groups": _entities(
        facts.GroupDefined,
        "group_id",
        {"members": _links(facts.MemberAdded), "grants": _links(facts.GrantAdded)},
    ),
    "tariffs": _entities(facts.TariffDefined, "tariff_id", {"is_current": _turned, "has_ended": _ended}),
    "ledgers": _entities(facts.CreditsCheckpointed, "user_id", {}),
    "escalation": _escalation,
    "tokens": _entities(facts.TokenDefined, "token_id", {}),
}
"""By the sections' names."""
