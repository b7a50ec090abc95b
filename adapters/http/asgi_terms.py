"""What passes between our server and an ASGI application, in each other's terms (ASGI 3.0, HTTP 2.3).

Pure functions.
"""

from collections.abc import MutableMapping
from typing import Any, Final, TypeAlias
from urllib.parse import unquote_to_bytes, urlsplit

from adapters.fields import HOP_BY_HOP
from adapters.http.messages import Fields, Incoming

AsgiMessage: TypeAlias = MutableMapping[str, Any]

_FRAMING: Final = HOP_BY_HOP | {b"content-length"}
"""What the connection writes itself."""
_FORBIDDEN: Final = (b"\r", b"\n", b"\0")


def scope_of(incoming: Incoming) -> dict[str, Any]:
    """The request as ASGI describes it. Raises UnicodeDecodeError where its path is no text.

    A HEAD is shown as the GET it stands for (RFC 9110, 9.3.2); the connection leaves the body out.
    """
    target = incoming.target
    if b"://" in target and not target.startswith(b"/"):
        # The absolute form, which a server must take (RFC 9112, 3.2.2).
        parts = urlsplit(target)
        path, query = parts.path or b"/", parts.query
    else:
        path, _, query = target.partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": incoming.version,
        "method": "GET" if incoming.method == "HEAD" else incoming.method,
        "scheme": "http",
        "path": unquote_to_bytes(path).decode("utf-8"),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": incoming.headers,
        "client": (incoming.address, 0) if incoming.address else None,
        "server": None,
    }


def fields_of(fields: Any) -> tuple[Fields, int | None]:
    """The application's fields less the framing, and the length it declares. Raises ValueError for what no field is."""
    kept: list[tuple[bytes, bytes]] = []
    length = None
    for name, value in fields:
        field = bytes(name).lower(), bytes(value)
        if any(byte in part for byte in _FORBIDDEN for part in field):
            raise ValueError("A response's header field contains a line break.")
        if field[0] == b"content-length":
            length = int(value)
        if field[0] not in _FRAMING:
            kept.append(field)
    return kept, length
