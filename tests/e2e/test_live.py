"""The live stream and the metrics of a running gateway."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, connect_websocket_url

from tests.e2e.rig import Rig, rig
from tests.e2e.running import PATIENCE_S, Gateway, client, until
from tests.e2e.sockets import asked, connect, posted


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rig(tmp_path_factory.mktemp("live")) as made:
        yield made


@pytest.fixture
async def world(shared: Rig) -> Rig:
    await shared.calm()
    return shared


@attrs.define
class Stream:
    """A client that folds what it is told, and refuses gaps."""

    websocket: WebSocketConnection
    seq: int = 0
    position: int = 0
    pools: dict[str, Any] = attrs.field(factory=dict)
    gateway: dict[str, Any] = attrs.field(factory=dict)
    keys: dict[str, Any] = attrs.field(factory=dict)
    events: list[dict[str, Any]] = attrs.field(factory=list)
    told: list[dict[str, Any]] = attrs.field(factory=list)

    async def message(self) -> dict[str, Any]:
        with trio.fail_after(PATIENCE_S):
            told: dict[str, Any] = json.loads(await self.websocket.get_message())
        self.told.append(told)
        if told["type"] == "delta":
            assert told["since"] == self.seq
            self.pools = {alias: one for alias, one in {**self.pools, **told["pools"]}.items() if one is not None}
            self.keys = {key_id: one for key_id, one in {**self.keys, **told["keys"]}.items() if one is not None}
            self.gateway = told["gateway"] or self.gateway
            self.events += told["events"]
        elif told["type"] == "snapshot":
            self.pools, self.keys, self.gateway = told["pools"], told["keys"], told["gateway"]
        if told["type"] != "resync_required":
            self.seq, self.position = told["seq"], told["position"]
        return told

    async def until_active(self, alias: str, count: int) -> None:
        while self.pools[alias]["active"] != count:
            await self.message()

    async def level(self, other: "Stream") -> None:
        """Have both heard the same."""
        while self.seq != other.seq:
            await (self if self.seq < other.seq else other).message()

    @property
    def deltas(self) -> int:
        return sum(one["type"] == "delta" for one in self.told)


@asynccontextmanager
async def watching(
    gateway: Gateway, query: str = "", *, token: str | None = None, known: Stream | None = None
) -> AsyncIterator[Stream]:
    """A client, after its first message; `known`: what it had when it went."""
    address = gateway.control.replace("http:", "ws:") + f"/live{query}"
    async with trio.open_nursery() as nursery:
        shown = [(b"authorization", f"Bearer {token or gateway.token}".encode())]
        websocket = await connect_websocket_url(nursery, address, extra_headers=shown)
        stream = Stream(websocket)
        if known is not None:
            stream = attrs.evolve(known, websocket=websocket, told=[])
        await stream.message()
        try:
            yield stream
        finally:
            # The library leaves the socket to whoever cancels it. No farewell: that is for who wants to say one.
            await trio.aclose_forcefully(websocket._stream)
            nursery.cancel_scope.cancel()


async def test_the_stream_asks_for_the_token(world: Rig) -> None:
    """WS-1, G09: without or with a wrong one 401, before any change of protocol; a plain GET with it 426."""
    upgrade = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
    upgrade["sec-websocket-key"] = "dGhlIHNhbXBsZSBub25jZQ=="
    right = {"authorization": f"Bearer {world.gateway.token}"}
    address = f"{world.gateway.control}/live"
    async with client() as http:
        for credentials in ({}, {"authorization": "Bearer wrong"}, {"authorization": world.gateway.token}):
            for headers in (credentials, {**credentials, **upgrade}):
                answer = await http.get(address, headers=headers)
                assert answer.status_code == 401, headers
                assert answer.headers["www-authenticate"].startswith("Bearer ")
                assert world.gateway.token not in answer.text
        plain = await http.get(address, headers=right)
        assert (plain.status_code, plain.headers["upgrade"]) == (426, "websocket")
        assert plain.headers["content-type"] == "application/problem+json"
        other = await http.post(address, headers=right)
        assert (other.status_code, other.headers["allow"]) == (405, "GET, HEAD")


async def test_a_snapshot_and_then_every_change_in_order(world: Rig) -> None:
    """WS-2: no gap while requests run and the file changes; the fold ends where the gateway is."""
    async with watching(world.gateway) as stream:
        assert stream.pools.keys() >= {"steady", "spread", "near>steady"}
        assert stream.pools["steady"]["active"] == 0
        started_at = stream.position
        async with await connect(world.gateway.data) as peer:
            await peer.send(posted("steady", "x-simulate-ttft: 30", stream=True))
            await stream.until_active("steady", 1)
            assert stream.pools["steady"]["providers"][0]["active"] == 1
        await stream.until_active("steady", 0)

        routes = world.gateway.folder / "routes.json"
        document = json.loads(routes.read_text())
        document["targets"]["fresh"] = document["targets"]["steady"]
        del document["targets"]["off"]
        fresh = routes.with_suffix(".new")
        fresh.write_text(json.dumps(document))
        fresh.replace(routes)
        async with trio.open_nursery() as nursery:

            async def work() -> None:
                for _ in range(30):
                    await asked(world.gateway.data, posted("spread", "x-simulate-latency: 0.01"))

            for _ in range(4):
                nursery.start_soon(work)
            while "fresh" not in stream.pools or "off" in stream.pools:
                await stream.message()
        assert stream.position > started_at
        assert stream.position == (await world.gateway.status())["position"]
        await stream.until_active("spread", 0)
        assert stream.deltas >= 3

        async with watching(world.gateway) as another:
            assert another.seq >= stream.seq
            while stream.seq < another.seq:
                await stream.message()
            assert another.pools == stream.pools


async def test_no_secret_is_in_the_stream(world: Rig) -> None:
    """G09: of a key there is nothing, of a provider its name."""
    async with watching(world.gateway) as stream:
        text = json.dumps(stream.pools)
    assert "sk-single" not in text
    assert world.gateway.token not in text


@pytest.mark.parametrize("politely", [True, False])
async def test_a_client_that_leaves_is_let_go(world: Rig, *, politely: bool) -> None:
    """WS-2: with a close or without one, its connection ends on the gateway's side too."""
    descriptors = "process_open_fds"
    async with client() as http:
        await http.get(f"{world.gateway.control}/health/live")
    before = (await world.gateway.metrics())[descriptors]
    async with watching(world.gateway) as stream:
        assert (await world.gateway.metrics())[descriptors] > before
        if politely:
            await stream.websocket.aclose()
            with pytest.raises(ConnectionClosed):
                await stream.websocket.get_message()

    async def let_go() -> bool:
        return (await world.gateway.metrics())[descriptors] <= before

    await until(let_go)


async def test_the_metrics_add_up_after_known_traffic(world: Rig) -> None:
    """OBS-1: requests by pool, provider and status; the overhead of each; refusals by reason; the position."""
    before = await world.gateway.metrics()

    def added(name: str) -> float:
        return after.get(name, 0) - before.get(name, 0)

    def refused(reason: str) -> float:
        names = [
            name for name in after if name.startswith("pointsman_refusals_total{") and f'reason="{reason}"' in name
        ]
        return sum(added(name) for name in names)

    await world.faulty.change(error_status=418)
    for model, count in (("steady", 7), ("faulty", 3), ("nowhere>steady", 2), ("nowhere", 4), ("unknown", 5)):
        for _ in range(count):
            await asked(world.gateway.data, posted(model))
    await asked(world.gateway.data, posted("keyed"))
    await world.gateway.at_rest()
    after = await world.gateway.metrics()
    requests = 'pointsman_requests_total{{pool="{}",provider="{}",status="{}"}}'
    assert added(requests.format("steady", "steady", 200)) == 7
    assert added(requests.format("faulty", "faulty", 418)) == 3
    assert added(requests.format("nowhere>steady", "steady", 200)) == 2
    assert refused("service_unavailable") == 4
    assert refused("model_not_found") == 5
    assert refused("unauthenticated") == 1
    assert added("pointsman_overhead_seconds_count") == 12
    assert 0 < added("pointsman_overhead_seconds_sum") < 1
    buckets = [value for name, value in after.items() if name.startswith("pointsman_overhead_seconds_bucket")]
    assert buckets == sorted(buckets)
    assert buckets[-1] == after["pointsman_overhead_seconds_count"]
    assert after["pointsman_applied_position"] == (await world.gateway.status())["position"]
    total = sum(value for name, value in after.items() if name.startswith("pointsman_requests_total"))
    assert total == after["pointsman_overhead_seconds_count"]


async def test_a_label_is_never_what_a_client_sent(world: Rig) -> None:
    """OBS-2, G09: an unknown model or a credential makes no series."""
    for model in ("canary-model", 'quote"d', "new\nline"):
        await asked(world.gateway.data, posted(model, "Authorization: Bearer canary-key", "x-request-id: canary-id"))
    async with client() as http:
        text = (await http.get(f"{world.gateway.control}/metrics")).text
    assert "canary" not in text
    assert "quote" not in text
