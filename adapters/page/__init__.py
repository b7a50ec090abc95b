"""The dashboard's files: HTML, CSS and ES modules, served as they stand here.

Law: there is no build step and nothing of anybody else's: what a browser runs is what is read in this folder. The
files hold no secret and no data; all they show they fetch, with the token of whoever looks.
"""

import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import Final

import attrs

ADDRESS: Final = "/page/"
"""Where the files are, but for the page itself, which is at `/`."""
_PAGE: Final = "index.html"
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@attrs.frozen
class File:
    content_type: str
    body: bytes = attrs.field(repr=False)
    etag: str
    "A strong entity tag, quotes included (RFC 9110, 8.8.3)."


def files() -> Mapping[str, File]:
    """Every file by the path it is served at."""
    found = {}
    for entry in resources.files(__name__).iterdir():
        content_type = _TYPES.get("." + entry.name.rpartition(".")[2])
        if content_type is not None:
            body = entry.read_bytes()
            path = "/" if entry.name == _PAGE else ADDRESS + entry.name
            found[path] = File(content_type, body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
    return found
