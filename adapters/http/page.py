"""The dashboard's files over HTTP.

Law: they need no token and say nothing about this gateway. A browser may keep them, but asks each time whether they
are still these; it runs no script and no style but these, sends nothing elsewhere, and frames them nowhere.
"""

from collections.abc import Mapping
from typing import Final

from adapters.http.messages import Incoming, Response
from adapters.page import File

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    # Of CSP 3: `'self'` covers the websocket of this very host and port, too.
    "connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_GUARDS: Final = (
    (b"cache-control", b"no-cache"),
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class Page:
    """`files` by the path they are served at."""

    def __init__(self, files: Mapping[str, File]) -> None:
        self._files = files

    def answer(self, incoming: Incoming, path: str) -> Response | None:
        """None: no file is there."""
        file = self._files.get(path)
        if file is None:
            return None
        headers = [(b"etag", file.etag.encode()), *_GUARDS]
        if _has(incoming.fields.get(b"if-none-match", b""), file.etag):
            return Response(304, headers)
        return Response(200, [(b"content-type", file.content_type.encode()), *headers], file.body)


def _has(stated: bytes, etag: str) -> bool:
    """Whether an `If-None-Match` names a tag, or any; compared weakly (RFC 9110, 13.1.2)."""
    tags = [tag.strip().removeprefix("W/") for tag in stated.decode("latin-1").split(",")]
    return etag in tags or "*" in tags
