"""`pointsman state`: the actors as they were at a moment, re-run from the journal.

Exit codes: 0 done, 1 what is computed again is not what was recorded, 2 wrong usage or wrong input.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any

import click

from adapters.cli.gateway_client import AdminApi
from adapters.cli.reaching import Where, journal_option, place_options
from adapters.cli.reading import json_option
from adapters.cli.tables import print_json, print_rows
from adapters.cli.times import PastType
from adapters.moments import Asked
from engine.errors import StartFailed
from projections.phrases import printable


@click.command()
@click.option("--at", type=PastType(), help="The moment; by default now.")
@click.option("--pool", "pools", multiple=True, metavar="ALIAS", help="Only this pool; may be given again.")
@place_options
@journal_option
@json_option
def state(*, at: Asked | None, pools: tuple[str, ...], where: Where, as_json: bool) -> None:
    """Print what the gateway believed of each provider at a moment: requests in flight, limits, circuits, latencies.

    A position is the moment at which it was recorded: pools may not have run its definitions yet.
    """
    is_asked = where.database is None
    where.work(partial(_state, at, pools, as_json, is_asked))


async def _state(at: Asked | None, pools: tuple[str, ...], as_json: bool, is_asked: bool, api: AdminApi) -> None:
    """`is_asked`: a gateway, which knows more than what it has written."""
    found = await api.get("state", at=at, pool=list(pools) or None)
    if as_json:
        print_json(found)
    else:
        click.echo(f"at {found['at']}, position {found['position']}")
        print_rows([row for pool in found["pools"] for row in _rows(pool)])
        _print_reach(found, is_asked)
    if found["differences"]:
        raise StartFailed("\n".join(printable(f"Recomputed is not recorded: {one}.") for one in found["differences"]))


def _print_reach(found: Mapping[str, Any], is_asked: bool) -> None:
    """What is not told, and how old it is what is."""
    at, since, until = (_time(found[name]) for name in ("at", "since", "until"))
    if found["unknown"]:
        names = ", ".join(found["unknown"])
        if found["is_cut"]:
            said = f"Not looked for any longer: {names}; name fewer pools, or a later moment."
        elif since is None or at is None:
            said = f"Nothing is recorded of {names}: the journal is empty."
        elif since > at:
            said = f"Nothing is recorded of {names} by then: the journal begins later, at {found['since']}."
        else:
            said = (
                f"Nothing is recorded of {names} by then: not used yet since {found['since']}, when the journal begins."
            )
        click.echo(printable(said), err=True)
    if found["left_out"]:
        click.echo(f"... and {found['left_out']} more pools; --pool names them.", err=True)
    if not is_asked and until is not None and at is not None and until < at:
        click.echo(
            f"The journal ends at {found['until']}: this is how it was then. A gateway that has ended since has none "
            "of it in flight; one that runs is asked with --gateway.",
            err=True,
        )


def _time(told: str | None) -> datetime | None:
    return None if told is None else datetime.fromisoformat(told)


def _rows(pool: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for one in pool["providers"]:
        yield {
            "pool": pool["alias"],
            "defined at": pool["position"],
            "provider": one["name"],
            "weight": one["weight"],
            "active": one["active"] if one["limit"] is None else f"{one['active']} of {one['limit']}",
            "circuit": _circuit(one["circuit"]),
            "credential": "" if one["credential"]["phase"] == "closed" else _circuit(one["credential"]),
            "tokens": "" if one["rate"] is None else f"{one['rate']['remaining']} of {one['rate']['burst']}",
            "latency_ms": one["latency_ms"],
            "draining": one["draining"] or None,
        }


def _circuit(circuit: Mapping[str, Any]) -> str:
    phase = str(circuit["phase"])
    return phase if circuit["reopens_in_s"] is None else f"{phase} for {circuit['reopens_in_s']} s"
