"""`pointsman backup`: a copy of the database while the gateway writes it."""

from functools import partial
from pathlib import Path

import click
import msgspec

from adapters.cli.reading import database_option, json_option
from adapters.cli.running import run
from adapters.store.backup import back_up


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@database_option
@json_option
def backup(*, file: Path, database: str, as_json: bool) -> None:
    """Copy the database to a new FILE while the gateway writes it.

    The copy is of one moment, and every event in it was verified. The vault's key is not in it.
    """
    run(partial(_back_up, file, database, as_json))


async def _back_up(file: Path, database: str, as_json: bool) -> None:
    found = await back_up(database, file)
    head_hash = found.head_hash.hex()
    if as_json:
        document = {"file": str(file), "position": found.position, "head_hash": head_hash}
        click.echo(msgspec.json.encode(document).decode())
        return
    click.echo(f"{file} has {found.position} events, all verified; the hash of the last one is {head_hash}.")
    click.echo("The vault's key is not in it: keep that too, in another place.", err=True)
