"""Whether what replayed traffic tells is worth anything."""

from collections.abc import Mapping
from typing import Any

import click

from engine.errors import StartFailed
from projections.phrases import printable


def print_check(check: Mapping[str, Any]) -> None:
    """What was checked, and first of all what was not as it should be."""
    if check["difference"] is not None:
        click.echo(printable(f"self-check failed: {check['difference']}"), err=True)
    if check["differing"]:
        click.echo(f"self-check failed: {check['differing']} requests were not simulated as recorded", err=True)
    click.echo(f"self-check: {check['recomputed']} recorded steps came out as recorded; {_compared(check)}")


def _compared(check: Mapping[str, Any]) -> str:
    if not check["simulated"]:
        return "no request of this window was decided by the present table, so it could not be tried on itself"
    tried = (
        f"the present table, tried on {check['simulated']} requests that it had decided, makes {check['differing']} "
    )
    left_out = (
        f" ({check['left_out']} were left out: they met another table, or were recorded together with such, or ran "
        "already when the window begins)"
        if check["left_out"]
        else ""
    )
    return f"{tried}differences{left_out}"


def warn_of_missing(unanswerable: Mapping[str, Any]) -> None:
    """On standard error, what of the window is not in the journal."""
    if any(unanswerable.values()):
        click.echo(f"warning: the record of this window is not whole: {missing(unanswerable)}", err=True)


def missing(unanswerable: Mapping[str, Any]) -> str:
    """In words; empty where nothing is."""
    parts = {
        "requests lost": unanswerable["dropped_requests"],
        "steps of the actors lost": unanswerable["dropped_entries"],
        "blocks that cannot be read": unanswerable["unreadable_blocks"],
        "gaps between blocks": unanswerable["gaps"],
    }
    return ", ".join(f"{count} {what}" for what, count in parts.items() if count)


def fail_unless_good(check: Mapping[str, Any]) -> None:
    """Raises StartFailed."""
    if not check["is_good"]:
        raise StartFailed("The self-check failed, so what is told of traffic is worth nothing.")
