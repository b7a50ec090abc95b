"""The live view as a table for the terminal."""

from rich.table import Table
from rich.text import Text

from engine.pool.view import ProviderView, RateView
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
        notes = ", ".join(part for part in (pool.strategy, _tokens(pool.rate)) if part)
        table.add_row(Text(printable(alias), style="bold"), "", _load(pool.active, pool.limit), "", notes)
        for provider in pool.providers:
            style = "dim" if provider.draining else ""
            table.add_row(
                "",
                Text(printable(provider.name)),
                _load(provider.active, provider.limit),
                str(provider.weight),
                _state(provider),
                style=style,
            )
    return table


def _state(provider: ProviderView) -> Text:
    """What there is to know of a provider beside its load; what keeps it from being chosen stands out."""
    barred = [
        f"{what} {circuit.phase.replace('_', '-')}" + (f" for {circuit.reopens_in_s} s" if circuit.reopens_in_s else "")
        for what, circuit in (("circuit", provider.circuit), ("credential", provider.credential))
        if circuit.phase != "closed"
    ]
    calm = ["draining"] if provider.draining else []
    if rate := _tokens(provider.rate):
        calm.append(rate)
    return Text(", ".join([*calm, *barred]), style="red" if barred else "")


def _tokens(rate: RateView | None) -> str:
    return "" if rate is None else f"{rate.remaining}/{rate.burst} tokens"


def _load(active: int, limit: int | None) -> Text:
    is_full = limit is not None and active >= limit
    return Text(str(active) if limit is None else f"{active}/{limit}", style="red" if is_full else "")
