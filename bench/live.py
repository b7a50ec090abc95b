"""What clients of the live stream cost the data plane: `make bench-live`.

The same load through one gateway by turns, with nobody watching and with 200 websocket clients that read everything,
while each of 100 pools (3 providers each, limits on all) is changing. The clients are another process, which reads and
throws away; what the kernel does for their bytes they cost as well. The medians and their ratio are what counts.
"""

import json
import multiprocessing
import os
import platform
import selectors
import socket
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import attrs
import load
from gateway import Gateway, gateway
from nginx import Nginx, nginx
from rich.console import Console

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "7"))
SECONDS = int(os.environ.get("BENCH_SECONDS", "5"))
CLIENTS = 200
POOLS = 100
TARGET_COST = 0.05
RESULTS = Path(__file__).parent / "results"
TOKEN = "a-token-for-the-bench"  # noqa: S105 - for nothing else
_FIN_TEXT = 0x81


@attrs.frozen
class Watched:
    """What the clients got in one round."""

    seconds: float
    bytes_read: int
    messages: int
    "By the first client."


def document(upstream: Nginx) -> dict[str, Any]:
    ample = {"rate_limit": {"requests_per_second": 1_000_000}, "concurrency_limit": {"max_concurrent_requests": 1000}}
    providers = [{"url": f"http://127.0.0.1:{port}/v1", **ample} for port in upstream.stubs]
    pool = {"keys": ["bench"], "providers": providers, **ample}
    return {
        "auth": {"key_definitions": {"bench": {"key": load.KEY, **ample}}},
        "targets": {f"chat-{number}": pool for number in range(POOLS)},
    }


def script(folder: Path) -> Path:
    """One request to each pool in turn, as wrk reads it."""
    path = folder / "pools.lua"
    path.write_text(
        "local requests, place = {}, 0\n"
        "function init()\n"
        '  wrk.headers["Content-Type"] = "application/json"\n'
        f'  wrk.headers["Authorization"] = "Bearer {load.KEY}"\n'
        f"  for number = 0, {POOLS - 1} do\n"
        '    local body = \'{"model":"chat-\' .. number .. '
        '\'","messages":[{"role":"user","content":"Hello"}]}\'\n'
        '    requests[number] = wrk.format("POST", nil, nil, body)\n'
        "  end\n"
        "end\n"
        f"function request() place = (place + 1) % {POOLS}; return requests[place] end\n"
    )
    return path


def handshake(port: int) -> socket.socket:
    """A websocket, as far as reading it goes."""
    connected = socket.create_connection(("127.0.0.1", port))
    request = (
        *("GET /live HTTP/1.1", f"host: 127.0.0.1:{port}", f"authorization: Bearer {TOKEN}", "connection: upgrade"),
        *("upgrade: websocket", "sec-websocket-version: 13", "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA=="),
    )
    connected.sendall("\r\n".join((*request, "", "")).encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connected.recv(1)
    if b" 101 " not in head:
        raise ValueError(f"not taken: {head!r}")
    connected.setblocking(False)
    return connected


class Messages:
    """Counts the messages of one client, so that it is known that they were whole."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self.count = 0

    def feed(self, data: memoryview) -> None:
        rest = self._rest
        rest += data
        while len(rest) >= 10:
            size, begin = rest[1], 2
            if size == 126:
                size, begin = int.from_bytes(rest[2:4], "big"), 4
            elif size == 127:
                size, begin = int.from_bytes(rest[2:10], "big"), 10
            if rest[0] != _FIN_TEXT or len(rest) < begin + size:
                return
            json.loads(rest[begin : begin + size])
            del rest[: begin + size]
            self.count += 1


def read_all(port: int, pipe: Connection) -> None:
    """The clients' process: connect, say so, read until told to stop, tell what it was."""
    clients = [handshake(port) for _ in range(CLIENTS)]
    buffer = memoryview(bytearray(1 << 20))
    first, read, begun = Messages(), 0, time.monotonic()
    with selectors.EpollSelector() as selector:
        for client in clients:
            selector.register(client, selectors.EVENT_READ)
        selector.register(pipe, selectors.EVENT_READ)
        pipe.send(None)
        while True:
            for key, _ in selector.select():
                if key.fileobj is pipe:
                    pipe.send((time.monotonic() - begun, read, first.count))
                    return
                size = key.fileobj.recv_into(buffer)  # type: ignore[union-attr]
                if not size:
                    raise ConnectionError("the gateway has ended a stream")
                read += size
                if key.fileobj is clients[0]:
                    first.feed(buffer[:size])


@contextmanager
def watching(port: int, found: list[Watched]) -> Iterator[None]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=read_all, args=(port, theirs))
    process.start()
    ours.recv()
    try:
        yield
    finally:
        ours.send(None)
        found.append(Watched(*ours.recv()))
        process.join()


@attrs.frozen
class Round:
    figures: load.Figures
    cpu_us: float
    "Of the gateway's process, for each request."


def cpu_s(control: int) -> float:
    """What the gateway has used so far."""
    with urllib.request.urlopen(f"http://127.0.0.1:{control}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    (value,) = (line.split()[1] for line in lines if line.startswith("process_cpu_seconds_total "))
    return float(value)


def measure(folder: Path) -> tuple[dict[int, list[Round]], list[Watched]]:
    chat = script(folder)
    rounds: dict[int, list[Round]] = {0: [], CLIENTS: []}
    watched: list[Watched] = []

    def loaded(pointsman: Gateway) -> Round:
        before = cpu_s(pointsman.control)
        figures = load.run(pointsman.data, connections=32, seconds=SECONDS, chat=chat)
        return Round(figures, (cpu_s(pointsman.control) - before) * 1e6 / figures.requests)

    environ = {"POINTSMAN_ADMIN_TOKEN": TOKEN}
    with nginx(folder) as upstream, gateway(folder, document(upstream), environ=environ) as pointsman:
        # Not counted: warms it up, and waits until it serves.
        while load.run(pointsman.data, connections=32, seconds=2, chat=chat).failures:
            pass
        for number in range(ROUNDS):
            # By turns which comes first, since machines get slower and faster.
            for clients in (0, CLIENTS) if number % 2 else (CLIENTS, 0):
                with watching(pointsman.control, watched) if clients else nullcontext():
                    rounds[clients].append(loaded(pointsman))
    return rounds, watched


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        rounds, watched = measure(Path(folder))
    rates = {clients: statistics.median(run.figures.requests_per_s for run in runs) for clients, runs in rounds.items()}
    tails = {clients: statistics.median(run.figures.p99_ms for run in runs) for clients, runs in rounds.items()}
    used = {clients: statistics.median(run.cpu_us for run in runs) for clients, runs in rounds.items()}
    costs = [
        1 - many.figures.requests_per_s / none.figures.requests_per_s
        for none, many in zip(rounds[0], rounds[CLIENTS], strict=True)
    ]
    cost = 1 - rates[CLIENTS] / rates[0]
    told = statistics.median(one.messages / one.seconds for one in watched)
    megabytes = statistics.median(one.bytes_read / one.seconds / 1e6 for one in watched)
    failures = sum(run.figures.failures for runs in rounds.values() for run in runs)
    RESULTS.mkdir(exist_ok=True)
    result = {
        "python": platform.python_version(),
        "machine": f"{os.cpu_count()} cores",
        "rounds": {clients: [attrs.asdict(run) for run in runs] for clients, runs in rounds.items()},
        "watched": [attrs.asdict(one) for one in watched],
        "cost": cost,
        "cost_cpu": 1 - used[0] / used[CLIENTS],
    }
    (RESULTS / "live.json").write_text(json.dumps(result, indent=2) + "\n")
    console = Console(highlight=False, soft_wrap=True)
    for clients, rate in rates.items():
        figures = f"{rate:,.0f} requests/s, p99 {tails[clients]:.2f} ms, {used[clients]:.1f} µs of CPU a request"
        console.print(f"{clients:>4} clients: {figures}")
    console.print(f"each client was told {told:.1f} messages/s; all together {megabytes:.1f} MB/s; {failures} failures")
    console.print(f"cost of {CLIENTS} clients x {POOLS} pools: {cost:.1%} of throughput (target {TARGET_COST:.0%});")
    console.print(
        f"pairs from {min(costs):.1%} to {max(costs):.1%}; {result['cost_cpu']:.1%} of the gateway's CPU time"
    )


if __name__ == "__main__":
    main()
