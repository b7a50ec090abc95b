"""`pointsman rollback`: the table of an earlier position or time, made to hold again.

Law: what it would append is shown before anything is, and it is appended only if somebody says so, to the very table
that it was shown for. The log is never cut.
"""

import sys
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final

import click

from adapters.cli.confirming import is_confirmed
from adapters.cli.gateway_client import AdminApi, Declined
from adapters.cli.progress import progress
from adapters.cli.reaching import Where, place_options
from adapters.cli.reading import json_option
from adapters.cli.receipts import print_plan, print_receipt
from adapters.cli.tables import print_json
from adapters.cli.times import PastType
from adapters.moments import Asked, Moment
from engine.errors import StartFailed
from projections.phrases import printable

_MOVED_ON: Final = 412
_MOST: Final = 100
"""Sentences that are printed."""


@click.command()
@click.argument("to", metavar="POSITION|TIME", type=PastType())
@click.option(
    "--with-revoked-keys",
    is_flag=True,
    help="Make keys that were removed since, and secrets that were rotated away, good again.",
)
@click.option("--dry-run", is_flag=True, help="Show the plan, and change nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@place_options
@json_option
def rollback(*, to: Asked, with_revoked_keys: bool, dry_run: bool, yes: bool, where: Where, as_json: bool) -> None:
    """Make the table what it was at POSITION or TIME: show what that would change, ask, and append it.

    What makes up for the events since is appended; nothing is cut, so that a rollback can be rolled back. Admin tokens
    and money stay as they are, and keys that were revoked stay so.
    """
    if not (dry_run or yes) and (as_json or not sys.stdin.isatty()):
        raise click.UsageError("There is nobody to ask: give --yes, or --dry-run to see the plan.")
    body = {"to": str(to) if isinstance(to, Moment) else to, "with_revoked_keys": with_revoked_keys}
    where.work(partial(_roll_back, body, dry_run, yes, as_json))


async def _roll_back(body: dict[str, Any], dry_run: bool, yes: bool, as_json: bool, api: AdminApi) -> None:
    with progress("planning") as step:
        step(0, None)
        plan = await api.change("POST", "rollback", body=body, dry_run=True)
    if not as_json:
        _print(plan)
    if dry_run or not plan["events"]:
        if as_json:
            print_json(plan)
        return
    if not (yes or is_confirmed()):
        raise StartFailed("Nothing was changed.")
    # The position, since a time that is counted back from now is another one by now.
    meant = {**body, "to": plan["to"]}
    try:
        receipt = await api.change("POST", "rollback", body=meant, if_match=f'"{plan["position"]}"')
    except Declined as error:
        if error.status != _MOVED_ON:
            raise
        raise StartFailed("The log has moved on since the plan was made; nothing was changed. Look again.") from None
    print_receipt({**receipt, "diff": plan["diff"]}, as_json=as_json)


def _print(plan: Mapping[str, Any]) -> None:
    many, since = len(plan["events"]), f", of {plan['recorded_at']}" if plan.get("recorded_at") else ""
    place = f"the table of position {plan['to']}{since}"
    if many:
        click.echo(f"Nothing is changed yet. {many} event(s) lead from position {plan['position']} to {place}:")
        _print_lines(plan["sentences"], many)
        click.echo("\nOnce they are appended:")
        print_plan(plan)
    else:
        click.echo(f"No event leads to {place}: position {plan['position']} has it already.")
    if plan["stays"]:
        click.echo("\nNot as it was then:")
        _print_lines(plan["stays"], len(plan["stays"]))
    for warning in plan.get("warnings", ()):
        click.echo(printable(f"warning: {warning}"), err=True)


def _print_lines(lines: Iterable[str], many: int) -> None:
    for line in list(lines)[:_MOST]:
        click.echo(f"  {printable(line)}")
    if many > _MOST:
        click.echo(f"  ... and {many - _MOST} more")
