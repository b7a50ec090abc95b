"""Plain values to values of classes, strictly, each fault at its place.

Law: what is returned has exactly the types that its class states, or there was a finding; a value that could be a
secret is never in one. No number is made from a text, and no field is ignored.
"""

import math
import types
from collections.abc import Callable, Collection, Iterable, Mapping
from difflib import get_close_matches
from enum import Enum
from functools import cache
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

import attrs

from adapters.config.findings import Finding, JsonPath

_NO: Final = object()
"""There was a finding."""
Report = Callable[[Finding], None]


def structured(
    raw: object,
    kind: type[Any],
    path: JsonPath,
    report: Report,
    *,
    given: Mapping[str, Any] = types.MappingProxyType({}),
) -> Any | None:
    """An object as an attrs class, of whose fields some are `given` and may not be stated. None: it was reported."""
    value = _attrs(raw, kind, path, report, given)
    return None if value is _NO else value


def an_object(raw: object, path: JsonPath, report: Report) -> Mapping[str, Any]:
    """What has names; empty where it was reported."""
    if isinstance(raw, dict):
        return raw
    report(Finding(path, f"{_told(raw)} is not valid here; valid: an object"))
    return {}


def a_value(raw: object, kind: Any, path: JsonPath, report: Report) -> Any | None:
    """Of a type as annotations state it. None: it was reported."""
    value = _value(raw, kind, path, report)
    return None if value is _NO else value


def unknown(raw: Mapping[str, Any], known: Collection[str], path: JsonPath, report: Report) -> None:
    """Report the names that nothing reads."""
    for name in raw:
        if name not in known:
            meant = get_close_matches(name, known, n=1)
            hint = f"did you mean `{meant[0]}`?" if meant else f"valid: {', '.join(known)}"
            report(Finding((*path, name), f"unknown key, which nothing reads; {hint}"))


def _attrs(raw: object, kind: type[Any], path: JsonPath, report: Report, given: Mapping[str, Any]) -> Any:
    if not isinstance(raw, dict):
        report(Finding(path, f"{_told(raw)} is not valid here; valid: an object"))
        return _NO
    hints = _hints(kind)  # type: ignore[arg-type]  # classes are hashable
    fields = {field.name: field for field in attrs.fields(kind) if field.init and field.name not in given}
    unknown(raw, fields, path, report)
    found = dict(given)
    is_whole = True
    for name, field in fields.items():
        if name in raw:
            found[name] = _value(raw[name], hints[name], (*path, name), report)
            is_whole &= found[name] is not _NO
        elif field.default is attrs.NOTHING:
            report(Finding(path, f"`{name}` is missing; valid: {_valid(hints[name])}"))
            is_whole = False
    return kind(**found) if is_whole else _NO


def _value(raw: object, kind: Any, path: JsonPath, report: Report) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        if raw is None:
            return None
        (other,) = (one for one in inner if one is not type(None))
        return _value(raw, other, path, report)
    if origin in {tuple, frozenset} and isinstance(raw, list):
        some = [_value(one, inner[0], (*path, place), report) for place, one in enumerate(raw)]
        return _NO if any(one is _NO for one in some) else origin(some)
    if origin is not None and issubclass(origin, Mapping) and isinstance(raw, dict):
        named = {name: _value(one, inner[1], (*path, name), report) for name, one in raw.items()}
        return _NO if any(one is _NO for one in named.values()) else named
    if attrs.has(kind):
        return _attrs(raw, kind, path, report, {})
    found = _plain(raw, kind)
    if found is _NO:
        report(Finding(path, f"{_told(raw)} is not valid here; valid: {_valid(kind)}"))
    return found


def _plain(raw: object, kind: Any) -> Any:  # noqa: PLR0911 - as above
    if kind is bool or kind is str:
        return raw if isinstance(raw, kind) else _NO
    if isinstance(raw, bool):
        return _NO
    if kind is int:
        return raw if isinstance(raw, int) else _NO
    if kind is float:
        return raw if isinstance(raw, int | float) and math.isfinite(raw) else _NO
    if kind is bytes:
        try:
            digest = bytes.fromhex(raw) if isinstance(raw, str) and len(raw) == 64 else b""
        except ValueError:
            return _NO
        return digest or _NO
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next((one for one in kind if one.value == raw), _NO)
    return _NO


def _valid(kind: Any) -> str:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        return " or ".join(_valid(one) for one in inner)
    if origin in {tuple, frozenset}:
        return f"a list, each of it {_valid(inner[0])}"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _either(one.value for one in kind)
    if attrs.has(kind) or origin is not None:
        return "an object"
    return _WORDS.get(kind, "null")


def _either(words: Iterable[str]) -> str:
    return " or ".join(f'"{word}"' for word in words)


def _told(raw: object) -> str:
    """What kind of value it is; a text is not quoted, since it may be a secret."""
    match raw:
        case None:
            return "null"
        case bool():
            return "true" if raw else "false"
        case str():
            return "this string"
        case int() | float():
            return "this number"
        case list():
            return "a list"
        case _:
            return "an object"


@cache
def _hints(kind: type[Any]) -> Mapping[str, Any]:
    return get_type_hints(kind)


_WORDS: Final[Mapping[Any, str]] = {
    bool: "true or false",
    str: "a string",
    int: "a whole number",
    float: "a number",
    bytes: "64 hexadecimal digits",
}
