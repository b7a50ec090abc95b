"""What the API tells, for people: tables without markup, or the JSON itself.

Law: nothing that comes from elsewhere is obeyed, neither by rich nor by the terminal. The JSON is the API's own.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from projections.phrases import printable

if TYPE_CHECKING:
    from rich.table import Table

_IDS: Final = {"id", "alias", "key_id", "token_id", "source", "deployment_id", "purpose"}
_NAMES: Final = ("name", "id", "deployment_id", "purpose")


def print_json(value: Any) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_rows(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str] = (),
    *,
    whole: Sequence[str] = (),
    spare: Sequence[str] = (),
) -> None:
    """A line each. Without `columns` there is one for every field that any of them has a value in.

    On a terminal that is too narrow, those of `whole` are not broken, and those of `spare` are left out, the first of
    them first, which is said.
    """
    if not columns:
        fields = _ordered(field for row in rows for field in row)
        columns = [field for field in fields if any(told(row.get(field)) for row in rows)]
    if rows:
        _print(columns, [[told(row.get(column)) for column in columns] for row in rows], whole, spare)


def print_fields(entity: Mapping[str, Any]) -> None:
    """A line for every field that has a value, and for each entry of a list of objects."""
    lines = []
    for field in _ordered(entity):
        value = entity[field]
        if isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
            lines += [(f"{field}[{place}]", told(one)) for place, one in enumerate(value)]
        else:
            lines.append((field, told(value)))
    _print((), [line for line in lines if line[1]])


def told(value: Any) -> str:
    """A value in a cell; nothing for what is not there."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case str():
            return printable(value)
        case Mapping():
            given = {name: told(one) for name, one in value.items()}
            return ", ".join(f"{printable(name)}={one}" for name, one in given.items() if one)
        case list() | tuple():
            return ", ".join(_short(one) if isinstance(one, Mapping) else told(one) for one in value)
        case _:
            return str(value)


def _ordered(fields: Iterable[str]) -> list[str]:
    """Each once, what an entity is called before the rest."""
    return sorted(dict.fromkeys(fields), key=lambda field: field not in _IDS)


def _short(entry: Mapping[str, Any]) -> str:
    """What an object is called; where it has no name, all of it."""
    name = next((entry[field] for field in _NAMES if entry.get(field)), None)
    return told(name) if name is not None else f"({told(entry)})"


def _print(
    headers: Sequence[str], rows: Sequence[Sequence[str]], whole: Sequence[str] = (), spare: Sequence[str] = ()
) -> None:
    from rich.console import Console  # noqa: PLC0415 - programs that read JSON do not pay for it
    from rich.measure import Measurement  # noqa: PLC0415 - as above

    console = Console(highlight=False)
    if not console.is_terminal:
        # Programs that read the table by lines would not find a line that was folded.
        console.width = 10_000
    table, omitted = _table(headers, rows, whole), []
    for name in (one for one in spare if one in headers):
        if Measurement.get(console, console.options.update(width=10_000), table).maximum <= console.width:
            break
        omitted.append(name)
        table = _table(headers, rows, whole, omitted)
    console.print(table)
    if omitted:
        click.echo(f"The terminal is too narrow for: {', '.join(map(printable, omitted))}.", err=True)


def _table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], whole: Sequence[str], omitted: Sequence[str] = ()
) -> "Table":
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    # What is narrow already is not made narrower by wide gaps.
    gap = 1 if omitted else 2
    table = Table(box=None, header_style="dim", pad_edge=False, show_header=bool(headers), padding=(0, gap, 0, 0))
    places = [place for place, name in enumerate(headers or ("", "")) if name not in omitted]
    for place in places:
        name = headers[place] if headers else ""
        # A field's name is words; other headings have names in them.
        heading = name.replace("_", " ") if name.isidentifier() else printable(name)
        table.add_column(Text(heading), overflow="fold", no_wrap=name in whole)
    for row in rows:
        # A Text, since a plain string would be read as rich's markup.
        table.add_row(*(Text(row[place]) for place in places))
    return table
