"""The live view as a table for the terminal."""

from rich.table import Table
from rich.text import Text

from projections.live import Snapshot
from projections.phrases import printable


def live_table(state: Snapshot) -> Table:
    """A line a pool, and one for each of its providers below it."""
    title = f"position {state.position}, seq {state.seq}, {len(state.pools)} pool(s)"
    table = Table(title=title, title_justify="left", box=None, header_style="dim", pad_edge=False)
    for name in ("pool", "provider"):
        table.add_column(name, overflow="fold")
    for name in ("active", "weight"):
        table.add_column(name, justify="right")
    table.add_column("")
    for alias in sorted(state.pools):
        pool = state.pools[alias]
        table.add_row(Text(printable(alias), style="bold"), "", _load(pool.active, pool.limit), "", pool.strategy)
        for provider in pool.providers:
            style = "dim" if provider.draining else ""
            table.add_row(
                "",
                Text(printable(provider.name)),
                _load(provider.active, provider.limit),
                str(provider.weight),
                "draining" if provider.draining else "",
                style=style,
            )
    return table


def _load(active: int, limit: int | None) -> Text:
    is_full = limit is not None and active >= limit
    return Text(str(active) if limit is None else f"{active}/{limit}", style="red" if is_full else "")
