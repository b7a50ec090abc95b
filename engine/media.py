"""What kind of body an answer has, by its header (RFC 9110, 8.3 and 8.4)."""

from collections.abc import Mapping
from functools import lru_cache

EVENTS = b"text/event-stream"


def media_type(fields: Mapping[bytes, bytes]) -> bytes | None:
    """The media type in lower case without its parameters, empty where none is named; None: the body is encoded."""
    encoding = fields.get(b"content-encoding")
    if encoding is not None and encoding.strip().lower() not in {b"", b"identity"}:
        return None
    return _bare(fields.get(b"content-type", b""))


def is_json(media: bytes) -> bool:
    return media == b"application/json" or media.endswith(b"+json")


@lru_cache(maxsize=256)
def _bare(value: bytes) -> bytes:
    return value.partition(b";")[0].strip().lower()
