"""Acceptance vectors T6 to T10: a pool's providers under failure and under load, through real sockets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import httpx

from tests.e2e.running import Gateway, Simulator, client, gateway, simulators
from tests.e2e.worlds import CHAT, asked

WAITING = {"x-simulate-ttft": "3600"}
"""Has a stream send its headers and then nothing until the client goes."""


@attrs.frozen
class World:
    gateway: Gateway
    http: httpx.AsyncClient
    providers: tuple[Simulator, ...]

    async def numbers(self) -> tuple[int, ...]:
        """How many requests each provider has received."""
        return tuple([len(await each.requests()) for each in self.providers])

    async def in_flight(self) -> dict[str, float]:
        metrics = await self.gateway.metrics()
        samples = {f'pointsman_provider_in_flight{{pool="m",provider="{name}"}}': name for name in ("p1", "p2")}
        return {name: metrics[sample] for sample, name in samples.items()}


@asynccontextmanager
async def pool(folder: Path, *, each: dict[str, Any] | None = None, **more: Any) -> AsyncIterator[World]:
    """Alias `m`: providers p1 and p2, by priority."""
    async with simulators("p1", "p2") as started:
        providers = [{"name": one.name, "url": f"{one.url}/v1", **(each or {})} for one in started]
        document = {"targets": {"m": {"strategy": "priority", "providers": providers, **more}}}
        async with gateway(folder, document) as running, client() as http:
            http.base_url = running.data
            yield World(running, http, tuple(started))


async def test_a_failing_provider_is_followed_by_the_next(tmp_path: Path) -> None:
    """T6, FB-1, FB-2: 200 from the second after two attempts; the first holds nothing afterwards."""
    async with pool(tmp_path, fallback={"enabled": True, "on_status": [5]}) as w:
        await w.providers[0].change(error_status=500)
        answer = await w.http.post(CHAT, json=asked())
        assert answer.status_code == 200
        assert answer.json()["choices"][0]["message"]["content"] == "p2 heard: who are you"
        assert answer.headers["x-pointsman-provider"] == "p2"
        assert answer.headers["x-pointsman-attempts"] == "2"
        assert await w.numbers() == (1, 1)
        await w.gateway.at_rest()
        assert await w.in_flight() == {"p1": 0, "p2": 0}


async def test_the_last_real_answer_stands(tmp_path: Path) -> None:
    """T7 as DEF-27 has it: when every provider fails, the client gets the last one's own answer, not a 502."""
    async with pool(tmp_path, fallback={"enabled": True, "on_status": [5]}) as w:
        await w.providers[0].change(error_status=500)
        await w.providers[1].change(error_status=503)
        answer = await w.http.post(CHAT, json=asked())
        assert answer.status_code == 503
        assert "p2 was told to answer 503" in answer.text
        assert await w.numbers() == (1, 1)


async def test_without_fallback_the_error_is_the_providers(tmp_path: Path) -> None:
    """T8, ERR-14, DEF-48: fallback disabled, the first provider's 500 comes back as it is, after one attempt."""
    async with pool(tmp_path, fallback={"enabled": False, "on_status": [5], "max_attempts": 5}) as w:
        await w.providers[0].change(error_status=500)
        async with client() as direct:
            own = await direct.post(f"{w.providers[0].url}{CHAT}", json=asked())
        answer = await w.http.post(CHAT, json=asked())
        assert (answer.status_code, answer.content) == (500, own.content)
        assert answer.headers["x-pointsman-attempts"] == "1"
        assert await w.numbers() == (2, 0)


async def test_a_full_provider_is_passed_over(tmp_path: Path) -> None:
    """T9, T10: a stream holds p1's one slot, so p2 serves; with both held it is 429; a slot freed serves again."""
    async with pool(tmp_path, each={"concurrency_limit": {"max_concurrent_requests": 1}}) as w:
        held: dict[str, Any] = {"json": asked(stream=True), "headers": WAITING}
        async with w.http.stream("POST", CHAT, **held) as first:
            assert first.headers["x-pointsman-provider"] == "p1"
            assert await w.in_flight() == {"p1": 1, "p2": 0}
            passing = await w.http.post(CHAT, json=asked())
            assert passing.headers["x-pointsman-provider"] == "p2"
            async with w.http.stream("POST", CHAT, **held) as second:
                assert second.headers["x-pointsman-provider"] == "p2"
                refused = await w.http.post(CHAT, json=asked())
                assert refused.status_code == 429
                assert refused.json()["error"]["code"] == "concurrency_limit_exceeded"
                assert await w.numbers() == (1, 2)
        await w.gateway.at_rest()
        assert (await w.http.post(CHAT, json=asked())).headers["x-pointsman-provider"] == "p1"
