"""Bodies as they stand: JSON to a route's model, strictly.

Law: no number is made from a text, and no field is ignored: what the model does not have is a fault, told by its path.
"""

import re
from collections.abc import Generator, Iterator, Mapping
from typing import Any, Final, TypeVar

import attrs
import msgspec
from litestar.dto import AbstractDTO

from adapters.http.admin.models import required_of, type_at, words_of
from adapters.http.admin.problems import Fault, Invalid

T = TypeVar("T")

_AT: Final = re.compile(r" - at `\$\.?(.*)`$")
_EXPECTED: Final = re.compile(r"(?:Expected|missing required) (.+?)(?:, got .*)?$")
_UNFIT: Final = re.compile("[\\0\ud800-\udfff]")
_MOST: Final = 2**53 - 1
_NO_JSON: Final = Invalid((Fault(where="", what="the body is not valid JSON", valid="one JSON value in UTF-8"),))


class StrictBody(AbstractDTO[Any]):
    """`dto=StrictBody, return_dto=None` on a route with `data: JSONBody[Model]`."""

    @classmethod
    def create_for_field_definition(cls, field_definition: Any, handler_id: str, backend_cls: Any = None) -> None:
        """No backend is made, since the model itself is decoded."""

    @classmethod
    def create_openapi_schema(cls, field_definition: Any, handler_id: str, schema_creator: Any) -> Any:  # noqa: ARG003
        return schema_creator.for_field_definition(field_definition)

    @classmethod
    def generate_field_definitions(cls, model_type: type[Any]) -> Generator[Any, None, None]:  # noqa: ARG003
        yield from ()

    @classmethod
    def detect_nested_field(cls, field_definition: Any) -> bool:  # noqa: ARG003
        return False

    def decode_bytes(self, value: bytes) -> Any:
        handler: Any = self.asgi_connection.route_handler
        model = handler.parsed_data_field.annotation
        return decoded(value, model)


class MergePatch(StrictBody):
    """The same for a route that takes a merge patch (RFC 7396): its model only describes it, and the body comes as a
    dict.
    """

    def decode_bytes(self, value: bytes) -> Any:
        raw = parsed(value)
        if not isinstance(raw, dict):
            raise Invalid((Fault(where="", what="the patch is no JSON object", valid="the fields to change"),))
        return raw


def merged(present: Any, patch: Any) -> Any:
    """RFC 7396, 2."""
    if not isinstance(patch, dict):
        return patch
    result = dict(present) if isinstance(present, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def decoded(body: bytes, model: type[T]) -> T:
    """A body as a value of its model. Raises Invalid."""
    return checked(parsed(body), model)


def parsed(body: bytes) -> Any:
    """A body as plain values. Raises Invalid."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _NO_JSON from None


def checked(raw: Any, model: type[T]) -> T:
    """As `decoded`, for a body that is parsed already."""
    for fault in _unfit(raw):
        raise Invalid((fault,))
    value = _structured(raw, model)
    for where in _unknown(raw, value, ""):
        raise Invalid((Fault(where=where, what="there is no such field", valid=_fields_of(value, where)),))
    return value


def _structured(raw: Any, model: type[T]) -> T:
    try:
        return msgspec.convert(raw, type=model)
    except msgspec.ValidationError as error:
        text = str(error)
        at = _AT.search(text)
        what = _AT.sub("", text)
        where = at[1] if at else ""
        raise Invalid((Fault(where=where, what=what, valid=_valid(model, where, what)),)) from None
    except RecursionError:
        raise _NO_JSON from None


def _valid(model: Any, where: str, what: str) -> str:
    """What would do at a place of a model's body, where msgspec says what does not."""
    kind = type_at(model, where)
    if what.startswith("Invalid enum value") and (words := words_of(kind)):
        return ", ".join(words)
    if "missing required" in what and (needed := required_of(kind)):
        return f"field{'' if len(needed) == 1 else 's'} {', '.join(needed)}"
    expected = _EXPECTED.search(what)
    return expected[1].replace("`", "") if expected else "see /schema"


def _unfit(raw: Any) -> Iterator[Fault]:
    """What no store keeps and no client reads back alike, wherever it stands."""
    left = [raw]
    while left:
        one = left.pop()
        if isinstance(one, str) and _UNFIT.search(one):
            yield Fault(where="", what="a text cannot be stored", valid="text without U+0000 and lone surrogates")
        elif isinstance(one, int | float) and not -_MOST <= one <= _MOST:
            yield Fault(where="", what="a number is out of range", valid=f"-{_MOST} to {_MOST} (RFC 8259, 6)")
        elif isinstance(one, dict):
            left += [*one, *one.values()]
        elif isinstance(one, list):
            left += one


def _unknown(raw: Any, value: Any, at: str) -> Iterator[str]:
    """Where a body has fields that its model does not have."""
    if attrs.has(type(value)):
        names = {field.name for field in attrs.fields(type(value))}
        yield from (f"{at}.{name}".lstrip(".") for name in raw if name not in names)
        for name in names & raw.keys():
            yield from _unknown(raw[name], getattr(value, name), f"{at}.{name}".lstrip("."))
    elif isinstance(value, tuple | list):
        for index, one in enumerate(value):
            yield from _unknown(raw[index], one, f"{at}[{index}]")
    elif isinstance(value, Mapping) and isinstance(raw, dict):
        for name, one in value.items():
            if attrs.has(type(one)):
                yield from _unknown(raw[name], one, f"{at}.{name}".lstrip("."))


def _fields_of(value: Any, where: str) -> str:
    """The fields there are, for a fault at the top; deeper ones are in the schema."""
    if "." in where or "[" in where or not attrs.has(type(value)):
        return "see /schema"
    return ", ".join(field.name for field in attrs.fields(type(value)))
