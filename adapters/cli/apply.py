"""`pointsman apply`: make a configuration file hold.

Law: what it would change is shown before it is changed, and changed only if somebody says so. The file is taken whole
or not at all, as a gateway that watches it would take it.
"""

import sys
from functools import partial
from pathlib import Path
from typing import Any, Final

import attrs
import click

from adapters.cli.file_lines import Find, line_finder, path_in
from adapters.cli.gateway_client import AdminApi, Declined
from adapters.cli.left_out import left_out
from adapters.cli.progress import progress
from adapters.cli.reaching import Where, place_options
from adapters.cli.reading import json_option
from adapters.cli.receipts import print_plan, print_receipt
from adapters.cli.stating import read_bytes
from adapters.cli.tables import print_json
from engine.errors import StartFailed
from projections.phrases import printable

_UNUSABLE: Final = 422


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
    try:
        content = read_bytes(str(file))
        body = {"name": file.name, "content": content.decode("utf-8-sig")}
    except UnicodeDecodeError:
        raise StartFailed(f"{file} is not text in UTF-8.", wrong_input=True) from None
    with progress("planning") as step:
        step(0, None)
        plan = await _planned(file, body, api)
    for warning in (*plan.get("warnings", ()), *left_out(file.name, content, plan.get("events", ()))):
        click.echo(printable(f"warning: {warning}"), err=True)
    if not as_json:
        print_plan(plan, is_planned=True)
    if dry_run or not plan.get("events"):
        if as_json:
            print_json(plan)
        return
    if not (yes or _is_confirmed()):
        raise StartFailed("Nothing was changed.")
    with progress("applying") as step:
        step(0, None)
        receipt = await api.change("POST", "apply", body=body)
    print_receipt({**receipt, "diff": plan.get("diff")}, as_json=as_json)


async def _planned(file: Path, body: dict[str, Any], api: AdminApi) -> Any:
    """What it would change. Raises StartFailed, with the lines of the file that are at fault."""
    try:
        return await api.change("POST", "apply", body=body, dry_run=True)
    except Declined as error:
        find = line_finder(file, body["content"])
        if error.status != _UNUSABLE or find is None:
            raise
        told = [_with_line(file.name, problem, find) for problem in error.sentence.split("\n")]
        raise attrs.evolve(error, sentence="\n".join(told)) from None


def _with_line(name: str, problem: str, find: Find) -> str:
    text = problem.removeprefix(f"{name}: ")
    place = path_in(text)
    return problem if place is None or text == problem else f"{name}: line {find(place[1])}: {text}"


def _is_confirmed() -> bool:
    try:
        return click.confirm("Change this?", err=True)
    except click.Abort:
        click.echo(err=True)
        return False
