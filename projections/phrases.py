"""What events set and change, in phrases: one a field, and the words around them.

Law: total over every field of every event, and a digest is never shown.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import attrs

from engine.events import (
    ComponentDefined,
    CompositeDefined,
    DeploymentDefined,
    EndpointDefined,
    Event,
    GroupDefined,
    KeyDefined,
    PoolDefined,
    ProviderDefined,
    RuleDefined,
    TariffDefined,
    TokenDefined,
    TrafficRuleDefined,
    UserDefined,
)
from engine.snapshot import Action
from projections.words import field_name, field_value, pattern, text

_NAMES: Final[Mapping[type, frozenset[str]]] = {
    KeyDefined: frozenset({"key_id"}),
    PoolDefined: frozenset({"alias"}),
    ProviderDefined: frozenset({"alias", "provider", "rank"}),
    RuleDefined: frozenset({"alias", "rank"}),
    EndpointDefined: frozenset({"endpoint_id"}),
    DeploymentDefined: frozenset({"model_id"}),
    CompositeDefined: frozenset({"model_id"}),
    ComponentDefined: frozenset({"composite_id", "deployment_id"}),
    TrafficRuleDefined: frozenset({"model_id", "purpose"}),
    UserDefined: frozenset({"user_id"}),
    GroupDefined: frozenset({"group_id"}),
    TariffDefined: frozenset({"tariff_id"}),
    TokenDefined: frozenset({"token_id"}),
}
"""Of the entity itself; the sentence has named it already."""

_TOLD_OF_POOLS: Final = frozenset(
    {"strategy", "keys", "fallback_enabled", "fallback_on_status", "fallback_on_rate_limit"}
)
_SWITCHES: Final = (
    "fallback_on_rate_limit",
    "fallback_on_connect_error",
    "fallback_on_timeout",
    "fallback_on_maybe_executed",
    "fallback_on_embedded_error",
)
"""What is tried again besides statuses, each where it is on."""
_TOLD_OF_PROVIDERS: Final = frozenset({"url", "weight"})
_SETS: Final = {"keys", "aliases"}
_ACTIONS: Final = {action.value for action in Action}


def created(subject: str, phrases: Iterable[str]) -> str:
    told = ", ".join(phrases)
    return f"{subject} was created: {told}" if told else f"{subject} was created"


def changed(subject: str, phrases: Iterable[str]) -> str:
    return f"{subject}: {', '.join(phrases) or 'stated again, nothing changed'}"


def removed(subject: str, was_there: bool) -> str:
    return f"{subject} was removed" if was_there else f"{subject} was not there; nothing changed"


def missing(subject: str, **there: bool) -> str:
    """That an event has no effect for want of what it presupposes, by kind; empty where all of it is there."""
    absent = " and no such ".join(kind for kind, is_there in there.items() if not is_there)
    return f"{subject}: nothing changed, for there is no such {absent}" if absent else ""


def with_it(counts: Mapping[str, int]) -> str:
    """What goes with an entity that is removed; empty where it is nothing."""
    told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    return f", {told} with it" if told else ""


def differences(old: Event, new: Event) -> list[str]:
    """What differs between two events of one class about one entity, a phrase a field."""
    names = _NAMES.get(type(new), frozenset())
    fields = [field for field in attrs.fields(type(new)) if field.name not in names]
    pairs = [(field.name, getattr(old, field.name), getattr(new, field.name)) for field in fields]
    return [_difference(*pair) for pair in pairs if _differs(*pair)]


def key_differences(old: KeyDefined, new: KeyDefined) -> list[str]:
    """As `differences`; a rotation is one change, though three fields differ."""
    phrases: list[str] = []
    if new.digest != old.digest == new.previous_digest:
        until = new.previous_until
        told = "" if until is None else f", the secret before is good until {field_value('previous_until', until)}"
        phrases = [f"a new secret by rotation{told}"]
        old = attrs.evolve(old, digest=new.digest, previous_digest=new.previous_digest, previous_until=until)
    elif old.previous_digest is not None and new.previous_digest is None:
        phrases = ["the secret before is no longer good"]
        old = attrs.evolve(old, previous_digest=None, previous_until=new.previous_until)
    return phrases + differences(old, new)


def particulars(event: Event, *, beside: frozenset[str] = frozenset()) -> Iterator[str]:
    """What an event sets, a phrase a field: not what is left at its default, nor the fields told `beside`."""
    untold = beside | _NAMES.get(type(event), frozenset())
    for field in attrs.fields(type(event)):
        name, value = field.name, getattr(event, field.name)
        # A switch that is off is told where it would be on, or somebody else's to say, if nothing were set.
        off = value is False and field.default is attrs.NOTHING
        if name in untold or not field.repr or value is None or off or value in ({}, field.default):
            continue
        yield field_name(name) if value is True else f"{field_name(name)} {field_value(name, value)}"


def pool_particulars(event: PoolDefined) -> Iterator[str]:
    """A pool's own definition, whole. Of a fallback all that is in force is told, set or not."""
    on = [name for name in _SWITCHES if event.fallback_enabled and getattr(event, name)]
    yield event.strategy
    yield "no key list" if event.keys is None else f"{len(event.keys)} key(s)"
    yield from particulars(event, beside=_TOLD_OF_POOLS.union(on))
    if event.fallback_enabled:
        occasions = [pattern(status) for status in event.fallback_on_status]
        occasions += [field_name(name).removeprefix("fallback on ") for name in on]
        # What is wrong with a credential of the gateway's own is tried elsewhere in any case (DEF-71).
        yield f"fallback on {', '.join(occasions) or 'its own credentials alone'}"


def provider_particulars(event: ProviderDefined) -> Iterator[str]:
    """A provider's definition beyond its address and weight."""
    return particulars(event, beside=_TOLD_OF_PROVIDERS)


def rule_order(rule: RuleDefined) -> str:
    """What a rule does to whom."""
    callers = f"callers with {text(rule.match_labels)[1:-1]}" if rule.match_labels else "all callers with a key"
    action = rule.action if rule.action in _ACTIONS else f"deny, for {rule.action} is unknown here,"
    target = f" to {rule.target}" if rule.target is not None else ""
    return f"{action} {callers}{target}" + (", which opens it" if rule.opens_target else "")


def printable(line: str) -> str:
    """The text on one line, with whatever a terminal might obey escaped."""
    if line.isprintable():
        return line
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in line)


def _differs(name: str, old: Any, new: Any) -> bool:
    if name in _SETS and old is not None and new is not None:
        return set(old) != set(new)
    return bool(old != new)


def _difference(name: str, old: Any, new: Any) -> str:
    if name == "digest":
        return "a new secret"
    if name == "previous_digest":
        return "another secret before"
    if name in _SETS and old is not None and new is not None:
        added = [f"+{one}" for one in new if one not in old]
        dropped = [f"-{one}" for one in old if one not in new]
        return f"{field_name(name)} {' '.join(added + dropped)}"
    return f"{field_name(name)} {field_value(name, old)} → {field_value(name, new)}"
