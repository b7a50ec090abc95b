"""Throughput and added latency of the gateway beside nginx, in the same run: `make bench`.

Both proxy the same request to the same stub, by turns, three times each; the medians and their ratios are what
counts, since a machine's absolute figures drift. The gateway is a process as users start it, with everything on: a
key, a pool of three providers, limits on each of them, circuits, the actors, the journal, the configuration file
watched, metrics, one log line a request (to a file).
The basis is nginx with stub and proxy in one worker process; a proxy in a worker of its own is faster.
"""

import json
import os
import platform
import statistics
import tempfile
from pathlib import Path
from typing import Any

import attrs
import load
from gateway import gateway
from nginx import Nginx, nginx
from rich.console import Console
from rich.table import Table

ROUNDS = 3
SECONDS = int(os.environ.get("BENCH_SECONDS", "5"))
TARGET_RATIO = 0.30
TARGET_ADDED_P50_MS = 0.15
RESULTS = Path(__file__).parent / "results"


def document(upstream: Nginx) -> dict[str, Any]:
    """A key, a pool and three providers, each with limits that are counted and never reached."""
    ample = {"rate_limit": {"requests_per_second": 1_000_000}, "concurrency_limit": {"max_concurrent_requests": 1000}}
    providers = [{"url": f"http://127.0.0.1:{port}/v1", **ample} for port in upstream.stubs]
    fallback = {"enabled": True, "on_status": [429, 5], "on_rate_limit": True}
    return {
        "auth": {"key_definitions": {"bench": {"key": load.KEY, **ample}}},
        "targets": {"chat": {"keys": ["bench"], "fallback": fallback, "providers": providers, **ample}},
    }


def measure(folder: Path) -> dict[str, list[load.Figures]]:
    """All rounds, by what was measured."""
    chat = load.script(folder)
    found: dict[str, list[load.Figures]] = {}
    with nginx(folder) as upstream, gateway(folder, document(upstream)) as pointsman:
        ports = {"nginx": upstream.proxy, "pointsman": pointsman.data}
        for connections in (32, 1):
            for proxied in ports.values():
                load.run(proxied, connections=connections, seconds=1, chat=chat)  # not counted: warms both up
            for _ in range(ROUNDS):
                for name, proxied in ports.items():
                    figures = load.run(proxied, connections=connections, seconds=SECONDS, chat=chat)
                    found.setdefault(f"{name} {connections}", []).append(figures)
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        rounds = measure(Path(folder))
    medians = {
        name: load.Figures(*(statistics.median(column) for column in zip(*map(attrs.astuple, runs), strict=True)))
        for name, runs in rounds.items()
    }
    ratio = medians["pointsman 32"].requests_per_s / medians["nginx 32"].requests_per_s
    added = medians["pointsman 1"].p50_ms - medians["nginx 1"].p50_ms
    RESULTS.mkdir(exist_ok=True)
    result = {
        "python": platform.python_version(),
        "machine": f"{os.cpu_count()} cores",
        "rounds": {name: [attrs.asdict(run) for run in runs] for name, runs in rounds.items()},
        "ratio": ratio,
        "added_p50_ms": added,
    }
    (RESULTS / "throughput.json").write_text(json.dumps(result, indent=2) + "\n")
    show(medians, ratio, added)


def show(medians: dict[str, load.Figures], ratio: float, added: float) -> None:
    table = Table(title=f"medians of {ROUNDS} runs of {SECONDS} s, by turns")
    for column in ("proxy", "connections", "requests/s", "p50 ms", "p99 ms", "failures"):
        table.add_column(column, justify="left" if column == "proxy" else "right")
    for name, figures in medians.items():
        proxy, connections = name.split()
        table.add_row(
            proxy,
            connections,
            f"{figures.requests_per_s:,.0f}",
            f"{figures.p50_ms:.3f}",
            f"{figures.p99_ms:.3f}",
            str(int(figures.failures)),
        )
    console = Console()
    console.print(table)
    console.print(f"throughput at 32 connections: {ratio:.3f} of nginx (target {TARGET_RATIO:.2f})")
    console.print(f"added p50 at one connection: {added:.3f} ms over nginx (target {TARGET_ADDED_P50_MS:.2f})")


if __name__ == "__main__":
    main()
