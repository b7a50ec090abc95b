"""HTTP/1.1 on the wire: keep-alive, pipelining, bounds, and names the simulator cannot have."""

import json
import socket
import struct
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from adapters.simulator import Settings, connection, serve
from tests.simulator.running import Running, Start, posted

PATH = "/v1/chat/completions"


def chat(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


async def test_pipelined_requests_are_answered_in_order(simulator: Running) -> None:
    """Requests sent ahead are answered one after the other, streams and plain bodies alike (RFC 9112, 9.3.2)."""
    got = await simulator.exchange(
        posted(PATH, chat("one", stream=True))
        + posted(PATH, chat("two"))
        + posted(PATH, chat("three"), "Connection: close")
    )
    assert got.count(b"HTTP/1.1 200") == 3
    places = [got.index(word) for word in (b'"one"', b"heard: two", b"heard: three")]
    assert places == sorted(places)
    assert {received["connection"] for received in await simulator.requests()} == {1}


async def test_requests_sent_while_waiting_are_kept(start: Start, autojump_clock: trio.testing.MockClock) -> None:
    """What arrives while an answer is delayed is the next request, not lost to the watch for the client's leaving."""
    simulator = await start(latency=5)
    async with await simulator.connect() as stream:
        await stream.send_all(posted(PATH, chat("one")))
        await simulator.until(lambda state: state["requests_in_progress"] == 1)
        await stream.send_all(posted(PATH, chat("two"), "Connection: close"))
        got = b"".join([data async for data in stream])
    assert autojump_clock.current_time() >= 10
    assert got.count(b"HTTP/1.1 200") == 2
    assert got.index(b"heard: one") < got.index(b"heard: two")


async def test_too_much_sent_ahead_is_left_unread(
    start: Start, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past a bound the simulator reads no further ahead, and still answers everything in order."""
    monkeypatch.setattr(connection, "MOST_AHEAD", 10)
    simulator = await start(latency=5)
    async with await simulator.connect() as stream:
        await stream.send_all(posted(PATH, chat("one")))
        await simulator.until(lambda state: state["requests_in_progress"] == 1)
        await stream.send_all(posted(PATH, chat("two")) + posted(PATH, chat("three"), "Connection: close"))
        got = b"".join([data async for data in stream])
    assert autojump_clock.current_time() >= 15
    assert got.count(b"HTTP/1.1 200") == 3


async def test_http_1_0_gets_an_unchunked_stream(simulator: Running) -> None:
    """An HTTP/1.0 client gets the events bare and the end by closing (RFC 9112, 6.1)."""
    body = json.dumps(chat("hi", stream=True)).encode()
    got = await simulator.exchange(
        b"POST %s HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % (PATH.encode(), len(body)) + body
    )
    head, _, events = got.partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert events.endswith(b"data: [DONE]\n\n")


async def test_expect_continue(simulator: Running) -> None:
    """A client that waits for 100 Continue gets it before it sends the body (RFC 9110, 10.1.1)."""
    body = json.dumps(chat("hi")).encode()
    async with await simulator.connect() as stream:
        head = b"POST %s HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
        await stream.send_all(head % (PATH.encode(), len(body)))
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 100")
        await stream.send_all(body)
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")


async def test_chunked_request_body(simulator: Running) -> None:
    """A chunked request body is put together."""
    body = json.dumps(chat("hi")).encode()
    chunks = b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (5, body[:5], len(body) - 5, body[5:])
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert b"heard: hi" in await simulator.exchange(head + chunks)
    assert (await simulator.requests())[0]["body"] == body.decode()


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 67108865\r\n\r\n", 413),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 70_000, 431),
        (b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
    ],
)
async def test_what_cannot_be_read_is_refused(simulator: Running, raw: bytes, status: int) -> None:
    """A body over 64 MiB, a head over 64 KiB and what is no HTTP are answered, the connection then closed."""
    async with await simulator.connect() as stream:
        await stream.send_all(raw)
        got = b""
        async for data in stream:
            got += data
    assert got.startswith(b"HTTP/1.1 %d " % status)
    assert b"connection: close" in got.lower()
    assert await simulator.requests() == []


async def test_a_chunked_body_is_bounded_too(simulator: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that announces no length is refused when it has grown too long; what still comes is discarded."""
    monkeypatch.setattr(connection, "MOST_BODY", 100)
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with await simulator.connect() as stream:
        await stream.send_all(head + b"65\r\n" + b"x" * 101 + b"\r\n")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 413")
        await stream.send_all(b"5\r\nxxxxx\r\n0\r\n\r\n")


async def test_a_reset_between_requests_ends_the_connection(simulator: Running) -> None:
    """A client may reset an idle connection; the simulator goes on."""
    stream = await simulator.connect()
    await simulator.until(lambda state: state["open_connections"] == 2)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await stream.aclose()
    await simulator.until(lambda state: state["open_connections"] == 1)


async def test_half_a_request_is_no_request(simulator: Running) -> None:
    """A client that leaves before its request is complete leaves no record behind."""
    async with await simulator.connect() as stream:
        await stream.send_all(b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n{")
    await simulator.until(lambda state: state["open_connections"] == 1)
    assert await simulator.requests() == []


async def test_many_streams_at_once(simulator: Running) -> None:
    """Concurrent streams do not mix."""

    async def one(text: str) -> None:
        answer = await simulator.chat(text, stream=True)
        assert f'"content":"{text}"' in answer.text

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(one, f"question{number}")
    assert (await simulator.state())["counts"]["answered"] == 20


@pytest.mark.parametrize("name", ["", "two words", "höher", "line\nbreak"])
async def test_a_name_must_fit_a_header(name: str) -> None:
    """A name that could not stand in a response header is refused before anything is bound."""
    with pytest.raises(ValueError, match="printable ASCII"):
        await serve(Settings(), host="127.0.0.1", port=0, name=name)


async def test_a_given_port_is_bound() -> None:
    """A port that is given is the one that is bound; one that is taken is an OSError; a stopped simulator frees it."""
    port = 0
    for _ in range(2):
        async with trio.open_nursery() as nursery:
            bound = await nursery.start(partial(serve, Settings(), host="127.0.0.1", port=port))
            assert bound[1] == port or port == 0
            host, port = bound
            with pytest.raises(OSError, match="in use"):
                await serve(Settings(), host=host, port=port)
            nursery.cancel_scope.cancel()


async def test_localhost_gets_one_free_port(nursery: trio.Nursery) -> None:
    """A host with several addresses and port 0 is bound once, and the bound address is reported."""

    async def begin(*, task_status: trio.TaskStatus[tuple[str, int]]) -> None:
        await serve(Settings(), host="localhost", port=0, task_status=task_status)

    host, port = await nursery.start(begin)
    async with await trio.open_tcp_stream(host, port) as stream:
        await stream.send_all(b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
