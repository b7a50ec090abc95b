"""What a client gets when a provider fails inside its answer's body: all that came before, and never a clean end."""

from collections.abc import Iterator

import httpx
import pytest
import trio

from tests.e2e.rig import Rig, rig
from tests.e2e.running import client
from tests.e2e.sockets import Behaviour, Broken, Peer, connect, posted, reset, says

HEAD = b"HTTP/1.1 200 OK\r\n"
CUTS: dict[str, Behaviour | None] = {"close": None, "reset": reset}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rig(tmp_path_factory.mktemp("midstream")) as made:
        yield made


@pytest.fixture
async def world(shared: Rig) -> Rig:
    await shared.calm()
    return shared


async def broken(world: Rig, data: bytes) -> Broken:
    """How the answer to a request breaks; it is an error if it does not."""
    async with await connect(world.gateway.data) as peer:
        await peer.send(data)
        with pytest.raises(Broken) as found:
            await peer.answer()
    return found.value


@pytest.mark.parametrize("cut", CUTS)
async def test_a_body_with_a_length_ends_short(world: Rig, cut: str) -> None:
    """FB-10: the connection is closed before the length is reached, whichever way the provider went."""
    said = b"forty of the hundred bytes that were said"
    async with world.near.serving(says(HEAD + b"content-length: 100\r\n\r\n", said, then=CUTS[cut])):
        found = await broken(world, posted("near>steady"))
    assert found.body == said
    assert world.near.connections == 1


@pytest.mark.parametrize("cut", CUTS)
async def test_a_chunked_body_has_no_last_chunk(world: Rig, cut: str) -> None:
    """FB-10, C09: what had come is there; the terminal chunk is not."""
    chunks = b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n7\r\n, world\r\n"
    async with world.near.serving(says(HEAD + chunks, then=CUTS[cut])):
        found = await broken(world, posted("near>steady"))
    assert found.body == b"hello, world"


@pytest.mark.parametrize("cut", CUTS)
async def test_a_client_of_http_1_0_gets_a_reset(world: Rig, cut: str) -> None:
    """FB-10: it knows no chunks, so the end of the connection would be a clean end of the body."""
    chunks = b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"
    async with world.near.serving(says(HEAD + chunks, then=CUTS[cut])):
        found = await broken(world, posted("near", version="1.0"))
    assert found.reset
    async with world.near.serving(says(HEAD + chunks + b"0\r\n\r\n")), await connect(world.gateway.data) as peer:
        await peer.send(posted("near", version="1.0"))
        assert (await peer.answer()).body == b"hello", "and a whole one ends properly"
        assert await peer.ended()


async def test_a_body_that_lasts_until_closing_is_broken_by_a_reset_alone(world: Rig) -> None:
    """RFC 9112, 6.3: for a provider that gives no length, closing is the end; a reset is none."""
    async with world.near.serving(says(HEAD + b"\r\nuntil closing")), await connect(world.gateway.data) as peer:
        await peer.send(posted("near"))
        assert (await peer.answer()).body == b"until closing"
    received = trio.Event()

    async def later(peer: Peer) -> None:
        await received.wait()
        peer.reset()

    unsure = says(HEAD + b"\r\nuntil closing", then=later)
    async with world.near.serving(unsure), await connect(world.gateway.data) as peer:
        await peer.send(posted("near"))
        await peer.receive_until(b"until closing")
        received.set()
        with pytest.raises(Broken):
            await peer.receive_until(b"0\r\n\r\n")


@pytest.mark.parametrize("cut", ["reset", "close"])
@pytest.mark.parametrize("events", [0, 1, 2, 5])
async def test_an_sse_stream_breaks_after_the_events_that_came(world: Rig, cut: str, events: int) -> None:
    """FB-10, T24: so many events, then an aborted body, no `[DONE]`, no second attempt."""
    before = await world.received()
    data = posted(
        "faulty>steady",
        f"x-simulate-cut-after-events: {events}",
        f"x-simulate-cut-by: {cut}",
        "x-simulate-tokens-per-second: 200",
        stream=True,
    )
    found = await broken(world, data)
    assert found.body.count(b"data: ") == events
    assert found.body.endswith(b"\n\n") or not events
    assert b"[DONE]" not in found.body
    after = await world.received()
    assert after == {**before, "faulty": before["faulty"] + 1}


async def test_bytes_before_a_framing_error_are_delivered(world: Rig) -> None:
    """FB-10: the good chunk and the bad one come in one packet; the good one reaches the client."""
    started = trio.Event()

    async def goes_on(peer: Peer) -> None:
        await started.wait()
        await peer.send(b"5\r\nthere\r\nnonsense\r\n")

    begins = says(HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", then=goes_on)
    async with world.near.serving(begins), await connect(world.gateway.data) as peer:
        await peer.send(posted("near"))
        await peer.receive_until(b"hello\r\n")
        started.set()
        assert (await peer.receive_until(b"there\r\n")).endswith(b"5\r\nthere\r\n")
        assert await peer.ended()


async def test_a_broken_body_is_counted_as_the_providers_doing(world: Rig) -> None:
    """FB-10: in the metrics and the log the provider left, and the client did not."""
    sample = 'pointsman_unfinished_responses_total{{by="{}",pool="steady",provider="steady"}}'
    before = await world.gateway.metrics()
    await broken(world, posted("steady", "x-simulate-cut-after-bytes: 10"))
    await world.gateway.at_rest()
    after = await world.gateway.metrics()
    assert after.get(sample.format("provider"), 0) == before.get(sample.format("provider"), 0) + 1
    assert after.get(sample.format("client"), 0) == before.get(sample.format("client"), 0)


async def test_a_breaking_body_frees_its_slots(world: Rig) -> None:
    """STREAM-2, DEF-24: a key with one place can be used again after each broken answer."""
    for _ in range(10):
        await broken(world, posted("keyed", "Authorization: Bearer sk-single", "x-simulate-cut-after-bytes: 3"))
        await world.gateway.at_rest()
    assert not any(value for name, value in (await world.gateway.metrics()).items() if "_in_flight" in name)


async def test_an_sdk_style_client_sees_an_error(world: Rig) -> None:
    """C09: httpx, on which both SDKs stand, raises rather than ending the stream."""
    body = {"model": "steady", "messages": [{"role": "user", "content": "hello"}], "stream": True}
    headers = {"x-simulate-cut-after-events": "2"}
    lines: list[str] = []

    async def read() -> None:
        async with client() as http:
            request = http.stream("POST", f"{world.gateway.data}/v1/chat/completions", json=body, headers=headers)
            async with request as answer:
                async for line in answer.aiter_lines():
                    lines.extend([line] if line else [])

    with pytest.raises(httpx.TransportError):
        await read()
    assert len(lines) == 2
