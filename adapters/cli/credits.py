"""`pointsman credits`: what a user has to pay with."""

from functools import partial

import click

from adapters.cli.gateway_client import AdminApi
from adapters.cli.reaching import Where, place_options
from adapters.cli.reading import json_option
from adapters.cli.receipts import print_receipt
from adapters.cli.tables import print_fields, print_json


@click.command()
@click.argument("user")
@click.option(
    "--add",
    nargs=2,
    metavar="KIND AMOUNT",
    help="Book an entry: purchase and admin_grant add to the balance, every other kind takes from it.",
)
@place_options
@json_option
def credits(  # noqa: A001 - the verb
    *, user: str, add: tuple[str, str] | None, where: Where, as_json: bool
) -> None:
    """Print a USER's balance, or add an entry to the ledger."""
    where.work(partial(_credits, user, add, as_json))


async def _credits(user: str, add: tuple[str, str] | None, as_json: bool, api: AdminApi) -> None:
    if add is None:
        found = await api.get("users", user, "credits")
        (print_json if as_json else print_fields)(found)
        return
    kind, amount = add
    receipt = await api.change("POST", "users", user, "credits", body={"kind": kind, "amount": amount})
    print_receipt(receipt, as_json=as_json)
