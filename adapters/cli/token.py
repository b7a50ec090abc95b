"""`pointsman token`: admin tokens, which open this command line's way in.

Law: a token's secret is printed once, when it is made.
"""

import click

from adapters.cli.gateway_client import AdminApi
from adapters.cli.reaching import Where, place_options
from adapters.cli.reading import json_option
from adapters.cli.receipts import print_receipt, print_secret
from adapters.cli.tables import print_json, print_rows
from adapters.cli.times import TimeType

_SCOPE = click.Choice(["read", "operate", "admin"])


@click.group()
def token() -> None:
    """Make, list and revoke admin tokens."""


@token.command()
@click.argument("name")
@click.option("--scope", type=_SCOPE, required=True, help="Each includes those before.")
@click.option("--expires", type=TimeType(), help="RFC 3339, or a span from now such as 90d.")
@place_options
@json_option
def create(*, name: str, scope: str, expires: str | None, where: Where, as_json: bool) -> None:
    """Make an admin token called NAME, and print it, alone on standard output: it cannot be printed again."""
    body = {"name": name, "scope": scope, "expires_at": None if expires == "never" else expires}

    async def job(api: AdminApi) -> None:
        receipt = await api.change("POST", "tokens", body=body)
        print_secret(receipt, f"Token {receipt['token_id']}", as_json=as_json)

    where.work(job, makes=True)


@token.command("list")
@place_options
@json_option
def list_(*, where: Where, as_json: bool) -> None:
    """List the admin tokens of the log; a gateway's own is not among them."""

    async def job(api: AdminApi) -> None:
        found = await api.all("tokens")
        if as_json:
            print_json(found)
        else:
            print_rows(found, ("token_id", "name", "scope", "expires_at", "expiry"))

    where.work(job)


@token.command()
@click.argument("token_id")
@place_options
@json_option
def revoke(*, token_id: str, where: Where, as_json: bool) -> None:
    """Revoke an admin token, by its id."""

    async def job(api: AdminApi) -> None:
        print_receipt(await api.change("DELETE", "tokens", token_id), as_json=as_json)

    where.work(job)
