"""One gateway for a whole module, in front of providers of every temper.

`steady` and `spare` are simulators that answer; `faulty` is one that each test tells how to fail; at `near` each test
puts an upstream of its own; `nowhere` refuses connections. A module has its own document, or the one made here, in
which an alias `a>b` is a priority pool with fallback; there no pool has circuits, so that no test opens another's.
"""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import attrs

from adapters.simulator import Settings
from tests.e2e.running import Gateway, Simulator, gateway, simulators, until
from tests.e2e.sockets import Message, Place, asked, background, connect, place, posted

HEADER_TIMEOUT_S = 0.25
RETRIED = (5, 429)
NO_CIRCUIT: dict[str, Any] = {"circuit": {"enabled": False}}

Document: TypeAlias = dict[str, Any]
Known: TypeAlias = dict[str, dict[str, Any]]
"""The rig's providers as objects of a document, by name."""


@attrs.frozen
class Rig:
    gateway: Gateway
    steady: Simulator
    faulty: Simulator
    spare: Simulator
    near: Place
    known: Known

    async def calm(self) -> None:
        """Undo what a test told `faulty`."""
        await self.faulty.change(**attrs.asdict(Settings()))

    async def ask(self, alias: str, *fields: str, **more: Any) -> Message:
        """The answer to a chat request with more header lines and more keys in its body."""
        return await asked(self.gateway.data, posted(alias, *fields, **more))

    @asynccontextmanager
    async def holding(self, alias: str, *fields: str) -> AsyncIterator[str | None]:
        """Have a stream running that has sent its headers and nothing else; its provider."""
        async with await connect(self.gateway.data) as peer:
            await peer.send(posted(alias, *fields, "x-simulate-ttft: 3600", stream=True))
            head = (await peer.receive_until(b"\r\n\r\n")).decode("latin-1").lower()
            yield next(line[22:] for line in head.split("\r\n") if line.startswith("x-pointsman-provider: "))

    async def count(self, sample: str, alias: str, provider: str | None = None) -> float:
        """A sample of a pool, or of a provider in it; 0 where it is not there."""
        labels = f'pool="{alias}"' + (f',provider="{provider}"' if provider is not None else "")
        return (await self.gateway.metrics()).get(f"pointsman_{sample}{{{labels}}}", 0)

    async def counted(self, number: float, sample: str, alias: str, provider: str | None = None) -> None:
        """Return once a sample has a value."""

        async def reached() -> bool:
            return await self.count(sample, alias, provider) == number

        await until(reached)

    async def in_flight(self, alias: str, count: int) -> None:
        """Return once so many requests are in flight in a pool."""
        await self.counted(count, "pool_in_flight", alias)

    def document(self) -> Document:
        """The file as it stands."""
        found: Document = json.loads((self.gateway.folder / "routes.json").read_text())
        return found

    async def reload(self, document: Document) -> None:
        """Write another file, and return once it is in force."""
        position = (await self.gateway.status())["position"]
        beside = self.gateway.folder / "routes.new"
        beside.write_text(json.dumps(document))
        beside.replace(self.gateway.folder / "routes.json")
        await self.gateway.at_position(position + 1)

    async def received(self) -> dict[str, int]:
        """How many requests each simulator has had."""
        found = {}
        for one in (self.steady, self.faulty, self.spare):
            found[one.name] = (await one.state())["counts"]["received"]
        return found


def served(answer: Message) -> tuple[str | None, str | None]:
    """How many attempts an answer took, and whose it is."""
    return answer.header("x-pointsman-attempts"), answer.header("x-pointsman-provider")


def at_most(count: int) -> Document:
    """A concurrency limit."""
    return {"concurrency_limit": {"max_concurrent_requests": count}}


def tokens(burst: int, *, each_s: float = 1000) -> Document:
    """A rate limit that gives so many requests, and then one in so many seconds."""
    return {"rate_limit": {"requests_per_second": 1 / each_s, "burst_size": burst}}


def pool(*providers: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A priority pool."""
    return {"strategy": "priority", "providers": list(providers), **more}


def _tempers(known: Known) -> Document:
    known = {**known, "impatient": {**known["near"], "name": "impatient", "request_timeout_secs": HEADER_TIMEOUT_S}}
    targets = {name: pool(one, **NO_CIRCUIT) for name, one in known.items()}
    fallback = {"enabled": True, "on_status": list(RETRIED)}
    for first, *others in (
        ("near", "steady"),
        ("impatient", "steady"),
        ("nowhere", "steady"),
        ("faulty", "steady"),
        ("faulty", "spare"),
        ("faulty", "nowhere"),
        ("nowhere", "faulty"),
        ("near", "faulty"),
    ):
        providers = [known[name] for name in (first, *others)]
        targets[">".join([first, *others])] = pool(*providers, fallback=fallback, **NO_CIRCUIT)
    pair = (known["faulty"], known["steady"])
    targets["off"] = pool(*pair, fallback={**fallback, "enabled": False}, **NO_CIRCUIT)
    targets["decades"] = pool(*pair, fallback={"enabled": True, "on_status": [50, 52]}, **NO_CIRCUIT)
    one = at_most(1)
    targets["one-at-a-time"] = pool(known["steady"], known["spare"], fallback=fallback, **one)
    targets["full"] = pool({**known["steady"], **one}, {**known["spare"], **one}, fallback=fallback)
    renamed = {**known["steady"], "name": "renamed", "onwards_model": "another"}
    targets["near>renamed"] = pool(known["near"], renamed, fallback=fallback, **NO_CIRCUIT)
    targets["spread"] = {"providers": [known["steady"], known["spare"]], **NO_CIRCUIT}
    targets["keyed"] = pool(known["steady"], keys=["single"], **NO_CIRCUIT)
    return {"auth": {"key_definitions": {"single": {"key": "sk-single", **one}}}, "targets": targets}


@contextmanager
def rig(folder: Path, document: Callable[[Known], Document] = _tempers) -> Iterator[Rig]:
    with place() as near, place(refusing=True) as nowhere:

        @asynccontextmanager
        async def made() -> AsyncIterator[Rig]:
            async with simulators("steady", "faulty", "spare") as started:
                urls = {one.name: one.url for one in started} | {"near": near.url, "nowhere": nowhere.url}
                known = {name: {"name": name, "url": f"{url}/v1"} for name, url in urls.items()}
                async with gateway(folder, document(known)) as running:
                    yield Rig(running, *started, near, known)

        with background(made) as shared:
            yield shared
