"""Reading the event log beside a gateway that may be writing it: what `log` and `show` share."""

from collections.abc import Callable
from typing import Final

from adapters.store import ReadableLog
from engine.events import Recorded
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
