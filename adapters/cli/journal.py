"""`pointsman journal`: the recorded journal of a gateway, as a file.

Law: it is only read, also while a gateway writes it.
Exit codes: 0 done, 1 something of it cannot be read, 2 wrong usage or wrong input.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial, wraps
from pathlib import Path
from typing import Any, Final

import attrs
import click
import trio

from adapters.cli.progress import progress
from adapters.cli.reaching import Command
from adapters.cli.reading import json_option
from adapters.cli.running import run
from adapters.cli.tables import print_fields, print_json
from adapters.cli.times import PastType
from adapters.cli.traffic import Traffic
from adapters.moments import Asked, Moment, told
from adapters.settings import DEFAULT_DATABASE
from adapters.store import ReadableLog, open_log
from adapters.store.corpus import Corpus, open_corpus, save
from adapters.store.journal import Span, open_journal
from adapters.store.journal_file import JournalRefused
from engine.errors import StartFailed

_EVER: Final = 2**62
"""Microseconds: later than any event."""
_OFF: Final = "off"


@click.group()
def journal() -> None:
    """Save and look at the recorded journal of a gateway."""


def _place_options(command: Command) -> Command:
    @click.option(
        "--database",
        envvar="POINTSMAN_DATABASE",
        metavar="URL",
        default=DEFAULT_DATABASE,
        show_default=True,
        help="The database of the gateway.",
    )
    @click.option(
        "--journal",
        "file",
        envvar="POINTSMAN_JOURNAL",
        metavar="FILE",
        help="The journal's file, by default beside a SQLite database, else pointsman.journal.",
    )
    @wraps(command)
    def with_place(**options: Any) -> Any:
        return command(**options)

    return with_place


@journal.command("save")
@click.argument("to", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--since", type=PastType(), help="What was recorded from then on; by default from the beginning.")
@click.option("--until", type=PastType(), help="What was recorded until then; by default until now.")
@_place_options
@json_option
def save_(
    *, to: Path, since: Asked | None, until: Asked | None, database: str, file: str | None, as_json: bool
) -> None:
    """Write recorded traffic to FILE, for plan and bisect with --corpus.

    It has no prompts and no secrets in it, and is good for this log only.
    """
    run(partial(_save, to, since, until, database, file, as_json))


async def _save(
    to: Path, since: Asked | None, until: Asked | None, database: str, file: str | None, as_json: bool
) -> None:
    if await trio.Path(to).exists():
        raise StartFailed(f"{to} is there already; give another name.", wrong_input=True)
    async with open_log(database) as log, _opened(database, file, None) as reader:
        begin, end = await _moment(log, since), await _moment(log, until)
        if begin is not None and end is not None and begin >= end:
            raise StartFailed(f"--until, {told(end)}, is not after --since, {told(begin)}.", wrong_input=True)
        position = await log.position_at(_EVER)
        head = await log.hash_at(position)
        if head is None:
            raise StartFailed(f"The log has no event {position}, which is its last.")
        with progress("saving") as step:
            step(0, None)
            blocks = await save(reader, to, begin, end, position=position, log_hash=head)
        if not blocks:
            await trio.Path(to).unlink()
            reach = _reach(await reader.span())
            raise StartFailed(f"Nothing was recorded between these times: the journal {reach}.", wrong_input=True)
    corpus = await open_corpus(to)
    _print(str(to), await corpus.span(), as_json=as_json, position=corpus.position)


@journal.command("show")
@click.option("--corpus", type=click.Path(path_type=Path), metavar="FILE", help="Of what `journal save` has written.")
@click.option("--check", is_flag=True, help="Read all of it, and say what cannot be read.")
@_place_options
@json_option
def show(*, corpus: Path | None, check: bool, database: str, file: str | None, as_json: bool) -> None:
    """Print how far the journal reaches, what is in it, and what was lost."""
    run(partial(_show, corpus, check, database, file, as_json))


async def _show(corpus: Path | None, check: bool, database: str, file: str | None, as_json: bool) -> None:
    async with _opened(database, file, corpus) as reader:
        span = await reader.span()
        if check:
            with progress("reading") as step:
                done = 0
                async for _ in reader.read():
                    done += 1
                    step(done, span.blocks)
            span = await reader.span()
        name = str(corpus) if corpus is not None else str(Traffic(file).file(database))
        of = reader.position if isinstance(reader, Corpus) else None
    _print(name, span, as_json=as_json, position=of)
    if span.unreadable:
        raise StartFailed(f"{span.unreadable} blocks of {name} cannot be read, and are left out of everything.")


@asynccontextmanager
async def _opened(database: str, file: str | None, corpus: Path | None) -> AsyncIterator[Any]:
    """Raises StartFailed."""
    try:
        if corpus is not None:
            yield await open_corpus(corpus)
        elif file == _OFF:
            raise StartFailed("--journal off names no journal; give its file.", wrong_input=True)
        else:
            async with open_journal(Traffic(file).file(database)) as reader:
                yield reader
    except JournalRefused as refused:
        raise StartFailed(str(refused), wrong_input=True) from None


async def _moment(log: ReadableLog, asked: Asked | None) -> int | None:
    """In Unix microseconds; of a position, when it was recorded. Raises StartFailed."""
    if asked is None or isinstance(asked, Moment):
        return None if asked is None else asked.at_us
    found = await log.read(asked - 1, 1) if asked else ()
    if asked and not found:
        raise StartFailed(
            f"Position {asked} is not in the log; valid: 0 to {await log.position_at(_EVER)}, or a time.",
            wrong_input=True,
        )
    return found[0].recorded_at if found else 0


def _print(name: str, span: Span, *, as_json: bool, position: int | None) -> None:
    """`position`: of the log that a corpus belongs to."""
    first, last = (None if at_us is None else told(at_us) for at_us in (span.first_us, span.last_us))
    counts = {field: value for field, value in attrs.asdict(span).items() if not field.endswith("_us")}
    found = {"file": name, "position": position, "since": first, "until": last, **counts}
    if as_json:
        print_json(found)
    else:
        print_fields(found)


def _reach(span: Span) -> str:
    if span.first_us is None or span.last_us is None:
        return "is empty"
    return f"reaches from {told(span.first_us)} to {told(span.last_us)}"
