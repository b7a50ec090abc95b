"""`pointsman verify`: whether the log is what was written.

Law: exit 0 where every event is, with the head's hash, which kept elsewhere tells later whether this log is still it;
exit 1 with the first position where one is not. A database is only read, also one that no gateway can start on.
"""

from functools import partial
from typing import Any

import click
import trio

from adapters.cli.gateway_client import AdminApi
from adapters.cli.progress import progress
from adapters.cli.reaching import Where, place_options
from adapters.cli.reading import json_option
from adapters.cli.running import run
from adapters.cli.tables import print_json
from engine.errors import LogDamaged, StartFailed
from projections.phrases import printable

_BROKEN = 409
_INTACT = "Every event is what was written."


@click.command()
@place_options
@json_option
def verify(*, where: Where, as_json: bool) -> None:
    """Recompute the log's hash chain, and print the hash of its last event.

    Exit 1 where an event is not what was written, with its position.
    """
    if where.database is not None:
        run(partial(_of_database, where.database, as_json))
    else:
        where.work(partial(_of_gateway, as_json))


async def _of_gateway(as_json: bool, api: AdminApi) -> None:
    with progress("verifying") as step:
        step(0, None)
        found = (await api.ask("GET", "verify", also=_BROKEN)).body
    if "intact" not in found:
        raise StartFailed(printable(str(found.get("detail"))))
    _tell(found, as_json=as_json)


async def _of_database(database: str, as_json: bool) -> None:
    from adapters.store import open_log  # noqa: PLC0415 - the store, only where it is read here

    begin = trio.current_time()
    head_hash = None
    async with open_log(database) as log:
        try:
            with progress("verifying") as step:
                position = await log.verify(step)
            head_hash = await log.hash_at(position)
            detail = _INTACT
        except LogDamaged as damage:
            position, detail = damage.position, str(damage)
    found = {
        "intact": head_hash is not None,
        "position": position,
        "head_hash": None if head_hash is None else head_hash.hex(),
        "detail": detail,
        "took_s": round(trio.current_time() - begin, 3),
    }
    _tell(found, as_json=as_json)


def _tell(found: dict[str, Any], *, as_json: bool) -> None:
    """As the admin API tells it. Raises StartFailed for a log that is broken."""
    if as_json:
        print_json(found)
    if not found["intact"]:
        detail = str(found["detail"]).removeprefix(f"event {found['position']}: ")
        raise StartFailed(printable(f"The log is broken at position {found['position']}: the event {detail}."))
    if not as_json:
        count, head_hash = found["position"], found["head_hash"]
        click.echo(f"{count} events, all as they were written; the hash of the last one is {head_hash}.")
