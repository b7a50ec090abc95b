"""A thousand changes through three gateways, while everything between them and their log is broken again and again."""

import json
import random
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
import trio

from tests.e2e.running import Gateway, client, gateway, until
from tests.postgres import OwnServer

TOKEN = "the-token-of-every-replica"
ENVIRON = {"POINTSMAN_VAULT_KEY": "A" * 43 + "=", "POINTSMAN_ADMIN_TOKEN": TOKEN}
CHANGES = 1000
AT_ONCE = 12
BETWEEN = 40
"""Changes that go through between two disturbances."""


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    with OwnServer() as own:
        yield own


@attrs.define
class Change:
    """One request that is sent until it is acknowledged, each time with the same key."""

    number: int
    path: str
    body: dict[str, Any]
    position: int | None = None
    "Where it was acknowledged."
    sent: int = 0


def changes(seed: int) -> list[Change]:
    """Over few entities, so that they meet; each with a name of its own, so that it can be found again in the log."""
    draw = random.Random(seed)
    made = []
    for number in range(CHANGES):
        kind = draw.choice(["users", "groups", "endpoints"])
        body: dict[str, Any] = {"name": f"name-{number}"}
        if kind == "endpoints":
            body["url"] = f"https://h{draw.randrange(5)}.example/v1"
        made.append(Change(number, f"/admin/v1/{kind}/x{draw.randrange(12)}", body))
    return made


async def insist(http: httpx.AsyncClient, gateways: list[Gateway], change: Change, draw: random.Random) -> None:
    """Send a change, to any gateway, until one has acknowledged it."""
    while change.position is None:
        change.sent += 1
        headers = {"authorization": f"Bearer {TOKEN}", "idempotency-key": f"change-{change.number}"}
        chosen = draw.choice(gateways)
        try:
            answer = await http.put(f"{chosen.control}{change.path}", json=change.body, headers=headers)
        except httpx.TransportError:
            continue
        if answer.status_code in {200, 201}:
            change.position = answer.json()["position"]
        else:
            assert answer.status_code == 503, answer.text
            assert answer.headers["content-type"] == "application/problem+json"
            await until(partial(is_readable, chosen))


async def is_readable(one: Gateway) -> bool:
    return bool((await one.status())["log"] == "readable")


async def break_things(server: OwnServer, database: str, wanted: list[Change]) -> None:
    """Kill the listeners, freeze a writer that holds the head, crash the server: in turn, each after some more changes
    were acknowledged, until cancelled.
    """

    async def more() -> None:
        acknowledged = sum(change.position is not None for change in wanted)

        async def there() -> bool:
            return sum(change.position is not None for change in wanted) >= acknowledged + BETWEEN

        await until(there)

    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = $1"
    kill_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = $1"
    while True:
        await more()
        await server.rows(kill, database)
        await more()
        await trio.to_thread.run_sync(hold_the_head, server, database)
        await server.rows(kill_all, database)
        await more()
        await trio.to_thread.run_sync(server.stop, signal.SIGQUIT)
        await trio.to_thread.run_sync(server.start)


def hold_the_head(server: OwnServer, database: str) -> None:
    """As a gateway that froze in the middle of an append would, until the server ends its transaction."""
    import asyncio  # noqa: PLC0415 - the driver's

    async def hold() -> None:
        connection = await server.connect(database)
        try:
            await connection.execute("SET idle_in_transaction_session_timeout = '1s'")
            await connection.execute("BEGIN")
            await connection.execute("SELECT * FROM log_head FOR UPDATE")
            while not connection.is_closed():
                await asyncio.sleep(0.05)
        finally:
            await connection.close()

    asyncio.run(hold())


@asynccontextmanager
async def three(folder: Path, url: str) -> AsyncIterator[list[Gateway]]:
    async with AsyncExitStack() as stack:
        gateways = []
        for name in "abc":
            place = folder / name
            place.mkdir()
            options = ("--database", url, "--cache", str(place / "cache.db"))
            gateways.append(await stack.enter_async_context(gateway(place, None, *options, environ=ENVIRON)))
        yield gateways


async def got(http: httpx.AsyncClient, one: Gateway, path: str) -> Any:
    answer = await http.get(f"{one.control}/admin/v1{path}", headers={"authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def whole_log(http: httpx.AsyncClient, one: Gateway) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after: Any = 0
    while after is not None:
        page = await got(http, one, f"/events?after={after}&limit=500")
        found += page["data"]
        after = page["next"]
    return found


async def test_three_gateways_end_equal_whatever_breaks(tmp_path: Path, server: OwnServer) -> None:
    """SYNC-24, SYNC-29, DEF-1, DEF-5, DELTA-5: every acknowledged change is in the log once, no position is skipped,
    and all gateways have the same table.
    """
    database = server.make()
    wanted = changes(4)
    draw = random.Random(5)
    queue = iter(wanted)
    async with three(tmp_path, server.url_of(database)) as gateways, client() as http:

        async def work() -> None:
            for change in queue:
                await insist(http, gateways, change, draw)

        with trio.fail_after(180):
            async with trio.open_nursery() as breaking:
                breaking.start_soon(break_things, server, database, wanted)
                async with trio.open_nursery() as working:
                    for _ in range(AT_ONCE):
                        working.start_soon(work)
                breaking.cancel_scope.cancel()
        if not server.is_running:
            await trio.to_thread.run_sync(server.start)
        assert sum(change.sent for change in wanted) > CHANGES, "nothing had to be sent again, so nothing was broken"

        head = max(change.position or 0 for change in wanted)

        async def all_there() -> bool:
            return all([(await one.status())["position"] >= head for one in gateways])

        await until(all_there)
        tables = [json.dumps(await got(http, one, "/export"), sort_keys=True) for one in gateways]
        assert tables[0] == tables[1] == tables[2]

        log = await whole_log(http, gateways[0])
        assert [one["position"] for one in log] == list(range(1, len(log) + 1))
        named = [name for one in log if (name := str(one["event"].get("name", ""))).startswith("name-")]
        assert sorted(named) == sorted(change.body["name"] for change in wanted)
        by_name = {one["event"].get("name"): one["position"] for one in log}
        assert all(by_name[change.body["name"]] == change.position for change in wanted)
        assert (await got(http, gateways[1], "/verify"))["position"] == len(log)
    server.drop(database)
