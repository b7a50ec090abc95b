"""Which header fields cross the gateway, in which direction (HDR-1 to HDR-4, HDR-7; RFC 9110, 7.6.1).

Law: a client's credentials and cookies never reach a provider; hop-by-hop fields, those that `Connection` names
included, end here both ways.
"""

from functools import lru_cache
from typing import Final

import httpx

from adapters.fields import HOP_BY_HOP, connection_options
from engine.ports import Headers

_CREDENTIALS: Final = {b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key", b"cookie"}
_BROWSER: Final = {b"origin", b"referer"}
_CONDITIONS: Final = {b"if-modified-since", b"if-none-match", b"if-match", b"if-unmodified-since", b"if-range"}
_OURS: Final = {b"model-override", b"host", b"content-length", b"expect", b"x-request-id"}
_DROPPED: Final = HOP_BY_HOP | _CREDENTIALS | _BROWSER | _CONDITIONS | _OURS
_DROPPED_PREFIXES: Final = (b"sec-fetch-", b"sec-ch-ua", b"x-forwarded-", b"forwarded", b"x-pointsman-")
_TRACE: Final = frozenset({b"traceparent", b"tracestate", b"baggage"})


class RawHeaders(httpx.Headers):
    """`httpx.Headers` from fields that are bytes with lower-case names already, which spares normalising each.

    Equal to what `httpx.Headers(fields)` gives; a test holds it to that.
    """

    def __init__(self, fields: Headers) -> None:  # the parent's own would ask abstract types what `fields` are
        self._list = [(name, name, value) for name, value in fields]
        self._encoding = None


def request_fields(fields: Headers, *, traced: bool) -> list[tuple[bytes, bytes]]:
    """The client's fields that go on to a provider. `traced`: whether trace context does (HDR-5)."""
    named = connection_options(fields)
    return [
        field
        for field in fields
        if _passes(field[0]) and (not named or field[0] not in named) and (traced or field[0] not in _TRACE)
    ]


@lru_cache(maxsize=1024)
def _passes(name: bytes) -> bool:
    return name not in _DROPPED and not name.startswith(_DROPPED_PREFIXES)
