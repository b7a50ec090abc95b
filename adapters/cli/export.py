"""`pointsman export`: everything that is defined, as a document that `apply` takes.

Law: applied to an empty database it makes the same table. No secret is in it, but digests of keys and tokens are,
without which it could not; upstream credentials are names, whose values stay in the vault.
"""

from functools import partial
from pathlib import Path

import click

from adapters.cli.gateway_client import AdminApi
from adapters.cli.left_out import left_out
from adapters.cli.progress import progress
from adapters.cli.reaching import Where, place_options
from adapters.cli.times import PastType
from adapters.cli.writing import write_file
from adapters.moments import Asked
from projections.phrases import printable

_TYPES = {".json": "application/json", ".yaml": "application/yaml", ".yml": "application/yaml"}


@click.command()
@click.option("--out", type=click.Path(path_type=Path), help="Write it here: .json, .yaml or .yml. Else it is printed.")
@click.option("--force", is_flag=True, help="Replace the file if there is one.")
@click.option("--at", type=PastType(), help="As it was at this position or time; by default as it is.")
@click.option("--no-digests", is_flag=True, help="For people: without digests it cannot be applied.")
@click.option("--json", "as_json", is_flag=True, help="As it is anyway, unless --out names another format.")
@place_options
def export(*, out: Path | None, force: bool, at: Asked | None, no_digests: bool, as_json: bool, where: Where) -> None:
    """Write everything that is defined, for `apply`.

    Digests are in it, so it asks for a token of scope admin, and is to be kept as carefully as a database.
    """
    if out is not None and out.suffix.lower() not in _TYPES:
        raise click.UsageError("--out names no format; valid: a file whose name ends in .json, .yaml or .yml.")
    accept = "application/json" if out is None or as_json else _TYPES[out.suffix.lower()]
    where.work(partial(_export, out, force, at, not no_digests, accept))


async def _export(out: Path | None, force: bool, at: Asked | None, digests: bool, accept: str, api: AdminApi) -> None:
    with progress("exporting") as step:
        step(0, None)
        document = await api.text("export", accept=accept, at=at, digests="true" if digests else "false")
    if out is None:
        click.echo(document)
    else:
        write_file(out, document.removesuffix(b"\n") + b"\n", force=force)
        click.echo(f"{out} is written.", err=True)
    for warning in left_out("export.json" if accept == _TYPES[".json"] else "export.yaml", document):
        click.echo(printable(f"warning: {warning}"), err=True)
