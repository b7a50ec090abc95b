"""`pointsman status`: how a gateway stands to the log, the others, its file and its models."""

from functools import partial
from typing import Any

import click

from adapters.cli.gateway_client import AdminApi, Declined
from adapters.cli.reaching import Where, place_options
from adapters.cli.reading import json_option
from adapters.cli.tables import print_fields, print_json, print_rows

_COLUMNS = ("replica_id", "address", "version", "position", "behind", "age_s", "is_answering")


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
    print_fields({**_flat(own), "head": others["head"]})
    if replicas:
        click.echo()
        print_rows(replicas, _COLUMNS)
    if faults:
        click.echo()
        print_rows(faults, ("alias", "model_id", "faults"))


def _flat(own: dict[str, Any]) -> dict[str, Any]:
    """With the detail's fields among the others, and the file's below its name."""
    detail = dict(own.get("detail") or {})
    file = detail.pop("file", None) or {}
    told = {name: value for name, value in own.items() if name != "detail"}
    return {**told, **detail, **{f"file_{name}": value for name, value in file.items()}}
