"""Positions of the log as requests name them: by number, or by a time.

Law: a time is the position that the log had come to by then: the last event recorded at that time or before it, so that
whatever follows was recorded later. Times are of the writers' clocks; where one of several was slow, an event from
before the time may stand before one from after it, and the position is then that of the earlier time's event. A time
without a zone is in UTC.
"""

from datetime import UTC
from typing import Annotated, Final, TypeAlias

from litestar.params import QueryParameter

from adapters.http.admin.office import Office
from adapters.http.admin.problems import Fault, Invalid, Refusal
from adapters.moments import LONGEST, VALID, Moment, Unclear, asked_for
from adapters.moments import told as moment_told
from engine.names import Position

__all__ = ["LONGEST", "WHEN", "At", "Named", "before_the_first", "moment_us", "position_of", "reached", "stretch"]

WHEN: Final = (
    "A position of the log, or a time: RFC 3339 (without a zone: UTC), `14:30` today, or an age such as `15m`, `2h`, "
    "`3d`. A time is the position of the last event that was recorded by then."
)
At: TypeAlias = Annotated[str | None, QueryParameter(max_length=LONGEST, description=f"{WHEN} Absent: the present.")]
Named: TypeAlias = str | int


async def position_of(office: Office, named: Named, *, where: str) -> Position:
    """The position that a request names at a place, which the log need not reach.

    Raises Invalid; Refusal (404) for a time before the log's first event; StoreUnavailable, LogDamaged.
    """
    asked = _asked(office, named, where)
    if not isinstance(asked, Moment):
        return asked
    position = await office.log.position_at(asked.at_us)
    if position == 0:
        raise await before_the_first(office, asked)
    return position


async def reached(office: Office, named: Named, *, where: str) -> Position:
    """As `position_of`; 0 for a time before the first event, when the log held nothing yet."""
    asked = _asked(office, named, where)
    return await office.log.position_at(asked.at_us) if isinstance(asked, Moment) else asked


async def moment_us(office: Office, named: Named | None, *, where: str) -> int | None:
    """The moment that a request names, in Unix microseconds; of a position, when it was recorded. None: none is named.

    Raises Invalid; Refusal (404) for a position beyond the head; StoreUnavailable, LogDamaged.
    """
    if named is None:
        return None
    asked = _asked(office, named, where)
    if isinstance(asked, Moment):
        return asked.at_us
    if asked == 0:
        return 0
    found = await office.log.read(asked - 1, 1)
    if not found:
        raise await office.past.not_there(asked, office.follower.snapshot)
    return found[0].recorded_at


async def stretch(office: Office, since: Named | None, until: Named | None) -> tuple[int | None, int | None]:
    """The moments between which a request asks, in Unix microseconds; None: it names none.

    Raises as `moment_us`; Invalid where the one is not before the other.
    """
    begin, end = await moment_us(office, since, where="?since"), await moment_us(office, until, where="?until")
    if begin is not None and end is not None and begin >= end:
        what = f"{moment_told(end)} is not after ?since, {moment_told(begin)}"
        raise Invalid((Fault(where="?until", what=what, valid="a later time, or none: until now"),))
    return begin, end


def _asked(office: Office, named: Named, where: str) -> Position | Moment:
    try:
        return asked_for(str(named), now_us=office.unix_us(), zone=UTC)
    except Unclear as unclear:
        raise Invalid((Fault(where=where, what=unclear.what, valid=VALID),)) from None


async def before_the_first(office: Office, asked: Moment, or_else: str = "position 0") -> Refusal:
    """The answer (404) about a time before the log's first event; `or_else`: which position would do. Raises
    StoreUnavailable, LogDamaged.
    """
    first = await office.log.read(0, 1)
    if not first:
        return Refusal(404, f"Nothing was recorded by {asked}: the log is empty; valid: position 0.")
    begin = moment_told(first[0].recorded_at)
    return Refusal(
        404, f"Nothing was recorded by {asked}: the log begins at {begin}; valid: a later time, or {or_else}."
    )
