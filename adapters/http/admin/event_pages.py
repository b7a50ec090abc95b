"""Pages of the event log.

Law: what is told of an event never has a digest in it. A page looks at a bounded part of the log, and where to go on is
told with it, whatever was found.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import attrs
import trio

from adapters.codec import NAMES
from adapters.http.admin.office import Office
from adapters.http.admin.past import PAGE as STEP
from adapters.http.admin.times import told
from engine.events import Recorded, stream_of
from engine.names import Position
from engine.snapshot import RoutingSnapshot, parties
from projections.history import sentence

LAST: Final = 2**53 - 1
"""No position is beyond it."""
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


@attrs.frozen
class Wanted:
    """Which events are asked for. None: all."""

    stream: str | None = None
    type: str | None = None
    actor: str | None = None
    until: Position = LAST
    "The last position."

    def has(self, recorded: Recorded) -> bool:
        return (
            self.stream in {None, stream_of(recorded.event)}
            and self.type in {None, NAMES[type(recorded.event)]}
            and self.actor in {None, recorded.actor, *parties(recorded.actor)}
        )


def event_told(recorded: Recorded, before: RoutingSnapshot | None = None) -> EventShown:
    """An event, and with the table before it also what it changed."""
    event = recorded.event
    return EventShown(
        position=recorded.position,
        type=NAMES[type(event)],
        stream=stream_of(event),
        actor=recorded.actor,
        recorded_at=told(recorded.recorded_at),
        event_id=recorded.event_id,
        correlation=recorded.correlation,
        event=attrs.asdict(event, recurse=False, filter=lambda field, _: field.repr is True),
        sentence=None if before is None else sentence(before, recorded),
    )


async def event_page(
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
            if recorded.position > wanted.until:
                return data, None
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
