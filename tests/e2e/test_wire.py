"""HTTP/1.1 on the data port, byte by byte (RFC 9112): what is valid is served, what is not ends its connection."""

import json
from collections.abc import Iterator

import pytest
import trio

from tests.e2e.rig import Rig, rig
from tests.e2e.sockets import Message, Peer, answered, asked, connect, posted, repeats, says

LIMIT = 32 * 2**20
HOST = b"Host: gateway\r\n"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rig(tmp_path_factory.mktemp("wire")) as made:
        yield made


@pytest.fixture
async def world(shared: Rig) -> Rig:
    await shared.calm()
    return shared


def chunked(body: bytes, *, size: int = 7, trailers: bytes = b"", head: bytes = b"") -> bytes:
    """A request whose body comes in chunks."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    coded = b"".join(b"%x;ext=1\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    start = b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + head + b"Transfer-Encoding: chunked\r\n\r\n"
    return start + coded + b"0\r\n" + trailers + b"\r\n"


def question(model: str = "steady") -> bytes:
    return posted(model).partition(b"\r\n\r\n")[2]


async def refused(world: Rig, data: bytes) -> Message:
    """The refusal of what is sent; the connection ends after it, properly."""
    async with await connect(world.gateway.data) as peer:
        await peer.send(data)
        answer = await peer.answer()
        assert await peer.ended()
    assert answer.header("connection") == "close"
    assert answer.header("content-type") == "application/json"
    assert answer.json()["error"]["type"] == "invalid_request_error"
    return answer


MALFORMED = {
    "length and chunks": b"POST /v1/x HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    "chunks and length": b"POST /v1/x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
    "two lengths": b"POST /v1/x HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
    "a signed length": b"POST /v1/x HTTP/1.1\r\n" + HOST + b"Content-Length: +5\r\n\r\nhello",
    "a listed length": b"POST /v1/x HTTP/1.1\r\n" + HOST + b"Content-Length: 5, 5\r\n\r\nhello",
    "an unknown coding": b"POST /v1/x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: xchunked\r\n\r\n",
    "chunked not last": b"POST /v1/x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked, gzip\r\n\r\n",
    "chunked twice": b"POST /v1/x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "a bad chunk size": b"POST /v1/x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n",
    "a chunk too long": b"POST /v1/x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n",
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "http/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "http/2.0 in a request line": b"GET /v1/models HTTP/2.0\r\n" + HOST + b"\r\n",
    "http/0.9": b"GET /v1/models\r\n\r\n",
    "bare LF": b"GET /v1/models HTTP/1.1\nHost: a\n\n",
    "a folded header": b"GET /v1/models HTTP/1.1\r\n" + HOST + b"x: a\r\n b\r\n\r\n",
    "a blank before the colon": b"GET /v1/models HTTP/1.1\r\n" + HOST + b"x : a\r\n\r\n",
    "NUL in a header": b"GET /v1/models HTTP/1.1\r\n" + HOST + b"x: a\x00b\r\n\r\n",
    "CR in a header": b"GET /v1/models HTTP/1.1\r\n" + HOST + b"x: a\rb\r\n\r\n",
    "a header without a name": b"GET /v1/models HTTP/1.1\r\n" + HOST + b": a\r\n\r\n",
    "no host": b"GET /v1/models HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /v1/models HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
    "an unknown method": b"GROT /v1/models HTTP/1.1\r\n" + HOST + b"\r\n",
    "a lower-case method": b"get /v1/models HTTP/1.1\r\n" + HOST + b"\r\n",
    "a raw byte in the target": b"GET /v1/m\xff HTTP/1.1\r\n" + HOST + b"\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_what_is_not_valid_is_a_400_and_the_end_of_the_connection(world: Rig, name: str) -> None:
    """G01: nothing of it is forwarded, and nothing after it is read as a request."""
    before = await world.received()
    answer = await refused(world, MALFORMED[name] + posted("steady"))
    assert answer.status == 400
    assert "HTTP/1.1" in answer.json()["error"]["message"]
    assert await world.received() == before


@pytest.mark.parametrize("method", ["CONNECT gateway:443", "OPTIONS *", "GET http://other.example/v1/models"])
async def test_targets_that_are_no_path_are_a_400(world: Rig, method: str) -> None:
    """URL-4: the gateway is no forward proxy."""
    answer = await asked(world.gateway.data, f"{method} HTTP/1.1\r\nHost: gateway\r\n\r\n".encode())
    assert answer.status == 400


async def test_requests_in_one_packet_are_answered_in_order(world: Rig) -> None:
    """RFC 9112, 9.3.2: slow ones, quick ones, the gateway's own, and the refusal of what comes last."""
    models = b"GET /v1/models/steady HTTP/1.1\r\n" + HOST + b"\r\n"
    packet = posted("steady", "x-simulate-latency: 0.1") + posted("spare") + models + posted("unknown") + b"garbage\r\n"
    async with await connect(world.gateway.data) as peer:
        await peer.send(packet)
        first, second, third, fourth, fifth = [await peer.answer() for _ in range(5)]
        assert await peer.ended()
    assert (first.header("x-pointsman-provider"), second.header("x-pointsman-provider")) == ("steady", "spare")
    assert third.json()["id"] == "steady"
    assert (fourth.status, fifth.status) == (404, 400)


async def test_a_request_may_come_byte_by_byte(world: Rig) -> None:
    """RFC 9112: where packets end means nothing."""
    async with await connect(world.gateway.data) as peer:
        for byte in posted("steady"):
            await peer.send(bytes([byte]))
        assert (await peer.answer()).status == 200
        for byte in chunked(question(), trailers=b"x-t: 1\r\n"):
            await peer.send(bytes([byte]))
        assert (await peer.answer()).status == 200


async def test_http_1_0_is_served_and_closed(world: Rig) -> None:
    """RFC 9112, 9.3: unless it asks to stay, and the length is known; a stream ends by closing, without chunks."""
    async with await connect(world.gateway.data) as peer:
        await peer.send(posted("steady", version="1.0"))
        answer = await peer.answer()
        assert (answer.status, answer.header("connection")) == (200, "close")
        assert await peer.ended()
    async with await connect(world.gateway.data) as peer:
        for _ in range(2):
            await peer.send(posted("steady", "Connection: keep-alive", version="1.0"))
            answer = await peer.answer()
            assert (answer.status, answer.header("connection")) == (200, "keep-alive")
        await peer.send(posted("steady", "Connection: keep-alive", version="1.0", stream=True))
        answer = await peer.answer()
        assert answer.header("transfer-encoding") is None
        assert answer.body.endswith(b"data: [DONE]\n\n")
        assert await peer.ended()
    without_host = b"GET /v1/models HTTP/1.0\r\n\r\n"
    assert (await asked(world.gateway.data, without_host)).status == 200


async def test_connection_close_is_heeded(world: Rig) -> None:
    """RFC 9112, 9.6."""
    async with await connect(world.gateway.data) as peer:
        await peer.send(posted("steady", "Connection: close") + posted("spare"))
        answer = await peer.answer()
        assert (answer.status, answer.header("connection")) == (200, "close")
        assert await peer.ended()


async def test_chunks_go_on_with_a_length_and_without_trailers(world: Rig) -> None:
    """D05: a trailer is no header: it changes neither alias nor credential, and no provider sees it."""
    trailers = b"x-canary: 1\r\nmodel-override: unknown\r\nAuthorization: Bearer z\r\n"
    async with await connect(world.gateway.data) as peer:
        await peer.send(chunked(question(), trailers=trailers, head=b"Trailer: x-canary\r\n") + posted("steady"))
        assert (await peer.answer()).status == 200
        assert (await peer.answer()).status == 200
    for received in (await world.steady.requests())[-2:]:
        headers = {name.lower(): value for name, value in received["headers"]}
        assert not {"x-canary", "model-override", "authorization", "trailer", "transfer-encoding"} & headers.keys()
        assert headers["content-length"] == str(len(received["body"]))
        assert json.loads(received["body"])["model"] == "steady"


async def test_a_client_that_waits_for_100_gets_it(world: Rig) -> None:
    """D06: also when its request came in one packet with another; never in HTTP/1.0."""
    whole = posted("steady", "Expect: 100-continue")
    head, mark, body = whole.partition(b"\r\n\r\n")
    async with await connect(world.gateway.data) as peer:
        await peer.send(posted("steady") + head + mark)
        assert (await peer.answer()).status == 200
        assert await peer.receive_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await peer.send(body)
        assert (await peer.answer()).status == 200
        await peer.send(whole)
        assert b"100 Continue" not in await peer.receive_until(b"\r\n\r\n"), "the body is there already"
    head, mark, body = posted("steady", "Expect: 100-continue", version="1.0").partition(b"\r\n\r\n")
    async with await connect(world.gateway.data) as peer:
        await peer.send(head + mark)
        await peer.send(body)
        assert (await peer.receive_until(b"\r\n")).startswith(b"HTTP/1.1 200")
    assert not any(name.lower() == "expect" for name, _ in (await world.steady.requests())[-1]["headers"])


async def test_a_body_that_would_be_too_long_is_refused_unsent(world: Rig) -> None:
    """D06: 413 instead of 100, so the client need not send it; any other expectation is a 417."""
    head = b"POST /v1/x HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n" % (LIMIT + 1)
    answer = await refused(world, head)
    assert (answer.status, answer.json()["error"]["code"]) == (413, "payload_too_large")
    answer = await refused(world, b"POST /v1/x HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\nExpect: 200-ok\r\n\r\n{}")
    assert (answer.status, answer.json()["error"]["code"]) == (417, "expectation_failed")


async def send_for_ever(peer: Peer, piece: bytes) -> None:
    try:
        for _ in range(2 * LIMIT // len(piece)):
            await peer.send(piece)
    except trio.BrokenResourceError:
        return


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_body_over_the_limit_is_a_413_the_client_can_read(world: Rig, framing: str) -> None:
    """MODEL-9, F06: though it sends on and looks only afterwards, the refusal is not lost to a reset."""
    memory = "process_resident_memory_bytes"
    before = (await world.gateway.metrics())[memory]
    head = b"POST /v1/x HTTP/1.1\r\n" + HOST
    async with await connect(world.gateway.data) as peer:
        if framing == "length":
            await peer.send(head + b"Content-Length: %d\r\n\r\n" % (2 * LIMIT))
            await send_for_ever(peer, bytes(65536))
        else:
            await peer.send(head + b"Transfer-Encoding: chunked\r\n\r\n")
            await send_for_ever(peer, b"10000\r\n" + bytes(65536) + b"\r\n")
        answer = await peer.answer()
        assert answer.status == 413
        assert answer.header("connection") == "close"
    assert (await world.gateway.metrics())[memory] < before + 3 * LIMIT


async def test_a_body_at_the_limit_is_served(world: Rig) -> None:
    """MODEL-9: exactly that many bytes are not too many."""
    start = b'{"model":"near","pad":"'
    body = start + b"x" * (LIMIT - len(start) - 2) + b'"}'
    sizes = []

    async def measures(peer: Peer) -> None:
        received = await peer.request()
        sizes.append(len(received.body))
        await peer.send(answered(b"{}"))

    async with world.near.serving(measures), await connect(world.gateway.data) as peer:
        await peer.send(b"POST /v1/x HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert (await peer.answer()).status == 200
    assert sizes == [LIMIT]


@pytest.mark.parametrize(
    "fields",
    [
        [b"x-%d: y" % number for number in range(200)],
        [b"x: " + b"y" * 65536],
        [b"x-%d: " % number + b"y" * 1000 for number in range(64)],
    ],
    ids=["200 headers", "one header of 64 KB", "64 KB of headers"],
)
async def test_too_large_a_head_is_a_431(world: Rig, fields: list[bytes]) -> None:
    """G04: in count or in bytes; as little of it as possible is read."""
    answer = await refused(world, b"GET /v1/models HTTP/1.1\r\n" + HOST + b"\r\n".join(fields) + b"\r\n\r\n")
    assert (answer.status, answer.json()["error"]["code"]) == (431, "headers_too_large")
    answer = await refused(world, b"GET /" + b"a" * 65536 + b" HTTP/1.1\r\n" + HOST + b"\r\n")
    assert answer.status == 431


async def test_a_head_without_an_end_is_a_431(world: Rig) -> None:
    """G04: a client that never ends its headers is cut off at the bound."""
    async with await connect(world.gateway.data) as peer:
        await peer.send(b"GET /v1/models HTTP/1.1\r\n" + HOST)
        async with trio.open_nursery() as nursery:

            async def trickle() -> None:
                try:
                    while True:
                        await peer.send(b"x: " + b"y" * 100 + b"\r\n")
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    return

            nursery.start_soon(trickle)
            assert (await peer.answer()).status == 431
            nursery.cancel_scope.cancel()


async def test_a_declined_change_of_protocol_changes_nothing(world: Rig) -> None:
    """RFC 9110, 7.8: a client that offers h2c, as Java's does by default, is served in HTTP/1.1, body and all."""
    offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAAB")
    async with await connect(world.gateway.data) as peer:
        for data in (posted("steady", *offer), chunked(question(), head="\r\n".join([*offer, ""]).encode())):
            await peer.send(data + data)
            for _ in range(2):
                answer = await peer.answer()
                assert (answer.status, answer.header("x-pointsman-provider")) == (200, "steady")
    received = (await world.steady.requests())[-1]
    assert not {"upgrade", "http2-settings", "connection"} & {name.lower() for name, _ in received["headers"]}


async def test_hop_by_hop_headers_end_here_both_ways(world: Rig) -> None:
    """E01, DEF-33: those that `Connection` names as well."""
    seen: list[Message] = []

    async def behave(peer: Peer) -> None:
        seen.append(await peer.request())
        fields = ["Connection: keep-alive, X-Back", "X-Back: 1", "Keep-Alive: timeout=5", "Proxy-Authenticate: Basic"]
        await peer.send(answered(b"{}", *fields, "Upgrade: h2c", "Trailer: x", "X-Stays: 2", "TE: trailers"))
        await peer.receive()

    async with world.near.serving(behave):
        fields = ("Connection: X-Forth, keep-alive", "X-Forth: 1", "Keep-Alive: 5", "TE: trailers", "X-Stays: 1")
        answer = await asked(world.gateway.data, posted("near", *fields, "Proxy-Authorization: Basic eA=="))
    hop = {"connection", "keep-alive", "te", "trailer", "upgrade", "transfer-encoding"}
    hop |= {"proxy-authenticate", "proxy-authorization", "x-forth", "x-back"}
    assert not hop & {name for name, _ in seen[0].headers}
    assert not hop & {name for name, _ in answer.headers}
    assert (seen[0].header("x-stays"), answer.header("x-stays")) == ("1", "2")


async def test_head_and_bodiless_statuses_have_no_body(world: Rig) -> None:
    """RFC 9110, 9.3.2, 15.3.5, 15.4.5: the connection stays in step, and the request counts as complete."""
    before = await world.gateway.metrics()
    head = b"HEAD /v1/x HTTP/1.1\r\n" + HOST + b"model-override: near\r\n\r\n"
    told = b"HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n"
    nothing = b"HTTP/1.1 204 No Content\r\n\r\n"
    unchanged = b'HTTP/1.1 304 Not Modified\r\netag: "a"\r\ncontent-length: 99\r\n\r\n'
    async with await connect(world.gateway.data) as peer:
        for told_status, sent, method, status in (
            (told, head, "HEAD", 200),
            (nothing, posted("near"), "POST", 204),
            (unchanged, posted("near"), "POST", 304),
        ):
            async with world.near.serving(says(told_status)):
                await peer.send(sent)
                answer = await peer.answer(method)
            assert (answer.status, answer.body) == (status, b"")
            assert answer.header("content-length") == ("1234" if method == "HEAD" else None)
        async with world.near.serving(repeats(answered(b"{}"))):
            await peer.send(posted("near"))
            assert (await peer.answer()).body == b"{}"
        await peer.send(b"HEAD /v1/models HTTP/1.1\r\n" + HOST + b"\r\n")
        assert (await peer.answer("HEAD")).body == b""
    after = await world.gateway.metrics()
    unfinished = [name for name in after if name.startswith("pointsman_unfinished_responses_total")]
    assert {name: after[name] for name in unfinished} == {name: before.get(name, 0) for name in unfinished}
    await world.gateway.at_rest()
