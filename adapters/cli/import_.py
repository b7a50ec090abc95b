"""`pointsman import`: another system's entities into the event log, once or again and again.

Law: what could not be carried over is said on stderr; nothing is written before it was agreed to; the source's URL,
which may hold a password, is never printed. Gateways that run on the database follow by the log.
"""

import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import click
import trio

from adapters import clock
from adapters.cli.import_report import Telling, say_failure
from adapters.cli.reading import database_option, json_option
from adapters.cli.running import run
from adapters.collecting import uncollected
from adapters.dwctl.ownership import Makers
from adapters.dwctl.repeating import repeat
from adapters.dwctl.sync import Importer, Options
from adapters.store import open_store
from adapters.store.foreign import read_tables, source_of
from adapters.store.urls import MEMORY, PostgresServer, place_of
from engine.errors import StartFailed
from engine.runtime.follower import Follower
from engine.runtime.writer import Writer
from engine.snapshot import RoutingSnapshot
from projections import routing

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@attrs.frozen
class _Wish:
    source: PostgresServer
    database: str
    options: Options
    every_s: float | None
    is_trial: bool
    is_agreed: bool
    as_json: bool


@click.group("import")
def import_() -> None:
    """Import another system's entities into the event log."""


@import_.command()
@click.option(
    "--from",
    "source",
    required=True,
    envvar="POINTSMAN_DWCTL_URL",
    metavar="URL",
    help="dwctl's database: postgresql://user:password@host:5432/database.",
)
@database_option
@click.option("--name", help="What the source is called in the log; without it, its database's name.")
@click.option(
    "--every", type=click.FloatRange(min=0.1), metavar="SECONDS", help="Sync again and again, until interrupted."
)
@click.option(
    "--escalation",
    multiple=True,
    metavar="ALIAS",
    help="A model that batch keys may use without membership. Repeatable.",
)
@click.option("--open-redirects", is_flag=True, help="Redirects admit callers that may not use the target.")
@click.option("--dry-run", is_flag=True, help="Say what would be done and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def dwctl(
    *,
    source: str,
    database: str,
    name: str | None,
    every: float | None,
    escalation: tuple[str, ...],
    open_redirects: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Import a dwctl (control-layer) database, which is only read.

    What the import made and the source has no more is removed; everything else stays as it is.
    """
    if dry_run and every is not None:
        raise click.UsageError("--dry-run says what one sync would do; give it without --every.")
    run(partial(_begin, source, database, name, escalation, open_redirects, every, dry_run, yes, as_json))


async def _begin(  # noqa: PLR0917 - the options
    source: str,
    database: str,
    name: str | None,
    escalation: tuple[str, ...],
    open_redirects: bool,
    every: float | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    server = source_of(source)
    called = name if name is not None else server.url.database or ""
    if _NAME.fullmatch(called) is None:
        raise StartFailed(
            f"{called!r} cannot be the source's name; give --name with 1 to 64 letters, digits and . _ -",
            wrong_input=True,
        )
    options = Options(f"dwctl:{called}", escalation, opens_redirects=open_redirects)
    await _run(_Wish(server, database, options, every, dry_run, yes, as_json))


async def _run(wish: _Wish) -> None:
    telling = Telling(wish.options.actor, as_json=wish.as_json, is_trial=wish.is_trial)
    async with _importer(wish) as importer:
        if not wish.is_agreed or wish.is_trial:
            report = await importer.try_out()
            telling.say(report, is_trial=True)
            if wish.is_trial:
                return
            if report.changes and not await trio.to_thread.run_sync(_is_agreed):
                raise StartFailed("Nothing was changed.")
        if wish.every_s is None:
            telling.say(await importer.sync())
            return

        async def sync() -> None:
            telling.say(await importer.sync())

        async with trio.open_nursery() as repeating:
            repeating.start_soon(_cancel_when_asked, repeating.cancel_scope)
            await repeat(sync, wish.every_s, on_failure=say_failure, jitter=lambda: clock.new_seed() / 2**64)


async def _cancel_when_asked(scope: trio.CancelScope) -> None:
    """End with the append under way, not in the middle of it."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as asked:
        await anext(asked)
        scope.cancel()


@asynccontextmanager
async def _importer(wish: _Wish) -> AsyncIterator[Importer]:
    database = wish.database
    place = place_of(database)
    if wish.is_trial and isinstance(place, Path) and not place.exists():
        database = MEMORY  # as empty as the one that would be made
    async with (
        open_store(database, environ=os.environ, clock_us=clock.unix_us) as store,
        trio.open_nursery() as following,
    ):
        makers = Makers(routing.fold)
        follower = Follower(store.log, routing.empty(), fold=makers.fold)
        with uncollected():
            await follower.catch_up()
        following.start_soon(follower.run, _nobody)
        yield Importer(
            partial(read_tables, wish.source),
            store.vault,
            Writer(store.log, follower, new_id=clock.new_id, change=routing.change),
            follower,
            makers=makers,
            change=routing.change,
            clock_us=clock.unix_us,
            options=wish.options,
        )
        following.cancel_scope.cancel()


def _nobody(snapshot: RoutingSnapshot, touched: frozenset[str]) -> None:
    """Nothing runs on the table here."""


def _is_agreed() -> bool:
    if not sys.stdin.isatty():
        raise StartFailed("Nothing was changed: there is nobody to ask; give --yes.", wrong_input=True)
    return click.confirm("Write this?", err=True)
