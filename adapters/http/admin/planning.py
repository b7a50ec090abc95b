"""What a configuration file would change: its events, and what recorded traffic would meet under it.

Law: nothing is changed. Traffic is told under the present table and under the file's, never as it went then: that may
have been under another table. Decisions are told, no latencies; what had to be assumed is told with them.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Final

import attrs
import trio
from litestar import Response, post
from litestar.params import JSONBody, QueryParameter

from adapters.http.admin.answers import event_shown
from adapters.http.admin.apply import Sent, faults_of, read_sent
from adapters.http.admin.bodies import StrictBody
from adapters.http.admin.encoding import encoded
from adapters.http.admin.entrance import READ
from adapters.http.admin.given import Given
from adapters.http.admin.journal import journal_of
from adapters.http.admin.office import Office, RecordedJournal
from adapters.http.admin.problems import JOURNAL_READS, Fault, Invalid
from adapters.http.admin.table import Differing
from adapters.http.admin.when import LONGEST, WHEN, stretch
from adapters.http.admin.window import CheckShown, Unanswerable, Window, alike, check_shown, tried, window_of
from adapters.moments import told as moment_told
from adapters.submitted import Submitted
from engine.commands import ApplyDocument
from engine.errors import Rejected
from engine.names import Source
from engine.runtime.writer import Written
from engine.snapshot import FILE, SENT, RoutingSnapshot, file_of
from projections.diff import differences
from projections.history import sentences
from projections.trial import Trial

_LONGEST: Final = 128
_AS: Final = "The name of another file: a copy of a watched file is planned as if it were that one."
_MOST: Final = 500
"""Events that are told in sentences."""
ASSUMPTIONS: Final = (
    "Requests are tried under the present table and under the file's; neither need be the one that they met then.",
    "These are decisions, no predictions: requests come when they came, from the keys they came from.",
    "An attempt at a provider that was asked then ends as it did then; any other is taken to be answered.",
    "A request that was refused then and would be served lasts as long as others of its pool did.",
    "Where a caller's address is limited, it is taken to come from an allowed one: addresses are not recorded.",
    "A request whose key was unknown then stays unknown: secrets are not recorded.",
)


@attrs.frozen(kw_only=True)
class ShiftShown:
    pool: str
    provider: str
    before: float
    "Its part of the pool's attempts under the present table, from 0 to 1."
    after: float
    "And under the file's."


@attrs.frozen(kw_only=True)
class RefusedShown:
    scope: str
    reason: str
    count: int


@attrs.frozen(kw_only=True)
class TrafficShown:
    requests: int
    since: str
    until: str
    is_cut: bool
    "Whether older requests of the window were left out, since there were too many."
    unanswerable: Unanswerable
    self_check: CheckShown
    differing: int
    "Requests that would go otherwise under the file's table than under the present one."
    shifts: tuple[ShiftShown, ...]
    newly_refused: tuple[RefusedShown, ...]
    "Those that the present table would serve and the file's would refuse; what was refused then is not told here."
    newly_served: int
    "Those that the present table would refuse and the file's would serve."
    attempts_before: int
    "Under the present table."
    attempts_after: int
    "Under the file's."
    attempts_saved: int
    "Fewer attempts for the requests that are served under both."
    assumptions: tuple[str, ...]


@attrs.frozen(kw_only=True)
class Planned:
    position: int
    source: str
    events: tuple[dict[str, Any], ...]
    sentences: tuple[str, ...]
    "What each event would change, in one line."
    diff: tuple[Differing, ...]
    warnings: tuple[str, ...]
    traffic: TrafficShown | None
    "Null: no window was asked for."


@post(
    "/plan",
    operation_id="planFile",
    dto=StrictBody,
    return_dto=None,
    opt=READ,
    responses=JOURNAL_READS,
    status_code=200,
)
async def plan(
    office: Given[Office],
    data: JSONBody[Sent],
    since: Annotated[
        str | None, QueryParameter(max_length=LONGEST, description=f"Try it on traffic from then on. {WHEN}")
    ] = None,
    until: Annotated[str | None, QueryParameter(max_length=LONGEST, description=WHEN)] = None,
    as_: Annotated[str | None, QueryParameter(name="as", max_length=_LONGEST, description=_AS)] = None,
) -> Response[Planned]:
    """What a configuration file would change, were it applied now: events, differences, and with `since` which recorded
    requests would go otherwise than under the present table. Nothing is changed.
    """
    journal = None if since is None else await journal_of(office)
    begin, end = await stretch(office, since, until)
    present = office.follower.snapshot
    submitted = await read_sent(office, data)
    source = _source(present, as_ or data.name) if submitted.is_files else "plan"
    written = await _planned(office, submitted, source)
    after = await trio.to_thread.run_sync(office.change, present, written.events)
    found = None if journal is None else await _tried(office, journal, (begin, end), present, after)
    answer = Planned(
        position=present.position,
        source=source,
        events=await trio.to_thread.run_sync(lambda: tuple(event_shown(event) for event in written.events)),
        sentences=await trio.to_thread.run_sync(
            lambda: tuple(sentences(present, written.events[:_MOST], office.change))
        ),
        diff=await trio.to_thread.run_sync(
            lambda: tuple(Differing(**attrs.asdict(one)) for one in differences(present, after))
        ),
        warnings=submitted.warnings,
        traffic=None if found is None else await trio.to_thread.run_sync(_shown, *found),
    )
    return await encoded(answer, present.position)


async def _planned(office: Office, submitted: Submitted, source: Source) -> Written:
    """Raises Invalid."""
    command = submitted.command
    if isinstance(command, ApplyDocument):
        command = attrs.evolve(command, at_us=office.unix_us())
    try:
        return await office.writer.planned(command, actor=source)
    except Rejected as rejected:
        faults = faults_of(submitted.told(rejected))
        raise Invalid((*faults, *_mistaken(office.follower.snapshot, rejected, source))) from None


def _mistaken(table: RoutingSnapshot, rejected: Rejected, source: Source) -> Iterator[Fault]:
    """Whose the entities are that the file may not define: it may be a copy of that one."""
    streams = (
        f"{str(one.where[0]).removesuffix('s')}:{one.where[1]}" for one in rejected.problems if len(one.where) > 1
    )
    owners = {table.owner(stream) for stream in streams} - {None, source}
    for owner in sorted(file_of(one) for one in owners if one is not None):
        what = f"this is another file than {owner}, which manages some of what is in it"
        yield Fault(where="?as", what=what, valid=f"{owner}, to plan it as if it were that file")


def _source(table: RoutingSnapshot, name: str) -> Source:
    """Whose the file's entities would be: the watched file's of this name, where there is one."""
    watched = FILE + name
    return watched if any(one.source == watched for one in table.streams.values()) else SENT + name


async def _tried(
    office: Office,
    journal: RecordedJournal,
    between: tuple[int | None, int | None],
    present: RoutingSnapshot,
    after: RoutingSnapshot,
) -> tuple[Window, Trial]:
    begin, end = between
    window = await window_of(office, journal, begin or 0, office.unix_us() if end is None else end)
    return window, await tried(window, present, after, alike=await alike(office, window, present))


def _shown(window: Window, trial: Trial) -> TrafficShown:
    comparison = trial.comparison
    before, after = comparison.before, comparison.after
    return TrafficShown(
        requests=before.requests,
        since=moment_told(window.since_us),
        until=moment_told(window.until_us),
        is_cut=window.known.is_cut,
        unanswerable=window.unanswerable,
        self_check=check_shown(trial),
        differing=comparison.differing,
        shifts=tuple(ShiftShown(**attrs.asdict(one)) for one in comparison.shifts()),
        newly_refused=tuple(
            RefusedShown(scope=one.scope, reason=one.reason, count=count)
            for one, count in comparison.newly_refused.most_common()
        ),
        newly_served=comparison.newly_served,
        attempts_before=before.attempts.total(),
        attempts_after=after.attempts.total(),
        attempts_saved=comparison.attempts_saved,
        assumptions=ASSUMPTIONS,
    )


routes: Final[list[Any]] = [plan]
