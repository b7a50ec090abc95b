"""`pointsman log`: the event log, one sentence per event.

Law: no digest is printed in any form; credentials appear by name.
"""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import attrs
import click
import msgspec

from adapters.cli.reading import database_option, json_option, walk
from adapters.cli.running import run
from adapters.codec import EVENTS
from adapters.store import open_log
from engine.events import Recorded
from engine.names import Position
from engine.snapshot import RoutingSnapshot
from projections.history import sentence
from projections.phrases import printable

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@click.command()
@database_option
@json_option
@click.option("--after", type=click.IntRange(min=0), default=0, show_default=True, help="Begin after this position.")
@click.option("--limit", type=click.IntRange(min=1), help="Print no more events than this.")
def log(*, database: str, as_json: bool, after: Position, limit: int | None) -> None:
    """Print the event log, one sentence per event."""
    last = None if limit is None else after + limit
    run(partial(_print, database, after, last, _document if as_json else _line))


async def _print(database: str, after: Position, last: Position | None, form: Any) -> None:
    def visit(before: RoutingSnapshot, recorded: Recorded) -> bool:
        if last is not None and recorded.position > last:
            return False
        if recorded.position > after:
            click.echo(form(recorded, sentence(before, recorded)))
        return True

    async with open_log(database) as events:
        await walk(events, visit)


def _line(recorded: Recorded, said: str) -> str:
    return f"{recorded.position:>6}  {_time(recorded, 'milliseconds')}  {printable(recorded.actor)}  {said}"


def _document(recorded: Recorded, said: str) -> str:
    stored = EVENTS.encode(recorded.event)
    fields = msgspec.json.decode(stored.payload, type=dict[str, Any])
    for field in attrs.fields(type(recorded.event)):
        if not field.repr:  # a digest
            del fields[field.name]
    document = {
        "position": recorded.position,
        "type": stored.type,
        "recorded_at": _time(recorded, "microseconds"),
        "actor": recorded.actor,
        "sentence": said,
        "event": fields,
    }
    return msgspec.json.encode(document).decode()


def _time(recorded: Recorded, precision: str) -> str:
    moment = _EPOCH + timedelta(microseconds=recorded.recorded_at)
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")
