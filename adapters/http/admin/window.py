"""Recorded traffic under tables: what a plan would change, and where something began.

Law: nothing is changed, and requests are served meanwhile: a few blocks are in memory at a time, and each is gone over
in a thread. What the simulation rests on is checked in the same pass and told beside the result; a result whose check
fails is told as worth nothing. A window with too many requests is cut, and says so.
"""

from collections.abc import AsyncIterator
from typing import Final

import attrs
import trio

from adapters.http.admin.journal import definitions, reach, table_at
from adapters.http.admin.office import Office, RecordedJournal
from adapters.http.admin.problems import Refusal
from engine.names import Position
from engine.recording import Block
from engine.snapshot import RoutingSnapshot
from projections.known import Known
from projections.replay import Definitions
from projections.trial import Trial, is_alike

_COMPARED: Final = 20
"""Tables that are compared with the one in force: comparing large ones takes a while."""


@attrs.frozen(kw_only=True)
class CheckShown:
    recomputed: int
    "Recorded steps of the actors that came out again as they were recorded."
    difference: str | None
    "The first that did not."
    simulated: int
    "Requests that the table in force had decided, on which it was tried as any other table is."
    differing: int
    "Those that did not come out as they were recorded."
    left_out: int
    "Requests it was not tried on: of a block of the journal in which one met another table, or begun before the first."
    is_good: bool


@attrs.frozen(kw_only=True)
class Unanswerable:
    """What of a window cannot be told of, since it is not in the journal or cannot be read."""

    dropped_entries: int
    "Steps of the actors that were lost before they were written."
    dropped_requests: int
    unreadable_blocks: int
    gaps: int
    "Places where blocks are missing, unreadable ones among them, and none tells how much was in them."


@attrs.frozen
class Window:
    """A stretch of recorded traffic, gone over once."""

    journal: RecordedJournal
    since_us: int
    "Not before its first block."
    until_us: int
    known: Known
    definitions: Definitions
    unanswerable: Unanswerable

    async def blocks(self) -> AsyncIterator[Block]:
        """Those that were gone over, and no others that may have come since."""
        async for block in self.journal.read(self.since_us, self.until_us):
            if self.known.has(block):
                yield block


async def window_of(office: Office, journal: RecordedJournal, since_us: int, until_us: int) -> Window:
    """Raises Refusal (422) where nothing was recorded in that time."""
    known = Known()
    async for block in journal.read(since_us, until_us):
        await trio.to_thread.run_sync(known.take, block)
    if not known.count:
        raise await _empty(journal)
    begin = max(since_us, known.since_us or 0)
    wanted = await trio.to_thread.run_sync(lambda: known.definitions)
    missing = known.missing
    unanswerable = Unanswerable(
        dropped_entries=missing.entries,
        dropped_requests=missing.requests,
        unreadable_blocks=await journal.unreadable(since_us, until_us),
        gaps=missing.gaps,
    )
    return Window(journal, begin, until_us, known, await definitions(office, wanted), unanswerable)


async def tried(
    window: Window,
    before: RoutingSnapshot,
    after: RoutingSnapshot | None = None,
    *,
    alike: frozenset[Position] | None = None,
) -> Trial:
    """All of the window's traffic under a table, or under two; `alike` as for `Trial`."""
    trial = await trio.to_thread.run_sync(lambda: Trial(before, after, window.definitions, window.known, alike=alike))
    async for block in window.blocks():
        await trio.to_thread.run_sync(trial.take, block)
    await trio.to_thread.run_sync(trial.finish)
    return trial


async def alike(office: Office, window: Window, table: RoutingSnapshot) -> frozenset[Position]:
    """The positions, among the newest that the window's requests met, whose tables decide as this one does."""
    found: set[Position] = set()
    for position in sorted(window.known.positions)[-_COMPARED:]:
        other = await table_at(office, position)
        if await trio.to_thread.run_sync(is_alike, table, other):
            found.add(position)
    return frozenset(found)


def check_shown(trial: Trial) -> CheckShown:
    check = trial.check
    return CheckShown(
        recomputed=check.recomputed,
        difference=None if check.mismatch is None else str(check.mismatch),
        simulated=check.simulated,
        differing=check.differing,
        left_out=trial.tally.requests - check.simulated,
        is_good=check.is_good,
    )


async def _empty(journal: RecordedJournal) -> Refusal:
    return Refusal(422, f"No request was recorded in this window: {await reach(journal)}.")
