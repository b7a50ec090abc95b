"""The recorded journal, as the admin API reads it, and what the event log says about it.

Law: what is computed again is computed in a thread, from blocks and tables that do not change, while requests are
served; a few blocks are in memory at a time.
"""

from collections.abc import Iterable

import attrs
import trio

from adapters.http.admin.office import Office, RecordedJournal
from adapters.http.admin.problems import Refusal
from adapters.moments import told
from engine.names import Alias, Position
from engine.snapshot import Pool, RoutingSnapshot
from projections.replay import Definitions


async def journal_of(office: Office) -> RecordedJournal:
    """The journal with all that has been noted. Raises Refusal (501) where none is kept."""
    journal = office.journal
    if journal is None:
        why = office.why_no_journal or "the gateway has --journal off."
        raise Refusal(501, f"No journal is kept here, so nothing can be told of past requests: {why}")
    await journal.flush()
    return journal


async def reach(journal: RecordedJournal) -> str:
    """How far a journal goes, for a sentence."""
    span = await journal.span()
    if span.first_us is None or span.last_us is None:
        return "the journal is empty"
    return f"the journal reaches from {told(span.first_us)} to {told(span.last_us)}"


async def definitions(office: Office, wanted: Iterable[tuple[Alias, Position]]) -> Definitions:
    """What aliases were at positions, of those that are asked for here. Raises Refusal, StoreUnavailable."""
    by_position: dict[Position, list[Alias]] = {}
    for alias, position in wanted:
        by_position.setdefault(position, []).append(alias)
    known: dict[tuple[Alias, Position], Pool | None] = {}
    for position in sorted(by_position):
        table = await table_at(office, position)
        known.update(((alias, position), table.pools.get(alias)) for alias in by_position[position])
        # Requests are served between two tables.
        await trio.lowlevel.checkpoint()
    return _Known(known)


async def table_at(office: Office, position: Position) -> RoutingSnapshot:
    return await office.past.table_at(position, office.follower.snapshot)


@attrs.frozen
class _Known:
    _pools: dict[tuple[Alias, Position], Pool | None]

    def __call__(self, alias: Alias, position: Position) -> Pool | None:
        return self._pools[alias, position]
