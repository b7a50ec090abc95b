"""`pointsman diff`: what differs between the tables of two positions, or of two times."""

from functools import partial

import click

from adapters.cli.gateway_client import AdminApi
from adapters.cli.reaching import Where, place_options
from adapters.cli.reading import json_option
from adapters.cli.receipts import print_plan
from adapters.cli.tables import print_json
from adapters.cli.times import PastType
from adapters.moments import Asked

_MOST = 10_000


@click.command()
@click.argument("before", metavar="A", type=PastType())
@click.argument("after", metavar="[B]", type=PastType(), required=False)
@place_options
@json_option
def diff(*, before: Asked, after: Asked | None, where: Where, as_json: bool) -> None:
    """Print what differs between A and B; without B, between A and the present.

    Each is a position of the log, or a time: 2027-01-31T12:00, 14:30 today, or 15m, 2h, 3d ago.
    """
    where.work(partial(_diff, before, after, as_json))


async def _diff(before: Asked, after: Asked | None, as_json: bool, api: AdminApi) -> None:
    found = await api.get("diff", **{"from": before}, to=after, limit=_MOST)
    if as_json:
        print_json(found)
        return
    click.echo(f"From position {found['before']} to {found['after']}:", err=True)
    print_plan({"diff": found["data"]})
    if (more := found["total"] - len(found["data"])) > 0:
        click.echo(f"... and {more} more.", err=True)
