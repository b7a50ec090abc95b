"""What recording decisions costs, and how fast they are computed again: `make bench-journal`.

The same load as in `bench/run.py`, by turns on a gateway that records and one that does not (`--journal off`), many
short runs each, so that a disturbance of the machine meets both. A run is compared with its neighbour, and the median
of these ratios is what counts; the quartiles tell how far to trust it. Then the journal of the one that recorded: bytes
a request on disk, and all of it read, decoded and computed again. Processor time a request, of the gateway with all its
threads, is told beside the throughput: it depends less on what else runs.
"""

import json
import os
import platform
import re
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import httpx
import load
import trio
from gateway import Gateway, gateway
from nginx import nginx
from rich.console import Console
from rich.table import Table
from run import document

from adapters.codec import journal_codec as codec
from adapters.collecting import uncollected
from adapters.store import open_log
from adapters.store.journal import open_journal
from engine.names import Alias, Position
from engine.pool.messages import Acquire
from engine.snapshot import Pool
from projections import routing
from projections.replay import replay

ROUNDS = max(2, int(os.environ.get("BENCH_ROUNDS", "40")))
SECONDS = int(os.environ.get("BENCH_SECONDS", "1"))
CONNECTIONS = 32
TARGET_COST = 0.10
TARGET_REPLAY = 20_000
RESULTS = Path(__file__).parent / "results"


@attrs.frozen
class Run:
    figures: load.Figures
    processor_us: float
    "A request."


def measure(folder: Path) -> dict[str, list[Run]]:
    chat = load.script(folder)
    found: dict[str, list[Run]] = {"on": [], "off": []}
    for name in found:
        (folder / name).mkdir()
    with nginx(folder) as upstream:
        wanted = document(upstream)
        with (
            gateway(folder / "on", wanted) as on,
            gateway(folder / "off", wanted, environ={"POINTSMAN_JOURNAL": "off"}) as off,
        ):
            gateways = {"on": on, "off": off}
            for one in gateways.values():
                load.run(one.data, connections=CONNECTIONS, seconds=2, chat=chat)  # not counted: warms up
            for turn in range(ROUNDS):
                for name in ("on", "off") if turn % 2 else ("off", "on"):
                    found[name].append(run(gateways[name], chat))
    return found


def run(running: Gateway, chat: Path) -> Run:
    before = processor_s(running)
    figures = load.run(running.data, connections=CONNECTIONS, seconds=SECONDS, chat=chat)
    return Run(figures, (processor_s(running) - before) / figures.requests * 1e6)


def processor_s(running: Gateway) -> float:
    text = httpx.get(f"http://127.0.0.1:{running.control}/metrics", trust_env=False).text
    found = re.search(r"^process_cpu_seconds_total (\S+)$", text, re.MULTILINE)
    if found is None:
        raise ValueError("the gateway does not tell its processor time")
    return float(found[1])


async def read_again(folder: Path) -> dict[str, Any]:
    """Decode and recompute all that was recorded; the time is that of both together."""
    with uncollected():
        definitions = await _definitions(folder / "bench.db")
    async with open_journal(folder / "bench.db.journal") as journal:
        span = await journal.span()
        stored = [doc async for doc in journal.stored()]
    decisions = 0

    def blocks() -> Any:
        nonlocal decisions
        for doc in stored:
            block = codec.decode(doc)
            decisions += sum(isinstance(entry.told, Acquire) for entry in block.entries)
            yield block

    begun = time.process_time()
    entries, mismatch = replay(blocks(), definitions)
    spent = time.process_time() - begun
    if mismatch is not None:
        raise AssertionError(str(mismatch))
    return {
        "decisions": decisions,
        "entries": entries,
        "replayed_per_s": decisions / spent,
        "bytes_a_request": _size(folder / "bench.db.journal") / max(1, span.requests),
        "bytes_a_request_in_blocks": span.bytes / max(1, span.requests),
        "blocks": span.blocks,
        "requests": span.requests,
        "dropped": span.dropped,
    }


async def _definitions(database: Path) -> Any:
    tables: dict[Position, Any] = {}
    async with open_log(f"sqlite+aiosqlite:///{database}") as log:
        snapshot = routing.empty()
        for event in await log.read(0, 10_000):
            snapshot = routing.fold(snapshot, (event,))[0]
            tables[snapshot.position] = snapshot.pools

    def definition(alias: Alias, position: Position) -> Pool | None:
        return tables[position].get(alias)

    return definition


def _size(journal: Path) -> int:
    return sum(path.stat().st_size for path in journal.parent.glob(journal.name + "*"))


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rounds = measure(folder)
        again = trio.run(partial(read_again, folder / "on"))
    medians = {name: statistics.median(one.figures.requests_per_s for one in runs) for name, runs in rounds.items()}
    p99 = {name: statistics.median(one.figures.p99_ms for one in runs) for name, runs in rounds.items()}
    processor = {name: statistics.median(one.processor_us for one in runs) for name, runs in rounds.items()}
    costs = [
        1 - on.figures.requests_per_s / off.figures.requests_per_s
        for on, off in zip(rounds["on"], rounds["off"], strict=True)
    ]
    dearer = [on.processor_us / off.processor_us - 1 for on, off in zip(rounds["on"], rounds["off"], strict=True)]
    low, cost, high = statistics.quantiles(costs)
    result = {
        "python": platform.python_version(),
        "machine": f"{os.cpu_count()} cores",
        "requests_per_s": medians,
        "processor_us": processor,
        "rounds": {name: [attrs.asdict(one) for one in runs] for name, runs in rounds.items()},
        "p99_ms": p99,
        "cost": cost,
        "cost_quartiles": [low, high],
        "cost_processor": statistics.median(dearer),
        **again,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "journal.json").write_text(json.dumps(result, indent=2) + "\n")
    table = Table(title=f"{ROUNDS} runs of {SECONDS} s each, by turns, {CONNECTIONS} connections")
    for column in ("journal", "requests/s", "p99 ms", "processor µs a request", "failures"):
        table.add_column(column, justify="right")
    for name, runs in rounds.items():
        failures = sum(one.figures.failures for one in runs)
        table.add_row(name, f"{medians[name]:,.0f}", f"{p99[name]:.2f}", f"{processor[name]:.1f}", str(failures))
    console = Console()
    console.print(table)
    console.print(
        f"cost of recording: {cost:.1%} of the throughput (quartiles {low:.1%} and {high:.1%}, target at most "
        f"{TARGET_COST:.0%}); {statistics.median(dearer):.1%} of processor time"
    )
    console.print(
        f"computed again: {again['decisions']:,} of {again['decisions']:,} decisions, "
        f"{again['replayed_per_s']:,.0f} a second with decoding (target {TARGET_REPLAY:,})"
    )
    console.print(
        f"on disk: {again['bytes_a_request']:.0f} bytes a request ({again['bytes_a_request_in_blocks']:.0f} of them in "
        f"{again['blocks']:,} blocks), {again['dropped']} entries dropped"
    )


if __name__ == "__main__":
    main()
