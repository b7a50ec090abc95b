"""The event log over HTTP: pages of it, a stream, and whether it is what was written."""

from typing import Annotated, Any, Final

import attrs
import trio
from litestar import Request, Response, get
from litestar.openapi import ResponseSpec
from litestar.params import HeaderParameter, QueryParameter
from litestar.response import Stream

from adapters.codec import NAMES
from adapters.http.admin.answers import PAGE, Limit
from adapters.http.admin.entrance import READ, known
from adapters.http.admin.event_pages import LAST, EventShown, Wanted, event_page, event_told
from adapters.http.admin.feed import Feed
from adapters.http.admin.given import Given
from adapters.http.admin.office import MOST_FEEDS, Office
from adapters.http.admin.problems import READS, Fault, Invalid, Refusal
from adapters.http.admin.when import WHEN, reached
from engine.errors import LogDamaged

__all__ = ["EventPage", "EventShown", "Verified", "event_told", "routes"]

_NAMES: Final = frozenset(NAMES.values())


@attrs.frozen(kw_only=True)
class EventPage:
    data: tuple[EventShown, ...]
    next: int | None
    "The `after` of the next page; null: the log has no more at present."
    position: int
    "Of the table in force here. Where there is no `next`, all events up to it were looked at."


@attrs.frozen(kw_only=True)
class Verified:
    intact: bool
    position: int
    "The head's, or that of the first event which is not what was written."
    head_hash: str | None
    "Of the chain at that position, 64 hexadecimal digits: kept elsewhere, it tells later whether this log is still it."
    detail: str
    took_s: float


@get("/events", operation_id="listEvents", opt=READ, responses=READS)
async def events(
    office: Given[Office],
    *,
    after: Annotated[int, QueryParameter(ge=0, le=LAST, description="Begin beyond this position.")] = 0,
    limit: Limit = PAGE,
    stream: Annotated[str | None, QueryParameter(max_length=512, description="E.g. `pool:chat`.")] = None,
    type_: Annotated[str | None, QueryParameter(name="type", max_length=64, description="E.g. `pool.defined`.")] = None,
    actor: Annotated[
        str | None,
        QueryParameter(max_length=512, description="Who wrote it, or in whose place, e.g. `file:routes.json`."),
    ] = None,
    since: Annotated[str | None, QueryParameter(max_length=64, description=f"Begin beyond it. {WHEN}")] = None,
    until: Annotated[str | None, QueryParameter(max_length=64, description=f"End with it. {WHEN}")] = None,
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
    # Looked at first: all up to it is in the log when that is read.
    present = office.follower.snapshot.position
    if since is not None:
        after = max(after, await reached(office, since, where="?since"))
    last = LAST if until is None else await reached(office, until, where="?until")
    data, following = await event_page(office, Wanted(stream, type_, actor, last), after, limit, sentences=sentences)
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
        int | None, QueryParameter(ge=0, le=LAST, description="Begin beyond this position; absent: from now on.")
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
        begin = min(int(last_event_id), LAST)
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


routes: Final[list[Any]] = [events, stream_events, verify]
