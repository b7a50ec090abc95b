"""`pointsman verify`: whether the log is what was written.

Law: exit 0 where every event is, with the head's hash, which kept elsewhere tells later whether this log is still it;
exit 1 with the first position where one is not.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from functools import partial
from typing import Any

import click

from adapters.cli.gateway_client import AdminApi
from adapters.cli.progress import progress
from adapters.cli.reaching import Where, place_options
from adapters.cli.reading import json_option
from adapters.cli.tables import print_json
from engine.errors import StartFailed
from projections.phrases import printable

_BROKEN = 409


@click.command()
@place_options
@json_option
def verify(*, where: Where, as_json: bool) -> None:
    """Recompute the log's hash chain, and print the hash of its last event.

    Exit 1 where an event is not what was written, with its position.
    """
    # On a database the log itself shows how far it is.
    shown = nullcontext() if where.database is not None else progress("verifying")
    where.work(partial(_verify, shown, as_json))


async def _verify(shown: Any, as_json: bool, api: AdminApi) -> None:
    with shown as step:
        if step is not None:
            step(0, None)
        found = (await api.ask("GET", "verify", also=_BROKEN)).body
    if as_json:
        print_json(found)
    if "intact" not in found:
        raise StartFailed(printable(str(found.get("detail"))))
    if not found["intact"]:
        _leave_broken(found)
    if not as_json:
        count, head_hash = found["position"], found["head_hash"]
        click.echo(f"{count} events, all as they were written; the hash of the last one is {head_hash}.")


def _leave_broken(found: Mapping[str, Any]) -> None:
    detail = str(found["detail"]).removeprefix(f"event {found['position']}: ")
    raise StartFailed(printable(f"The log is broken at position {found['position']}: the event {detail}."))
