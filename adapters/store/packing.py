"""Values of attrs classes as tuples that msgspec writes and reads, and back.

Law: unpacking what was packed gives an equal value, of the classes its annotations name; a type that this is not known
of is a TypeError when its form is asked for, not when a value comes along. Values are made by their constructors,
which msgspec would pass by, and with them what a class works out for itself.
"""

import types
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, TypeAlias, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import attrs

Change: TypeAlias = Callable[[Any], Any]

_PLAIN: Final = (str, int, float, bool, bytes, types.NoneType, Decimal, UUID)
_SHARED: Final = 1024
"How many different values of one class inside others are kept for those that equal them."


@attrs.frozen
class Form:
    """How values of one type are written."""

    wire: Any
    "The type msgspec reads it as."
    pack: Change | None = None
    "None: it is written as it is."
    unpack: Change | None = None


def form_of(hint: Any) -> Form:
    """The form of an annotation that `typing.get_type_hints` has resolved. Raises TypeError."""
    hint = types.NoneType if hint is None else hint
    origin, arguments = get_origin(hint), get_args(hint)
    if isinstance(hint, type) and origin is None:
        if hint in _PLAIN or issubclass(hint, Enum):
            return Form(hint)
        if attrs.has(hint):
            return _form_of_class(hint)
    if origin in (Union, types.UnionType):
        return _form_of_union(hint, [one for one in arguments if one is not types.NoneType])
    if origin is tuple and arguments[1:] == (...,):
        return _form_of_tuple(form_of(arguments[0]))
    if origin is frozenset and _is_plain(form_of(arguments[0])):
        return Form(hint)
    if origin is Mapping and _is_plain(form_of(arguments[0])) and _is_plain(form_of(arguments[1])):
        return Form(dict.__class_getitem__(arguments), pack=dict)
    raise TypeError(f"{hint} has no form in the cache: add one to adapters/store/packing.py")


def _is_plain(form: Form) -> bool:
    return form.pack is None and form.unpack is None


def _form_of_union(hint: Any, others: list[Any]) -> Form:
    forms = [form_of(other) for other in others]
    if all(_is_plain(form) for form in forms):
        return Form(hint)
    if len(forms) > 1:
        raise TypeError(f"{hint} has no form in the cache: only one of its types may be a class, beside None")
    (form,) = forms

    def unless_none(change: Change | None) -> Change | None:
        if change is None:
            return None
        return lambda value: None if value is None else change(value)

    return Form(form.wire | None, unless_none(form.pack), unless_none(form.unpack))


def _form_of_tuple(item: Form) -> Form:
    pack, unpack = item.pack, item.unpack
    return Form(
        tuple.__class_getitem__((item.wire, ...)),
        None if pack is None else lambda values: [pack(value) for value in values],
        None if unpack is None else lambda rows: tuple([unpack(row) for row in rows]),
    )


def _form_of_class(cls: type[Any]) -> Form:
    hints = get_type_hints(cls)
    fields = [field for field in attrs.fields(cls) if field.init]
    if len(fields) < 2 or any(field.kw_only for field in fields):
        raise TypeError(f"{cls.__name__} has no form in the cache: it has one field, or some that are named only")
    forms = [form_of(hints[field.name]) for field in fields]
    wire = tuple.__class_getitem__(tuple(form.wire for form in forms))
    packs = [(place, form.pack) for place, form in enumerate(forms) if form.pack is not None]
    unpacks = [
        (place, _sharing(hints[field.name], form.unpack))
        for place, (field, form) in enumerate(zip(fields, forms, strict=True))
        if form.unpack is not None
    ]
    read = attrgetter(*(field.name for field in fields))

    def pack(value: Any) -> list[Any]:
        row = list(read(value))
        for place, change in packs:
            row[place] = change(row[place])
        return row

    def unpack(row: tuple[Any, ...]) -> Any:
        values = list(row)
        for place, change in unpacks:
            values[place] = change(values[place])
        return cls(*values)

    return Form(wire, pack if packs else read, unpack if unpacks else lambda row: cls(*row))


def _sharing(hint: Any, unpack: Change) -> Change:
    """The same, giving equal values as one object where a value is a class of plain fields: most limits are alike."""
    if not attrs.has(hint) or any(_is_changeable(field) for field in get_type_hints(hint).values()):
        return unpack
    return lru_cache(_SHARED)(unpack)


def _is_changeable(hint: Any) -> bool:
    """Whether equal values need not be the same in writing, or cannot be looked up."""
    return any(one in (Mapping, Decimal) or _is_changeable(one) for one in (get_origin(hint), *get_args(hint)) if one)
