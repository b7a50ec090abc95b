"""Values of the table as plain ones: mappings, lists, text, numbers, true, false and None.

Law: total and deterministic; of what has no order the plain form is sorted. What may not be shown, a digest, is left
out unless it is asked for; a name is never left out.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

import attrs

Plain = dict[str, Any]


def fields_of(value: Any, *, beside: Iterable[str] = (), with_digests: bool = False, sparse: bool = False) -> Plain:
    """A value's fields in their order, but for those told `beside`. `sparse`: only those that are not at their default.

    Fields that are made from others are left out.
    """
    found: Plain = {}
    for field in attrs.fields(type(value)):
        if field.name in beside or not field.init or not (field.repr or with_digests):
            continue
        there = getattr(value, field.name)
        if not (sparse and _is_default(field, there)):
            found[field.name] = plain(there, with_digests=with_digests, sparse=sparse)
    return found


def plain(  # noqa: PLR0911 - one for each shape
    value: Any, *, with_digests: bool = False, sparse: bool = False
) -> Any:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Enum():
            return value.value
        case bytes():
            return value.hex()
        case Decimal():
            # Money is written out: no exponent, whatever arithmetic made of it.
            return format(value, "f")
        case Mapping():
            return {name: plain(value[name], with_digests=with_digests, sparse=sparse) for name in sorted(value)}
        case frozenset():
            return sorted(value)
        case tuple() | list():
            return [plain(one, with_digests=with_digests, sparse=sparse) for one in value]
        case _:
            return fields_of(value, with_digests=with_digests, sparse=sparse)


def _is_default(field: "attrs.Attribute[Any]", value: Any) -> bool:
    default: Any = field.default
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]  # a class, whatever its stub says
        default = default.factory()
    return bool(value == default) and default is not attrs.NOTHING
