"""The four bounds in time on a provider (DEF-40): no slot can be held for ever, whatever a provider does."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.e2e.rig import Document, Known, Rig, at_most, pool, rig, served
from tests.e2e.running import PATIENCE_S, client, gateway, simulators
from tests.e2e.sockets import Behaviour, Broken, Peer, answered, connect, posted, says, stay
from tests.e2e.worlds import CHAT, asked

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
EVENT = b"9\r\ndata: 1\n\n\r\n"
OPEN = 2
LONG_S, SHORT_S = 300, 0.15


def document(known: Known) -> Document:
    steady, near = known["steady"], known["near"]
    once = {"failures": 1, "cooldown_secs": [600], "when_all_open": "refuse"}
    fallback = {"fallback": {"enabled": True}}
    return {
        "targets": {
            "idle": pool({**near, **at_most(1)}, circuit=once, timeouts={"idle_secs": SHORT_S}),
            "total": pool({**near, **at_most(1)}, circuit=once, timeouts={"total_secs": SHORT_S}),
            "own": pool({**near, "timeouts": {"idle_secs": SHORT_S}}, circuit=once, timeouts={"idle_secs": LONG_S}),
            "total-head": pool({**near, "timeouts": {"total_secs": SHORT_S}}, steady, **fallback),
            "head": pool({**near, "timeouts": {"first_byte_secs": SHORT_S}}, steady, circuit=once, **fallback),
            "look": pool(
                {**near, "timeouts": {"idle_secs": SHORT_S}},
                steady,
                fallback={"enabled": True, "on_embedded_error": True},
            ),
        }
    }


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rig(tmp_path_factory.mktemp("timeouts"), document) as made:
        yield made


@pytest.fixture
async def world(shared: Rig) -> Rig:
    await shared.calm()
    return shared


async def stalls(peer: Peer) -> None:
    """Begin an answer, say one thing, and no more."""
    await peer.request()
    await peer.send(HEAD + EVENT)
    await stay(peer)


async def trickles(peer: Peer) -> None:
    """Say something often enough, and never come to an end."""
    await peer.request()
    await peer.send(HEAD)
    while True:
        await peer.send(EVENT)
        await trio.sleep(SHORT_S / 10)


@pytest.mark.parametrize(("alias", "how"), [("idle", stalls), ("own", stalls), ("total", trickles)])
async def test_a_body_that_takes_too_long_is_broken_off(world: Rig, alias: str, how: Behaviour) -> None:
    """DEF-40, FB-10, HEALTH-6: what had come is delivered, the slot is free, and the provider has failed."""
    async with world.near.serving(how), await connect(world.gateway.data) as peer:
        await peer.send(posted(alias, stream=True))
        with pytest.raises(Broken) as found, trio.fail_after(PATIENCE_S):
            await peer.answer()
        assert b"data: 1\n\n" in found.value.body
        await world.gateway.at_rest()
    samples = await world.gateway.metrics()
    unfinished = 'pointsman_unfinished_responses_total{{by="{}",pool="{}",provider="near"}}'
    assert samples[unfinished.format("provider", alias)] == 1
    assert unfinished.format("client", alias) not in samples
    assert await world.count("provider_circuit", alias, "near") == OPEN
    assert (await world.ask(alias)).status == 503


async def test_a_head_that_comes_too_late_is_a_failed_attempt(world: Rig) -> None:
    """DEF-40, FB-4, DEF-70: by the bound for the first byte or for all, the next serves; it counts as a failure."""
    async with world.near.serving(says(then=stay)):
        assert served(await world.ask("total-head")) == ("2", "steady")
        assert served(await world.ask("head")) == ("2", "steady")
    assert await world.count("provider_circuit", "head", "near") == OPEN
    async with world.near.serving(says(answered(b"{}"))):
        assert served(await world.ask("head")) == ("1", "steady")
        assert world.near.connections == 0


async def test_an_answer_that_is_looked_into_keeps_its_bounds(world: Rig) -> None:
    """DEF-40, FB-11: JSON that begins and stalls is a timeout of that attempt, since nothing has been relayed yet."""
    begun = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"
    async with world.near.serving(says(begun, then=stay)):
        assert served(await world.ask("look")) == ("2", "steady")


@contextmanager
def unanswering() -> Iterator[str]:
    """An address whose queue of new connections is full, so that another one is never made."""
    with socket.socket() as listener, ExitStack() as queued:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        while True:
            one = queued.enter_context(socket.socket())
            one.settimeout(0.05)
            try:
                one.connect(listener.getsockname())
            except TimeoutError:
                break
        host, port = listener.getsockname()
        yield f"http://{host}:{port}"


async def test_a_connection_that_is_not_made_in_time_is_given_up(tmp_path: Path) -> None:
    """DEF-40, FB-5: as if it had been refused: nothing was sent, so the next provider serves, or it is a 503."""
    with unanswering() as url:
        async with simulators("one") as (one,):
            deaf: dict[str, Any] = {"name": "deaf", "url": url, "timeouts": {"connect_secs": SHORT_S}}
            switches = {"enabled": True, "on_timeout": False, "on_maybe_executed": False}
            both = pool(deaf, {"name": "one", "url": one.url}, fallback=switches)
            async with gateway(tmp_path, {"targets": {"m": both, "deaf": deaf}}) as running, client() as http:
                http.base_url = running.data
                answer = await http.post(CHAT, json=asked())
                assert (answer.status_code, answer.headers["x-pointsman-provider"]) == (200, "one")
                assert (await http.post(CHAT, json=asked("deaf"))).status_code == 503
