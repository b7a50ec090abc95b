"""`pointsman show`: the routing table at a position of the log.

Law: no digest is printed in any form; credentials appear by name.
"""

from functools import partial

import click
import msgspec
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from adapters.cli.gateway_client import AdminApi
from adapters.cli.reaching import Where, place_options
from adapters.cli.reading import json_option
from adapters.cli.running import run
from adapters.cli.tables import print_rows
from adapters.cli.walking import walk
from adapters.settings import DEFAULT_DATABASE
from adapters.store import open_log
from engine.definitions import define_key, define_pool, define_provider, define_rule
from engine.errors import StartFailed
from engine.names import Position
from engine.snapshot import Pool, RoutingSnapshot
from projections.document import shown
from projections.phrases import particulars, pool_particulars, printable, provider_particulars, rule_order


@click.command()
@place_options
@json_option
@click.option("--at", type=int, help="The position to show; by default the newest.")
def show(*, where: Where, as_json: bool, at: Position | None) -> None:
    """Print the routing table at a position of the log.

    Of pointsman.db in the working directory, unless --database or --gateway names another.
    """
    if where.gateway is not None:
        where.work(partial(_from_gateway, at, as_json))
    else:
        run(partial(_from_database, where.database or DEFAULT_DATABASE, at, as_json))


async def _from_gateway(at: Position | None, as_json: bool, api: AdminApi) -> None:
    table = await api.get("snapshot", at=at)
    if as_json:
        click.echo(msgspec.json.encode(table))
        return
    click.echo(f"position {table['position']}: {len(table['pools'])} pool(s), {len(table['keys'])} key(s)")
    for section, columns in (("pools", ("alias", "strategy", "providers", "keys")), ("keys", ("key_id", "labels"))):
        if table[section]:
            click.echo()
            print_rows(list(table[section].values()), columns)


async def _from_database(database: str, at: Position | None, as_json: bool) -> None:
    async with open_log(database) as log:
        # A position below 0 is read through to the head, which the refusal names.
        table = await walk(log, lambda before, _: at is None or at < 0 or before.position < at)
    if at is not None and at != table.position:
        raise StartFailed(
            f"Position {at} is not in the log, whose head is {table.position}; give --at 0 to {table.position}.",
            wrong_input=True,
        )
    if as_json:
        click.echo(msgspec.json.encode(shown(table)))
    else:
        _print(table)


def _print(table: RoutingSnapshot) -> None:
    console = Console(highlight=False)
    settings = table.settings
    console.print(
        _text(f"position {table.position}: {len(table.pools)} pool(s), {len(table.keys)} key(s)"),
        _text(
            f"strict mode {'on' if settings.strict_mode else 'off'}, {settings.max_idle_per_host} idle connections per "
            f"host, each for {settings.idle_timeout_s:g} s"
        ),
        sep="\n",
    )
    for alias in sorted(table.pools):
        console.print()
        console.print(_pool(table.pools[alias]))
    if table.keys:
        console.print()
        console.print(_keys(table))


def _pool(pool: Pool) -> Group:
    providers = _table("provider", "address", "weight", "more")
    for rank, provider in enumerate(pool.providers):
        more = ", ".join(provider_particulars(define_provider(pool.alias, rank, provider)))
        providers.add_row(_text(provider.name), _text(provider.url), str(provider.weight), _text(more))
    listed = [] if pool.keys is None else [_text(f"keys: {', '.join(sorted(pool.keys)) or 'none, so it is closed'}")]
    rules = [
        _text(f"rule {rank}: {rule_order(define_rule(pool.alias, rank, rule))}") for rank, rule in enumerate(pool.rules)
    ]
    headline = Text.assemble(
        (printable(pool.alias), "bold"), printable(f": {', '.join(pool_particulars(define_pool(pool)))}")
    )
    return Group(headline, *listed, *rules, providers)


def _keys(table: RoutingSnapshot) -> Table:
    keys = _table("key", "labels", "limits and rights")
    for key_id in sorted(table.keys):
        defined = define_key(table.keys[key_id])
        labels = ", ".join(f"{name}={value}" for name, value in sorted(defined.labels.items()))
        more = ", ".join(particulars(defined, beside=frozenset({"labels"})))
        keys.add_row(_text(key_id), _text(labels), _text(more))
    return keys


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _text(words: str) -> Text:
    # A Text, since a plain string would be read as rich's markup.
    return Text(printable(words))
