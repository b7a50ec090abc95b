"""What a client's request asks for: its alias, its credential, its id, the error shape it reads.

Pure functions of the request. Raises Refused(BAD_REQUEST) where the request names nothing usable.
"""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from adapters.http.messages import Incoming
from engine.access import digest
from engine.errors import NO_MODEL, Reason, Refused
from engine.names import Alias, Digest
from engine.urls import is_plain_path

_REMEMBERED = 256
_BEARER = b"Bearer "
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")


class _Named(msgspec.Struct):
    """The top level of a body, of which one field matters; the others are validated and skipped."""

    model: Any = None


_decoder = msgspec.json.Decoder(_Named)


def is_anthropic(incoming: Incoming) -> bool:
    """Whether the client speaks Anthropic's dialect: by the header such clients send, or by the route they call."""
    return b"anthropic-version" in incoming.fields or incoming.target.startswith((b"/v1/messages", b"/messages"))


def path_and_query(target: bytes) -> tuple[str, str]:
    """A target's two parts. Refuses what could escape a provider's path prefix (URL-4)."""
    # Only what many requests share is remembered: clients must not be able to fill memory with targets.
    return _split(target) if len(target) > _REMEMBERED or b"?" in target else _split_before(target)


def _split(target: bytes) -> tuple[str, str]:
    path, _, query = target.decode("latin-1").partition("?")
    if not is_plain_path(path) or not query.isascii() or not query.isprintable() or " " in query:
        raise Refused(Reason.BAD_REQUEST, "The path must be absolute, without dot segments or empty segments.", "path")
    return path, query


_split_before = lru_cache(maxsize=1024)(_split)


def caller_of(incoming: Incoming, path: str) -> Digest | None:
    """The digest of the presented credential (AUTH-1); None where none is.

    Both headers count. When both are there, Anthropic's routes and clients go by `x-api-key`, all others by
    `Authorization`, as the two APIs do.
    """
    fields = incoming.fields
    bearer, key = fields.get(b"authorization"), fields.get(b"x-api-key")
    token = bearer[len(_BEARER) :] if bearer is not None and bearer.startswith(_BEARER) else None
    if key is not None and (token is None or path.endswith("/messages") or is_anthropic(incoming)):
        token = key
    return digest(token) if token is not None else None


def alias_of(incoming: Incoming) -> Alias:
    """The alias: the `model-override` header, else the body's top-level `model` (MODEL-1 to MODEL-3)."""
    override = incoming.fields.get(b"model-override")
    if override is not None:
        try:
            return override.decode("utf-8")
        except UnicodeDecodeError:
            raise Refused(Reason.BAD_REQUEST, "The Model-Override header is not valid UTF-8.", "model") from None
    if not incoming.body:
        raise Refused(Reason.BAD_REQUEST, NO_MODEL, "model")
    try:
        model = _decoder.decode(incoming.body).model
        if not incoming.body.isascii():
            incoming.body.decode()  # the decoder does not look into the strings it skips (F01)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(Reason.BAD_REQUEST, f"{NO_MODEL} {_what_is_wrong(error)}", "model") from None
    except RecursionError:
        raise Refused(Reason.BAD_REQUEST, f"{NO_MODEL} The body is nested too deeply.", "model") from None
    if not isinstance(model, str):
        raise Refused(Reason.BAD_REQUEST, NO_MODEL, "model")
    if incoming.body.count(b'"model"') > 1 and _names_two(incoming.body):
        # We go by the last, as most readers do; a provider that goes by the first would serve another model.
        raise Refused(Reason.BAD_REQUEST, "The body gives 'model' more than once.", "model")
    return model


def request_id_of(fields: Mapping[bytes, bytes]) -> str | None:
    """The client's own request id where it is one that can be logged and sent on as it is."""
    given = fields.get(b"x-request-id")
    return given.decode("ascii") if given is not None and _REQUEST_ID.fullmatch(given) else None


def _names_two(body: bytes) -> bool:
    """Whether `model` stands more than once at the body's top level."""
    top: list[str] = []

    def take(pairs: list[tuple[str, object]]) -> None:
        top[:] = [name for name, _ in pairs]  # the outermost object is the last to be complete

    json.loads(body, object_pairs_hook=take)
    return top.count("model") > 1


def _what_is_wrong(error: Exception) -> str:
    if isinstance(error, msgspec.ValidationError):
        return "The body must be a JSON object."
    return f"The body is not valid JSON: {str(error).removeprefix('JSON is malformed: ')}."
