"""The live view as a table for the terminal."""

from collections.abc import Iterable

from rich.console import Group
from rich.table import Table
from rich.text import Text

from engine.pool.view import ProviderView, RateView
from projections.live import Snapshot
from projections.live_facts import EventTold
from projections.phrases import printable


def live_table(state: Snapshot, events: Iterable[EventTold] = (), gateway: str = "") -> Group:
    """A line a pool, and one for each of its providers below it; the newest events under them. `gateway`: its address.

    What stands above and below is as wide as the terminal, however narrow the table is.
    """
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in ("pool", "provider", "strategy"):
        table.add_column(name, overflow="fold")
    for name in ("active", "weight"):
        table.add_column(name, justify="right")
    table.add_column("state")
    for alias in sorted(state.pools):
        pool = state.pools[alias]
        load = _load(pool.active, pool.limit)
        table.add_row(Text(printable(alias), style="bold"), "", pool.strategy, load, "", _tokens(pool.rate))
        for provider in pool.providers:
            style = "dim" if provider.draining else ""
            table.add_row(
                "",
                Text(printable(provider.name)),
                "",
                _load(provider.active, provider.limit),
                str(provider.weight),
                _state(provider),
                style=style,
            )
    said = [f"{event.position} {event.recorded_at[11:19]} {event.actor}: {event.sentence}" for event in events]
    return Group(_title(state, gateway), table, *(Text(printable(line), style="dim italic") for line in said))


def _title(state: Snapshot, address: str) -> Text:
    """Which gateway it is, and where it stands; what it is not well with stands out."""
    gateway = state.gateway
    place = f"{printable(address)}: " if address else ""
    title = Text(f"{place}position {state.position}, seq {state.seq}, {len(state.pools)} pool(s)")
    file = () if gateway.file is None else gateway.file.problems
    wrong = [
        *([gateway.status] if gateway.status != "ready" else []),
        *([f"log: {gateway.log}"] if gateway.log != "readable" else []),
        *([f"{gateway.faults} faulty model(s)"] if gateway.faults else []),
        *(f"file: {problem}" for problem in file),
    ]
    for one in wrong:
        title.append("\n" + printable(one), style="red")
    return title


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
