"""Traffic of every temper through a gateway whose configuration changes meanwhile, and all of its decisions again.

For the end-to-end test and, a hundred thousand requests long, for `bench/replay.py`.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import attrs
import trio

from adapters.codec import journal_codec as codec
from adapters.collecting import uncollected
from adapters.store import open_log
from adapters.store.journal import Span, open_journal
from engine.names import Alias, Position
from engine.pool.messages import Acquire
from engine.recording import Block
from engine.snapshot import Pool
from projections import routing
from projections.replay import Mismatch, replay
from tests.e2e.running import Gateway

PROMPT = "the-prompt-that-nobody-may-keep"
SECRET, UPSTREAM_SECRET = "sk-of-a-client-in-this-test", "sk-for-upstream-in-this-test"
WORKERS = 24


def document(version: int, urls: Mapping[str, str]) -> dict[str, Any]:
    """The n-th table: weights, order, limits, circuits and the strategies of three pools change; providers come and go,
    and so does a pool.
    """
    names = sorted(urls)
    providers = [
        {"name": name, "url": f"{urls[name]}/v1", "weight": 1 + (version + place) % 3, "onwards_key": UPSTREAM_SECRET}
        for place, name in enumerate(names)
    ]
    turn = version % len(providers)
    turned = providers[turn:] + providers[:turn]
    fallback = {"enabled": True, "on_status": [5, 429], "on_rate_limit": True, "max_attempts": 3}
    circuit = {"failures": 3 + version % 3, "cooldowns_secs": [0.2, 0.5]}
    strategies = ("weighted_random", "least_latency", "cost", "consistent_hash")
    targets: dict[str, Any] = {
        "chat": {"providers": turned, "fallback": fallback, "circuit": circuit},
        "first": {
            "strategy": "priority",
            "providers": turned[: 2 + version % 2],
            "fallback": {**fallback, "backoff": {"initial_ms": 2 + version % 3}},
            "circuit": circuit,
        },
        "turning": {"strategy": strategies[version % 4], "providers": providers, "circuit": circuit},
        "scarce": {
            "providers": [{**one, "concurrency_limit": {"max_concurrent_requests": 2}} for one in turned],
            "rate_limit": {"requests_per_second": 100 + version % 5, "burst_size": 20},
        },
    }
    if version % 3:
        targets["guest"] = {"providers": turned[:1]}
    limits = {
        "rate_limit": {"requests_per_second": 2000, "burst_size": 100 + version % 7},
        "concurrency_limit": {"max_concurrent_requests": 12},
    }
    return {
        "auth": {"global_keys": ["sk-free"], "key_definitions": {"team": {"key": SECRET, **limits}}},
        "targets": {alias: {**target, "keys": ["team"]} for alias, target in targets.items()},
    }


@attrs.define
class Traffic:
    """So many requests, and so many changes among them."""

    gateway: Gateway
    urls: Mapping[str, str]
    requests: int
    changes: int
    seed: int = 1
    sent: int = 0
    statuses: Counter[int] = attrs.field(factory=Counter)
    left: int = 0
    "Requests whose client went away."

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._change)
            for number in range(WORKERS):
                nursery.start_soon(self._work, Random(self.seed * 1000 + number))

    async def _change(self) -> None:
        """Each version is in force before the next is written."""
        routes = self.gateway.folder / "routes.json"
        for version in range(1, self.changes + 1):
            while self.sent < self.requests * version // (self.changes + 1):
                await trio.sleep(0.005)
            before = (await self.gateway.status())["position"]
            beside = routes.with_suffix(".new")
            beside.write_text(json.dumps(document(version, self.urls)))
            beside.replace(routes)
            await self.gateway.at_position(before + 1)

    async def _work(self, dice: Random) -> None:
        host, _, port = self.gateway.data.removeprefix("http://").rpartition(":")
        while self.sent < self.requests:
            with suppress(trio.BrokenResourceError, ConnectionError):
                stream = await trio.open_tcp_stream(host, int(port))
                async with stream:
                    while self.sent < self.requests and await self._one(stream, dice):
                        pass

    async def _one(self, stream: trio.SocketStream, dice: Random) -> bool:
        """One request; whether the connection can have another."""
        self.sent += 1
        alias = dice.choice(("chat", "chat", "first", "turning", "scarce", "guest"))
        key = "sk-free" if dice.randrange(4) == 0 else SECRET
        more = ""
        what, leaves = dice.randrange(100), False
        if what < 12:
            more = f"x-simulate-error-status: {dice.choice((429, 500, 503, 400))}\r\nx-simulate-error-rate: 1\r\n"
        elif what < 16:
            more, leaves = "x-simulate-ttft: 60\r\n", True
        body = json.dumps({"model": alias, "messages": [{"role": "user", "content": PROMPT}]})
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\n{more}"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        await stream.send_all((head + body).encode())
        if leaves:
            with trio.move_on_after(dice.random() * 0.02):
                await stream.receive_some(1)
            self.left += 1
            return False
        return await self._answered(stream)

    async def _answered(self, stream: trio.SocketStream) -> bool:
        data = b""
        while b"\r\n\r\n" not in data:
            some = await stream.receive_some(65536)
            if not some:
                return False
            data += some
        head, _, body = data.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        self.statuses[int(head.split(b" ", 2)[1])] += 1
        while len(body) < int(fields[b"content-length"]):
            some = await stream.receive_some(65536)
            if not some:
                return False
            body += some
        return fields.get(b"connection") != b"close"


@attrs.define
class Outcome:
    """What computing it all again gave."""

    decisions: int = 0
    "That came out as they were recorded."
    recorded: int = 0
    entries: int = 0
    mismatch: Mismatch | None = None
    processor_s: float = 0.0
    "Of decoding and computing."
    kinds: Counter[str] = attrs.field(factory=Counter)
    outcomes: Counter[str] = attrs.field(factory=Counter)
    span: Span | None = None
    plain: list[bytes] = attrs.field(factory=list, repr=False)
    "What is in the blocks, uncompressed; kept only where it is asked for."


async def recomputed(database: Path, *, keep: bool = False) -> Outcome:
    """All that a gateway has recorded beside its database, computed again from the log's definitions."""
    with uncollected():
        definitions = await _definitions(database)
    found = Outcome()
    async with open_journal(database.with_name(database.name + ".journal")) as journal:
        found.span = await journal.span()
        docs = [doc async for doc in journal.stored()]
    if keep:
        found.plain = [codec.expanded(doc) for doc in docs]

    def blocks() -> Iterator[Block]:
        for doc in docs:
            begun = time.process_time()
            block = codec.decode(doc)
            found.processor_s += time.process_time() - begun
            decided = sum(isinstance(entry.told, Acquire) for entry in block.entries)
            found.recorded += decided
            begun = time.process_time()
            yield block
            found.processor_s += time.process_time() - begun
            # Only now: all of it has come out again.
            found.decisions += decided
            found.kinds.update(type(entry.told).__name__ for entry in block.entries)
            found.kinds.update(type(one).__name__ for entry in block.entries for one in entry.answers)
            found.outcomes.update(one.outcome for one in block.requests)

    found.entries, found.mismatch = replay(blocks(), definitions)
    return found


async def _definitions(database: Path) -> Any:
    tables: dict[Position, Mapping[Alias, Pool]] = {}
    async with open_log(f"sqlite+aiosqlite:///{database}") as log:
        snapshot = routing.empty()
        while events := await log.read(snapshot.position, 1000):
            for event in events:
                snapshot = routing.fold(snapshot, (event,))[0]
                tables[snapshot.position] = snapshot.pools
    return lambda alias, position: tables[position].get(alias)
