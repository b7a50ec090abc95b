"""Provider addresses: normalising them once, joining request paths to them always.

Law: a joined address keeps the provider's scheme, host, port and path prefix, whatever the client sent (URL-4).
It holds by construction: the request path is appended as text and never resolved as a reference.
"""

import re
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import urlsplit, urlunsplit

# A dot segment counts as one also where only its slash is escaped or a path parameter follows: upstreams that decode
# before they resolve would climb out there.
_DOTS = r"(?:/|%2f)(?:\.|%2e){1,2}(?:/|%2f|;|%3b|$)"
_ESCAPING = re.compile(rf"{_DOTS}|//|\\|%5c|[\x00-\x20\x7f-\U0010ffff#]", re.IGNORECASE | re.ASCII)
_HOST = re.compile(r"[0-9A-Za-z._~-]+", re.ASCII)
_PORTS = range(1, 65536)


def normalise(url: str) -> str:
    """An absolute http(s) address whose path ends in `/` (URL-1).

    Raises ValueError with a sentence for anything that could not serve as a provider's base: a relative or
    malformed address, another scheme, user information, a query (URL-5) or a fragment.
    """
    if any(character <= " " or character == "\x7f" for character in url):
        raise ValueError("the URL has a space or a control character in it")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"the URL is malformed ({error})") from None
    if parts.scheme not in {"http", "https"}:
        raise ValueError("the URL is not absolute or its scheme is not http or https")
    if not parts.hostname or (port is not None and port not in _PORTS):
        raise ValueError("the URL names no host or an impossible port")
    if "@" in parts.netloc:
        raise ValueError("the URL carries user information; a credential belongs in onwards_key")
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        raise ValueError("the URL has a query or a fragment, which would be lost when request paths are joined to it")
    if not parts.netloc.isascii() or not parts.path.isascii():
        raise ValueError("the URL has a character outside ASCII; write the host in punycode and escape the path")
    if not _is_host(parts.hostname, bracketed="[" in parts.netloc):
        raise ValueError(f"{parts.hostname!r} is no host name and no IP address")
    path = parts.path if parts.path.endswith("/") else parts.path + "/"
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def _is_host(host: str, *, bracketed: bool) -> bool:
    if bracketed:
        try:
            return bool(IPv6Address(host))
        except ValueError:
            return False
    if host.replace(".", "").isdigit():
        try:
            return bool(IPv4Address(host))
        except ValueError:
            return False
    return _HOST.fullmatch(host) is not None


def is_plain_path(path: str) -> bool:
    """Whether a request path cannot escape a prefix: it starts with a single `/` and has no dot segments."""
    return path.startswith("/") and _ESCAPING.search(path) is None


def join_path(base_path: str, path: str) -> str:
    """The upstream path for a request path (URL-2): appended to the base, whose own prefix is not doubled.

    `base_path` ends in `/`; `path` satisfies `is_plain_path`; the query stays out of it (URL-3).
    """
    prefix = base_path.strip("/")
    remainder = path[1:]
    if prefix and remainder.startswith(prefix):
        rest = remainder[len(prefix) :]
        if not rest or rest.startswith("/"):
            remainder = rest[1:]
    return base_path + remainder
