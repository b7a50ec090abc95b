"""What differs in one entity, in one line for people: providers by their names, limits and terms by the words for them.

Law: total over every change of every entity; what a program reads is `projections.diff`, this is only how it sounds.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final, Protocol

from projections.phrases import printable
from projections.words import field_name, field_value, text


class Change(Protocol):
    @property
    def field(self) -> str: ...
    @property
    def before(self) -> Any: ...
    @property
    def after(self) -> Any: ...


_SETS: Final = {"keys", "aliases", "groups"}
_PARTS: Final = {
    "limits": "{}",
    "grants": "{}",
    "fallback": "fallback_{}",
    "fallback.backoff": "backoff_{}",
    "circuit": "circuit_{}",
    "affinity": "affinity_{}",
    "timeouts": "{}",
}
"""Fields that are told one by one, each by the name that it has in events."""
_NAMES: Final = {
    "fallback_max_total_backoff_ms": "backoff_max_total_ms",
    "connect_s": "connect_timeout_s",
    "first_byte_s": "first_byte_timeout_s",
    "idle_s": "idle_timeout_s",
    "total_s": "total_timeout_s",
}
_OWN: Final = {
    "fallback_backoff": "backoff",
    "is_free": "free",
    "is_escalation": "open to batch keys",
    "is_funded": "has funds",
    "is_current": "in force",
    "has_ended": "ended",
}
_PROVIDER: Final = "providers["


def sentence_of(kind: str, name: str, change: str, fields: Sequence[Change]) -> str:
    """`change`: `added`, `removed` or `changed`."""
    subject = f"{kind.replace('_', ' ')} {name}".rstrip()
    phrases = ", ".join(_phrases(fields, is_new=change == "added"))
    if change == "changed":
        return printable(f"{subject}: {phrases}")
    return printable(f"{subject} was {change}: {phrases}" if phrases else f"{subject} was {change}")


def _phrases(fields: Sequence[Change], *, is_new: bool) -> Iterator[str]:
    if is_new:
        for one in fields:
            yield from _stated(one.field, one.after)
        return
    for provider, some in groupby(fields, _provider_of):
        if provider is None:
            for one in some:
                yield from _changed(one.field, one)
        else:
            yield from _provider(provider, list(some))


def _provider_of(change: Change) -> str | None:
    """The provider that a change is about; None: the pool itself."""
    if not change.field.startswith(_PROVIDER):
        return None
    # A name may have brackets of its own, as an IPv6 address has; what follows it has none.
    return change.field[len(_PROVIDER) :].rpartition("]")[0]


def _provider(name: str, changes: list[Change]) -> Iterator[str]:
    (first, *_) = changes
    if first.field == f"{_PROVIDER}{name}]":
        yield f"provider {_a_provider(first.after)} added" if first.before is None else f"provider {name} removed"
        return
    prefix = len(f"{_PROVIDER}{name}].")
    told = ", ".join(phrase for one in changes for phrase in _changed(one.field[prefix:], one))
    yield f"provider {name} ({told})"


def _changed(path: str, change: Change) -> Iterator[str]:
    before, after = change.before, change.after
    if path == "secret":
        yield "another secret"
    elif path == "previous_secret":
        yield "the secret before is good for nothing any more" if after is None else "the secret before stays good"
    elif path.startswith("rules["):
        yield f"rule {path[6:-1]}: {_rule(before)} → {_rule(after)}"
    elif path == "providers.order":
        yield f"order {text(tuple(before))} → {text(tuple(after))}"
    elif path in _SETS | {"grants.groups"} and isinstance(before, list) and isinstance(after, list):
        added, dropped = [one for one in after if one not in before], [one for one in before if one not in after]
        yield f"{_name(path)} {' '.join([*(f'+{one}' for one in added), *(f'-{one}' for one in dropped)])}"
    else:
        yield f"{_name(path)} {_value(path, before)} → {_value(path, after)}"


def _stated(path: str, value: Any) -> Iterator[str]:
    """What an entity is made with."""
    if path in _PARTS and isinstance(value, Mapping):
        for field, one in value.items():
            yield from _stated(f"{path}.{field}", one)
    elif path == "providers":
        yield f"{'provider' if len(value) == 1 else 'providers'} {', '.join(map(_a_provider, value))}"
    elif path == "rules":
        yield from (f"rule {place}: {_rule(one)}" for place, one in enumerate(value))
    else:
        yield _name(path) if value is True else f"{_name(path)} {_value(path, value)}"


def _a_provider(value: Mapping[str, Any]) -> str:
    """A new one, with what is most asked about."""
    limits = value.get("limits") or {}
    more = [f"weight {value['weight']}"] if value.get("weight", 1) != 1 else []
    more += [f"{_name(f'limits.{field}')} {text(one)}" for field, one in limits.items() if one is not None]
    return f"{value['name']} at {value['url']}" + (f" ({', '.join(more)})" if more else "")


def _rule(value: Mapping[str, Any] | None) -> str:
    if value is None:
        return "none"
    target = f" to {value['target']}" if value.get("target") else ""
    return f"{value['action']}{target} for {text(value['match_labels'])}"


def _field(path: str) -> str:
    """What a field of an entity is called in events, whose words it takes."""
    whole, _, field = path.rpartition(".")
    named = _PARTS[whole].format(field) if whole in _PARTS else field
    return _NAMES.get(named, named)


def _name(path: str) -> str:
    field = _field(path)
    whole = path.rpartition(".")[0]
    if whole and whole not in _PARTS:
        return f"{field_name(whole)} {field}"
    return _OWN.get(field, field_name(field))


def _value(path: str, value: Any) -> str:
    match value:
        case Mapping() if path in _PARTS:
            return (
                f"[{', '.join(phrase for field, one in value.items() for phrase in _stated(f'{path}.{field}', one))}]"
            )
        case list():
            return field_value(_field(path), tuple(value))
        case _:
            return field_value(_field(path), value)
