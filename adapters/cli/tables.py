"""What the API tells, for people: tables without markup, or the JSON itself.

Law: nothing that comes from elsewhere is obeyed, neither by rich nor by the terminal. The JSON is the API's own.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import click
import msgspec

from projections.phrases import printable


def print_json(value: Any) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> None:
    """A line each. Without `columns` there is one for every field that any of them has a value in."""
    if not columns:
        fields = dict.fromkeys(field for row in rows for field in row)
        columns = [field for field in fields if any(told(row.get(field)) for row in rows)]
    if rows:
        _print(columns, [[told(row.get(column)) for column in columns] for row in rows])


def print_fields(entity: Mapping[str, Any]) -> None:
    """A line for every field that has a value."""
    lines = [(field, told(value)) for field, value in entity.items()]
    _print((), [line for line in lines if line[1]])


def told(value: Any) -> str:
    """A value in a cell; nothing for what is not there."""
    match value:
        case None | "" | [] | {}:
            return ""
        case bool():
            return "yes" if value else "no"
        case str():
            return printable(value)
        case Mapping():
            return ", ".join(f"{printable(name)}={told(one)}" for name, one in value.items() if one is not None)
        case list() | tuple():
            return ", ".join(f"({told(one)})" if isinstance(one, Mapping) else told(one) for one in value)
        case _:
            return str(value)


def _print(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console  # noqa: PLC0415 - programs that read JSON do not pay for it
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    table = Table(box=None, header_style="dim", pad_edge=False, show_header=bool(headers))
    for column in headers or ("", ""):
        table.add_column(Text(printable(column).replace("_", " ")), overflow="fold")
    for row in rows:
        # A Text, since a plain string would be read as rich's markup.
        table.add_row(*map(Text, row))
    console = Console(highlight=False)
    if not console.is_terminal:
        # Programs that read the table by lines would not find a line that was folded.
        console.width = 10_000
    console.print(table)
