"""One gateway for a whole module, in front of providers of every temper.

`steady` and `spare` are simulators that answer; `faulty` is one that each test tells how to fail; at `near` each test
puts an upstream of its own; `nowhere` refuses connections. An alias `a>b` is a priority pool with fallback.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import attrs

from adapters.simulator import Settings
from tests.e2e.running import Gateway, Simulator, gateway, simulators, until
from tests.e2e.sockets import Place, background, place

HEADER_TIMEOUT_S = 0.25
RETRIED = (5, 429)


@attrs.frozen
class Rig:
    gateway: Gateway
    steady: Simulator
    faulty: Simulator
    spare: Simulator
    near: Place

    async def calm(self) -> None:
        """Undo what a test told `faulty`."""
        await self.faulty.change(**attrs.asdict(Settings()))

    async def in_flight(self, alias: str, count: int) -> None:
        """Return once so many requests are in flight in a pool."""

        async def reached() -> bool:
            return (await self.gateway.metrics()).get(f'pointsman_pool_in_flight{{pool="{alias}"}}') == count

        await until(reached)

    async def received(self) -> dict[str, int]:
        """How many requests each simulator has had."""
        found = {}
        for one in (self.steady, self.faulty, self.spare):
            found[one.name] = (await one.state())["counts"]["received"]
        return found


def pool(*providers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"strategy": "priority", "providers": list(providers), **more}


def _document(urls: dict[str, str], nowhere: str, near: str) -> dict[str, Any]:
    known = {name: {"name": name, "url": f"{url}/v1"} for name, url in {**urls, "near": near}.items()}
    known["nowhere"] = {"name": "nowhere", "url": f"{nowhere}/v1"}
    known["impatient"] = {**known["near"], "name": "impatient", "request_timeout_secs": HEADER_TIMEOUT_S}
    targets: dict[str, Any] = dict(known)
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
        targets[">".join([first, *others])] = pool(*[known[name] for name in (first, *others)], fallback=fallback)
    off = {**fallback, "enabled": False}
    targets["off"] = pool(known["faulty"], known["steady"], fallback=off)
    targets["decades"] = pool(known["faulty"], known["steady"], fallback={"enabled": True, "on_status": [50, 52]})
    targets["one-at-a-time"] = pool(
        known["steady"], known["spare"], fallback=fallback, concurrency_limit={"max_concurrent_requests": 1}
    )
    one = {"concurrency_limit": {"max_concurrent_requests": 1}}
    targets["full"] = pool({**known["steady"], **one}, {**known["spare"], **one}, fallback=fallback)
    renamed = {**known["steady"], "name": "renamed", "onwards_model": "another"}
    targets["near>renamed"] = pool(known["near"], renamed, fallback=fallback)
    targets["spread"] = {"providers": [known["steady"], known["spare"]]}
    targets["keyed"] = {**known["steady"], "keys": ["single"]}
    definition = {"key": "sk-single", "concurrency_limit": {"max_concurrent_requests": 1}}
    return {"auth": {"key_definitions": {"single": definition}}, "targets": targets}


@contextmanager
def rig(folder: Path) -> Iterator[Rig]:
    with place() as near, place(refusing=True) as nowhere:

        @asynccontextmanager
        async def made() -> AsyncIterator[Rig]:
            async with simulators("steady", "faulty", "spare") as started:
                urls = {one.name: one.url for one in started}
                async with gateway(folder, _document(urls, nowhere.url, near.url)) as running:
                    yield Rig(running, *started, near)

        with background(made) as shared:
            yield shared
