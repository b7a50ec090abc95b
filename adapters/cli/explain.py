"""`pointsman explain`: why a request went as it did.

Exit code 1 where what is computed again is not what was recorded.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import click

from adapters.cli.actors import Names, token_names
from adapters.cli.event_lines import event_line
from adapters.cli.gateway_client import AdminApi
from adapters.cli.reaching import Where, journal_option, place_options
from adapters.cli.reading import json_option
from adapters.cli.tables import print_json, print_rows
from engine.errors import StartFailed
from projections.phrases import printable

_MOST: Final = 5
"""Events that are printed, the newest."""


@click.command()
@click.argument("request_id", metavar="REQUEST_ID")
@place_options
@journal_option
@json_option
def explain(*, request_id: str, where: Where, as_json: bool) -> None:
    """Recompute the decisions of a request and print why each provider was chosen or lost.

    REQUEST_ID is the x-request-id of its answer, or the number in its x-pointsman-decision. Exit code 1 if what comes
    out is not what was recorded.
    """
    where.work(partial(_explain, request_id, as_json))


async def _explain(request_id: str, as_json: bool, api: AdminApi) -> None:
    told = await api.get("decisions", request_id)
    if as_json:
        print_json(told)
    else:
        _print(told, await token_names(api))
    if told["difference"] is not None:
        raise StartFailed(f"Recomputed is not recorded: {printable(told['difference'])}.")


def _print(told: Mapping[str, Any], names: Names) -> None:
    click.echo(printable(_headline(told)))
    for step in told["steps"]:
        click.echo()
        click.echo(printable(_step(step)))
        if step["candidates"]:
            print_rows([_candidate(one) for one in step["candidates"]])
    if told["attempts"]:
        click.echo("\nattempts")
        print_rows(told["attempts"], ("attempt", "provider", "sent_ms", "head_ms", "status", "what"))
    if told["events"]:
        click.echo("\nmade so by")
        for one in told["events"][:_MOST]:
            click.echo(event_line(one, names))
        if (more := len(told["events"]) - _MOST) > 0:
            click.echo(f"   ... and {more} earlier; --json has all")
    click.echo()
    click.echo(printable(_verdict(told)))


def _headline(told: Mapping[str, Any]) -> str:
    how = "has not ended" if told["outcome"] is None else f"{_answer(told)}, {told['outcome']}"
    took = "" if told["total_ms"] is None else f", {told['total_ms']:.1f} ms"
    usage = told["usage"]
    tokens = "" if usage is None else f", {usage['input']} + {usage['output']} tokens"
    name = told["request_id"] or f"decision {told['decision']}"
    asked = ", ".join(part for part in (told["alias"] or told["pool"], _who(told), _position(told)) if part)
    return f"{name} at {told['at']}: {asked}: {how}{took}{tokens}"


def _answer(told: Mapping[str, Any]) -> str:
    return "no answer" if told["status"] is None else f"status {told['status']}"


def _who(told: Mapping[str, Any]) -> str:
    """Empty: not known, or never looked at."""
    if told["key"] is not None:
        return f"key {told['key']}"
    return "" if told["outcome"] is None or told["reason"] == "model_not_found" else "no known key"


def _position(told: Mapping[str, Any]) -> str:
    return "" if told["position"] is None else f"position {told['position']}"


def _step(step: Mapping[str, Any]) -> str:
    by = f" ({step['strategy']}, table of position {step['defined_at']})" if step["strategy"] else ""
    drawn = f", drew {', '.join(map(str, step['draws']))}" if step["draws"] else ""
    return f"{step['ms']:9.3f} ms  {step['what']}{by}{drawn}"


def _candidate(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "": "→" if one["is_chosen"] else "",
        "provider": one["provider"],
        "weight": one["weight"],
        "active": one["active"],
        "why": one["result"],
    }


def _verdict(told: Mapping[str, Any]) -> str:
    if told["cannot"] is not None:
        return f"Cannot be recomputed: {told['cannot']}."
    return "recomputed = recorded" if told["recomputed"] else f"recomputed ≠ recorded: {told['difference']}"
