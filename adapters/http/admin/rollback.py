"""The table of an earlier position, made to hold again.

Law: nothing is cut: what makes up for the events since is appended, all at once or not at all, and what is not brought
back (`engine.rollback`) is told. `If-Match` is about the table as a whole, whose ETag is its position.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import attrs
import trio
from litestar import Response, post
from litestar.params import Body, JSONBody

from adapters.http.admin.bodies import StrictBody
from adapters.http.admin.conditions import Conditions
from adapters.http.admin.entrance import ADMIN
from adapters.http.admin.given import Given
from adapters.http.admin.mutation import Done, Mutation, Wish
from adapters.http.admin.office import Office
from adapters.http.admin.problems import CHANGES, Refusal
from adapters.http.admin.receipt import Receipt
from adapters.http.admin.times import told
from adapters.http.admin.when import WHEN, position_of
from engine.commands import Account, RollBack
from engine.events import Event, Recorded, UserRemoved, stream_of
from engine.lasting import account_after, account_of
from engine.names import Position, Source, UserId
from engine.rollback import TABLE
from engine.snapshot import FILE, RoutingSnapshot, file_of
from projections.history import sentences
from projections.remaining import remaining

_MOST: Final = 1000
"""Sentences in an answer."""
_PAGE: Final = 500


@attrs.frozen(kw_only=True)
class RollbackAsked:
    to: Annotated[int | str, Body(description=WHEN)]
    with_revoked_keys: bool = False
    "Whether keys that were removed since, and secrets that were rotated away, are good again; else they are not."


@attrs.frozen(kw_only=True)
class RolledBack(Receipt):
    to: int
    "The position whose table holds again."
    recorded_at: datetime | None
    "When that was recorded; null for position 0."
    sentences: tuple[str, ...] | None = None
    "Of a dry run: what each event would change, in one line for people; the first 1,000."
    stays: tuple[str, ...] = ()
    "What is not as it was then, a line each: revoked keys, admin tokens, money, what time has brought about."


@post(
    "/rollback", operation_id="rollBack", dto=StrictBody, return_dto=None, opt=ADMIN, responses=CHANGES, status_code=200
)
async def rollback(
    office: Given[Office], mutation: Given[Mutation], data: JSONBody[RollbackAsked]
) -> Response[RolledBack]:
    """Make the table what it was at an earlier position or time, by events that make up for those since. Files'
    entities are put back, too, and are their files' again. Not brought back: admin tokens, money, and what time has
    brought about; of keys what ended their secrets, unless `with_revoked_keys` asks for it. `If-Match` takes the
    position, as an ETag, of the table that it is meant for.
    """
    position = await position_of(office, data.to, where="to")
    then = await office.past.table_at(position, office.follower.snapshot)
    accounts = await _accounts(office, then)

    def compose(snapshot: RoutingSnapshot) -> Wish:
        mutation.conditions.check_version(snapshot.position, is_there=True)
        if not set(then.users) - set(snapshot.users) <= accounts.keys():
            raise Refusal(503, "Nothing was changed: users went meanwhile; send it again.", {"retry-after": "1"})
        command = RollBack(then, data.with_revoked_keys, accounts, at_us=office.unix_us(), expected=snapshot.position)
        return Wish(command)

    done = await attrs.evolve(mutation, conditions=Conditions()).write(compose, about=TABLE)
    more = {"to": position, "recorded_at": await _recorded_at(office, position)}
    more |= await trio.to_thread.run_sync(_told, office, done, then)
    answer = mutation.answer(done, more=more)
    answer.headers["etag"] = f'"{done.written.position}"'
    return answer


async def _accounts(office: Office, then: RoutingSnapshot) -> Mapping[UserId, Account]:
    """What users had to pay with when they were removed, of those who are there no more: bookings are facts."""
    gone = sorted(set(then.users) - set(office.follower.snapshot.users))
    return {user_id: await _account(office, then, user_id) for user_id in gone}


async def _account(office: Office, then: RoutingSnapshot, user_id: UserId) -> Account:
    people = await _since(office, f"user:{user_id}", then.position)
    went = [one.position for one in people if isinstance(one.event, UserRemoved)]
    entries = await _since(office, f"ledger:{user_id}", then.position)
    # Whoever was removed twice came back with nothing.
    first, account = (went[-2], Account(None, is_funded=False)) if went[1:] else (0, account_of(then, user_id))
    return account_after(account, [one.event for one in entries if went and first < one.position <= went[-1]])


async def _since(office: Office, stream: str, position: Position) -> list[Recorded]:
    found: list[Recorded] = []
    while page := await office.log.history(stream, position, _PAGE):
        found += page
        position = page[-1].position
    return found


async def _recorded_at(office: Office, position: Position) -> datetime | None:
    events: Sequence[Recorded] = await office.log.read(position - 1, 1) if position else ()
    return told(events[0].recorded_at) if events else None


def _told(office: Office, done: Done, then: RoutingSnapshot) -> dict[str, Any]:
    """What the answer says beside the receipt. Takes a while, and runs in a thread."""
    if done.written.is_repeated:
        return {}
    events = done.written.events
    more: dict[str, Any] = {"stays": tuple(remaining(then, office.change(done.snapshot, events)))}
    if done.is_dry:
        more["sentences"] = tuple(sentences(done.snapshot, events[:_MOST], office.change))
    warnings = tuple(_files(done.snapshot, then, events))
    if warnings:
        more["warnings"] = warnings
    return more


def _files(now: RoutingSnapshot, then: RoutingSnapshot, events: Sequence[Event]) -> Iterator[str]:
    """Watched files whose entities are put back: they do not know of it."""
    sources: set[Source] = set()
    for stream in {stream_of(event) for event in events}:
        known = [table.streams[stream].source for table in (now, then) if stream in table.streams]
        sources |= {source for source in known if source.startswith(FILE) and source not in then.released}
    for source in sorted(sources):
        yield (
            f"The file {file_of(source)} itself still says otherwise, and is applied again when it is next changed, or "
            "read at a start: put it back, too."
        )


routes: Final[list[Any]] = [rollback]
