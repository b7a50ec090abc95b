"""`pointsman sources`: the files that manage a part of the configuration."""

import click

from adapters.cli.gateway_client import AdminApi
from adapters.cli.reaching import Where, place_options
from adapters.cli.reading import json_option
from adapters.cli.receipts import print_receipt
from adapters.cli.tables import print_json, print_rows
from engine.errors import StartFailed
from engine.snapshot import FILE, SENT


@click.group()
def sources() -> None:
    """List the files that manage something, release and claim them."""


@sources.command("list")
@place_options
@json_option
def list_(*, where: Where, as_json: bool) -> None:
    """List the files that manage something, and those that were released."""

    async def job(api: AdminApi) -> None:
        found = await api.all("sources")
        if as_json:
            print_json(found)
        elif found:
            print_rows(found, ("source", "is_released", "entities", "position"))
        else:
            click.echo("No file manages anything.", err=True)

    where.work(job)


def _turn(word: str, where: Where, source: str, *, as_json: bool) -> None:
    async def job(api: AdminApi) -> None:
        named = source if source.startswith((FILE, SENT)) else await _found(api, source)
        print_receipt(await api.change("POST", "sources", named, word), as_json=as_json)

    where.work(job)


async def _found(api: AdminApi, name: str) -> str:
    """The source of a file of that name."""
    known = {one["source"] for one in await api.all("sources")}
    match [prefix + name for prefix in (FILE, SENT) if prefix + name in known]:
        case [one]:
            return one
        case []:
            return FILE + name
        case both:
            raise StartFailed(f"{name} may be {' or '.join(both)}: say which.", wrong_input=True)


@sources.command()
@click.argument("source")
@place_options
@json_option
def release(*, source: str, where: Where, as_json: bool) -> None:
    """Let go of what a file manages, so that it can be changed here.

    SOURCE is file:NAME of a file that a gateway watches, or sent:NAME of one that came by apply; NAME alone will do
    where there is only one of them.
    """
    _turn("release", where, source, as_json=as_json)


@sources.command()
@click.argument("source")
@place_options
@json_option
def claim(*, source: str, where: Where, as_json: bool) -> None:
    """Have a released file manage again what it defined.

    SOURCE is file:NAME of a file that a gateway watches, or sent:NAME of one that came by apply; NAME alone will do
    where there is only one of them.
    """
    _turn("claim", where, source, as_json=as_json)
