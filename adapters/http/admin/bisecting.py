"""Where something began: the first position under whose table recorded traffic meets a predicate.

Law: the traffic stays the same and the table alone changes, so what is found is the configuration's doing. The
predicate must not hold at the one end and hold at the other; between, it is taken to turn once.
"""

from typing import Annotated, Any, Final

import attrs
from litestar import Response, get
from litestar.params import QueryParameter

from adapters.http.admin.entrance import READ
from adapters.http.admin.event_pages import EventShown, event_told
from adapters.http.admin.given import Given
from adapters.http.admin.journal import journal_of, table_at
from adapters.http.admin.office import Office
from adapters.http.admin.problems import JOURNAL_READS, Fault, Invalid, Refusal
from adapters.http.admin.when import LONGEST, WHEN, At, reached, stretch
from adapters.http.admin.window import CheckShown, Unanswerable, Window, alike, check_shown, tried, window_of
from engine.names import Position
from projections.predicate import Malformed, Predicate, parse
from projections.trial import Trial
from projections.unheard import unheard

_EXAMPLE: Final = 'share(provider="b") > 0.5'
_HOUR_US: Final = 3600 * 10**6


@attrs.frozen(kw_only=True)
class Tried:
    position: int
    holds: bool
    values: dict[str, float]
    "What each measure of the predicate comes to."


@attrs.frozen(kw_only=True)
class Bisected:
    position: int
    "The first at which the predicate holds."
    event: EventShown
    requests: int
    "That were replayed at each position."
    is_cut: bool
    "Whether older requests of the window were left out, since there were too many."
    unanswerable: Unanswerable
    self_check: CheckShown
    tried: tuple[Tried, ...]
    "In the order in which positions were tried."
    warnings: tuple[str, ...]
    "Names in the predicate that neither the tables nor the recorded requests have."


@get("/bisect", operation_id="bisect", opt=READ, responses=JOURNAL_READS)
async def bisect(
    office: Given[Office],
    bad: Annotated[str, QueryParameter(max_length=1000, description=f"A predicate, e.g. `{_EXAMPLE}`.")],
    from_: Annotated[
        str, QueryParameter(name="from", max_length=LONGEST, description=f"Where it does not hold. {WHEN}")
    ],
    to: At = None,
    since: Annotated[
        str | None, QueryParameter(max_length=LONGEST, description=f"Traffic from then on; absent: an hour. {WHEN}")
    ] = None,
    until: Annotated[str | None, QueryParameter(max_length=LONGEST, description=WHEN)] = None,
) -> Response[Bisected]:
    """The first position of the log under whose table the recorded traffic of a window meets a predicate."""
    journal = await journal_of(office)
    predicate = _predicate(bad)
    present = office.follower.snapshot.position
    low = await reached(office, from_, where="?from")
    high = present if to is None else await reached(office, to, where="?to")
    _check_ends(low, high, present, has_to=to is not None)
    begin, end = await stretch(office, since, until)
    now = office.unix_us()
    end = now if end is None else end
    window = await window_of(office, journal, end - _HOUR_US if begin is None else begin, end)
    # What the simulation rests on does not change with the table: once will do.
    table = await table_at(office, high)
    checked = await tried(window, table, alike=await alike(office, window, table))
    found = [await _again(office, window, predicate, low), _tried(predicate, checked, high)]
    warnings = unheard(predicate, (await table_at(office, low), table), window.known)
    if found[0].holds or not found[1].holds:
        raise _no_turn(predicate, *found, head=present, warnings=warnings)
    while high - low > 1:
        middle = (low + high) // 2
        found.append(await _again(office, window, predicate, middle))
        low, high = (low, middle) if found[-1].holds else (middle, high)
    (recorded,) = await office.log.read(high - 1, 1)
    answer = Bisected(
        position=high,
        event=event_told(recorded, await table_at(office, high - 1)),
        requests=window.known.count,
        is_cut=window.known.is_cut,
        unanswerable=window.unanswerable,
        self_check=check_shown(checked),
        tried=tuple(found),
        warnings=warnings,
    )
    return Response(answer, headers={"x-pointsman-position": str(present)})


def _check_ends(low: Position, high: Position, head: Position, *, has_to: bool) -> None:
    """Raises Invalid."""
    if low >= head:
        valid = f"0 to {head - 1}, or a time by which no more was recorded" if head else "nothing: the log is empty"
        what = f"position {low} is not before the log's head, {head}"
        raise Invalid((Fault(where="?from", what=what, valid=valid),))
    if high > head:
        what = f"position {high} is beyond the log's head, {head}"
        raise Invalid((Fault(where="?to", what=what, valid=f"{low + 1} to {head}"),))
    if high <= low:
        what = f"it comes to position {high}, which is not after ?from, position {low}"
        raise Invalid((Fault(where="?to" if has_to else "?from", what=what, valid=f"{low + 1} to {head}"),))


async def _again(office: Office, window: Window, predicate: Predicate, position: Position) -> Tried:
    return _tried(predicate, await tried(window, await table_at(office, position)), position)


def _tried(predicate: Predicate, trial: Trial, position: Position) -> Tried:
    return Tried(position=position, holds=predicate.holds(trial.tally), values=predicate.values(trial.tally))


def _predicate(text: str) -> Predicate:
    try:
        return parse(text)
    except Malformed as malformed:
        what = f"column {malformed.column}: {malformed.what}"
        raise Invalid((Fault(where="?bad", what=what, valid=malformed.valid),)) from None


def _no_turn(predicate: Predicate, low: Tried, high: Tried, *, head: Position, warnings: tuple[str, ...]) -> Refusal:
    what, asks = f"`{predicate.text}`", []
    if low.holds and not high.holds:
        what += f" holds at position {low.position}, and no more at {high.position}"
        asks.append("its opposite, by not (...)")
    elif low.holds:
        what += f" holds at position {low.position} already"
        asks += ["an earlier position to begin with"] if low.position else []
    else:
        what += f" does not hold at position {high.position}" + (", the log's head" if high.position == head else "")
        asks += ["a later position to end with"] if high.position < head else []
    if (threshold := _threshold(predicate, low, high)) is not None:
        asks.append(threshold)
    advice = f"; choose {', or '.join(asks)}" if asks else ""
    values = ", ".join(f"{name} is {value:g} and {high.values[name]:g}" for name, value in low.values.items())
    return Refusal(422, f"{what}{advice} ({'; '.join((values, *warnings))}).")


def _threshold(predicate: Predicate, low: Tried, high: Tried) -> str | None:
    """What turns it between the two, where it is a comparison of one measure."""
    if len(low.values) != 1 or low.holds != high.holds:
        return None
    (before,), (after,) = low.values.values(), high.values.values()
    is_upward = ">" in predicate.text
    if before == after or is_upward == ("<" in predicate.text) or is_upward != (after > before):
        return None
    return f"a threshold between {min(before, after):g} and {max(before, after):g}"


routes: Final[list[Any]] = [bisect]
