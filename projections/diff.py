"""What differs between two tables, entity by entity and field by field.

Law: total, ordered, and complete: it is empty exactly where the tables hold the same, wherever they stand in the log.
A secret that changed is told as one that changed; no digest is. It costs a look at each entity, and the forms of those
that are not the identical object, as the unchanged ones of neighbouring tables are.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import attrs

from engine.snapshot import RoutingSnapshot
from projections.diff_words import sentence_of
from projections.kinds import KINDS, Kind, Parts

_SECRETS: Final = {"digest": "secret", "previous": "previous_secret"}
"""What the fields are called that hold digests."""
_MISSING: Final = object()


@attrs.frozen
class FieldChange:
    field: str
    "A path: `limits.burst`, `providers[one].weight`, `rules[0]`."
    before: Any
    "A plain value, as the one below; None also where there was none."
    after: Any


@attrs.frozen
class Difference:
    kind: str
    "A key of `projections.kinds.KINDS`."
    name: str
    "Empty where there is one of its kind; `group/user` and the like where it belongs to two."
    change: str
    "`added`, `removed` or `changed`."
    fields: tuple[FieldChange, ...] = ()
    "Of an added entity what is not at its default, of a removed one nothing."

    sentence: str = attrs.field(init=False)
    "The same in one line for people."

    @sentence.default
    def _sentence(self) -> str:
        return sentence_of(self.kind, self.name, self.change, self.fields)


def differences(before: RoutingSnapshot, after: RoutingSnapshot) -> list[Difference]:
    """All that the two hold otherwise, in the order of `KINDS`, by name."""
    if before is after:
        return []
    return [
        difference
        for name, kind in KINDS.items()
        for difference in _of_kind(name, kind, kind.entities(before), kind.entities(after))
        if kind.is_telling or difference.change == "changed"
    ]


def _of_kind(told: str, kind: Kind, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Difference]:
    if before is after:
        return
    names = [name for name, value in after.items() if before.get(name, _MISSING) is not value]
    names += [name for name in before if name not in after]
    if kind.parts is not None:
        before, after = _apart(kind.parts, before, names), _apart(kind.parts, after, names)
        names = [*after, *(name for name in before if name not in after)]
    for name in sorted(names):
        if name not in after:
            yield Difference(told, name, "removed")
        elif name not in before:
            fields = kind.form(after[name], sparse=True)
            yield Difference(told, name, "added", tuple(FieldChange(field, None, fields[field]) for field in fields))
        elif before[name] != after[name]:
            old, new = before[name], after[name]
            changes = (*_changes(kind.form(old, sparse=False), kind.form(new, sparse=False)), *_secrets(old, new))
            # A user's groups are told as members.
            if changes:
                yield Difference(told, name, "changed", changes)


def _apart(parts: Parts, entities: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {
        f"{name}/{part}": value for name in names if name in entities for part, value in parts(entities[name]).items()
    }


def _changes(before: Mapping[str, Any], after: Mapping[str, Any], path: str = "") -> Iterator[FieldChange]:
    for field in dict.fromkeys((*before, *after)):
        name = f"{path}{field}"
        old: Any = before.get(field)
        new: Any = after.get(field)
        if old == new:
            continue
        if field == "providers":
            yield from _of_providers(name, old, new)
        elif field == "rules":
            for place in range(max(len(old), len(new))):
                one, other = (rules[place] if place < len(rules) else None for rules in (old, new))
                if one != other:
                    yield FieldChange(f"{name}[{place}]", one, other)
        elif isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _changes(old, new, f"{name}.")
        else:
            yield FieldChange(name, old, new)


def _of_providers(path: str, before: list[Any], after: list[Any]) -> Iterator[FieldChange]:
    """By their names. The order is told where it is not what it was with the new ones at its end."""
    old, new = ({one["name"]: one for one in some} for some in (before, after))
    for name in dict.fromkeys((*old, *new)):
        if name in old and name in new:
            yield from _changes(old[name], new[name], f"{path}[{name}].")
        else:
            yield FieldChange(f"{path}[{name}]", old.get(name), new.get(name))
    if list(new) != [*(name for name in old if name in new), *(name for name in new if name not in old)]:
        yield FieldChange(f"{path}.order", list(old), list(new))


def _secrets(before: Any, after: Any) -> Iterator[FieldChange]:
    for field, name in _SECRETS.items():
        old, new = getattr(before, field, None), getattr(after, field, None)
        if old != new:
            yield FieldChange(name, None if old is None else "one", None if new is None else "another")
