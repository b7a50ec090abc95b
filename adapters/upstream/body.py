"""Putting a provider's own model name into a request body (MODEL-5, MODEL-6).

Law: only the value of the top-level `model` changes; every other value keeps its bytes, number spellings and escapes
included, because it is carried over undecoded.
"""

import msgspec

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


def is_meant_as_json(body: bytes, content_type: bytes) -> bool:
    """Whether a server would try to read a body as JSON, by what is said of it or by how it begins."""
    return b"json" in content_type.lower() or body[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in {b"{", b"["}


def decodes(body: bytes) -> bool:
    """Whether a body is a JSON object."""
    return _top_level(body) is not None


def with_model(body: bytes, model: str) -> bytes | None:
    """The body asking for another model; None if it is no JSON object or has no `model`."""
    fields = _top_level(body)
    if fields is None or "model" not in fields:
        return None
    fields["model"] = msgspec.Raw(msgspec.json.encode(model))
    return msgspec.json.encode(fields)


def _top_level(body: bytes) -> dict[str, msgspec.Raw] | None:
    try:
        return _fields.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
