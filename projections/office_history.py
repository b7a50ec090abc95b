"""Sentences about admin tokens and the sources that own a part of the configuration.

Law: as in `projections.history`.
"""

from engine.events import OfficeEvent, SourceClaimed, SourceReleased, TokenDefined, TokenRemoved
from engine.names import TokenId
from engine.snapshot import RoutingSnapshot
from projections.phrases import changed, created, differences, particulars, removed


def office_sentence(before: RoutingSnapshot, event: OfficeEvent) -> str:
    match event:
        case TokenDefined() | TokenRemoved():
            return _token(f"admin token {event.token_id}", _defined(before, event.token_id), event)
        case SourceReleased():
            phrases = ["released, others may change what it defined"] if event.source not in before.released else []
            return changed(f"source {event.source}", phrases)
        case SourceClaimed():
            phrases = ["owns again what it defines from here on"] if event.source in before.released else []
            return changed(f"source {event.source}", phrases)


def _token(subject: str, old: TokenDefined | None, event: TokenDefined | TokenRemoved) -> str:
    if isinstance(event, TokenRemoved):
        return removed(subject, old is not None)
    if old is None:
        return created(subject, particulars(event))
    return changed(subject, differences(old, event))


def _defined(before: RoutingSnapshot, token_id: TokenId) -> TokenDefined | None:
    """The token as it stands."""
    digest = before.catalogue.token_ids.get(token_id)
    token = None if digest is None else before.tokens.get(digest)
    if digest is None or token is None or token.token_id != token_id:
        return None
    return TokenDefined(token_id, digest.hex(), token.scope, token.name, token.expires_at)
