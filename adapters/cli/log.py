"""`pointsman log`: the event log, one sentence per event.

Law: no digest is printed in any form; credentials appear by name. A database is read without any token, as whoever may
read the file may do, and beside the gateway that writes it.
"""

from functools import partial
from typing import Any, Final

import attrs
import click
import msgspec
import trio

from adapters.cli.actors import actor_of, token_names
from adapters.cli.event_lines import event_line
from adapters.cli.gateway_client import AdminApi
from adapters.cli.reaching import Where, place_options
from adapters.cli.reading import json_option
from adapters.cli.running import run
from adapters.cli.times import PastType
from adapters.cli.walking import reached, walk
from adapters.codec import EVENTS, NAMES
from adapters.moments import Asked, told_in_full
from adapters.settings import DEFAULT_DATABASE
from adapters.store import open_log
from engine.errors import StartFailed
from engine.events import Recorded, TokenDefined, stream_of
from engine.names import Position
from engine.snapshot import RoutingSnapshot, parties
from projections.history import sentence

_LOOK_S: Final = 0.5
_PAGE: Final = 500
_LAST: Final = 2**53 - 1
_EVER: Final = 2**62
"""Microseconds: later than any event."""
_MODELS: Final = {"deployment", "composite"}
"""Kinds of entities whose streams are called `model:ID`."""
_NAMES: Final = frozenset(NAMES.values())


class EventType(click.ParamType[str]):
    name = "TYPE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if str(value) not in _NAMES:
            self.fail(f"{str(value)!r} is no type of events; valid: {', '.join(sorted(_NAMES))}", param, ctx)
        return str(value)


@attrs.define
class Printing:
    """Which events are asked for, and how many more."""

    as_json: bool
    follow: bool
    left: int | None
    "None: any number."
    stream: str | None
    type: str | None
    actor: str | None
    names: dict[str, str] = attrs.field(factory=dict)
    "Of admin tokens, by their ids."
    shown: int = 0
    _actors: set[str | None] = attrs.field(init=False)
    "All that `actor` stands for."

    def __attrs_post_init__(self) -> None:
        self._actors = {self.actor}

    def is_over(self) -> bool:
        return self.left == 0

    def has(self, recorded: Recorded) -> bool:
        if isinstance(recorded.event, TokenDefined):
            self._take(recorded.event)
        return (
            self.stream in {None, stream_of(recorded.event)}
            and self.type in {None, NAMES[type(recorded.event)]}
            and (self.actor is None or not self._actors.isdisjoint((recorded.actor, *parties(recorded.actor))))
        )

    def _take(self, event: TokenDefined) -> None:
        if self.actor is not None and self.actor.removeprefix("token:") in {event.name, event.token_id}:
            self._actors.add(f"token:{event.token_id}")
        if event.name not in self.names.values():
            # The first of a name keeps it: what is printed already would be taken for another's.
            self.names[event.token_id] = event.name

    def show(self, event: dict[str, Any]) -> None:
        click.echo(msgspec.json.encode(event) if self.as_json else event_line(event, self.names))
        self.shown += 1
        if self.left is not None:
            self.left -= 1

    def end(self, head: Position) -> None:
        if not self.shown and not self.follow:
            click.echo(f"No such event is in the log, whose head is {head}.", err=True)


def stream_named(text: str) -> str:
    """A stream, also by what its entity is called everywhere else."""
    kind, mark, name = text.partition(":")
    return f"model:{name}" if mark and kind in _MODELS else text


@attrs.frozen
class Between:
    """Where to begin and to end: beyond `after` and `since`, and with `until`."""

    after: Position
    since: Asked | None
    until: Asked | None

    def check(self, head: Position) -> None:
        """Raises StartFailed for a position beyond the head."""
        for option, asked in (("--after", self.after), ("--since", self.since), ("--until", self.until)):
            if isinstance(asked, int) and asked > head:
                raise StartFailed(
                    f"{option}: position {asked} is not in the log, whose head is {head}; valid: 0 to {head}.",
                    wrong_input=True,
                )


@click.command()
@place_options
@json_option
@click.option("--after", type=click.IntRange(min=0), default=0, show_default=True, help="Begin after this position.")
@click.option("--since", type=PastType(), help="Begin after this position or time, e.g. 2h.")
@click.option("--until", type=PastType(), help="End with this position or time.")
@click.option("--stream", metavar="STREAM", help="Only events of one entity, e.g. pool:chat, deployment:north.")
@click.option("--type", "type_", type=EventType(), help="Only events of one type, e.g. pool.defined.")
@click.option("--actor", metavar="ACTOR", help="Only what one has done, e.g. ops, an admin token, or file:routes.json.")
@click.option("--limit", type=click.IntRange(min=1), help="Print no more events than this.")
@click.option("--follow", "-f", is_flag=True, help="Wait for more, until Ctrl-C.")
def log(
    *,
    where: Where,
    as_json: bool,
    after: Position,
    since: Asked | None,
    until: Asked | None,
    stream: str | None,
    type_: str | None,
    actor: str | None,
    limit: int | None,
    follow: bool,
) -> None:
    """Print the event log, one sentence per event: who did what, and when.

    Of pointsman.db in the working directory, unless --database or --gateway names another.
    """
    if follow and until is not None:
        raise click.UsageError("--follow waits for what is to come, and --until ends before it; give one of them.")
    between = Between(after, since, until)
    stream = None if stream is None else stream_named(stream)
    printing = Printing(as_json, follow, limit, stream, type_, actor)
    if where.gateway is not None:
        where.work(partial(_from_gateway, between, printing), ends=not follow)
    else:
        run(partial(_from_database, where.database or DEFAULT_DATABASE, between, printing))


async def _from_gateway(between: Between, printing: Printing, api: AdminApi) -> None:
    between.check((await api.get("events", limit=1))["position"])
    printing.names = dict(await token_names(api))
    if printing.actor is not None:
        printing.actor = actor_of(printing.actor, printing.names)
    position = await _pages(between, printing, between.after, api)
    printing.end(position)
    if printing.is_over() or not printing.follow:
        return
    async for line in api.lines("events", "stream", after=position):
        # The stream tells that there is something; the sentences are in the pages.
        if line.startswith("id:") and int(line[3:]) > position:
            position = await _pages(between, printing, position, api)
        if printing.is_over():
            return
    raise StartFailed(f"{api.name} ended the stream of events.")


async def _pages(between: Between, printing: Printing, position: Position, api: AdminApi) -> Position:
    """Print what there is beyond a position; up to where all was looked at."""
    filters = {"stream": printing.stream, "type": printing.type, "actor": printing.actor}
    while not printing.is_over():
        limit = _PAGE if printing.left is None else min(_PAGE, printing.left)
        page = await api.get(
            "events",
            after=position,
            since=between.since,
            until=between.until,
            limit=limit,
            sentences="true",
            **filters,
        )
        for event in page["data"]:
            printing.show(event)
            position = event["position"]
        if page["next"] is None:
            looked_at: Position = page["position"]
            return max(position, looked_at)
        position = page["next"]
    return position


async def _from_database(database: str, between: Between, printing: Printing) -> None:
    def visit(before: RoutingSnapshot, recorded: Recorded) -> bool:
        if printing.is_over() or recorded.position > last:
            return False
        if recorded.position > first and printing.has(recorded):
            printing.show(_document(recorded, sentence(before, recorded)))
        return True

    async with open_log(database) as events:
        head = await events.position_at(_EVER)
        between.check(head)
        since = 0 if between.since is None else await reached(events, between.since)
        first = max(between.after, since)
        last = _LAST if between.until is None else await reached(events, between.until)
        table = await walk(events, visit)
        printing.end(max(head, table.position))
        while printing.follow and not printing.is_over():
            await trio.sleep(_LOOK_S)
            table = await walk(events, visit, table)


def _document(recorded: Recorded, said: str) -> dict[str, Any]:
    """As the admin API tells an event."""
    stored = EVENTS.encode(recorded.event)
    fields = msgspec.json.decode(stored.payload, type=dict[str, Any])
    for field in attrs.fields(type(recorded.event)):
        if not field.repr:  # a digest
            del fields[field.name]
    return {
        "position": recorded.position,
        "type": stored.type,
        "stream": stream_of(recorded.event),
        "actor": recorded.actor,
        "recorded_at": told_in_full(recorded.recorded_at),
        "event_id": recorded.event_id,
        "correlation": recorded.correlation,
        "event": fields,
        "sentence": said,
    }
