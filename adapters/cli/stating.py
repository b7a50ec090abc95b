"""FIELD=VALUE on a command line, and documents in files, as bodies for the API.

Law: a secret is never taken from the command line, which other users of the machine can read; references to one are.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from adapters.config.findings import ConfigError
from adapters.config.readers import parse
from engine.errors import StartFailed

_SECRETS: Final = {"api_key", "secret"}
_TEXTS: Final = {
    "alias", "auth_header", "auth_prefix", "credential", "deployment_id", "endpoint_id", "expires_at", "input_price",
    "model_id", "model_name", "name", "output_price", "purpose", "target_id", "url", "user_id", "valid_from",
    "valid_until",
}  # fmt: skip
"""Fields whose values are texts, also where they look like numbers."""
_OF_TEXTS: Final = {"labels", "response_headers"}
"""Fields that are objects of texts."""


def stated(assignments: Iterable[str]) -> dict[str, Any]:
    """`a=1 b.c=text d=null` as `{"a": 1, "b": {"c": "text"}, "d": null}`. Raises StartFailed."""
    body: dict[str, Any] = {}
    for assignment in assignments:
        name, mark, text = assignment.partition("=")
        if not mark or not all(name.split(".")):
            # Not quoted: it may be a secret.
            raise StartFailed("What is to be set is not written as FIELD=VALUE.", wrong_input=True)
        *path, last = name.split(".")
        node = body
        for part in path:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                raise StartFailed(f"{name} is stated twice.", wrong_input=True)
        node[last] = _value(text, is_text=last in _TEXTS or bool(_OF_TEXTS & set(path)))
    for where in _secrets(body, ()):
        raise StartFailed(
            f"{where} is a secret, which the command line would show to others: give --secret-from-file FILE (or -), "
            "or env:NAME or file:PATH as its value.",
            wrong_input=True,
        )
    return body


def document(file: str) -> dict[str, Any]:
    """A JSON, YAML or TOML file, or JSON or YAML from standard input for `-`. Raises StartFailed."""
    try:
        if file == "-":
            # JSON is YAML, but for tabs.
            found = parse(Path("standard input.yaml"), sys.stdin.buffer.read())
        else:
            found = parse(Path(file), read_bytes(file))
    except ConfigError as error:
        raise StartFailed(str(error), wrong_input=True) from None
    if not isinstance(found, dict):
        raise StartFailed(f"{file} holds no object of fields and values.", wrong_input=True)
    return found


def read_bytes(file: str) -> bytes:
    """A file, or standard input for `-`. Raises StartFailed."""
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise StartFailed(f"{file} cannot be read: {error.strerror}.", wrong_input=True) from None


def secret_from(file: str) -> str:
    """The one line of a file, or of standard input for `-`. Raises StartFailed, which does not quote it."""
    try:
        text = read_bytes(file).decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        text = ""
    if not text or not text.isprintable():
        raise StartFailed(f"{'Standard input' if file == '-' else file} holds no secret: one line.", wrong_input=True)
    return text


def _value(text: str, *, is_text: bool) -> Any:
    if is_text and text != "null" and not text.startswith('"'):
        return text
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text


def _secrets(value: Any, path: tuple[str, ...]) -> Iterator[str]:
    """Where a value has a secret in it."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            if name in _SECRETS and isinstance(one, str) and not one.startswith(("env:", "file:")):
                yield ".".join((*path, name))
            else:
                yield from _secrets(one, (*path, name))
    elif isinstance(value, list):
        for one in value:
            yield from _secrets(one, path)
