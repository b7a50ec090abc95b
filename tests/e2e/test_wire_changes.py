"""Changing the configuration, and stopping, while requests run."""

import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from tests.e2e.running import PATIENCE_S, Gateway, client, gateway, simulators
from tests.e2e.sockets import Broken, asked, connect, posted

WORKERS = 16


def write(running: Gateway, document: dict[str, Any]) -> None:
    """Replace the watched file the way editors do: another file, renamed over it."""
    fresh = running.folder / "routes.json.new"
    fresh.write_text(json.dumps(document))
    os.replace(fresh, running.folder / "routes.json")  # noqa: PTH105 - the atomic rename is the point


async def imported(running: Gateway, after: int) -> int:
    """Return once a position later than this one is in force."""
    await running.at_position(after + 1)
    position: int = (await running.status())["position"]
    return position


async def ended(running: Gateway) -> int:
    """The exit code of a gateway that has been told to stop."""
    with trio.fail_after(PATIENCE_S):
        return await running.process.wait()


async def test_no_request_fails_while_weights_change(tmp_path: Path) -> None:
    """DEF-43, DEF-44: sixteen workers never stop asking while the file is replaced twelve times."""
    async with simulators("one", "two", latency=0.002) as (one, two):

        def document(weight: int) -> dict[str, Any]:
            providers = [{"name": each.name, "url": f"{each.url}/v1"} for each in (one, two)]
            providers[0]["weight"] = weight  # type: ignore[assignment]
            return {"targets": {"m": {"providers": providers}, "untouched": providers[1]}}

        async with gateway(tmp_path, document(1)) as running:
            statuses: dict[int, int] = {}
            positions: set[int] = set()
            is_over = False

            async def work() -> None:
                async with await connect(running.data) as peer:
                    while not is_over:
                        await peer.send(posted("m"))
                        answer = await peer.answer()
                        statuses[answer.status] = statuses.get(answer.status, 0) + 1
                        positions.add(int(answer.header("x-pointsman-position") or 0))

            async with trio.open_nursery() as nursery:
                for _ in range(WORKERS):
                    nursery.start_soon(work)
                position = (await running.status())["position"]
                for weight in range(2, 14):
                    write(running, document(weight))
                    position = await imported(running, position)
                is_over = True
            assert statuses.keys() == {200}
            assert statuses[200] > 100
            assert len(positions) > 3, "answers came from several tables, each whole"
            await running.at_rest()
            assert (await asked(running.data, posted("m"))).header("x-pointsman-position") == str(position)


async def test_a_running_stream_counts_in_the_new_table(tmp_path: Path) -> None:
    """T12, ADOPT-2: same identity, another weight: active stays 1, and is 0 after the stream's end.

    The new limit holds against it at once (CL-5); a renamed alias starts fresh (ADOPT-8).
    """
    async with simulators("one") as (one,):
        url = f"{one.url}/v1"
        async with gateway(tmp_path, {"targets": {"m": {"name": "one", "url": url}}}) as running:
            async with await connect(running.data) as peer:
                await peer.send(posted("m", "x-simulate-ttft: 30", stream=True))
                await peer.receive_until(b"\r\n\r\n")
                limited = {"name": "one", "url": url, "weight": 5}
                limited["concurrency_limit"] = {"max_concurrent_requests": 1}
                position = (await running.status())["position"]
                write(running, {"targets": {"m": limited, "fresh": {"name": "one", "url": url}}})
                await imported(running, position)
                metrics = await running.metrics()
                assert metrics['pointsman_provider_in_flight{pool="m",provider="one"}'] == 1
                assert metrics['pointsman_provider_in_flight{pool="fresh",provider="one"}'] == 0
                assert (await asked(running.data, posted("m"))).status == 429
            await running.at_rest()
            assert (await asked(running.data, posted("m"))).status == 200


async def test_a_stream_outlives_its_alias(tmp_path: Path) -> None:
    """T13, ADOPT-3, ADOPT-9: all its chunks are delivered; a new request is a 404."""
    async with simulators("one") as (one,):
        url = f"{one.url}/v1"
        keep = {"keep": {"name": "one", "url": url}}
        async with gateway(tmp_path, {"targets": {"m": {"name": "one", "url": url}, **keep}}) as running:
            async with await connect(running.data) as peer:
                await peer.send(posted("m", "x-simulate-tokens: 30", "x-simulate-tokens-per-second: 30", stream=True))
                first = await peer.receive_until(b"\n\n\r\n")
                position = (await running.status())["position"]
                write(running, {"targets": keep})
                await imported(running, position)
                refused = await asked(running.data, posted("m"))
                assert refused.status == 404
                assert refused.json()["error"]["code"] == "model_not_found"
                rest = await peer.receive_until(b"0\r\n\r\n")
            assert (first + rest).count(b"data: ") >= 31
            assert b"data: [DONE]" in rest
            await running.at_rest()
            assert not any('pool="m"' in name for name in await running.metrics() if "in_flight" in name)


async def test_a_drain_lets_streams_finish_and_takes_nothing_new(tmp_path: Path) -> None:
    """H06: on SIGTERM the running stream is delivered to its end, new connections are refused, the exit code is 0."""
    async with simulators("one") as (one,):
        document = {"targets": {"m": {"name": "one", "url": f"{one.url}/v1"}}}
        async with gateway(tmp_path, document, "--drain-seconds", "60") as running:
            async with await connect(running.data) as idle, await connect(running.data) as peer:
                await idle.send(posted("m"))
                assert (await idle.answer()).status == 200
                await peer.send(posted("m", "x-simulate-tokens: 20", "x-simulate-tokens-per-second: 20", stream=True))
                await peer.receive_until(b"data: ")
                running.process.terminate()
                await running.logged("draining")
                assert await idle.ended(), "an idle connection ends at once, and properly"
                with pytest.raises(httpx.TransportError):
                    async with client() as http:
                        await http.get(f"{running.data}/health/live")
                assert b"data: [DONE]" in await peer.receive_until(b"0\r\n\r\n")
                assert await peer.ended(), "the connection ends after its request"
            assert await ended(running) == 0


async def test_the_patience_of_a_drain_has_an_end(tmp_path: Path) -> None:
    """H06: what still runs after `--drain-seconds` is broken off, never ended cleanly."""
    async with simulators("one") as (one,):
        document = {"targets": {"m": {"name": "one", "url": f"{one.url}/v1"}}}
        async with gateway(tmp_path, document, "--drain-seconds", "0.2") as running:
            async with await connect(running.data) as peer:
                await peer.send(posted("m", "x-simulate-ttft: 30", stream=True))
                await peer.receive_until(b"\r\n\r\n")
                running.process.terminate()
                with pytest.raises(Broken):
                    await peer.receive_until(b"0\r\n\r\n")
            assert await ended(running) == 0
