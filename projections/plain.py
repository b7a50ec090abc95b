"""Values of the table as plain ones: mappings, lists, text, numbers, true, false and None.

Law: total and deterministic; of what has no order the plain form is sorted. What may not be shown, a digest, is left
out unless it is asked for; a name is never left out.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, Final

import attrs

Plain = dict[str, Any]

_PLAIN: Final = {bool, int, float, str}


def fields_of(value: Any, *, beside: Iterable[str] = (), with_digests: bool = False, sparse: bool = False) -> Plain:
    """A value's fields in their order, but for those told `beside`. `sparse`: only those that are not at their default.

    Fields that are made from others are left out.
    """
    found: Plain = {}
    for name, default in _fields(type(value), with_digests):  # type: ignore[arg-type]  # classes are hashable
        there = getattr(value, name)
        if name not in beside and not (sparse and there == default):
            found[name] = plain(there, with_digests=with_digests, sparse=sparse)
    return found


def plain(value: Any, *, with_digests: bool = False, sparse: bool = False) -> Any:
    """A value as what JSON has; a mapping's names are sorted."""
    if value is None or type(value) in _PLAIN:
        return value
    if hasattr(value, "__attrs_attrs__"):
        return fields_of(value, with_digests=with_digests, sparse=sparse)
    match value:
        case Enum():
            found: Any = value.value
        case bytes():
            found = value.hex()
        case Decimal():
            # Money is written out: no exponent, whatever arithmetic made of it.
            found = format(value, "f")
        case Mapping():
            found = {name: plain(value[name], with_digests=with_digests, sparse=sparse) for name in sorted(value)}
        case frozenset():
            found = sorted(value)
        case _:
            found = [plain(one, with_digests=with_digests, sparse=sparse) for one in value]
    return found


@cache
def _fields(kind: type[Any], with_digests: bool) -> tuple[tuple[str, Any], ...]:
    """Each field with what it has by default; what nothing equals where there is no default."""
    return tuple(
        (field.name, _default(field)) for field in attrs.fields(kind) if field.init and (field.repr or with_digests)
    )


def _default(field: "attrs.Attribute[Any]") -> Any:
    default: Any = field.default
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]  # a class, whatever its stub says
        return default.factory()
    return default
