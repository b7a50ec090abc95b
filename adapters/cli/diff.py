"""`pointsman diff`: what differs between the tables of two positions."""

from functools import partial

import click

from adapters.cli.gateway_client import AdminApi
from adapters.cli.reaching import Where, place_options
from adapters.cli.reading import json_option
from adapters.cli.receipts import print_plan
from adapters.cli.tables import print_json

_MOST = 10_000


@click.command()
@click.argument("before", metavar="A", type=click.IntRange(min=0))
@click.argument("after", metavar="[B]", type=click.IntRange(min=0), required=False)
@place_options
@json_option
def diff(*, before: int, after: int | None, where: Where, as_json: bool) -> None:
    """Print what differs between positions A and B of the log; without B, the present one."""
    where.work(partial(_diff, before, after, as_json))


async def _diff(before: int, after: int | None, as_json: bool, api: AdminApi) -> None:
    found = await api.get("diff", **{"from": before}, to=after, limit=_MOST)
    if as_json:
        print_json(found)
        return
    print_plan({"diff": found["data"]})
    if (more := found["total"] - len(found["data"])) > 0:
        click.echo(f"... and {more} more.", err=True)
