"""The live stream of a running gateway: who may watch, what of it, and what becomes of a client that was away."""

import base64
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import attrs
import jsonschema
import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, connect_websocket_url

from tests.e2e.rig import Rig, rig
from tests.e2e.running import PATIENCE_S, Gateway, client, gateway
from tests.e2e.sockets import asked, posted
from tests.e2e.test_live import Stream, watching

UPGRADE = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": base64.b64encode(b"sixteen bytes...").decode(),
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rig(tmp_path_factory.mktemp("live")) as made:
        yield made


@pytest.fixture
async def world(shared: Rig) -> Rig:
    await shared.calm()
    return shared


async def changed(running: Gateway, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the admin API answers to a change."""
    async with client() as http:
        headers = {"authorization": f"Bearer {running.token}"}
        answer = await http.request(method, f"{running.control}/admin/v1/{path}", json=body, headers=headers)
        assert answer.status_code < 300, answer.text
        found: dict[str, Any] = answer.json() if answer.content else {}
        return found


def closed(schema: Any) -> Any:
    """The same schemas, but for that there is no field they do not name."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: closed(one) for name, one in schema.items()}
    return {**made, "additionalProperties": False} if "properties" in made and "type" in made else made


async def to_the_end(websocket: WebSocketConnection) -> None:
    with trio.fail_after(PATIENCE_S):
        while True:
            await websocket.get_message()


async def test_what_is_sent_is_what_is_described(world: Rig) -> None:
    """The AsyncAPI document needs no token; snapshot, delta, heartbeat and resync are as it says, to the field."""
    async with client() as http:
        answer = await http.get(f"{world.gateway.control}/schema/asyncapi.json")
    assert answer.status_code == 200
    document = answer.json()
    assert document["asyncapi"] == "3.0.0"
    validators = {
        name: jsonschema.Draft202012Validator({**closed(document), **one["payload"]})
        for name, one in document["components"]["messages"].items()
    }
    async with watching(world.gateway) as stream:
        async with world.holding("steady"):
            await stream.until_active("steady", 1)
        await world.ask("nowhere")
        await stream.until_active("steady", 0)
        async with watching(world.gateway, f"?from={stream.seq}", known=stream) as back:
            while not any(one["type"] == "heartbeat" for one in back.told):
                async with watching(world.gateway, f"?from={back.seq}&pool=steady", known=back) as again:
                    back.told += again.told
        async with watching(world.gateway, "?from=1") as lost:
            await lost.message()
        told = [*stream.told, *back.told, *lost.told]
    assert {one["type"] for one in told} == {"snapshot", "delta", "heartbeat", "resync_required"}
    for one in told:
        validators[one["type"]].validate(one)
    refused = next(one for one in reversed(told) if "nowhere" in one.get("pools", {}))["pools"]["nowhere"]
    assert refused["alias"] == "nowhere"


async def test_a_client_that_is_cut_off_and_comes_back_has_lost_nothing(world: Rig) -> None:
    """WS-2: over a real socket that is reset, in the middle of work; with all pools and with one."""
    known: dict[str, Stream | None] = {"": None, "pool=steady": None}
    async with trio.open_nursery() as nursery:

        async def work() -> None:
            while True:
                await asked(world.gateway.data, posted("spread", "x-simulate-latency: 0.005"))
                await asked(world.gateway.data, posted("steady"))

        nursery.start_soon(work)
        for _ in range(5):
            for query, before in known.items():
                async with watching(world.gateway, resuming(query, before), known=before) as stream:
                    assert stream.told[0]["type"] in ({"snapshot"} if before is None else {"delta", "heartbeat"})
                    if stream.told[0]["type"] == "delta" and before is not None:
                        assert stream.told[0]["since"] == before.seq
                    known[query] = stream
                    await stream.message()
        nursery.cancel_scope.cancel()
    await world.gateway.at_rest()
    for query, stream in known.items():
        assert stream is not None
        resumed = watching(world.gateway, resuming(query, stream), known=stream)
        async with watching(world.gateway) as now, resumed as back:
            while back.seq < now.seq:
                await back.message()
            expected = {"steady": now.pools["steady"]} if query else now.pools
            assert (back.pools, back.gateway, back.keys) == (expected, now.gateway, now.keys)


def resuming(query: str, before: Stream | None) -> str:
    """The address of who had so much when it went."""
    parts = [query, "" if before is None else f"from={before.seq}"]
    return "?" + "&".join(filter(None, parts)) if any(parts) else ""


async def test_a_config_change_is_told_within_a_second_with_its_sentence(world: Rig) -> None:
    """Who, what and when, interleaved; whoever comes back hears of it too."""
    async with watching(world.gateway) as stream:
        since, position = stream.seq, stream.position
        began = trio.current_time()
        await changed(world.gateway, "PUT", "pools/of-mine", {"strategy": "priority"})
        while "of-mine" not in stream.pools:
            await stream.message()
        assert trio.current_time() - began < 1
        while not stream.events:
            await stream.message()
        (event,) = stream.events
        assert (event["position"], event["type"], event["stream"]) == (position + 1, "pool.defined", "pool:of-mine")
        assert event["actor"] == "token:local"
        assert "of-mine" in event["sentence"]
        async with watching(world.gateway, f"?from={since}", known=attrs.evolve(stream, seq=since)) as back:
            assert back.told[0]["events"] == [event]
        reload = stream.gateway["reload"]
        assert reload["source"] == "own_write"
        assert 0 <= reload["lag_us"] < 10_000_000
        assert stream.gateway["file"]["problems"] == []
        routes = world.gateway.folder / "routes.json"
        good = routes.read_text()
        routes.write_text("no JSON")
        while not stream.gateway["file"]["problems"]:
            await stream.message()
        assert stream.gateway["file"]["refused_us"] > stream.gateway["file"]["in_force_us"]
        routes.write_text(good)
        while stream.gateway["file"]["problems"]:
            await stream.message()


async def test_who_reads_nothing_holds_nobody_up(world: Rig) -> None:
    """WS-2: its kernel buffers fill and stay full; requests and another client go on as they did."""
    host, _, port = world.gateway.control.removeprefix("http://").partition(":")
    idle = socket.create_connection((host, int(port)))
    with idle:
        idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        head = {"host": f"{host}:{port}", "authorization": f"Bearer {world.gateway.token}", **UPGRADE}
        lines = ["GET /live HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""]
        idle.sendall("\r\n".join(lines).encode())
        async with watching(world.gateway) as stream:
            for _ in range(30):
                with trio.fail_after(5):
                    answer = await asked(world.gateway.data, posted("steady"))
                assert answer.status == 200
                seq = stream.seq
                while stream.seq == seq:
                    await stream.message()
            assert stream.pools["steady"]["providers"][0]["chosen"] >= 30


async def test_a_token_to_read_is_enough_and_goes_when_it_goes(world: Rig) -> None:
    """WS-1, AUTH-9: as a header or, from a browser, as a subprotocol, which is answered with the stream's own; 1008
    once it is revoked; nothing logged has it.
    """
    made = await changed(world.gateway, "POST", "tokens", {"name": "watcher", "scope": "read"})
    secret = made["secret"]
    address = world.gateway.control.replace("http:", "ws:") + "/live"
    async with watching(world.gateway, token=secret), trio.open_nursery() as nursery:
        offered = ["pointsman.token." + quote(secret, safe=""), "pointsman.live"]
        page = [(b"origin", world.gateway.control.encode())]
        websocket = await connect_websocket_url(nursery, address, subprotocols=offered, extra_headers=page)
        assert websocket.subprotocol == "pointsman.live"
        assert secret.encode() not in b"".join(value for _, value in websocket.handshake_headers)
        assert json.loads(await websocket.get_message())["type"] == "snapshot"
        await changed(world.gateway, "DELETE", f"tokens/{made['token_id']}")
        with pytest.raises(ConnectionClosed) as ended:
            await to_the_end(websocket)
        assert ended.value.reason is not None
        assert ended.value.reason.code == 1008
        # The library leaves the socket to whoever cancels it.
        await trio.aclose_forcefully(websocket._stream)
        nursery.cancel_scope.cancel()
    async with client() as http:
        refused = await http.get(
            f"{world.gateway.control}/live", headers={"sec-websocket-protocol": ", ".join(offered), **UPGRADE}
        )
    assert refused.status_code == 401
    assert secret not in refused.text
    assert secret not in world.gateway.log.read_text()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?from=x", "whole number below 2^53"),
        ("?from=-1", "whole number below 2^53"),
        ("?from=9007199254740992", "whole number below 2^53"),
        ("?from=1&from=2", "given once"),
        ("?pool=", "not empty"),
        ("?pools=a&since=3", "no parameter pools, since; it has from=SEQ and pool=ALIAS"),
        ("?from", "name=value"),
        ("?pool=%ff", "UTF-8"),
    ],
)
async def test_a_wrong_question_is_400(world: Rig, query: str, said: str) -> None:
    """Before the protocol changes, as a problem that says what is valid."""
    async with client() as http:
        headers = {"authorization": f"Bearer {world.gateway.token}", **UPGRADE}
        answer = await http.get(f"{world.gateway.control}/live{query}", headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert said in answer.json()["detail"]


@pytest.mark.parametrize(
    "origin", ["null", "http://elsewhere.example", "https://127.0.0.1", "file://", "http://{host}.example", "{host}"]
)
async def test_a_page_of_another_origin_is_403(world: Rig, origin: str) -> None:
    """RFC 6454: a browser says where a page is from, and that must be here."""
    host = world.gateway.control.removeprefix("http://")
    headers = {"authorization": f"Bearer {world.gateway.token}", "origin": origin.format(host=host), **UPGRADE}
    async with client() as http:
        answer = await http.get(f"{world.gateway.control}/live", headers=headers)
    assert answer.status_code == 403
    assert "origin" in answer.json()["detail"]


async def test_a_gateway_that_was_killed_says_that_it_is_another(tmp_path: Path) -> None:
    """WS-2: a seq of the process before is unknown to the next one, however soon it starts; then all is as before."""
    document = {"targets": {"chat": {"url": "http://127.0.0.1:9/"}}}
    async with gateway(tmp_path, document) as running, watching(running) as stream:
        assert stream.gateway["started_us"] <= stream.seq < 2**53
        running.kill()
        with pytest.raises(ConnectionClosed):
            await to_the_end(stream.websocket)
    async with gateway(tmp_path, document) as again, watching(again, f"?from={stream.seq}") as back:
        resync = back.told[0]
        assert (resync["type"], resync["since"], resync["reason"]) == ("resync_required", stream.seq, "unknown_seq")
        snapshot = await back.message()
        assert snapshot["type"] == "snapshot"
        assert back.seq > stream.seq
        assert set(back.pools) == {"chat"}
