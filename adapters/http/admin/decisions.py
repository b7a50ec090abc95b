"""Past requests: which there were, and why each went as it did, computed again.

Law: nothing is told from the record alone that can be computed again; where the two differ, that is said first.
"""

from datetime import datetime
from typing import Annotated, Any, Final

import attrs
import trio
from litestar import Response, get
from litestar.params import PathParameter

from adapters.http.admin.entrance import READ
from adapters.http.admin.event_pages import EventShown, event_told
from adapters.http.admin.given import Given
from adapters.http.admin.journal import definitions, journal_of, reach, table_at
from adapters.http.admin.office import Office, RecordedJournal
from adapters.http.admin.problems import JOURNAL_READS, Refusal, clipped
from adapters.http.admin.times import told
from engine.access import Admission
from engine.errors import Reason, Refused
from engine.events import Recorded
from engine.names import Position, Stream
from engine.recording import Attempted, Served, Usage
from engine.snapshot import RoutingSnapshot
from projections.behind import streams_behind
from projections.explanation import Step, steps
from projections.story import Story, admission, definitions_in, story

_MS: Final = 10**6
_NEWEST: Final = 6
"""Events of one entity that an explanation names."""


@attrs.frozen(kw_only=True)
class AttemptShown:
    attempt: int
    provider: str
    sent_ms: float
    "After the request was read."
    head_ms: float
    "From sending to the answer's head, or the failure."
    status: int | None
    what: str


@attrs.frozen(kw_only=True)
class Explained:
    request_id: str | None
    decision: int | None
    process: str
    "The run of a gateway that it came to."
    at: datetime
    alias: str | None
    pool: str | None
    key: str | None
    "Null: none that is known; of one that has not ended, also: not recorded yet."
    position: int | None
    "Of the table it began with; null: it has not ended, and that is not recorded yet."
    status: int | None
    "Null: it has not ended, or the client left before there was one."
    outcome: str | None
    "Null: it has not ended, as far as the journal says."
    reason: str | None
    scope: str | None
    why: str | None
    total_ms: float | None
    usage: Usage | None
    recomputed: bool | None
    "Whether all of it came out as it was recorded; null: it cannot be computed again."
    difference: str | None
    cannot: str | None
    steps: tuple[Step, ...]
    attempts: tuple[AttemptShown, ...]
    events: tuple[EventShown, ...]
    "What had made the pool, and the key, what they were, newest first."


@get("/decisions/{name:str}", operation_id="explainRequest", opt=READ, responses=JOURNAL_READS)
async def explain(
    office: Given[Office],
    name: Annotated[str, PathParameter(max_length=512, description="A request's id, or the number of its decision.")],
) -> Response[Explained]:
    """Why a request went as it did: what it asked of the actors, each candidate with its numbers and why it lost, every
    attempt, and whether all of it comes out again from the recorded inputs.
    """
    journal = await journal_of(office)
    blocks = await journal.find(name)
    known = await definitions(office, definitions_in(blocks))
    found = await trio.to_thread.run_sync(story, name, blocks, known)
    if found is None:
        raise await _unknown(journal, name)
    # Of a request that runs, the table may not be known; but what made its pool is, and nothing newer did.
    seen = found.decided_at if found.position is None else found.position
    answer = await _explained(office, found, None if seen is None else await table_at(office, seen))
    return Response(answer, headers={"x-pointsman-position": str(office.follower.snapshot.position)})


async def _explained(office: Office, found: Story, table: RoutingSnapshot | None) -> Explained:
    served = found.served
    mismatch, let_in = found.mismatch, None if table is None else admission(found, table)
    if let_in is not None and mismatch is None:
        mismatch = let_in[1]
    cannot = found.cannot
    if not found.entries and let_in is None:
        cannot = cannot or "no actor was asked, and what was presented is not recorded"
    first = _admission_step(found, let_in[0] if let_in is not None else None)
    return Explained(
        request_id=served.request_id if served is not None else None,
        decision=found.ticket,
        process=found.process,
        at=told(found.at_us),
        alias=served.alias if served is not None else None,
        pool=found.pool,
        key=found.key_id,
        position=found.position,
        status=served.status if served is not None else None,
        outcome=served.outcome if served is not None else None,
        reason=served.reason if served is not None else None,
        scope=served.scope if served is not None else None,
        why=served.why if served is not None else None,
        total_ms=served.total_ns / _MS if served is not None else None,
        usage=served.usage if served is not None else None,
        recomputed=None if cannot is not None else mismatch is None,
        difference=None if mismatch is None else str(mismatch),
        cannot=cannot,
        steps=(*first, *steps(found.entries, found.ticket or 0)),
        attempts=_attempts(served),
        events=() if table is None else await _events(office, found, table),
    )


def _admission_step(found: Story, let_in: Admission | Refused | None) -> tuple[Step, ...]:
    served = found.served
    if served is None or let_in is None:
        return ()
    who = "a caller without a known key" if served.key_id is None else f"key {served.key_id}"
    if isinstance(let_in, Refused) and let_in.reason is Reason.MODEL_NOT_FOUND:
        what = f"the caller is refused at {served.alias}: {let_in.reason.value}, before any key was looked at"
    elif isinstance(let_in, Refused):
        why = served.why or let_in.why
        what = f"{who} is refused at {served.alias}: {let_in.reason.value}{'' if why is None else f', {why}'}"
    elif let_in.pool.alias != served.alias:
        what = f"{who} asks for {served.alias}, and a rule of it leads to {let_in.pool.alias}"
    else:
        what = f"{who} is let into {served.alias}"
    return (Step(0, 0.0, what, served.position),)


def _attempts(served: Served | None) -> tuple[AttemptShown, ...]:
    if served is None:
        return ()
    return tuple(_attempt(number, one, served) for number, one in enumerate(served.attempts, 1))


def _attempt(number: int, one: Attempted, served: Served) -> AttemptShown:
    return AttemptShown(
        attempt=number,
        provider=one.provider,
        sent_ms=(one.sent_at - served.at) / _MS,
        head_ms=one.head_ns / _MS,
        status=one.status,
        what=one.what,
    )


async def _events(office: Office, found: Story, table: RoutingSnapshot) -> tuple[EventShown, ...]:
    """The newest events of the entities that had a part in it, up to its table."""
    events: list[Recorded] = []
    for stream in streams_behind(table, found.pool, found.key_id):
        if stream in table.streams:
            events += await _newest_of(office, stream, table.position)
    # From the oldest to the newest, since each needs the table before it.
    events.sort(key=lambda recorded: recorded.position)
    shown = [event_told(recorded, await table_at(office, recorded.position - 1)) for recorded in events]
    return tuple(reversed(shown))


async def _newest_of(office: Office, stream: Stream, until: Position) -> list[Recorded]:
    """The newest events of an entity up to a position."""

    async def since(after: Position) -> list[Recorded]:
        return [one for one in await office.log.history(stream, after, _NEWEST) if one.position <= until]

    found = await since(0)
    low, high = 0, until
    while len(found) == _NEWEST and high - low > 1:
        # There are so many after `low`, and fewer after `high`.
        middle = (low + high) // 2
        newer = await since(middle)
        if len(newer) == _NEWEST:
            low, found = middle, newer
        else:
            high = middle
    return found


async def _unknown(journal: RecordedJournal, name: str) -> Refusal:
    found = f"Nothing is recorded of {clipped(repr(name))}; {await reach(journal)}."
    if not name.isdecimal():
        found += (
            " A request that has not ended is not known by its id yet: ask by the number in its x-pointsman-decision."
        )
    return Refusal(404, found)


routes: Final[list[Any]] = [explain]
