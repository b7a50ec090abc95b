"""Several gateways on one PostgreSQL: they agree, and none of them needs it to serve."""

import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.e2e.running import Gateway, Simulator, client, gateway, simulators, until
from tests.postgres import OwnServer

ENVIRON = {
    "POINTSMAN_VAULT_KEY": "A" * 43 + "=",
    "POINTSMAN_ADMIN_TOKEN": "the-token-of-every-replica",
}


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    """One that tests stop and start."""
    with OwnServer() as own:
        yield own


@pytest.fixture
def database(server: OwnServer) -> Iterator[str]:
    if not server.is_running:
        server.start()
    name = server.make()
    yield server.url_of(name)
    if not server.is_running:
        server.start()
    server.drop(name)


@asynccontextmanager
async def replica(folder: Path, database: str, document: Mapping[str, Any] | None = None) -> AsyncIterator[Gateway]:
    folder.mkdir(exist_ok=True)
    options = ("--database", database, "--cache", str(folder / "cache.db"))
    async with gateway(folder, document, *options, environ=ENVIRON) as running:
        yield running


def routes(url: str, alias: str = "m") -> dict[str, Any]:
    """One alias, of one provider with a secret of its own."""
    return {"targets": {alias: {"name": "one", "url": f"{url}/v1", "onwards_key": "sk-up"}}}


async def asks(running: Gateway, alias: str = "m") -> int:
    async with client() as http:
        body = {"model": alias, "messages": [{"role": "user", "content": "hello"}]}
        return (await http.post(f"{running.data}/v1/chat/completions", json=body)).status_code


async def credential_of(one: Simulator) -> str:
    """What the newest request to a provider was sent with."""
    return dict((await one.requests())[-1]["headers"])["authorization"]


async def until_set(over: trio.Event, ask: Callable[[], Awaitable[None]]) -> None:
    while not over.is_set():
        await ask()


async def answered(running: Gateway, alias: str, status: int) -> None:
    """Return once a request for an alias is answered so."""

    async def is_so() -> bool:
        return await asks(running, alias) == status

    await until(is_so)


async def test_what_one_gateway_takes_from_its_file_is_in_force_at_the_others(tmp_path: Path, database: str) -> None:
    """SYNC-29, DEF-11: one log, one table; the upstream secret comes through the vault, and each knows the others."""
    async with (
        simulators("one") as (one,),
        replica(tmp_path / "a", database, routes(one.url)) as first,
        replica(tmp_path / "b", database) as second,
    ):
        assert await asks(first) == 200
        await answered(second, "m", 200)
        (tmp_path / "a" / "routes.json").write_text(json.dumps(routes(one.url, alias="n")))
        await answered(second, "n", 200)
        assert await asks(second, "m") == 404
        states = (await second.metrics()).items()
        assert ('pointsman_sync_state{state="connected"}', 1.0) in states
        looks = {name: count for name, count in states if name.startswith("pointsman_sync_total")}
        assert looks['pointsman_sync_total{source="notify"}'] >= 1
        assert await credential_of(one) == "Bearer sk-up"


async def test_a_database_that_goes_away_costs_no_request(tmp_path: Path, server: OwnServer, database: str) -> None:
    """SYNC-24, DEF-5, house §8: the last table stays in force, which is said; afterwards everything converges."""
    async with (
        simulators("one") as (one,),
        replica(tmp_path / "a", database, routes(one.url)) as first,
        replica(tmp_path / "b", database) as second,
    ):
        await answered(second, "m", 200)
        server.stop(signal.SIGQUIT)
        assert [await asks(running) for running in (first, second) for _ in range(20)] == [200] * 40

        async def is_said() -> bool:
            status = await second.status()
            return bool(
                status["sync"] in {"disconnected", "reconnecting", "connecting"} and status["log"] != "readable"
            )

        await until(is_said)
        assert (await second.status())["status"] == "ready"
        (tmp_path / "a" / "routes.json").write_text(json.dumps(routes(one.url, alias="n")))
        assert [await asks(running) for running in (first, second)] == [200, 200]
        server.start()
        await answered(first, "n", 200)
        await answered(second, "n", 200)
        assert (await second.metrics())["pointsman_sync_reconnects_total"] >= 1


async def test_a_gateway_starts_from_its_cache_while_the_database_is_away(
    tmp_path: Path, server: OwnServer, database: str
) -> None:
    """SYNC-18: loudly, with the upstream's secret, and on the same log once that is back."""
    async with simulators("one") as (one,):
        async with replica(tmp_path / "a", database, routes(one.url)) as first:
            assert await asks(first) == 200
            position = (await first.status())["position"]
            assert await first.stop() == 0
        server.stop()
        async with replica(tmp_path / "a", database) as again:
            assert await asks(again) == 200
            assert (await again.status())["position"] == position
            (said,) = await again.logged("STARTING WITHOUT THE DATABASE, on the table of the last run")
            assert (said["level"], said["position"]) == ("error", position)
            assert await credential_of(one) == "Bearer sk-up"
            server.start()
            async with replica(tmp_path / "b", database, routes(one.url, "n")) as other:
                assert await asks(other, "n") == 200
                await answered(again, "n", 200)


async def test_a_cache_of_another_log_is_set_aside(tmp_path: Path, server: OwnServer, database: str) -> None:
    """DEF-51: a table that the log does not lead to is not served, whatever the local file says."""
    async with simulators("one") as (one,):
        async with replica(tmp_path / "a", database, routes(one.url)) as first:
            assert await asks(first) == 200
            assert await first.stop() == 0
        other = server.make()
        async with replica(tmp_path / "a", server.url_of(other)) as again:
            await again.logged("the snapshot cache is of another log and is set aside")
            assert await asks(again) == 404
        server.drop(other)


async def test_without_database_and_cache_a_gateway_does_not_start(
    tmp_path: Path, server: OwnServer, database: str
) -> None:
    """SYNC-18: there is no table to serve, so nothing is guessed; the password is not told."""
    server.stop()
    with pytest.raises(AssertionError, match="the gateway ended with 1") as caught:
        async with replica(tmp_path / "a", database):
            pytest.fail("it started")
    assert "hunter2" not in str(caught.value)


async def test_a_new_credential_costs_no_request_anywhere(tmp_path: Path, database: str) -> None:
    """ADOPT-6, KEY-2: it is in the vault before it is in the table, and a gateway reads it before it serves by it."""
    async with (
        simulators("one") as (one,),
        replica(tmp_path / "a", database) as first,
        replica(tmp_path / "b", database) as second,
        client() as http,
    ):
        admin = {"authorization": f"Bearer {ENVIRON['POINTSMAN_ADMIN_TOKEN']}", "prefer": "wait=applied"}

        async def put(path: str, body: dict[str, Any]) -> None:
            answer = await http.put(f"{first.control}/admin/v1/{path}", json=body, headers=admin)
            assert answer.status_code == 200, answer.text

        await put("endpoints/e", {"url": f"{one.url}/v1", "api_key": "sk-0"})
        await put("deployments/d", {"alias": "m", "model_name": "real", "endpoint_id": "e"})
        made = await http.post(f"{first.control}/admin/v1/keys", json={"aliases": ["m"]}, headers=admin)
        caller = {"authorization": f"Bearer {made.json()['secret']}"}
        seen: list[int] = []

        async def ask() -> None:
            body = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
            answer = await http.post(f"{second.data}/v1/chat/completions", json=body, headers=caller)
            seen.append(answer.status_code)

        await answered(second, "m", 401)
        while not seen or seen[-1] != 200:
            await ask()
        seen.clear()
        async with trio.open_nursery() as nursery:
            over = trio.Event()
            nursery.start_soon(until_set, over, ask)
            for number in range(1, 11):
                await put("endpoints/e", {"url": f"{one.url}/v1", "api_key": f"sk-{number}"})
                enough = len(seen) + 3

                async def more(enough: int = enough) -> bool:
                    return len(seen) >= enough

                await until(more)
            over.set()
        assert set(seen) == {200}
        assert await credential_of(one) == "Bearer sk-10"
