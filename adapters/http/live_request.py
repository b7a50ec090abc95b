"""What a client of the live stream asks for, and with what it may: its query, its origin, its token.

Law: everything is looked at before the protocol changes, so that what is wrong is a problem document and no close
code; a token that came as a subprotocol, since browsers can send no other header, goes no further than here.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

import attrs

from adapters.http.messages import Fields, Incoming

SUBPROTOCOL: Final = b"pointsman.live"
_TOKEN: Final = b"pointsman.token."
_OFFERED: Final = b"sec-websocket-protocol"
_LAST: Final = 2**53 - 1
_PORTS: Final = {"http": ":80", "https": ":443"}


@attrs.frozen
class LiveRequest:
    since: int | None = None
    "The `seq` the client has already."
    watched: frozenset[str] | None = None
    "Aliases of the pools it wants to hear of; None: all."


class BadQuery(ValueError):
    """The query, in a sentence for whoever wrote it."""


def live_request(target: bytes) -> LiveRequest:
    """What is asked for. An alias need not exist: a pool may come to. Raises BadQuery."""
    query = target.partition(b"?")[2].decode("latin-1")
    try:
        given = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), errors="strict")
    except ValueError:
        raise BadQuery("The query of /live is not of the form name=value&name=value, in UTF-8.") from None
    if unknown := sorted({name for name, _ in given} - {"from", "pool"}):
        raise BadQuery(f"/live has no parameter {', '.join(unknown)}; it has from=SEQ and pool=ALIAS.")
    return LiveRequest(
        _since([value for name, value in given if name == "from"]),
        _watched([value for name, value in given if name == "pool"]),
    )


def _since(given: list[str]) -> int | None:
    if not given:
        return None
    text = given[0]
    if len(given) > 1 or not (text.isascii() and text.isdigit() and len(text) < 20) or int(text) > _LAST:
        raise BadQuery("from= is given once, and is the seq of the last message: a whole number below 2^53.")
    return int(text)


def _watched(given: list[str]) -> frozenset[str] | None:
    if "" in given:
        raise BadQuery("pool= is a pool's alias, which is not empty; without pool= all pools are told.")
    return frozenset(given) or None


def is_foreign(fields: Mapping[bytes, bytes]) -> bool:
    """Whether a page of another origin asks (RFC 6454). What is no page sends no origin."""
    origin = fields.get(b"origin")
    if origin is None:
        return False
    try:
        parts = urlsplit(origin.decode("ascii"))
        own = fields.get(b"host", b"").decode("ascii").lower()
    except ValueError:
        return True
    if parts.scheme not in _PORTS or parts.path or parts.query or parts.fragment or not own:
        return True
    port = _PORTS[parts.scheme]
    return parts.netloc.lower().removesuffix(port) != own.removesuffix(port)


def authorization(fields: Mapping[bytes, bytes], headers: Fields) -> bytes | None:
    """The `Authorization` a client shows, or would if it could."""
    shown = fields.get(b"authorization")
    offered = _offered(headers)
    if shown is not None or SUBPROTOCOL not in offered:
        return shown
    tokens = [one.removeprefix(_TOKEN) for one in offered if one.startswith(_TOKEN)]
    return b"Bearer " + unquote_to_bytes(tokens[0]) if tokens else None


def without_token(incoming: Incoming) -> Incoming:
    """The request as the websocket's library is to see it."""
    headers = [field for field in incoming.headers if field[0] not in {_OFFERED, b"authorization"}]
    if SUBPROTOCOL in _offered(incoming.headers):
        headers.append((_OFFERED, SUBPROTOCOL))
    incoming.headers = headers
    return incoming


def _offered(headers: Fields) -> list[bytes]:
    return [one.strip() for name, value in headers if name == _OFFERED for one in value.split(b",")]
