"""`pointsman set`: define an entity, or change some of its fields.

Law: what was read before it is written again is written only if nobody has changed it in between.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import click

from adapters.cli.gateway_client import AdminApi, Declined
from adapters.cli.kinds import KINDS, Kind, KindType
from adapters.cli.reaching import Where, place_options
from adapters.cli.reading import json_option
from adapters.cli.receipts import print_receipt
from adapters.cli.running import sentences
from adapters.cli.stating import document, secret_from, stated
from engine.errors import StartFailed

_MISSING: Final = 404
_OUTDATED: Final = 412


@click.command(
    "set", epilog=f"Kinds: {', '.join(name for name, kind in KINDS.items() if kind.is_defined or kind.is_patched)}."
)
@click.argument("kind", type=KindType())
@click.argument("words", metavar="[ID] [FIELD=VALUE]...", nargs=-1)
@click.option(
    "--file", metavar="FILE", help="State the whole entity: a JSON, YAML or TOML file, or - for JSON or YAML."
)
@click.option("--secret-from-file", metavar="FILE", help="Of an endpoint: its api_key, one line of a file or of -.")
@click.option("--dry-run", is_flag=True, help="Tell what would be different, and change nothing.")
@place_options
@json_option
def set_(
    *,
    kind: Kind,
    words: tuple[str, ...],
    file: str | None,
    secret_from_file: str | None,
    dry_run: bool,
    where: Where,
    as_json: bool,
) -> None:
    """Define an entity, or change some of its fields.

    FIELD=VALUE changes that field and leaves the others: a.b=VALUE is a field within a field, null takes the default. A
    VALUE is JSON where it is JSON, else text. --file states all fields instead. What is not there yet is made.
    """
    entity_id = words[0] if words and not kind.is_one else None
    with sentences():
        fields = stated(words if kind.is_one else words[1:])
        if secret_from_file is not None:
            fields["api_key"] = secret_from(secret_from_file)
        whole = None if file is None else kind.taken(document(file))
        path = kind.one_of(entity_id)
    if whole is not None and fields:
        raise click.UsageError("Give FIELD=VALUE or --file, not both.")
    if not fields and whole is None and kind.has_fields and kind.needs_fields:
        raise click.UsageError("Nothing is to be set: give FIELD=VALUE or --file.")
    if not (kind.is_defined or kind.is_patched) or (whole is not None and not kind.is_defined):
        raise click.UsageError(f"{kind.name} cannot be written so.")
    where.work(partial(_set, kind, path, fields, whole, dry_run, as_json), makes=True)


async def _set(
    kind: Kind,
    path: tuple[str, ...],
    fields: dict[str, Any],
    whole: dict[str, Any] | None,
    dry_run: bool,
    as_json: bool,
    api: AdminApi,
) -> None:
    change = partial(api.change, dry_run=dry_run)
    if not kind.has_fields:
        receipt = await change("PUT", *path)
    elif whole is not None:
        receipt = await change("PUT", *path, body=whole)
    elif kind.is_patched:
        receipt = await _patched(kind, path, fields, change)
    else:
        receipt = await _rewritten(kind, path, fields, change, api)
    print_receipt(receipt, as_json=as_json)


async def _patched(kind: Kind, path: tuple[str, ...], fields: Mapping[str, Any], change: Any) -> Any:
    try:
        return await change("PATCH", *path, body=fields)
    except Declined as error:
        if error.status != _MISSING or not kind.is_defined:
            raise
    new = {name: value for name, value in fields.items() if value is not None}
    return await change("PUT", *path, body=new, if_none_match="*")


async def _rewritten(kind: Kind, path: tuple[str, ...], fields: Mapping[str, Any], change: Any, api: AdminApi) -> Any:
    try:
        present = await api.ask("GET", *path)
    except Declined as error:
        if error.status != _MISSING:
            raise
        return await change("PUT", *path, body=fields, if_none_match="*")
    body = {**kind.taken(present.body), **fields}
    try:
        return await change("PUT", *path, body=body, if_match=present.headers["etag"])
    except Declined as error:
        if error.status != _OUTDATED:
            raise
        raise StartFailed(
            "It was changed by somebody else in between; nothing was set. Look, and do it again."
        ) from None
