"""`pointsman plan`: what a configuration file would change, and what recorded traffic would meet under it.

Exit codes: 0 done and within the gates, 1 beyond a gate, or the self-check failed, 2 wrong usage or wrong input.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import click

from adapters.cli.gateway_client import AdminApi
from adapters.cli.progress import progress
from adapters.cli.reaching import Where, corpus_option, journal_option, place_options
from adapters.cli.reading import json_option
from adapters.cli.receipts import print_plan
from adapters.cli.self_check import fail_unless_good, missing, print_check, warn_of_missing
from adapters.cli.sent_file import SentFile
from adapters.cli.tables import print_json, print_rows
from adapters.cli.times import PastType
from adapters.moments import Asked
from engine.errors import StartFailed
from projections.phrases import printable


class Percentage(click.ParamType[float]):
    name = "PERCENT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value).removesuffix("%")
        try:
            share = float(text) / 100
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1:
            self.fail(f"{value!r} is no percentage; valid: 0% to 100%.", param, ctx)
        return share


@attrs.frozen
class _Gates:
    """None: none."""

    max_shift: float | None
    max_new_refusals: int | None
    max_missing: int | None

    def passed(self, traffic: Mapping[str, Any]) -> Iterator[str]:
        """A sentence for each that does not hold."""
        if self.max_shift is not None:
            for one in traffic["shifts"]:
                shift = abs(one["after"] - one["before"])
                if shift > self.max_shift:
                    most = f"a shift of more than {self.max_shift:.1%} (--max-shift)"
                    yield (
                        f"{one['provider']} of {one['pool']} would get {one['after']:.1%} instead of "
                        f"{one['before']:.1%} under the present table: {most}."
                    )
        refused = sum(one["count"] for one in traffic["newly_refused"])
        if self.max_new_refusals is not None and refused > self.max_new_refusals:
            most = f"more than {self.max_new_refusals} (--max-new-refusals)"
            yield f"{refused} requests would be refused that the present table would serve: {most}."
        yield from self._whole(traffic["unanswerable"])

    def _whole(self, lacking: Mapping[str, Any]) -> Iterator[str]:
        if self.max_missing is None:
            return
        if lacking["unreadable_blocks"] or lacking["gaps"]:
            # How many requests were in them is not known.
            yield f"Nobody knows how many requests are missing (--max-missing): {missing(lacking)}."
        elif lacking["dropped_requests"] > self.max_missing:
            yield f"{lacking['dropped_requests']} requests are missing: more than {self.max_missing} (--max-missing)."


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--since", type=PastType(), help="Try it on traffic recorded from then on, e.g. 1h.")
@click.option("--until", type=PastType(), help="On traffic recorded until then; by default now.")
@click.option("--as", "as_", metavar="NAME", help="Plan it as if it were the file NAME, e.g. the one that is watched.")
@click.option("--max-shift", type=Percentage(), help="Fail if a provider's share of its pool changes by more.")
@click.option(
    "--max-new-refusals",
    type=click.IntRange(min=0),
    help="Fail if the file would refuse more requests that the present table would serve.",
)
@click.option(
    "--max-missing",
    type=click.IntRange(min=0),
    help="Fail if more requests of that time are missing in the record; by default it is only said.",
)
@place_options
@journal_option
@corpus_option
@json_option
def plan(
    *,
    file: Path,
    since: Asked | None,
    until: Asked | None,
    max_shift: float | None,
    max_new_refusals: int | None,
    max_missing: int | None,
    as_: str | None,
    where: Where,
    as_json: bool,
) -> None:
    """Print what the configuration FILE would change, and on recorded traffic which decisions would differ.

    The same requests are tried under the present table and under the file's. Nothing is changed. Decisions are told, no
    predicted latencies. Exit code 1 where a gate does not hold.
    """
    gates = _Gates(max_shift, max_new_refusals, max_missing)
    if since is None and where.has_corpus:
        since = 0
    if since is None:
        if gates != _Gates(None, None, None):
            raise click.UsageError(
                "--max-shift, --max-new-refusals and --max-missing need traffic: give --since, or --corpus."
            )
        if until is not None:
            raise click.UsageError("--until needs --since.")
    query = {"since": since, "until": until, "as": as_}
    where.work(partial(_plan, file, query, gates, as_json))


async def _plan(
    file: Path, query: Mapping[str, Asked | str | None], gates: _Gates, as_json: bool, api: AdminApi
) -> None:
    sent = SentFile.of(file)
    with progress("replaying" if query["since"] is not None else "planning") as step, sent.problems_in_lines():
        step(0, None)
        planned = (await api.ask("POST", "plan", query=query, body=sent.body)).body
    traffic = planned["traffic"]
    if as_json:
        print_json(planned)
    else:
        for warning in planned["warnings"]:
            click.echo(printable(f"warning: {warning}"), err=True)
        print_plan(planned, is_planned=True)
        if traffic is not None:
            warn_of_missing(traffic["unanswerable"])
            _print_traffic(traffic)
    if traffic is None:
        return
    fail_unless_good(traffic["self_check"])
    if broken := list(gates.passed(traffic)):
        raise StartFailed("\n".join(printable(one) for one in broken))


def _print_traffic(traffic: Mapping[str, Any]) -> None:
    span = f"from {traffic['since']} to {traffic['until']}"
    click.echo(f"\n{traffic['requests']} recorded requests {span}, under the present table and under the file's:")
    if traffic["is_cut"]:
        click.echo("  (the newest of the window; the older ones were left out, since there are too many)")
    click.echo(f"  {traffic['differing']} would go otherwise")
    click.echo(f"  {traffic['newly_served']} that the present table would refuse would be served")
    refused = sum(one["count"] for one in traffic["newly_refused"])
    click.echo(f"  {refused} that the present table would serve would be refused{':' if refused else ''}")
    for one in traffic["newly_refused"]:
        click.echo(printable(f"    {one['count']} {one['reason']} ({one['scope']})"))
    click.echo(
        f"  {traffic['attempts_after']} attempts instead of {traffic['attempts_before']}; "
        f"{traffic['attempts_saved']} saved for requests that are served by both"
    )
    moved = [one for one in traffic["shifts"] if one["before"] != one["after"]]
    if moved:
        click.echo()
        print_rows([_shift(one) for one in moved], ("pool", "provider", "present", "file"))
    click.echo()
    print_check(traffic["self_check"])
    click.echo("\n".join(("", *traffic["assumptions"])))


def _shift(one: Mapping[str, Any]) -> dict[str, Any]:
    shares = {"present": f"{one['before']:.1%}", "file": f"{one['after']:.1%}"}
    return {"pool": one["pool"], "provider": one["provider"], **shares}
