"""The events about who may change the configuration."""

from engine.catalogue import Token
from engine.events import SourceClaimed, SourceReleased, TokenDefined, TokenRemoved
from projections.table import Table
from projections.values import digest_of


def token_defined(table: Table, event: TokenDefined) -> None:
    token_removed(table, TokenRemoved(event.token_id))
    digest = digest_of(event.digest)
    holder = table.tokens.get(digest)
    if holder is not None:
        # One secret is one token: where two change theirs with each other, the last word counts.
        table.token_ids.pop(holder.token_id)
    table.tokens[digest] = Token(event.token_id, event.scope, event.name, event.expires_at)
    table.token_ids[event.token_id] = digest


def token_removed(table: Table, event: TokenRemoved) -> None:
    digest = table.token_ids.pop(event.token_id)
    if digest is not None:
        table.tokens.pop(digest)


def source_released(table: Table, event: SourceReleased) -> None:
    table.released |= {event.source}


def source_claimed(table: Table, event: SourceClaimed) -> None:
    table.released -= {event.source}
