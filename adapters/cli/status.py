"""`pointsman status`: how a gateway stands to the log, the others, its file and its models."""

from functools import partial
from typing import Any

import click

from adapters.cli.gateway_client import AdminApi, Declined
from adapters.cli.reaching import Where, place_options
from adapters.cli.reading import json_option
from adapters.cli.tables import print_fields, print_json, print_rows

_COLUMNS = ("replica_id", "address", "version", "position", "behind", "age_s")
_OF_A_GATEWAY = ("replica_id", "uptime_s", "is_ready", "status", "sync")
"""What a database that is looked at without a gateway has nothing to say about."""


@click.command()
@place_options
@json_option
def status(*, where: Where, as_json: bool) -> None:
    """Print how a gateway stands: position, log, replicas with their lag, configuration file, faults."""
    where.work(partial(_status, as_json))


async def _status(as_json: bool, api: AdminApi) -> None:
    own = await api.get("status")
    try:
        others = await api.get("replicas")
    except Declined as away:
        if away.status != 503:
            raise
        # Only the database knows the others; this gateway tells of itself without it.
        others = {"data": [], "head": None}
    faults = await api.all("faults")
    # A database without a gateway answers, but is none.
    replicas = [one for one in others["data"] if one["replica_id"]]
    if as_json:
        print_json({"status": own, "replicas": replicas, "head": others["head"], "faults": faults})
        return
    fields = {**_flat(own), "head": others["head"]}
    if own["replica_id"]:
        print_fields(fields)
    else:
        click.echo(
            "Looked at on the database; no gateway was asked. Those that have told of themselves in it:"
            if replicas
            else "Looked at on the database; no gateway was asked, and none has told of itself in it."
        )
        print_fields({name: value for name, value in fields.items() if name not in _OF_A_GATEWAY})
    if replicas:
        click.echo()
        _print_replicas(replicas, is_gateway=bool(own["replica_id"]))
    if faults:
        click.echo()
        print_rows(faults, ("alias", "model_id", "faults"))


def _print_replicas(replicas: list[dict[str, Any]], *, is_gateway: bool) -> None:
    """`asked` is the one whose answer this is; a database that was asked is none of them."""
    rows = [{**one, "asked": "this one" if one["is_answering"] else ""} for one in replicas]
    print_rows(rows, (*_COLUMNS, "asked") if is_gateway else _COLUMNS)


def _flat(own: dict[str, Any]) -> dict[str, Any]:
    """With the detail's fields among the others, and the file's below its name, each of its lines by itself."""
    detail = dict(own.get("detail") or {})
    file = detail.pop("file", None) or {}
    told = {name: value for name, value in own.items() if name != "detail"}
    lines = {f"file_{name}": value for name, value in file.items() if not isinstance(value, list)}
    for name, several in file.items():
        if isinstance(several, list):
            lines |= {f"file_{name}[{place}]": line for place, line in enumerate(several)}
    return {**told, **detail, **lines}
