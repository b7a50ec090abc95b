"""The control plane at the size that is aimed at: `make bench-scale`.

1,000,000 events (`population.py`) are written straight into a log's tables, with the hash chain that appending would
have given them; what is measured begins after that. Each start is a process of its own, so that its peak memory is its
own: from an empty process to a table at the head of the log, read, verified, decoded and folded; and from the local
snapshot cache. Then single events are folded at the head, and requests are admitted, in processor time on one core.

BENCH_EVENTS: how many. BENCH_SCALE_DIR: where the databases are kept for the next run; else they are made afresh.
TEST_PG_URL: a PostgreSQL server to measure too; without it, one is started where `tests/postgres.py` finds binaries.
"""

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import trio
from rich.console import Console
from rich.table import Table
from scale_logs import ENVIRON, fill_postgres, fill_sqlite
from scale_steps import access_us, events_us

from adapters.clock import unix_us
from adapters.starting import caught_up
from adapters.store import open_store
from adapters.store.cache import SnapshotCache
from engine.snapshot import RoutingSnapshot
from projections import routing

EVENTS: Final = int(os.environ.get("BENCH_EVENTS", "1000000"))
RESULTS: Final = Path(__file__).parent / "results"
ROUNDS: Final = 3
TARGETS: Final = {
    "cold start, s": 15.0,
    "start from the cache, s": 2.0,
    "peak memory, MiB": 1024.0,
    "one event at the head, p50 ms": 1.0,
    "one event at the head, p99 ms": 1.0,
    "access decision, mean µs": 5.0,
}


def peak_mib() -> float:
    """Of this process alone: what getrusage says begins with the parent's."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _processor_of_children_s() -> float:
    """The second reader's, which is over by then."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def _from_log(url: str) -> tuple[RoutingSnapshot, bytes]:
    async with open_store(url, environ=ENVIRON, clock_us=unix_us) as store:
        snapshot = await caught_up(store.log, routing.empty(), url=url)
        return snapshot, await store.log.hash_at(snapshot.position) or b""


def cold(url: str, cache: Path) -> dict[str, Any]:
    """Start from the log; then what a running gateway does at its head."""
    begun, worked = time.perf_counter(), time.process_time()
    snapshot, head = trio.run(_from_log, url)
    found: dict[str, Any] = {
        "cold start, s": time.perf_counter() - begun,
        "cold start, processor s": time.process_time() - worked,
        "peak memory, MiB": peak_mib(),
        "second reader, processor s": _processor_of_children_s(),
        "position": snapshot.position,
        "pools": len(snapshot.pools),
        "keys": len(snapshot.keys),
        "users": len(snapshot.users),
    }
    found |= events_us(snapshot) | access_us(snapshot)
    begun = time.perf_counter()
    trio.run(SnapshotCache(cache).save, snapshot, head, ())
    return found | {"saving the cache, s": time.perf_counter() - begun, "cache, MiB": cache.stat().st_size / 2**20}


def warm(cache: Path) -> dict[str, Any]:
    """Start from the local snapshot cache."""
    begun = time.perf_counter()
    cached = trio.run(SnapshotCache(cache).load)
    if cached is None:
        raise AssertionError("the cache was not read back")
    return {
        "start from the cache, s": time.perf_counter() - begun,
        "peak memory, MiB": peak_mib(),
        "position": cached.snapshot.position,
    }


def measured(url: str, *arguments: str) -> dict[str, Any]:
    """What this program finds when it is asked for one measurement, in a process of its own."""
    command = [sys.executable, __file__, *arguments]
    # The URL has a password, which is nobody's to see in a list of processes or in an error.
    environ = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent), "BENCH_SCALE_URL": url}
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, env=environ).stdout)
    return found


@contextmanager
def _place() -> Iterator[Path]:
    kept = os.environ.get("BENCH_SCALE_DIR")
    with ExitStack() as stack:
        place = Path(kept or stack.enter_context(tempfile.TemporaryDirectory(prefix="pointsman-scale-")))
        place.mkdir(exist_ok=True)
        yield place


def main() -> None:
    console = Console()
    result: dict[str, Any] = {
        "python": platform.python_version(),
        "machine": f"{os.cpu_count()} cores",
        "events": EVENTS,
        "targets": TARGETS,
    }
    with _place() as place, ExitStack() as stack:
        logs = {"SQLite": fill_sqlite(place / f"scale-{EVENTS}.db", EVENTS)}
        postgres = fill_postgres(stack, EVENTS)
        if postgres is not None:
            logs["PostgreSQL"] = postgres
        for name, url in logs.items():
            rounds = []
            for _ in range(ROUNDS):
                cache = place / "cache.db"
                cache.unlink(missing_ok=True)
                rounds.append(
                    {
                        "from the log": measured(url, "cold", str(cache)),
                        "from the cache": measured(url, "warm", str(cache)),
                    }
                )
                console.print(f"{name}: cold start {rounds[-1]['from the log']['cold start, s']:.1f} s")
            result[name] = rounds
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "scale.json").write_text(json.dumps(result, indent=2) + "\n")
    show(console, result, list(logs))


def show(console: Console, result: dict[str, Any], names: list[str]) -> None:
    """The median of the rounds, by the first start's time; every round is in the results."""
    table = Table(title=f"{result['events']:,} events")
    table.add_column("")
    for name in names:
        table.add_column(name, justify="right")
    table.add_column("target", justify="right")
    for start in ("from the log", "from the cache"):
        rows = [key for key, value in result[names[0]][0][start].items() if isinstance(value, int | float)]
        for row in rows:
            values = [sorted(one[start][row] for one in result[name])[ROUNDS // 2] for name in names]
            target = TARGETS.get(row)
            cells = [f"{'[red]' if target is not None and value > target else ''}{value:,.4g}" for value in values]
            table.add_row(f"{start}: {row}", *cells, "" if target is None else f"{target:g}")
    console.print(table)
    worst = sorted(result[names[0]][0]["from the log"]["by type, p99 ms"].items(), key=lambda item: -item[1])
    console.print("slowest events, p99 ms: " + ", ".join(f"{name} {value:.3f}" for name, value in worst[:8]))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["cold", cache_path]:
            print(json.dumps(cold(os.environ["BENCH_SCALE_URL"], Path(cache_path))))
        case ["warm", cache_path]:
            print(json.dumps(warm(Path(cache_path))))
        case _:
            main()
