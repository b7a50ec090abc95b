"""Bodies on their way through: as they come, byte for byte, in bounded memory, on connections that are used again."""

from collections.abc import Iterator

import pytest
import trio

from tests.e2e.rig import Rig, rig
from tests.e2e.running import client, until
from tests.e2e.sockets import Peer, answered, asked, connect, posted, repeats, says

CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
MEGABYTE = 2**20


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rig(tmp_path_factory.mktemp("streaming")) as made:
        yield made


@pytest.fixture
async def world(shared: Rig) -> Rig:
    await shared.calm()
    return shared


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def test_a_client_has_the_first_event_before_the_second_is_sent(world: Rig) -> None:
    """STREAM-1, C24: the provider sends each event only once the client has the one before it."""
    arrived = [trio.Event() for _ in range(5)]

    async def one_by_one(peer: Peer) -> None:
        for number, event in enumerate(arrived):
            await peer.send(chunk(b"data: %d\n\n" % number))
            await event.wait()
        await peer.send(b"0\r\n\r\n")

    async with world.near.serving(says(CHUNKED, then=one_by_one)), await connect(world.gateway.data) as peer:
        await peer.send(posted("near", stream=True))
        for number, event in enumerate(arrived):
            await peer.receive_until(b"data: %d\n\n\r\n" % number)
            event.set()
        assert await peer.receive_until(b"0\r\n\r\n") == b"0\r\n\r\n"


async def test_the_headers_come_before_the_first_byte_of_the_body(world: Rig) -> None:
    """STREAM-1: a provider that thinks for long after its headers does not look dead meanwhile."""
    seen = trio.Event()

    async def waits(peer: Peer) -> None:
        await seen.wait()
        await peer.send(chunk(b"x") + b"0\r\n\r\n")

    async with world.near.serving(says(CHUNKED, then=waits)), await connect(world.gateway.data) as peer:
        await peer.send(posted("near", stream=True))
        head = await peer.receive_until(b"\r\n\r\n")
        assert b"content-type: text/event-stream" in head
        assert b"content-length" not in head
        seen.set()
        await peer.receive_until(b"0\r\n\r\n")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_body_is_the_providers_byte_for_byte(world: Rig, *, stream: bool) -> None:
    """STREAM-1: the same question asked directly has the same answer, but for the counter inside it."""
    body = {"model": "m", "messages": [{"role": "user", "content": "größe 東京 \N{ROCKET} " * 50}], "stream": stream}
    async with client() as http:
        direct = await http.post(f"{world.steady.url}/v1/chat/completions", json=body)
        through = await http.post(
            f"{world.gateway.data}/v1/chat/completions", json=body, headers={"model-override": "steady"}
        )
    number = int(direct.headers["x-request-id"].rpartition("-")[2])
    again = f"steady-{number + 1}".encode()
    expected = direct.content.replace(f"steady-{number}".encode(), again).replace(b'"model":"m"', b'"model":"steady"')
    assert through.content == expected
    assert through.headers["content-type"] == direct.headers["content-type"]


def _awkward() -> dict[str, list[bytes]]:
    rocket = "data: \N{ROCKET} größe\r\n\r\n".encode()
    events = b"".join(b"data: %d\r\n\r\n" % number for number in range(18_000))
    return {
        "CRLF events": [b"event: a\r\ndata: 1\r\n\r\n", b"data: 2\r\n\r\n", b"data: [DONE]\r\n\r\n"],
        "CR and mixed line ends": [b"data: 1\r\r", b"data: 2\n\n", b": comment\r\n\n", b"data: 3"],
        "split inside UTF-8 and CRLF": [bytes([byte]) for byte in rocket],
        "200 KiB in one chunk": [events],
        "bytes that are no text": [bytes(range(256)) * 20],
        "no final blank line": [b"data: 1\n\ndata: {"],
        "looks like chunks": [b"5\r\nhello\r\n0\r\n\r\n"],
    }


@pytest.mark.parametrize("name", _awkward())
@pytest.mark.parametrize("framing", ["chunked", "length", "closing"])
async def test_whatever_a_provider_sends_arrives(world: Rig, name: str, framing: str) -> None:
    """T23, C01, C02, C06: nothing is re-framed, decoded or held back, however the provider frames it."""
    pieces = _awkward()[name]
    whole = b"".join(pieces)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    sent = {
        "chunked": [CHUNKED, *map(chunk, pieces), b"0\r\n\r\n"],
        "length": [head + b"content-length: %d\r\n\r\n" % len(whole), *pieces],
        "closing": [head + b"\r\n", *pieces],
    }[framing]
    async with world.near.serving(says(*sent)):
        answer = await asked(world.gateway.data, posted("near", stream=True))
    assert answer.body == whole
    assert answer.header("content-length") == (str(len(whole)) if framing == "length" else None)


async def test_a_slot_is_held_until_the_bodys_end(world: Rig) -> None:
    """STREAM-2, CL-6, DEF-24: after chunk 1 one is active in the pool and at the provider; after the end none."""
    going_on = trio.Event()

    async def waits(peer: Peer) -> None:
        await going_on.wait()
        await peer.send(chunk(b"two") + b"0\r\n\r\n")

    async with world.near.serving(says(CHUNKED + chunk(b"one"), then=waits)), await connect(world.gateway.data) as peer:
        await peer.send(posted("near", stream=True))
        await peer.receive_until(b"one\r\n")
        metrics = await world.gateway.metrics()
        assert metrics['pointsman_pool_in_flight{pool="near"}'] == 1
        assert metrics['pointsman_provider_in_flight{pool="near",provider="near"}'] == 1
        going_on.set()
        await peer.receive_until(b"0\r\n\r\n")
        await world.gateway.at_rest()


async def test_a_slow_reader_slows_its_provider_and_nobody_else(world: Rig) -> None:
    """C21: what is read ahead is bounded by the sockets' buffers; other requests are served meanwhile."""
    total, sent = 64 * MEGABYTE, 0
    resident = "process_resident_memory_bytes"

    async def floods(peer: Peer) -> None:
        nonlocal sent
        piece = bytes(65536)
        while sent < total:
            await peer.send(piece)
            sent += len(piece)

    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % total
    before = (await world.gateway.metrics())[resident]
    async with world.near.serving(says(head, then=floods)), await connect(world.gateway.data) as peer:
        await peer.send(posted("near"))
        await peer.receive_until(b"\r\n\r\n")
        last = -1

        async def stalled() -> bool:
            nonlocal last
            for _ in range(20):
                assert (await asked(world.gateway.data, posted("steady"))).status == 200
            unchanged, last = sent == last, sent
            return unchanged

        await until(stalled)
        assert sent < total / 2
        assert (await world.gateway.metrics())[resident] < before + 16 * MEGABYTE
        received = 0
        while received < total:
            received += len(await peer.receive())
        assert sent == total
    await world.gateway.at_rest()


async def test_connections_are_used_again_on_both_sides(world: Rig) -> None:
    """STREAM-1: fifty requests of one client are one connection in, and one out."""
    async with world.near.serving(repeats(answered(b'{"ok":true}'))), await connect(world.gateway.data) as peer:
        for _ in range(50):
            await peer.send(posted("near"))
            answer = await peer.answer()
            assert (answer.status, answer.body) == (200, b'{"ok":true}')
            assert answer.header("connection") is None
        assert world.near.connections == 1


async def test_streams_use_their_connections_again_too(world: Rig) -> None:
    """STREAM-1: a chunked body that has ended by its last chunk leaves both connections fit for more."""
    before = (await world.spare.state())["counts"]["connections"]
    async with await connect(world.gateway.data) as peer:
        for _ in range(20):
            await peer.send(posted("spare", stream=True))
            assert (await peer.answer()).body.endswith(b"data: [DONE]\n\n")
    connections = {request["connection"] for request in (await world.spare.requests())[-20:]}
    assert len(connections) == 1
    assert (await world.spare.state())["counts"]["connections"] <= before + 3, "the rest are this test's own looks"


async def test_a_connection_its_provider_closed_meanwhile_costs_no_request(world: Rig) -> None:
    """STREAM-1: idle connections are looked at before they are used; a keep-alive timeout is nobody's error."""
    closed = 0

    async def once(peer: Peer) -> None:
        nonlocal closed
        await peer.request()
        await peer.send(answered(b"{}"))
        peer.close()
        closed += 1

    async with world.near.serving(once), await connect(world.gateway.data) as peer:
        for number in range(30):
            await peer.send(posted("near"))
            assert (await peer.answer()).status == 200
            with trio.fail_after(5):
                while closed <= number:
                    await trio.lowlevel.checkpoint()
    assert closed == 30


async def test_sixteen_streams_run_side_by_side(world: Rig) -> None:
    """C24: each gets its own bytes, in order."""
    texts: list[str] = []

    async def one(number: int) -> None:
        body = {"model": "spread", "messages": [{"role": "user", "content": f"number {number} " * 20}], "stream": True}
        async with client() as http:
            answer = await http.post(
                f"{world.gateway.data}/v1/chat/completions", json=body, headers={"x-simulate-tokens-per-second": "500"}
            )
            assert answer.text.endswith("data: [DONE]\n\n")
            assert answer.text.count(f"{number} ") >= 20
            texts.append(answer.text)

    async with trio.open_nursery() as nursery:
        for number in range(100, 116):
            nursery.start_soon(one, number)
    assert len(texts) == 16
