"""`pointsman vault`: the key that seals upstream credentials."""

import os
from functools import partial
from pathlib import Path

import attrs
import click
import msgspec

from adapters.cli.reading import database_option, json_option
from adapters.cli.running import run
from adapters.store.key_files import old_of
from adapters.store.rotation import Rotated, rotate_vault
from adapters.store.vault_key import NEW_VARIABLE, VARIABLE


@click.group()
def vault() -> None:
    """The key that seals upstream credentials."""


@vault.command()
@database_option
@click.option(
    "--vault-key-file",
    type=click.Path(path_type=Path),
    envvar="POINTSMAN_VAULT_KEY_FILE",
    help="The present key: by default beside a SQLite database, else pointsman.vault-key. "
    f"{VARIABLE}, if set, is the key itself.",
)
@click.option(
    "--new-key-file",
    type=click.Path(path_type=Path),
    help=f"The key to come; {NEW_VARIABLE} is that key itself. By default one is made.",
)
@json_option
def rotate(*, database: str, vault_key_file: Path | None, new_key_file: Path | None, as_json: bool) -> None:
    """Seal every credential with a new key, in one step; their names stay.

    A running gateway keeps what it has open and is to be restarted with the new key.
    """
    run(partial(_rotate, database, vault_key_file, new_key_file, as_json))


async def _rotate(database: str, key_file: Path | None, new_key_file: Path | None, as_json: bool) -> None:
    rotated = await rotate_vault(database, environ=os.environ, key_file=key_file, new_key_file=new_key_file)
    if as_json:
        document = attrs.asdict(rotated) | {"key_file": rotated.key_file and str(rotated.key_file)}
        click.echo(msgspec.json.encode(document).decode())
        return
    for line in _lines(rotated):
        click.echo(line)


def _lines(rotated: Rotated) -> list[str]:
    if rotated.entries is None:
        lines = [f"The vault was sealed with key {rotated.key_id} already, by a rotation that was not finished."]
    else:
        lines = [f"The vault's {rotated.entries} credentials are sealed with key {rotated.key_id} now."]
    if rotated.key_file is None:
        lines.append(f"Set {VARIABLE} to the new key and restart every gateway on this database.")
    else:
        lines += [
            f"The key is in {rotated.key_file}; give it to every gateway on this database and restart them.",
            f"The key before it is in {old_of(rotated.key_file)}: remove that once no backup needs it.",
        ]
    return lines
