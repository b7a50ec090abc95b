"""`pointsman keys`: what clients present.

Law: a key's secret is printed once, when it is made; one that is brought along comes from a file or standard input.
"""

from functools import partial
from typing import Any, Final

import click

from adapters.cli.gateway_client import AdminApi, Declined
from adapters.cli.kinds import KINDS
from adapters.cli.reaching import Where, place_options
from adapters.cli.reading import json_option
from adapters.cli.receipts import print_receipt, print_secret
from adapters.cli.stating import secret_from
from adapters.cli.tables import print_json, print_rows
from adapters.cli.times import SpanType, TimeType
from engine.credentials import OVERLAP_S
from projections.phrases import printable

_MISSING: Final = 404


@click.group()
def keys() -> None:
    """Make, rotate, revoke and list client keys."""


@keys.command()
@click.argument("key_id", required=False)
@click.option("--user", help="The user whose access and credits the key has.")
@click.option("--purpose", help="What traffic rules go by.")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="What a pool's rules go by.")
@click.option("--alias", "aliases", multiple=True, help="A pool it opens, beside those that list it.")
@click.option("--all-pools", is_flag=True, help="Open all pools.")
@click.option("--max-concurrent", type=click.IntRange(min=0), help="Requests at once.")
@click.option("--requests-per-second", type=click.FloatRange(min=0, min_open=True))
@click.option("--burst", type=click.IntRange(min=1))
@click.option("--expires", type=TimeType(), help="RFC 3339, or a span from now such as 90d.")
@click.option("--cidr", "cidrs", multiple=True, help="A network it may come from.")
@click.option("--secret-from-file", metavar="FILE", help="Bring a secret along: one line of a file, or of - .")
@place_options
@json_option
def create(*, key_id: str | None, where: Where, as_json: bool, **given: Any) -> None:
    """Make a key, and print its secret, alone on standard output: it cannot be printed again."""
    limits = {name: given[name] for name in ("max_concurrent", "requests_per_second", "burst")}
    body = {
        "key_id": key_id,
        "user_id": given["user"],
        "purpose": given["purpose"],
        "labels": _labels(given["labels"]),
        "aliases": given["aliases"],
        "opens_all_pools": given["all_pools"],
        "limits": limits,
        "expires_at": None if given["expires"] == "never" else given["expires"],
        "cidrs": given["cidrs"],
    }
    where.work(partial(_create, body, given["secret_from_file"], as_json), makes=True)


async def _create(body: dict[str, Any], file: str | None, as_json: bool, api: AdminApi) -> None:
    if file is not None:
        body |= {"secret": secret_from(file)}
    receipt = await api.change("POST", "keys", body=body)
    if file is not None:
        # Whoever brought it along has it.
        receipt |= {"secret": None, "detail": "The secret is the one that was brought along."}
    print_secret(receipt, f"Key {receipt['key_id']}", as_json=as_json)


@keys.command()
@click.argument("key_id")
@click.option(
    "--overlap",
    type=SpanType(),
    default=OVERLAP_S,
    help="How long the present secret stays good, such as 24h; by default an hour. 0 for one that leaked.",
)
@place_options
@json_option
def rotate(*, key_id: str, overlap: int, where: Where, as_json: bool) -> None:
    """Give a key another secret, and print it, alone on standard output: it cannot be printed again."""
    body = {"overlap_s": overlap}

    async def job(api: AdminApi) -> None:
        receipt = await api.change("POST", "keys", key_id, "rotate", body=body)
        print_secret(receipt, f"Key {key_id}", as_json=as_json)

    where.work(job)


@keys.command()
@click.argument("key_id")
@place_options
@json_option
def revoke(*, key_id: str, where: Where, as_json: bool) -> None:
    """Revoke a key: from then on every request with it is refused."""

    async def job(api: AdminApi) -> None:
        is_there = await _is_there(key_id, api)
        receipt = await api.change("DELETE", "keys", key_id)
        if is_there or as_json:
            print_receipt(receipt, as_json=as_json)
        else:
            click.echo(f"Key {printable(key_id)} was revoked already; nothing was changed.")

    where.work(job)


@keys.command("list")
@place_options
@json_option
def list_(*, where: Where, as_json: bool) -> None:
    """List the keys, without their secrets: those are not kept."""

    async def job(api: AdminApi) -> None:
        found = await api.all("keys")
        if as_json:
            print_json(found)
        else:
            print_rows(found, KINDS["keys"].columns)

    where.work(job)


async def _is_there(key_id: str, api: AdminApi) -> bool:
    try:
        await api.get("keys", key_id)
    except Declined as error:
        if error.status != _MISSING:
            raise
        return False
    return True


def _labels(stated: tuple[str, ...]) -> dict[str, str]:
    labels = {}
    for one in stated:
        name, mark, value = one.partition("=")
        if not (name and mark):
            raise click.UsageError("--label is written as NAME=VALUE.")
        labels[name] = value
    return labels
