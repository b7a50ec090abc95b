"""The reload storm: the same load without and with a configuration change every 100 ms: `make bench-storm`.

wrk loads the pool `chat` over 32 connections. Meanwhile a client keeps the pool `metered` at its rate limit and counts
what it gets, and 20 long streams stay open in the pool `held`. In the second half the watched file is rewritten on a
fixed beat; each version touches every pool. Then no request may have failed, no token may be too many or too few, the
number in flight was exact at every look, every stream came whole, and the 99th percentile of the load is compared.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import load
import trio
import witnesses
from changes import document, rewrite
from gateway import Gateway, gateway
from nginx import free_ports, nginx, until_open
from rich.console import Console
from rich.table import Table

SECONDS = int(os.environ.get("BENCH_SECONDS", "60"))
CONNECTIONS = 32
EVERY_S = 0.1
TARGET_P99_RATIO = 1.5
RESULTS = Path(__file__).parent / "results"

_WORDS_PER_S = 5
_MARGIN_S = 6
"""How much longer than the load the streams last."""
_REFILL_S = 2
"""More than an empty bucket of `metered` takes to be full."""


@attrs.define
class Phase:
    """What was seen in one half."""

    figures: load.Figures | None = None
    tokens: witnesses.Tokens = attrs.field(factory=witnesses.Tokens)
    held: witnesses.Held = attrs.field(factory=witnesses.Held)
    taken: witnesses.Taken = attrs.field(factory=witnesses.Taken)
    written: int = 0
    "Versions of the file."
    retries: float = 0.0

    @property
    def in_force(self) -> int:
        """Versions that came into force; a version that is overwritten before the watcher looks never does."""
        return len(self.taken.positions) - 1

    @property
    def in_force_per_s(self) -> float:
        """Between the first and the last of them."""
        times = self.taken.seen_s[1:]
        return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 0.0

    @property
    def failures(self) -> int:
        figures = self.figures
        return (figures.failures if figures else 0) + self.tokens.failures + len(self.held.broken)


@contextmanager
def slow_provider(folder: Path) -> Iterator[int]:
    """A simulated provider that streams at its leisure, as a process; its port."""
    (port,) = free_ports(1)
    options = ["--tokens", str(_words()), "--tokens-per-second", str(_WORDS_PER_S)]
    command = [sys.executable, "-m", "pointsman", "simulate", "--listen", f"127.0.0.1:{port}", *options]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    try:
        until_open(port, process, "the simulated provider")
        yield port
    finally:
        process.terminate()
        process.wait()


def _words() -> int:
    return (SECONDS + _MARGIN_S) * _WORDS_PER_S


@attrs.frozen
class Storm:
    running: Gateway
    stubs: tuple[int, ...]
    slow: int
    chat: Path
    "wrk's script."

    async def run(self) -> tuple[Phase, Phase]:
        await self._load(2)  # not counted: warms up
        return await self._phase(changing=False), await self._phase(changing=True)

    async def _phase(self, *, changing: bool) -> Phase:
        await trio.sleep(_REFILL_S)
        phase, before = Phase(), await witnesses.retries(self.running.control)
        streams = witnesses.Streams(self.running.data, _words(), phase.held)
        async with trio.open_nursery() as following:
            following.start_soon(witnesses.follow, self.running.control, phase.taken)
            async with trio.open_nursery() as holding:
                await holding.start(streams.hold)
                await self._under_load(phase, changing=changing)
            phase.held.left = await witnesses.left_over(self.running.control)
            following.cancel_scope.cancel()
        phase.retries = await witnesses.retries(self.running.control) - before
        return phase

    async def _under_load(self, phase: Phase, *, changing: bool) -> None:
        over = trio.Event()

        async def count() -> None:
            phase.tokens = await witnesses.saturate(self.running.data, over)

        async with trio.open_nursery() as counting:
            counting.start_soon(count)
            async with trio.open_nursery() as loading:
                loading.start_soon(witnesses.sample, self.running.control, phase.held)
                if changing:
                    loading.start_soon(self._change, phase)
                phase.figures = await self._load(SECONDS)
                loading.cancel_scope.cancel()
            over.set()

    async def _change(self, phase: Phase) -> None:
        """Rewrite the file on the beat, for ever."""
        due = trio.current_time()
        while True:
            phase.written += 1
            rewrite(self.running.routes, document(phase.written, self.stubs, self.slow))
            due += EVERY_S
            await trio.sleep_until(due)

    async def _load(self, seconds: int) -> load.Figures:
        run = partial(load.run, self.running.data, connections=CONNECTIONS, seconds=seconds, chat=self.chat)
        return await trio.to_thread.run_sync(run)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            nginx(folder) as upstream,
            slow_provider(folder) as slow,
            gateway(folder, document(0, upstream.stubs, slow)) as running,
        ):
            calm, stormy = trio.run(Storm(running, upstream.stubs, slow, load.script(folder)).run)
    phases = {"no changes": calm, f"a change every {EVERY_S * 1000:.0f} ms": stormy}
    RESULTS.mkdir(exist_ok=True)
    result = {
        "python": platform.python_version(),
        "machine": f"{os.cpu_count()} cores",
        "seconds": SECONDS,
        "p99_ratio": _ratio(calm, stormy),
        "in_force_per_s": stormy.in_force_per_s,
        "phases": {name: attrs.asdict(phase) for name, phase in phases.items()},
    }
    (RESULTS / "storm.json").write_text(json.dumps(result, indent=2) + "\n")
    show(phases, _ratio(calm, stormy))


def _ratio(calm: Phase, stormy: Phase) -> float:
    return stormy.figures.p99_ms / calm.figures.p99_ms if calm.figures and stormy.figures else 0.0


def show(phases: dict[str, Phase], ratio: float) -> None:
    table = Table(title=f"{SECONDS} s each, {CONNECTIONS} connections, {witnesses.STREAMS} streams held open")
    table.add_column("")
    for name in phases:
        table.add_column(name, justify="right")
    columns = [dict(_rows(phase)) for phase in phases.values()]
    for row in columns[0]:
        table.add_row(row, *(column[row] for column in columns))
    console = Console()
    console.print(table)
    console.print(f"p99 with changes: {ratio:.2f} of that without (target at most {TARGET_P99_RATIO:.2f})")
    for phase in phases.values():
        for problem in (*phase.taken.problems, *phase.held.broken):
            console.print(f"[red]{problem}", markup=True)


def _rows(phase: Phase) -> Iterator[tuple[str, Any]]:
    figures, tokens, held = phase.figures, phase.tokens, phase.held
    if figures is not None:
        yield "requests", f"{figures.requests:,}"
        yield "requests/s", f"{figures.requests_per_s:,.0f}"
    yield "failed requests", str(phase.failures)
    yield "retries behind them", f"{phase.retries:.0f}"
    if figures is not None:
        yield "p50 ms", f"{figures.p50_ms:.2f}"
        yield "p99 ms", f"{figures.p99_ms:.2f}"
    yield "changes written", str(phase.written)
    yield "changes in force", f"{phase.in_force} ({phase.in_force_per_s:.1f}/s)"
    yield "limiter drift, tokens", f"{tokens.drift} ({tokens.admitted:,} admitted, {tokens.compared:,} comparisons)"
    yield "in flight exactly 20", f"{held.samples - len(held.inexact)} of {held.samples} samples"
    yield "in flight at the end", f"{held.left:.0f}"
    yield "streams complete", f"{held.complete} of {witnesses.STREAMS}"


if __name__ == "__main__":
    main()
