"""Reading the event log beside a gateway that may be writing it: what `log` and `show` share."""

from collections.abc import Callable
from typing import Final

from adapters.moments import Asked, Moment, told
from adapters.store import ReadableLog
from engine.errors import StartFailed
from engine.events import Recorded
from engine.names import Position
from engine.snapshot import RoutingSnapshot
from projections import routing

_PAGE: Final = 500


async def walk(
    log: ReadableLog,
    visit: Callable[[RoutingSnapshot, Recorded], bool],
    table: RoutingSnapshot | None = None,
) -> RoutingSnapshot:
    """Fold the log, showing `visit` each event and the table before it, until that says False or the log ends.

    `table` is the one to begin with. The table before the event that was refused, or the head's. Raises
    StoreUnavailable, LogDamaged.
    """
    table = routing.empty() if table is None else table
    while True:
        page = await log.read(table.position, _PAGE)
        for recorded in page:
            if not visit(table, recorded):
                return table
            table = routing.apply(table, recorded)
        if len(page) < _PAGE:
            return table


async def position_of(log: ReadableLog, asked: Asked) -> Position:
    """The position that somebody has named, which the log need not reach: of a time that of the last event recorded by
    then. Raises StartFailed for a time before the first event; StoreUnavailable, LogDamaged.
    """
    if not isinstance(asked, Moment):
        return asked
    position = await log.position_at(asked.at_us)
    if position == 0:
        first = await log.read(0, 1)
        begin = f"begins at {told(first[0].recorded_at)}" if first else "is empty"
        valid = "a later time, or position 0" if first else "position 0"
        raise StartFailed(f"Nothing was recorded by {asked}: the log {begin}; valid: {valid}.", wrong_input=True)
    return position


async def reached(log: ReadableLog, asked: Asked) -> Position:
    """As `position_of`; 0 for a time before the first event, when the log held nothing yet."""
    return await log.position_at(asked.at_us) if isinstance(asked, Moment) else asked
