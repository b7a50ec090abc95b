"""The actors as they were at a moment, re-run from the journal.

Law: what is told was computed from recorded inputs up to that moment; of a pool that the journal does not tell of it is
said that it is unknown. The journal is gone through once, backwards, one block in memory, for a bounded number of pools
and a bounded time, and for one request at a time, however many pools there are.
"""

from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Any, Final

import attrs
import trio
from litestar import Response, get
from litestar.params import QueryParameter

from adapters.http.admin.encoding import encoded
from adapters.http.admin.entrance import READ
from adapters.http.admin.given import Given
from adapters.http.admin.journal import definitions, journal_of, table_at
from adapters.http.admin.office import Office, RecordedJournal
from adapters.http.admin.problems import JOURNAL_READS, Refusal, clipped
from adapters.http.admin.times import told
from adapters.http.admin.when import LONGEST, WHEN, before_the_first, moment_us
from adapters.moments import Moment
from engine.names import Alias
from engine.pool.view import PoolView
from engine.snapshot import RoutingSnapshot
from projections.moment import state_at
from projections.phrases import printable
from projections.replay import Mismatch
from projections.story import definitions_in

_MOST: Final = 500
"""Pools that one answer tells of."""
_LONGEST_S: Final = 30.0
"""That the journal is looked through."""
_NAMED: Final = 20
"""Pools that an error names."""
_AT: Final = f"{WHEN} Of a position, the moment when it was recorded. Absent: now."


@attrs.frozen(kw_only=True)
class StateShown:
    at: datetime
    position: int
    "That the log had come to. A pool says itself which definition it ran."
    pools: tuple[PoolView, ...]
    unknown: tuple[str, ...]
    "Pools of which the journal does not tell before that moment: nothing had been asked of them, or it is gone."
    left_out: int
    "Pools that are not told of, since there are too many for one answer: `?pool=` asks for them."
    is_cut: bool
    "Whether the journal was not looked through to its end, for want of time: `unknown` are those not found by then."
    since: datetime | None
    "How far back the journal reaches; null: nothing is in it."
    until: datetime | None
    "Where the journal ends: what is told of a later moment is how it was then."
    differences: tuple[str, ...]
    "What came out otherwise than it was recorded on the way there; none, as long as nothing is wrong."


@get("/state", operation_id="getState", opt=READ, responses=JOURNAL_READS)
async def state(
    office: Given[Office],
    at: Annotated[str | None, QueryParameter(max_length=LONGEST, description=_AT)] = None,
    pool: Annotated[list[str] | None, QueryParameter(description="Pools; absent: all.", max_items=100)] = None,
) -> Response[StateShown]:
    """What the gateway believed of every provider at a moment: requests in flight, limits, circuits, latencies."""
    journal = await journal_of(office)
    now = office.unix_us()
    asked = await moment_us(office, at, where="?at")
    moment = now if asked is None else min(asked, now)
    present = office.follower.snapshot
    position = min(await office.log.position_at(moment), present.position)
    if asked == 0 and present.position:
        raise Refusal(404, f"At position 0 there was no pool yet; valid: 1 to {present.position}, or a time.")
    if at is not None and position == 0 and present.position:
        raise await before_the_first(office, Moment(moment), f"a position from 1 to {present.position}")
    table = await table_at(office, position)
    wanted = pool or sorted(table.pools)[:_MOST]
    for alias in wanted:
        if alias not in table.pools:
            raise _no_pool(table, alias)
    async with office.looking_back:
        found = await _found(office, journal, frozenset(wanted), moment)
    span = await journal.span()
    shown = StateShown(
        at=told(moment),
        position=table.position,
        pools=tuple(found.views[alias] for alias in wanted if alias in found.views),
        unknown=tuple(alias for alias in wanted if alias not in found.views),
        left_out=0 if pool else len(table.pools) - len(wanted),
        is_cut=found.is_cut,
        since=None if span.first_us is None else told(span.first_us),
        until=None if span.last_us is None else told(span.last_us),
        differences=tuple(str(one) for one in found.mismatches),
    )
    return await encoded(shown, present.position)


def _no_pool(table: RoutingSnapshot, alias: Alias) -> Refusal:
    some = sorted(table.pools)
    more = f" and {len(some) - _NAMED} more" if len(some) > _NAMED else ""
    valid = f"{', '.join(map(printable, some[:_NAMED]))}{more}" if some else "none: there is no pool"
    return Refusal(404, f"There is no pool {clipped(repr(alias))} at position {table.position}; valid: {valid}.")


@attrs.define
class _Found:
    views: dict[Alias, PoolView] = attrs.field(factory=dict)
    mismatches: list[Mismatch] = attrs.field(factory=list)
    is_cut: bool = False


async def _found(office: Office, journal: RecordedJournal, wanted: frozenset[Alias], moment: int) -> _Found:
    """Each pool from the newest block that tells of it."""
    found = _Found()
    with trio.move_on_after(_LONGEST_S) as bound:
        async with aclosing(journal.back(wanted, moment)) as blocks:
            async for block, aliases in blocks:
                known = await definitions(office, definitions_in((block,)))
                views, mismatch = await trio.to_thread.run_sync(state_at, block, aliases, known, moment)
                found.views |= views
                if mismatch is not None:
                    found.mismatches.append(mismatch)
    found.is_cut = bound.cancelled_caught
    return found


routes: Final[list[Any]] = [state]
