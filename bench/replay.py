"""Every decision of a long run, computed again from what is on disk: `make bench-replay`.

A real gateway in front of three simulated providers serves a hundred thousand requests over several pools, some of
which fail, some whose client goes away, while the watched configuration file changes two hundred times. Then each block
of the journal is decoded and computed again with the definitions of the event log, and compared number by number.
"""

import json
import os
import platform
import tempfile
import time
from pathlib import Path

import trio
from rich.console import Console

from tests.e2e.replaying import Outcome, Traffic, document, recomputed
from tests.e2e.running import gateway, simulators

REQUESTS = int(os.environ.get("BENCH_REQUESTS", "100000"))
"""That reach a pool; some more are sent."""
CHANGES = int(os.environ.get("BENCH_CHANGES", "200"))
TARGET_PER_S = 20_000
RESULTS = Path(__file__).parent / "results"


async def measure(folder: Path) -> tuple[Traffic, Outcome, float]:
    async with simulators("north", "south", "east", tokens=2, tokens_per_second=0, record_limit=0) as providers:
        urls = {one.name: one.url for one in providers}
        async with gateway(folder, document(0, urls)) as running:
            # Nearly half of them are refused before any pool is asked.
            traffic = Traffic(running, urls, REQUESTS * 2, CHANGES)
            begun = time.monotonic()
            await traffic.run()
            spent = time.monotonic() - begun
    return traffic, await recomputed(folder / "pointsman.db"), spent


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        traffic, found, spent = trio.run(measure, Path(name))
    per_s = found.decisions / found.processor_s
    result = {
        "python": platform.python_version(),
        "machine": f"{os.cpu_count()} cores",
        "sent": traffic.sent,
        "seconds": spent,
        "changes": traffic.changes,
        "left": traffic.left,
        "statuses": dict(traffic.statuses),
        "kinds": dict(found.kinds),
        "decisions": found.decisions,
        "recorded": found.recorded,
        "entries": found.entries,
        "mismatch": None if found.mismatch is None else str(found.mismatch),
        "per_s": per_s,
        "dropped": None if found.span is None else found.span.dropped,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "replay.json").write_text(json.dumps(result, indent=2) + "\n")
    console = Console()
    console.print(
        f"{traffic.sent:,} requests in {spent:.0f} s, {traffic.left:,} left by their clients: {result['statuses']}"
    )
    console.print(
        f"{traffic.changes} changes; {result['dropped']} entries dropped; {found.entries:,} entries: {result['kinds']}"
    )
    console.print(f"{found.decisions}/{found.recorded} decisions came out as they were recorded")
    if found.mismatch is not None:
        console.print(f"[red]{found.mismatch}")
    console.print(f"{per_s:,.0f} decisions a second of processor time, with decoding (target {TARGET_PER_S:,})")


if __name__ == "__main__":
    main()
