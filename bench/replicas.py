"""Two gateways on one PostgreSQL: `make bench-replicas`.

First, how long a change through the one takes until the other routes by it: from the call, and from its
acknowledgement. Then the database is killed for a minute while wrk loads the second one: no request may fail, writes
are refused with a 503, and when it is back both come to the same position.

The second gateway's position is read from its answers, asked for over one connection again and again, so what is
measured includes a question and its pause.
"""

import json
import os
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import quantiles
from typing import Any

import attrs
import load
import trio
from client import Client
from gateway import Gateway, gateway
from nginx import nginx
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.postgres import OwnServer

CHANGES = int(os.environ.get("BENCH_CHANGES", "300"))
OUTAGE_S = int(os.environ.get("BENCH_SECONDS", "60"))
APART_S = 0.02
LOOK_S = 0.001
"""Between two questions, so that asking does not keep a core busy."""
TARGET_P50_MS, TARGET_P99_MS = 10.0, 50.0
TOKEN = "the-token-of-the-bench"  # noqa: S105 - it opens nothing but the gateways made here
ENVIRON = {"POINTSMAN_ADMIN_TOKEN": TOKEN, "POINTSMAN_VAULT_KEY": "A" * 43 + "="}
RESULTS = Path(__file__).parent / "results"


@attrs.frozen
class Visibility:
    """Milliseconds."""

    from_call: list[float] = attrs.field(factory=list)
    from_acknowledgement: list[float] = attrs.field(factory=list)


async def position_of(watcher: Client) -> int:
    return int((await watcher.get("/v1/models")).headers["x-pointsman-position"])


async def measure(first: Gateway, second: Gateway) -> Visibility:
    """Change something at the first, and see when the second has it."""
    visibility = Visibility()
    writer, watcher = await Client.connect(first.control), await Client.connect(second.data)
    for number in range(CHANGES):
        seen_at: dict[str, int] = {}

        async def watch(before: int, seen_at: dict[str, int] = seen_at) -> None:
            while await position_of(watcher) <= before:  # noqa: ASYNC110 - of another process
                await trio.sleep(LOOK_S)
            seen_at["at"] = time.monotonic_ns()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch, await position_of(watcher))
            answer = await writer.put(f"/admin/v1/users/u{number}", {"name": f"number {number}"}, TOKEN)
            if answer.status not in {200, 201}:
                raise SystemExit(f"a change was answered {answer.status}: {answer.body.decode()}")
        visibility.from_call.append((seen_at["at"] - answer.sent_at) / 1e6)
        visibility.from_acknowledgement.append(max(0, seen_at["at"] - answer.received_at) / 1e6)
        await trio.sleep(APART_S)
    return visibility


async def outage(server: OwnServer, first: Gateway, second: Gateway, chat: Path) -> dict[str, Any]:
    """Kill the database under load; what came of requests and of writes, and how long it took to be one again."""
    refused: list[int] = []
    figures: list[load.Figures] = []

    async def load_second() -> None:
        run = partial(load.run, second.data, connections=16, seconds=OUTAGE_S + 10, chat=chat)
        figures.append(await trio.to_thread.run_sync(run))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(load_second)
        await trio.sleep(5)
        await trio.to_thread.run_sync(server.stop, signal.SIGQUIT)
        ends = trio.current_time() + OUTAGE_S
        while trio.current_time() < ends:
            writer = await Client.connect(first.control)
            refused.append((await writer.put("/admin/v1/users/during", {"name": "x"}, TOKEN)).status)
            await writer.aclose()
            await trio.sleep(1)
        await trio.to_thread.run_sync(server.start)
    back_at = time.monotonic()
    writer, watcher = await Client.connect(first.control), await Client.connect(second.data)
    while True:
        answer = await writer.put("/admin/v1/users/after", {"name": "x"}, TOKEN)
        if answer.status in {200, 201}:
            break
        await trio.sleep(0.05)
    position = json.loads(answer.body)["position"]
    while await position_of(watcher) < position:  # noqa: ASYNC110 - of another process
        await trio.sleep(0.005)
    converged_s = time.monotonic() - back_at
    return {
        "requests": figures[0].requests,
        "failures": figures[0].failures,
        "p99_ms": figures[0].p99_ms,
        "writes_refused": len(refused),
        "statuses": sorted(set(refused)),
        "converged_s": round(converged_s, 2),
    }


def main() -> None:
    console = Console()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(OwnServer())
        database = server.url_of(server.make())
        stub = stack.enter_context(nginx(folder)).stubs[0]
        places = [folder / name for name in ("first", "second")]
        for place in places:
            place.mkdir()
        target = {"chat": {"providers": [{"url": f"http://127.0.0.1:{stub}/v1"}]}}
        first = stack.enter_context(gateway(places[0], {"targets": target}, database=database, environ=ENVIRON))
        second = stack.enter_context(gateway(places[1], None, database=database, environ=ENVIRON))
        visibility = trio.run(measure, first, second)
        found: dict[str, Any] = {"changes": CHANGES}
        for name, times in (("call", visibility.from_call), ("acknowledgement", visibility.from_acknowledgement)):
            cuts = quantiles(times, n=100)
            found[f"from_{name}_ms"] = {
                "p50": round(cuts[49], 2),
                "p99": round(cuts[98], 2),
                "max": round(max(times), 2),
            }
        found["outage"] = trio.run(outage, server, first, second, load.script(folder))
    console.print_json(json.dumps(found))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "replicas.json").write_text(json.dumps(found, indent=2) + "\n")
    from_call = found["from_call_ms"]
    is_met = from_call["p50"] <= TARGET_P50_MS and from_call["p99"] <= TARGET_P99_MS and not found["outage"]["failures"]
    console.print("targets met" if is_met else "targets missed")


if __name__ == "__main__":
    main()
