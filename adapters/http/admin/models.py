"""What a model of bodies says of itself: the type at a place, its words, the fields it cannot do without.

Law: total. Where a place leads nowhere, or to what could be several things, there is nothing to tell.
"""

import re
from collections.abc import Mapping
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import attrs

_STEP: Final = re.compile(r"\[[^\]]*\]|[^.\[]+")


def type_at(model: Any, where: str) -> Any:
    """The type at a path as msgspec writes it, e.g. `providers[0].weight` or `labels[...]`; None where it is none."""
    kind = _bare(model)
    for step in _STEP.findall(where):
        if step.startswith("["):
            parts = get_args(kind) if get_origin(kind) is not None else ()
            kind = parts[-1 if _is_mapping(kind) else 0] if parts else None
        else:
            kind = get_type_hints(kind, include_extras=True).get(step) if attrs.has(kind) else None
        kind = _bare(kind)
    return kind


def words_of(kind: Any) -> tuple[str, ...]:
    """The values of an enumeration or a Literal."""
    if isinstance(kind, type) and issubclass(kind, Enum):
        return tuple(str(one.value) for one in kind)
    return tuple(map(str, get_args(kind))) if get_origin(kind) is Literal else ()


def required_of(kind: Any) -> tuple[str, ...]:
    """The fields of a model that have no default."""
    if not attrs.has(kind):
        return ()
    return tuple(field.name for field in attrs.fields(kind) if field.default is attrs.NOTHING)


def _bare(kind: Any) -> Any:
    """Without what is annotated, and of `T | None` the T."""
    if get_origin(kind) is Annotated:
        return _bare(get_args(kind)[0])
    if get_origin(kind) in {Union, UnionType}:
        others = [one for one in get_args(kind) if one is not NoneType]
        return _bare(others[0]) if len(others) == 1 else None
    return kind


def _is_mapping(kind: Any) -> bool:
    origin = get_origin(kind)
    return isinstance(origin, type) and issubclass(origin, Mapping)
