"""`pointsman get`: entities as they are now."""

from functools import partial
from typing import Any

import click

from adapters.cli.gateway_client import AdminApi
from adapters.cli.kinds import KINDS, Kind, KindType
from adapters.cli.reaching import Where, place_options
from adapters.cli.reading import json_option
from adapters.cli.tables import print_fields, print_json, print_rows
from engine.errors import StartFailed


@click.command(epilog=f"Kinds: {', '.join(KINDS)}.")
@click.argument("kind", type=KindType())
@click.argument("entity_id", metavar="[ID]", required=False)
@place_options
@json_option
def get(*, kind: Kind, entity_id: str | None, where: Where, as_json: bool) -> None:
    """Print all entities of a KIND, or the one with an ID.

    What belongs to another is named by both: `get members GROUP` has all members of a group, `get components
    COMPOSITE/DEPLOYMENT` one component.
    """
    where.work(partial(_get, kind, entity_id, as_json=as_json))


async def _get(kind: Kind, entity_id: str | None, api: AdminApi, *, as_json: bool) -> None:
    is_list = not kind.is_one and (entity_id is None or (kind.is_part and "/" not in entity_id))
    if is_list:
        _print_all(kind, await api.all(*kind.all_of(entity_id)), as_json=as_json)
        return
    found = await (_shown if kind.is_shown else _listed)(kind, entity_id, api)
    (print_json if as_json else print_fields)(found)


def _print_all(kind: Kind, found: list[Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    elif found:
        print_rows(found, kind.columns)
    else:
        click.echo(f"There are no {kind.name}.", err=True)


async def _shown(kind: Kind, entity_id: str | None, api: AdminApi) -> Any:
    return await api.get(*kind.one_of(entity_id))


async def _listed(kind: Kind, entity_id: str | None, api: AdminApi) -> Any:
    *path, own = kind.one_of(entity_id)
    for one in await api.all(*path):
        if one[kind.id] == own:
            return one
    raise StartFailed(f"There is no {own!r} among the {kind.name}.", wrong_input=True)
