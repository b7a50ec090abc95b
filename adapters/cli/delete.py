"""`pointsman delete`: remove an entity, and what hangs on it."""

from functools import partial

import click

from adapters.cli.gateway_client import AdminApi
from adapters.cli.kinds import Kind, KindType
from adapters.cli.reaching import Where, place_options
from adapters.cli.reading import json_option
from adapters.cli.receipts import print_receipt


@click.command()
@click.argument("kind", type=KindType())
@click.argument("entity_id", metavar="ID")
@click.option("--dry-run", is_flag=True, help="Tell what would be different, and change nothing.")
@place_options
@json_option
def delete(*, kind: Kind, entity_id: str, dry_run: bool, where: Where, as_json: bool) -> None:
    """Remove the entity of a KIND with an ID. Once more changes nothing."""
    if kind.is_one or not (kind.is_defined or kind.is_patched):
        raise click.UsageError(f"{kind.name} cannot be deleted.")
    where.work(partial(_delete, kind, entity_id, dry_run, as_json))


async def _delete(kind: Kind, entity_id: str, dry_run: bool, as_json: bool, api: AdminApi) -> None:
    print_receipt(await api.change("DELETE", *kind.one_of(entity_id), dry_run=dry_run), as_json=as_json)
