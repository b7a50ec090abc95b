"""The event log: pages of it, and whether it is what was written.

Law: what is told of an event never has a digest in it. A page looks at a bounded part of the log, and its `next` says
where to go on, whatever was found.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import attrs
import trio
from litestar import Request, Response, get
from litestar.openapi import ResponseSpec
from litestar.params import HeaderParameter, QueryParameter
from litestar.response import Stream

from adapters.codec import KINDS
from adapters.http.admin.answers import PAGE, Limit
from adapters.http.admin.entrance import READ, known
from adapters.http.admin.feed import Feed
from adapters.http.admin.given import Given
from adapters.http.admin.office import MOST_FEEDS, Office
from adapters.http.admin.past import PAGE as STEP
from adapters.http.admin.problems import READS, Fault, Invalid, Refusal
from adapters.http.admin.times import told
from engine.errors import LogDamaged
from engine.events import Recorded, stream_of
from engine.names import Position
from engine.snapshot import RoutingSnapshot
from projections.history import sentence

_TYPES: Final = {kind.event: kind.name for kind in KINDS}
_NAMES: Final = frozenset(_TYPES.values())
_LAST: Final = 2**53 - 1
_MOST_LOOKED_AT: Final = 10_000
"""Events that one answer goes through to find those that are asked for."""


@attrs.frozen(kw_only=True)
class EventShown:
    position: int
    type: str
    "Its name in the log, e.g. `pool.defined`."
    stream: str
    "The entity it is about, e.g. `pool:chat`."
    actor: str
    recorded_at: datetime
    "By the clock of whoever wrote it."
    event_id: str
    correlation: str
    "The id of the first event of the same append: what was decided together."
    event: Mapping[str, Any]
    "Its fields, without digests."
    sentence: str | None = None
    "What it changed, where `sentences` asks for it."


@attrs.frozen(kw_only=True)
class EventPage:
    data: tuple[EventShown, ...]
    next: int | None
    "The `after` of the next page; null: the log has no more at present."
    position: int
    "Of the table in force here."


@attrs.frozen(kw_only=True)
class Verified:
    intact: bool
    position: int
    "The head's, or that of the first event which is not what was written."
    head_hash: str | None
    "Of the chain at that position, 64 hexadecimal digits: kept elsewhere, it tells later whether this log is still it."
    detail: str
    took_s: float


@attrs.frozen
class Wanted:
    """Which events are asked for. None: all."""

    stream: str | None = None
    type: str | None = None
    actor: str | None = None

    def has(self, recorded: Recorded) -> bool:
        return (
            self.stream in {None, stream_of(recorded.event)}
            and self.type in {None, _TYPES[type(recorded.event)]}
            and self.actor in {None, recorded.actor}
        )


def event_told(recorded: Recorded, before: RoutingSnapshot | None = None) -> EventShown:
    """An event, and with the table before it also what it changed."""
    event = recorded.event
    return EventShown(
        position=recorded.position,
        type=_TYPES[type(event)],
        stream=stream_of(event),
        actor=recorded.actor,
        recorded_at=told(recorded.recorded_at),
        event_id=recorded.event_id.hex,
        correlation=recorded.correlation,
        event=attrs.asdict(event, recurse=False, filter=lambda field, _: field.repr is True),
        sentence=None if before is None else sentence(before, recorded),
    )


@get("/events", operation_id="listEvents", opt=READ, responses=READS)
async def events(
    office: Given[Office],
    after: Annotated[int, QueryParameter(ge=0, le=_LAST, description="Begin beyond this position.")] = 0,
    limit: Limit = PAGE,
    stream: Annotated[str | None, QueryParameter(max_length=512, description="E.g. `pool:chat`.")] = None,
    type_: Annotated[str | None, QueryParameter(name="type", max_length=64, description="E.g. `pool.defined`.")] = None,
    actor: Annotated[str | None, QueryParameter(max_length=512, description="E.g. `file:routes.json`.")] = None,
    sentences: Annotated[
        bool, QueryParameter(description="Whether each says what it changed, which takes the table before it.")
    ] = False,
) -> Response[EventPage]:
    """The log, oldest first. A page may have fewer events than `limit`, or none, and still a `next`: so many were
    looked at that the rest is another request's.
    """
    if type_ is not None and type_ not in _NAMES:
        what = "no type of events"
        raise Invalid((Fault(where="?type", what=what, valid=", ".join(sorted(_NAMES))),))
    data, following = await _page(office, Wanted(stream, type_, actor), after, limit, sentences=sentences)
    present = office.follower.snapshot.position
    headers = {"x-pointsman-position": str(present)}
    return Response(EventPage(data=tuple(data), next=following, position=present), headers=headers)


@get(
    "/events/stream",
    operation_id="streamEvents",
    opt=READ,
    responses={
        **READS,
        200: ResponseSpec(
            str, media_type="text/event-stream", description="Events as they are recorded.", generate_examples=False
        ),
    },
)
async def stream_events(
    request: Request[Any, Any, Any],
    office: Given[Office],
    after: Annotated[
        int | None, QueryParameter(ge=0, le=_LAST, description="Begin beyond this position; absent: from now on.")
    ] = None,
    last_event_id: Annotated[
        str | None, HeaderParameter(name="Last-Event-ID", max_length=20, description="Goes before `after`.")
    ] = None,
) -> Stream:
    """Server-sent events: each event of the log with its position as `id`, and its fields as JSON. A client that comes
    again with `Last-Event-ID` misses none. A comment comes every 15 seconds where nothing else does. The stream ends
    when this gateway does, or when the token is good no more.
    """
    begin = office.follower.snapshot.position if after is None else after
    if last_event_id is not None and last_event_id.isascii() and last_event_id.isdigit():
        begin = min(int(last_event_id), _LAST)
    if len(office.feeds) >= MOST_FEEDS:
        raise Refusal(503, f"There are {MOST_FEEDS} event streams already.", {"retry-after": "10"})
    headers = request.scope["headers"]
    feed = Feed(office, begin, show=event_told, is_admitted=lambda: known(office, headers) is not None)
    office.feeds.add(feed)
    return Stream(feed, media_type="text/event-stream", headers={"cache-control": "no-store"})


@get(
    "/verify",
    operation_id="verifyLog",
    opt=READ,
    responses={
        **READS,
        409: ResponseSpec(
            Verified, description="The log is not what was written, from `position` on.", generate_examples=False
        ),
    },
)
async def verify(office: Given[Office]) -> Response[Verified]:
    """Compute the whole hash chain again. 200 where it holds, and 409 with the same fields where it does not, so that a
    script may go by the status alone. On a long log this takes a while; one runs at a time.
    """
    begin = trio.current_time()
    async with office.verifying:
        try:
            position = await office.log.verify()
            intact, detail = True, "Every event is what was written."
        except LogDamaged as damage:
            intact, position, detail = False, damage.position, str(damage)
        head_hash = await office.log.hash_at(position) if intact else None
    body = Verified(
        intact=intact,
        position=position,
        head_hash=None if head_hash is None else head_hash.hex(),
        detail=detail,
        took_s=round(trio.current_time() - begin, 3),
    )
    return Response(body, status_code=200 if intact else 409)


async def _page(
    office: Office, wanted: Wanted, after: Position, limit: int, *, sentences: bool
) -> tuple[list[EventShown], Position | None]:
    """What was found, and where to go on; None: there is no more."""
    data: list[EventShown] = []
    present = office.follower.snapshot
    if wanted.stream is not None and wanted.stream not in present.streams:
        return data, None
    table: RoutingSnapshot | None = None
    position, looked_at = after, 0
    while True:
        # A sentence takes the table before it, and so all events on the way.
        events = await _after(office, position, None if sentences else wanted.stream)
        if sentences and events and table is None:
            table = await office.past.table_at(position, present)
        for recorded in events:
            if wanted.has(recorded):
                if len(data) == limit:
                    return data, position
                data.append(event_told(recorded, table))
            position = recorded.position
            table = None if table is None else office.past.fold(table, recorded)
        looked_at += len(events)
        if len(events) < STEP or looked_at >= _MOST_LOOKED_AT:
            return data, None if len(events) < STEP else position
        await trio.lowlevel.checkpoint()


async def _after(office: Office, position: Position, stream: str | None) -> Sequence[Recorded]:
    if stream is None:
        return await office.log.read(position, STEP)
    return await office.log.history(stream, position, STEP)


routes: Final[list[Any]] = [events, stream_events, verify]
