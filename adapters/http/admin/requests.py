"""The recorded requests, newest first.

Law: one answer looks at a bounded stretch of the journal, and its `next` says where to go on, whatever was found. A
page ends between two microseconds, so that none is left out between two pages.
"""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import attrs
from litestar import Response, get
from litestar.params import QueryParameter

from adapters.http.admin.entrance import READ
from adapters.http.admin.given import Given
from adapters.http.admin.journal import journal_of
from adapters.http.admin.office import Office, RecordedJournal
from adapters.http.admin.problems import JOURNAL_READS
from adapters.http.admin.times import told
from adapters.http.admin.when import LONGEST, WHEN, stretch
from adapters.moments import told as moment_told
from engine.recording import Block, Served, Usage

_MS: Final = 10**6
_FIRST_US: Final = 2 * 10**6
_LARGEST_US: Final = 256 * 10**6
"""What is read at one go, going back: more and more while little is found."""
_MOST_REQUESTS: Final = 500_000
"""That one answer goes through to find those that are asked for."""

Outcome = Literal["complete", "refused", "client", "provider", "gateway"]
Name = Annotated[str | None, QueryParameter(max_length=512)]
Time = Annotated[str | None, QueryParameter(max_length=LONGEST, description=f"When they ended. {WHEN}")]
Number = Annotated[int | None, QueryParameter(ge=0, le=2**53 - 1, description="Of the table that served.")]


@attrs.frozen(kw_only=True)
class RequestShown:
    request_id: str
    decision: int | None
    at: datetime
    "When it ended."
    alias: str | None
    pool: str | None
    provider: str | None
    "Who was asked last."
    key: str | None
    status: int | None
    "Null: the client left before there was one."
    outcome: str
    reason: str | None
    scope: str | None
    total_ms: float
    attempts: int
    position: int
    usage: Usage | None


@attrs.frozen(kw_only=True)
class RequestPage:
    data: tuple[RequestShown, ...]
    next: str | None
    "The `until` of the next page; null: the journal has no earlier ones."
    since: datetime | None
    "How far back the journal reaches; null: nothing is in it."


@attrs.frozen(kw_only=True)
class _Wanted:
    """None: all."""

    pool: str | None
    provider: str | None
    key: str | None
    status: int | None
    outcome: str | None
    reason: str | None
    lowest: int | None
    highest: int | None

    def has(self, served: Served) -> bool:
        return (
            self.pool in {None, served.pool, served.alias}
            and self.key in {None, served.key_id}
            and (self.status is None or self.status in {served.status, (served.status or 0) // 100})
            and self.outcome in {None, served.outcome}
            and (self.reason is None or self.reason in {served.reason, served.why})
            and (self.provider is None or any(one.provider == self.provider for one in served.attempts))
            and (self.lowest is None or served.position >= self.lowest)
            and (self.highest is None or served.position <= self.highest)
        )


@get("/requests", operation_id="listRequests", opt=READ, responses=JOURNAL_READS)
async def requests(
    office: Given[Office],
    *,
    since: Time = None,
    until: Time = None,
    pool: Name = None,
    provider: Name = None,
    key: Name = None,
    status: Annotated[int | None, QueryParameter(ge=1, le=599, description="One, or a class such as 5.")] = None,
    outcome: Annotated[
        Outcome | None, QueryParameter(description="How it ended; else who left before the end.")
    ] = None,
    reason: Annotated[
        str | None, QueryParameter(max_length=512, description="As callers are told it, or a pool's own word for it.")
    ] = None,
    position_from: Number = None,
    position_to: Number = None,
    limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 100,
) -> Response[RequestPage]:
    """Requests as they went, the one that ended last first. A long journal is gone through in several answers, some of
    which may have fewer than `limit`, or none: `next` says where to go on.
    """
    journal = await journal_of(office)
    begin, end = await stretch(office, since, until)
    wanted = _Wanted(
        pool=pool,
        provider=provider,
        key=key,
        status=status,
        outcome=outcome,
        reason=reason,
        lowest=position_from,
        highest=position_to,
    )
    span = await journal.span()
    page = RequestPage(data=(), next=None, since=None)
    if span.first_us is not None and span.last_us is not None:
        lowest = max(span.first_us, begin or 0)
        highest = span.last_us + 1 if end is None else min(span.last_us + 1, end)
        page = attrs.evolve(await _page(journal, wanted, lowest, highest, limit), since=told(span.first_us))
    return Response(page, headers={"x-pointsman-position": str(office.follower.snapshot.position)})


async def _page(journal: RecordedJournal, wanted: _Wanted, lowest: int, high: int, limit: int) -> RequestPage:
    """Those that ended from `lowest` on and before `high`, in Unix microseconds."""
    found: list[tuple[int, Served]] = []
    looked_at, width = 0, _FIRST_US
    while high > lowest and len(found) <= limit and looked_at < _MOST_REQUESTS:
        low = max(lowest, high - width)
        ended = []
        async for at, served in _ended(journal, low, high):
            looked_at += 1
            if wanted.has(served):
                ended.append((at, served))
        found += sorted(ended, key=lambda one: one[0], reverse=True)
        high, width = low, min(2 * width, _LARGEST_US)
    following = high if high > lowest else None
    if len(found) > limit:
        last = found[limit][0]
        if last == found[0][0]:
            # All at once: the page is longer.
            last -= 1
        found, following = [one for one in found if one[0] > last], last + 1
    data = tuple(_shown(served, at) for at, served in found)
    return RequestPage(data=data, next=None if following is None else moment_told(following), since=None)


async def _ended(journal: RecordedJournal, low: int, high: int) -> AsyncIterator[tuple[int, Served]]:
    """Requests that ended from `low` on and before `high`, and when."""
    async for block in journal.read(low, high):
        for served in block.requests:
            at = ended_us(block, served)
            if low <= at < high:
                yield at, served


def ended_us(block: Block, served: Served) -> int:
    """When a request ended, by the wall clock."""
    return block.unix_us + (served.at + served.total_ns - block.at) // 1000


def _shown(served: Served, ended: int) -> RequestShown:
    return RequestShown(
        request_id=served.request_id,
        decision=served.ticket,
        at=told(ended),
        alias=served.alias,
        pool=served.pool,
        provider=served.attempts[-1].provider if served.attempts else None,
        key=served.key_id,
        status=served.status,
        outcome=served.outcome,
        reason=served.reason,
        scope=served.scope,
        total_ms=served.total_ns / _MS,
        attempts=len(served.attempts),
        position=served.position,
        usage=served.usage,
    )


routes: Final[list[Any]] = [requests]
