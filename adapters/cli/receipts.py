"""What became of a change, and what a planned one would make of the table."""

from collections.abc import Mapping
from typing import Any

import click

from adapters.cli.tables import print_json
from projections.phrases import printable


def print_receipt(receipt: Mapping[str, Any], *, as_json: bool) -> None:
    """The answer to a change; of a dry run its plan."""
    if as_json:
        print_json(receipt)
    elif receipt.get("dry_run"):
        print_plan(receipt, is_planned=True)
    else:
        click.echo(f"In force at position {receipt['position']}.{_waiting(receipt)}")
        if receipt.get("detail"):
            click.echo(printable(str(receipt["detail"])))


def print_plan(receipt: Mapping[str, Any], *, is_planned: bool = False) -> None:
    """A line for everything that would be different. `is_planned`: said first, since the sentences are in the past."""
    differences = receipt.get("diff") or ()
    if is_planned and differences:
        click.echo("Nothing is changed yet. Once it is:")
    for one in differences:
        sign = {"added": "+", "removed": "-"}.get(one["change"], "~")
        click.echo(f"{sign} {printable(one['sentence'])}")
    if not differences:
        click.echo("Nothing would be different.")


def print_secret(receipt: Mapping[str, Any], what: str, *, as_json: bool) -> None:
    """The answer that has a secret: alone on the last line, the only time that it is told."""
    if as_json:
        print_json(receipt)
        return
    click.echo(f"{what} is in force at position {receipt['position']}.{_waiting(receipt)}", err=True)
    if receipt.get("detail"):
        click.echo(printable(str(receipt["detail"])), err=True)
    if receipt.get("secret") is not None:
        click.echo(receipt["secret"])


def _waiting(receipt: Mapping[str, Any]) -> str:
    return " The gateway has not taken it over yet." if receipt.get("is_applied") is False else ""
