"""`pointsman bisect`: the position at which something began, by binary search over replayed traffic.

Exit codes: 0 found, 1 the self-check failed, 2 wrong usage or wrong input, such as ends between which nothing turns.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import click

from adapters.cli.actors import Names, named, token_names
from adapters.cli.gateway_client import AdminApi
from adapters.cli.progress import progress
from adapters.cli.reaching import Where, corpus_option, journal_option, place_options
from adapters.cli.reading import json_option
from adapters.cli.self_check import fail_unless_good, print_check, warn_of_missing
from adapters.cli.tables import print_json, print_rows
from adapters.cli.times import PastType
from adapters.moments import Asked
from projections.phrases import printable


@click.command()
@click.option(
    "--bad",
    required=True,
    metavar="PREDICATE",
    help='What is wrong, e.g. \'share(provider="b") > 0.5\' or \'refused(scope="pool", alias="x") > 0\'.',
)
@click.option("--from", "from_", required=True, type=PastType(), help="When it was not so yet.")
@click.option("--to", type=PastType(), help="When it was so; by default now.")
@click.option("--since", type=PastType(), help="Replay traffic from then on; by default of an hour.")
@click.option("--until", type=PastType(), help="Replay traffic until then; by default now.")
@place_options
@journal_option
@corpus_option
@json_option
def bisect(
    *, bad: str, from_: Asked, to: Asked | None, since: Asked | None, until: Asked | None, where: Where, as_json: bool
) -> None:
    """Print the first position of the log under whose table recorded traffic meets a PREDICATE.

    Measures: share(provider, pool), attempts(provider, pool), refused(scope, reason, alias, key), requests(). They are
    compared by >, >=, <, <=, ==, != and put together by and, or, not.
    """
    if since is None and where.has_corpus:
        since = 0
    query = {"bad": bad, "from": from_, "to": to, "since": since, "until": until}
    where.work(partial(_bisect, query, as_json))


async def _bisect(query: Mapping[str, Asked | str | None], as_json: bool, api: AdminApi) -> None:
    with progress("replaying") as step:
        step(0, None)
        found = (await api.ask("GET", "bisect", query=query)).body
    if as_json:
        print_json(found)
    else:
        for warning in found["warnings"]:
            click.echo(printable(f"warning: {warning}"), err=True)
        warn_of_missing(found["unanswerable"])
        _print(found, await token_names(api))
    fail_unless_good(found["self_check"])


def _print(found: Mapping[str, Any], names: Names) -> None:
    cut = ", the newest of the window" if found["is_cut"] else ""
    click.echo(f"{found['requests']} recorded requests{cut}, replayed under the table of each position:")
    print_rows([_row(one) for one in sorted(found["tried"], key=lambda one: int(one["position"]))])
    click.echo()
    print_check(found["self_check"])
    click.echo()
    event = found["event"]
    what = event["sentence"] or event["type"]
    click.echo(printable(f"{found['position']}: {what}, by {named(event['actor'], names)} at {event['recorded_at']}"))


def _row(tried: Mapping[str, Any]) -> dict[str, Any]:
    values = {name: f"{value:g}" for name, value in tried["values"].items()}
    return {"position": tried["position"], **values, "holds": tried["holds"]}
