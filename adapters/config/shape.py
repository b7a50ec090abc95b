"""A document against the schema of the format.

Law: `onwards.schema.json` is the one description of the format. Every error line says what is valid in the words
of the schema, after "Valid:" in the description of the place. A string from the document is shown only where the
schema lists the valid ones, so that a secret in the wrong place is not shown (CFG-9: one shape per alias, chosen by
structure, and errors from that shape alone).
"""

import json
import math
from collections.abc import Iterator
from difflib import get_close_matches
from importlib import resources
from typing import Any

import attrs
from jsonschema import Draft202012Validator, FormatChecker, validators
from jsonschema.exceptions import ValidationError

from adapters.config.findings import Finding, JsonPath
from engine.urls import normalise

SCHEMA: dict[str, Any] = json.loads(
    resources.files("adapters.config").joinpath("onwards.schema.json").read_text(encoding="utf-8")
)

_FORMATS = FormatChecker(formats=())


@_FORMATS.checks("provider-url", raises=ValueError)
def _is_provider_url(value: object) -> bool:
    if isinstance(value, str):
        if "@" in value or not value.isascii():
            # `normalise` would refuse it too, but may quote a part of it.
            raise ValueError("the URL has an @ or a character outside ASCII in it")
        normalise(value)
    return True


def _is_number(_: object, value: object) -> bool:
    """Infinity and NaN, which JSON does not have and all three formats can write, are none."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


_TYPES = Draft202012Validator.TYPE_CHECKER.redefine("number", _is_number)
# jsonschema has no types for this function.
_VALIDATOR = validators.extend(Draft202012Validator, type_checker=_TYPES)(  # type: ignore[no-untyped-call]
    SCHEMA, format_checker=_FORMATS
)
_FALLBACK_HINT = "what the format describes"
_KINDS = {str: "a string", int: "a number", float: "a number", list: "a list"}


@attrs.frozen
class Examined:
    errors: tuple[Finding, ...]
    ignored: tuple[Finding, ...]
    "Keys the format does not have: an error only when the reader is strict (CFG-1)."


def examine(document: object) -> Examined:
    """All that is wrong with the shape of a document, in no particular order."""
    errors: list[Finding] = []
    ignored: list[Finding] = []
    for error in _VALIDATOR.iter_errors(document):
        path: JsonPath = tuple(error.absolute_path)
        if error.validator == "additionalProperties":
            ignored.extend(_unknown_keys(path, error))
        else:
            errors.append(_finding(path, error))
    return Examined(tuple(errors), tuple(ignored))


def resolved(schema: Any) -> dict[str, Any]:
    """A subschema with what its local `$ref` points to; its own keywords come first."""
    if "$ref" not in schema:
        return dict(schema)
    node: Any = SCHEMA
    for part in schema["$ref"].removeprefix("#/").split("/"):
        node = node[part]
    return {**resolved(node), **{keyword: value for keyword, value in schema.items() if keyword != "$ref"}}


def valid(schema: Any) -> str:
    """What is valid at a place, in the schema's words."""
    _, _, hint = resolved(schema).get("description", "").partition("Valid: ")
    return hint.removesuffix(".") or _FALLBACK_HINT


def _finding(path: JsonPath, error: ValidationError) -> Finding:
    schema: Any = error.schema
    instance: Any = error.instance
    if error.validator == "required":
        name = _missing(error)
        hint = valid(schema.get("properties", {}).get(name, {}))
        instead = get_close_matches(name, instance.keys() - schema.get("properties", {}).keys(), n=1)
        typo = f" (is `{instead[0]}` meant to be it?)" if instead else ""
        return Finding(path, f"`{name}` is missing{typo}; valid: {hint}")
    if "propertyNames" in error.absolute_schema_path:
        return Finding((*path, str(error.instance)), f"this key cannot be used; valid: {valid(schema)}")
    if error.cause is not None:
        return Finding(path, f"{error.cause}; valid: {valid(schema)}")
    if error.validator == "minItems":
        return Finding(path, f"an empty list is not valid here; valid: {valid(schema)}")
    on_text = error.validator in {"pattern", "minLength", "maxLength"}
    what = "this string" if on_text else _shown(error.instance, schema)
    return Finding(path, f"{what} is not valid here; valid: {valid(schema)}")


def _missing(error: ValidationError) -> str:
    instance: Any = error.instance
    required: Any = error.validator_value
    # One error per missing key; only its message tells which.
    absent = [name for name in required if name not in instance]
    return str(next((name for name in absent if error.message.startswith(repr(name))), absent[0]))


def _unknown_keys(path: JsonPath, error: ValidationError) -> Iterator[Finding]:
    schema: Any = error.schema
    instance: Any = error.instance
    known = schema["properties"]
    for name in instance:
        if name in known:
            continue
        if "providers" not in known and "url" in known and name in SCHEMA["$defs"]["pool"]["properties"]:
            why = "a pool's key, which nothing reads here; valid: in a target with `providers`, next to that key"
        elif "providers" in known and name in SCHEMA["$defs"]["provider"]["properties"]:
            why = "a provider's key, which nothing reads as this is a pool; valid: in `providers`"
        else:
            meant = get_close_matches(name, known, n=1)
            hint = f"did you mean `{meant[0]}`?" if meant else f"valid: {', '.join(known)}"
            why = f"unknown key, which nothing reads; {hint}"
        yield Finding((*path, name), why)


def _shown(value: object, schema: Any) -> str:
    types = schema.get("type", ())
    numeric = {"integer", "number"} & set([types] if isinstance(types, str) else types)
    if value is None or isinstance(value, bool) or (numeric and isinstance(value, int | float)):
        text = json.dumps(value)
        return text if len(text) <= 24 else "a number of that size"
    if "enum" in schema and isinstance(value, str):
        return json.dumps(value[:40])
    return next((kind for known, kind in _KINDS.items() if isinstance(value, known)), "an object")
