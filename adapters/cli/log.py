"""`pointsman log`: the event log, one sentence per event.

Law: no digest is printed in any form; credentials appear by name. A database is read without any token, as whoever may
read the file may do, and beside the gateway that writes it.
"""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import attrs
import click
import msgspec
import trio

from adapters.cli.gateway_client import AdminApi
from adapters.cli.reaching import Where, place_options
from adapters.cli.reading import json_option
from adapters.cli.running import run
from adapters.cli.walking import walk
from adapters.codec import EVENTS
from adapters.settings import DEFAULT_DATABASE
from adapters.store import open_log
from engine.errors import StartFailed
from engine.events import Recorded, stream_of
from engine.names import Position
from engine.snapshot import RoutingSnapshot
from projections.history import sentence
from projections.phrases import printable

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LOOK_S: Final = 0.5
_PAGE: Final = 500


@attrs.frozen
class Asked:
    after: Position
    last: Position | None
    follow: bool
    as_json: bool

    def show(self, event: dict[str, Any]) -> None:
        click.echo(msgspec.json.encode(event) if self.as_json else _line(event))


@click.command()
@place_options
@json_option
@click.option("--after", type=click.IntRange(min=0), default=0, show_default=True, help="Begin after this position.")
@click.option("--limit", type=click.IntRange(min=1), help="Print no more events than this.")
@click.option("--follow", "-f", is_flag=True, help="Wait for more, until Ctrl-C.")
def log(*, where: Where, as_json: bool, after: Position, limit: int | None, follow: bool) -> None:
    """Print the event log, one sentence per event.

    Of pointsman.db in the working directory, unless --database or --gateway names another.
    """
    asked = Asked(after, None if limit is None else after + limit, follow, as_json)
    if where.gateway is not None:
        where.work(partial(_from_gateway, asked), ends=not follow)
    else:
        run(partial(_from_database, where.database or DEFAULT_DATABASE, asked))


async def _from_gateway(asked: Asked, api: AdminApi) -> None:
    position = await _pages(asked, asked.after, api)
    if not asked.follow:
        return
    async for line in api.lines("events", "stream", after=position):
        if asked.last is not None and position >= asked.last:
            return
        # The stream tells that there is something; the sentences are in the pages.
        if line.startswith("id:") and int(line[3:]) > position:
            position = await _pages(asked, position, api)
    raise StartFailed(f"{api.name} ended the stream of events.")


async def _pages(asked: Asked, position: Position, api: AdminApi) -> Position:
    while asked.last is None or position < asked.last:
        limit = _PAGE if asked.last is None else min(_PAGE, asked.last - position)
        page = await api.get("events", after=position, limit=limit, sentences="true")
        for event in page["data"]:
            asked.show(event)
            position = event["position"]
        if page["next"] is None:
            break
        position = page["next"]
    return position


async def _from_database(database: str, asked: Asked) -> None:
    def visit(before: RoutingSnapshot, recorded: Recorded) -> bool:
        if asked.last is not None and recorded.position > asked.last:
            return False
        if recorded.position > asked.after:
            asked.show(_document(recorded, sentence(before, recorded)))
        return True

    async with open_log(database) as events:
        table = await walk(events, visit)
        while asked.follow and (asked.last is None or table.position < asked.last):
            await trio.sleep(_LOOK_S)
            table = await walk(events, visit, table)


def _line(event: dict[str, Any]) -> str:
    time = datetime.fromisoformat(event["recorded_at"]).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return f"{event['position']:>6}  {time}  {printable(event['actor'])}  {printable(event['sentence'])}"


def _document(recorded: Recorded, said: str) -> dict[str, Any]:
    """As the admin API tells an event."""
    stored = EVENTS.encode(recorded.event)
    fields = msgspec.json.decode(stored.payload, type=dict[str, Any])
    for field in attrs.fields(type(recorded.event)):
        if not field.repr:  # a digest
            del fields[field.name]
    moment = _EPOCH + timedelta(microseconds=recorded.recorded_at)
    return {
        "position": recorded.position,
        "type": stored.type,
        "stream": stream_of(recorded.event),
        "actor": recorded.actor,
        "recorded_at": moment.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "event_id": recorded.event_id.hex,
        "correlation": recorded.correlation,
        "event": fields,
        "sentence": said,
    }
