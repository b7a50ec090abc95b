"""Header fields that end at each hop, for both sides of the gateway (RFC 9110, 7.6.1; DEF-33)."""

from typing import Final

from engine.ports import Headers

HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)


def connection_options(fields: Headers) -> frozenset[bytes]:
    """The field names that `Connection` lists, which are hop-by-hop too; empty for the everyday values."""
    listed = [value for name, value in fields if name == b"connection"]
    if not listed or listed in ([b"keep-alive"], [b"close"]):
        return frozenset()
    return frozenset(option.strip().lower() for value in listed for option in value.split(b","))
