"""Snapshots in which no field is empty, made from the fields' types, for the tests of the cache."""

import itertools
import types
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs
import immutables

from engine.catalogue import Catalogue
from engine.snapshot import RoutingSnapshot


class Maker:
    """Makes values that are no default and, but for truths and words, never the same twice."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def snapshot(self, size: int = 3) -> RoutingSnapshot:
        """With so many entries in each mapping."""
        made = self._fields(RoutingSnapshot, size)
        made["keys"] = immutables.Map({key.key_id: key for key in made["keys"].values()})
        made["callers"] = immutables.Map({key.digest: key for key in made["keys"].values()})
        return RoutingSnapshot(**made)

    def _fields(self, cls: type[Any], size: int) -> dict[str, Any]:
        hints = get_type_hints(cls)
        made: dict[str, Any] = {}
        for field in attrs.fields(cls):
            hint = hints[field.name]
            if hint is Catalogue:
                made[field.name] = Catalogue(**self._fields(Catalogue, size))
            elif get_origin(hint) is Mapping:
                made[field.name] = self._map(hint, size)
            else:
                made[field.name] = self.value(hint)
        return made

    def _map(self, hint: Any, size: int) -> immutables.Map[Any, Any]:
        key, value = get_args(hint)
        inner = get_origin(value) is Mapping
        return immutables.Map(
            {self.value(key): self._map(value, 3) if inner else self.value(value) for _ in range(size)}
        )

    def value(self, hint: Any) -> Any:  # noqa: PLR0911 - one for each sort of type
        origin, arguments = get_origin(hint), get_args(hint)
        number = next(self._numbers)
        if origin in (Union, types.UnionType):
            return self.value(next(one for one in arguments if one is not types.NoneType))
        if origin is tuple:
            return tuple(self.value(arguments[0]) for _ in range(2))
        if origin is frozenset:
            return frozenset(self.value(arguments[0]) for _ in range(2))
        if origin is Mapping:
            return {self.value(arguments[0]): self.value(arguments[1]) for _ in range(2)}
        if attrs.has(hint):
            hints = get_type_hints(hint)
            return hint(**{field.name: self.value(hints[field.name]) for field in attrs.fields(hint) if field.init})
        if isinstance(hint, type) and issubclass(hint, Enum):
            return list(hint)[-1]
        plain: dict[Any, Any] = {
            str: f"text ü {number}",
            int: number * 10**12,
            float: number + 0.1,
            bool: True,
            bytes: number.to_bytes(32, "big"),
            Decimal: Decimal(f"-{number}.10"),
            None: None,
            types.NoneType: None,
        }
        return plain[hint]


def empty_fields(cls: type[Any], value: Any) -> list[str]:
    """The fields of a value, and of what is in it, that are as they would be by default or hold nothing."""
    found = []
    for field in attrs.fields(cls):
        there = getattr(value, field.name)
        if isinstance(there, Catalogue):
            found += empty_fields(Catalogue, there)
        elif there in (None, 0, "", (), frozenset(), field.default) or (isinstance(there, Mapping) and not there):
            found.append(field.name)
    return found
