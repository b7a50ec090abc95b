"""`pointsman show`: the routing table at a position of the log, or at a time.

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
from adapters.cli.times import PastType
from adapters.cli.walking import position_of, walk
from adapters.moments import Asked, told
from adapters.settings import DEFAULT_DATABASE
from adapters.store import open_log
from engine.definitions import define_key, define_pool, define_provider, define_rule
from engine.errors import StartFailed
from engine.events import Recorded
from engine.names import Position
from engine.snapshot import Pool, RoutingSnapshot
from projections.document import shown
from projections.phrases import particulars, pool_particulars, printable, provider_particulars, rule_order


@click.command()
@place_options
@json_option
@click.option(
    "--at", type=PastType(), help="The position to show, or a time: what was in force then. By default the newest."
)
def show(*, where: Where, as_json: bool, at: Asked | None) -> None:
    """Print the routing table, as it is or as it was.

    Of pointsman.db in the working directory, unless --database or --gateway names another.
    """
    if where.gateway is not None:
        where.work(partial(_from_gateway, at, as_json))
    else:
        run(partial(_from_database, where.database or DEFAULT_DATABASE, at, as_json))


async def _from_gateway(at: Asked | None, as_json: bool, api: AdminApi) -> None:
    if as_json:
        click.echo(msgspec.json.encode(await api.get("snapshot", at=at)))
        return
    found = None if at is None else await api.get("positions", at=at)
    table = await api.get("snapshot", at=None if found is None else found["position"])
    since = found["recorded_at"] if found is not None else None
    click.echo(_headline(table["position"], since, len(table["pools"]), len(table["keys"])))
    for section, columns in (("pools", ("alias", "strategy", "providers", "keys")), ("keys", ("key_id", "labels"))):
        if table[section]:
            click.echo()
            print_rows(list(table[section].values()), columns)


async def _from_database(database: str, at: Asked | None, as_json: bool) -> None:
    since: str | None = None

    def visit(before: RoutingSnapshot, recorded: Recorded) -> bool:
        nonlocal since
        if position is not None and before.position >= position:
            return False
        since = told(recorded.recorded_at)
        return True

    async with open_log(database) as log:
        position = None if at is None else await position_of(log, at)
        table = await walk(log, visit)
    if position is not None and position != table.position:
        head = table.position
        raise StartFailed(
            f"Position {position} is not in the log, whose head is {head}; valid: 0 to {head}, or a time.",
            wrong_input=True,
        )
    if as_json:
        click.echo(msgspec.json.encode(shown(table)))
    else:
        _print(table, since if at is not None else None)


def _headline(position: Position, since: str | None, pools: int, keys: int) -> str:
    """`since`: when the position was recorded."""
    when = f", of {since}" if since is not None else ""
    return f"position {position}{when}: {pools} pool(s), {keys} key(s)"


def _print(table: RoutingSnapshot, since: str | None) -> None:
    console = Console(highlight=False)
    settings = table.settings
    console.print(
        _text(_headline(table.position, since, len(table.pools), len(table.keys))),
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
