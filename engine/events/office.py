"""Who may change the configuration: admin tokens, and the sources that own a part of it."""

from typing import TypeAlias

import attrs

from engine.names import Source, TokenId


@attrs.frozen
class TokenDefined:
    """An admin token, known by its digest."""

    token_id: TokenId
    digest: str = attrs.field(repr=False)
    "SHA-256 of the secret, 64 hexadecimal digits."
    scope: str
    "`read`, `operate` or `admin`; each includes the one before."
    name: str = ""
    expires_at: int | None = None
    "Unix seconds; None: never."


@attrs.frozen
class TokenRemoved:
    token_id: TokenId


@attrs.frozen
class SourceReleased:
    """What a source defined is no longer its own: the API may change it, and the source does not."""

    source: Source


@attrs.frozen
class SourceClaimed:
    """A released source owns again what it defines from here on."""

    source: Source


OfficeEvent: TypeAlias = TokenDefined | TokenRemoved | SourceReleased | SourceClaimed
