"""`pointsman apply`: make a configuration file hold.

Law: what it would change is shown before it is changed, and changed only if somebody says so. The file is taken whole
or not at all, as a gateway that watches it would take it.
"""

import sys
from functools import partial
from pathlib import Path

import click

from adapters.cli.confirming import is_confirmed
from adapters.cli.gateway_client import AdminApi
from adapters.cli.left_out import left_out
from adapters.cli.progress import progress
from adapters.cli.reaching import Where, place_options
from adapters.cli.reading import json_option
from adapters.cli.receipts import print_plan, print_receipt
from adapters.cli.sent_file import SentFile
from adapters.cli.tables import print_json
from engine.errors import StartFailed
from projections.phrases import printable


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Tell what would be different, and change nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@place_options
@json_option
def apply(*, file: Path, dry_run: bool, yes: bool, where: Where, as_json: bool) -> None:
    """Make the configuration FILE hold: show what it would change, ask, and change it.

    FILE is in the format of `serve --config`, or what `export` has written. What it does not name and files have
    defined before is removed.
    """
    if not (dry_run or yes) and (as_json or not sys.stdin.isatty()):
        raise click.UsageError("There is nobody to ask: give --yes, or --dry-run to see the plan.")
    where.work(partial(_apply, file, dry_run, yes, as_json), makes=True)


async def _apply(file: Path, dry_run: bool, yes: bool, as_json: bool, api: AdminApi) -> None:
    sent = SentFile.of(file)
    with progress("planning") as step, sent.problems_in_lines():
        step(0, None)
        plan = await api.change("POST", "apply", body=sent.body, dry_run=True)
    for warning in (*plan.get("warnings", ()), *left_out(file.name, sent.content, plan.get("events", ()))):
        click.echo(printable(f"warning: {warning}"), err=True)
    if not as_json:
        print_plan(plan, is_planned=True)
    if dry_run or not plan.get("events"):
        if as_json:
            print_json(plan)
        return
    if not (yes or is_confirmed()):
        raise StartFailed("Nothing was changed.")
    with progress("applying") as step:
        step(0, None)
        receipt = await api.change("POST", "apply", body=sent.body)
    print_receipt({**receipt, "diff": plan.get("diff")}, as_json=as_json)
