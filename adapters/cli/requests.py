"""`pointsman requests`: the recorded requests, newest first."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import click

from adapters.cli.event_lines import time_told
from adapters.cli.gateway_client import AdminApi
from adapters.cli.reaching import Where, journal_option, place_options
from adapters.cli.reading import json_option
from adapters.cli.tables import print_json, print_rows
from adapters.cli.times import PastType
from engine.errors import StartFailed
from projections.phrases import printable

_PAGE: Final = 1000
_SPARE: Final = ("attempts", "ms", "key", "pool", "asked for", "provider")
"""What a narrow terminal does without, the first of them first."""


class StatusType(click.ParamType[int]):
    name = "STATUS"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value)
        if not text.isascii() or not text.isdigit() or not (1 <= int(text) <= 5 or 100 <= int(text) <= 599):
            self.fail(f"{text!r} is no status; valid: 100 to 599, or a class of them: 1 to 5", param, ctx)
        return int(text)


@click.command()
@click.option("--since", type=PastType(), help="Those that ended from then on.")
@click.option("--until", type=PastType(), help="Those that ended before then.")
@click.option("--pool", metavar="ALIAS", help="By which it was asked for, or that served it.")
@click.option("--provider", metavar="NAME", help="That was asked, though another may have answered.")
@click.option("--key", metavar="ID")
@click.option("--status", type=StatusType(), help="Such as 503, or a class such as 5.")
@click.option("--outcome", type=click.Choice(["complete", "refused", "client", "provider", "gateway"]))
@click.option("--reason", metavar="REASON", help="Of a refusal, e.g. rate_limit.")
@click.option("--from", "from_", type=click.IntRange(0), metavar="POSITION", help="Under that table or a later one.")
@click.option("--to", type=click.IntRange(0), metavar="POSITION", help="Under that table or an earlier one.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True)
@click.option("--ids", is_flag=True, help="Print nothing but their ids, one a line.")
@place_options
@journal_option
@json_option
def requests(
    *, limit: int, ids: bool, where: Where, as_json: bool, from_: int | None, to: int | None, **query: Any
) -> None:
    """Print requests as they went, the one that ended last first; `explain` says why one went so."""
    asked = {**query, "position_from": from_, "position_to": to}
    where.work(partial(_requests, asked, limit, print_json if as_json else _print_ids if ids else _print))


async def _requests(
    query: Mapping[str, Any], limit: int, show: Callable[[Sequence[Mapping[str, Any]]], None], api: AdminApi
) -> None:
    found: list[dict[str, Any]] = []
    until, since = query["until"], None
    while len(found) < limit:
        asked = {**query, "until": until, "limit": min(_PAGE, limit - len(found))}
        answer = await api.ask("GET", "requests", query=asked)
        _check(query, int(answer.headers["x-pointsman-position"]))
        page = answer.body
        found += page["data"]
        until, since = page["next"], page["since"]
        if until is None:
            break
    show(found)
    if not found:
        reach = "is empty" if since is None else f"begins at {since}"
        click.echo(f"No such request is recorded; the journal {reach}.", err=True)


def _check(query: Mapping[str, Any], head: int) -> None:
    """Raises StartFailed for a table that was never in force."""
    for option, field in (("--from", "position_from"), ("--to", "position_to")):
        if query[field] is not None and query[field] > head:
            raise StartFailed(
                f"{option}: position {query[field]} is not in the log, whose head is {head}; valid: 0 to {head}.",
                wrong_input=True,
            )


def _print_ids(found: Sequence[Mapping[str, Any]]) -> None:
    for one in found:
        click.echo(printable(one["request_id"]))


def _print(found: Sequence[Mapping[str, Any]]) -> None:
    print_rows([_row(one) for one in found], whole=("request id", "ended", "status"), spare=_SPARE)


def _row(one: Mapping[str, Any]) -> dict[str, Any]:
    scope = f" ({one['scope']})" if one["scope"] is not None else ""
    return {
        "request id": one["request_id"],
        "ended": time_told(one["at"]),
        "asked for": one["alias"],
        "pool": one["pool"] if one["pool"] != one["alias"] else None,
        "provider": one["provider"],
        "key": one["key"],
        "status": one["status"],
        "outcome": one["outcome"] if one["reason"] is None else f"{one['reason']}{scope}",
        "attempts": one["attempts"],
        "ms": f"{one['total_ms']:.1f}",
    }
