"""Every way the simulator can be told to fail, seen from a socket."""

from typing import Any

import httpx
import httpx2
import openai
import pytest
import trio
import trio.testing
from openai import AsyncOpenAI

from tests.simulator.running import Running, Start, posted

TURNS = [{"role": "user", "content": "hello"}]
CHAT = {"model": "m", "messages": TURNS}
STREAM = CHAT | {"stream": True}
PATH = "/v1/chat/completions"


async def read_until_broken(stream: trio.SocketStream) -> tuple[bytes, bool]:
    """What came, and whether the end was a reset."""
    got = b""
    try:
        async for data in stream:
            got += data
    except trio.BrokenResourceError:
        return got, True
    return got, False


async def test_error_status_with_retry_after(start: Start) -> None:
    """An injected error has the status, the envelope of the route and the retry-after asked for."""
    simulator = await start(error_status=429, retry_after=7)
    answer = await simulator.chat()
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert answer.json()["error"]["type"] == "rate_limit_error"
    assert (await simulator.requests())[0]["ended"] == "answered"
    async with AsyncOpenAI(base_url=simulator.url, api_key="k", max_retries=0) as client:
        with pytest.raises(openai.RateLimitError):
            await client.chat.completions.create(model="m", messages=TURNS, stream=True)


@pytest.mark.parametrize(
    ("bodies", "content_type", "content"),
    [
        ("route", "application/json", b'{"error":{'),
        ("openai", "application/json", b'{"error":{'),
        ("anthropic", "application/json", b'{"type":"error","error":{"type":"overloaded_error"'),
        ("text", "text/plain; charset=utf-8", b"sim was told to answer 529"),
        ("empty", None, b""),
    ],
)
async def test_error_bodies_can_be_foreign(start: Start, bodies: str, content_type: str | None, content: bytes) -> None:
    """`status_bodies` gives errors another protocol's shape, plain text, or none."""
    simulator = await start(error_status=529, status_bodies=bodies)
    answer = await simulator.chat()
    assert answer.headers.get("content-type") == content_type
    assert answer.content.startswith(content)
    assert (answer.content == b"") == (bodies == "empty")


async def test_error_rate_is_deterministic(start: Start) -> None:
    """Which requests fail depends on seed and request number alone, and the share is about the rate."""

    async def statuses(seed: int) -> list[int]:
        simulator = await start(error_status=500, error_rate=0.3, seed=seed)
        return [(await simulator.chat()).status_code for _ in range(60)]

    first = await statuses(1)
    assert first == await statuses(1)
    assert first != await statuses(2)
    assert 8 <= first.count(500) <= 28
    assert first.count(500) + first.count(200) == 60


async def test_latency_comes_before_the_headers(start: Start, autojump_clock: trio.testing.MockClock) -> None:
    """`latency` passes before the answer's head, and exactly that."""
    simulator = await start(latency=30)
    began = autojump_clock.current_time()
    assert (await simulator.chat()).status_code == 200
    assert autojump_clock.current_time() - began == pytest.approx(30, abs=0.5)


async def test_stream_is_paced(start: Start, autojump_clock: trio.testing.MockClock) -> None:
    """Headers come at once, the first token after `ttft`, each further one after 1 / tokens_per_second."""
    simulator = await start(ttft=10, tokens_per_second=0.5, tokens=4)
    async with await simulator.connect() as stream:
        began = autojump_clock.current_time()
        await stream.send_all(posted(PATH, STREAM, "Connection: close"))
        seen = b""
        times = {}
        async for data in stream:
            seen += data
            for mark in (b"HTTP/1.1 200", b'"sim "', b'"heard: "', b'"hello"', b'" word4"', b"[DONE]"):
                if mark in seen:
                    times.setdefault(mark, autojump_clock.current_time() - began)
    assert list(times.values()) == pytest.approx([0, 10, 12, 14, 16, 16], abs=0.5)


async def test_every_event_is_one_write(start: Start, autojump_clock: trio.testing.MockClock) -> None:
    """Each paced event arrives whole and alone, as one chunk of the transfer coding."""
    simulator = await start(ttft=1, tokens_per_second=1, tokens=3)
    async with await simulator.connect() as stream:
        await stream.send_all(posted(PATH, STREAM))
        while b'"role"' not in await stream.receive_some():
            pass
        for piece in (b'"sim "', b'"heard: "'):
            data = await stream.receive_some()
            size, event, rest = data.split(b"\r\n")
            assert (int(size, 16), rest) == (len(event), b"")
            assert event.startswith(b"data: {")
            assert event.endswith(b"}\n\n")
            assert piece in event
    assert autojump_clock.current_time() >= 2


@pytest.mark.parametrize("size", [1, 3, 12])
async def test_tokens_sets_the_length(start: Start, size: int) -> None:
    """`tokens` cuts or fills an answer to so many words, streamed or not."""
    simulator = await start(tokens=size)
    answer = (await simulator.chat()).json()
    assert len(answer["choices"][0]["message"]["content"].split()) == size
    assert answer["usage"]["completion_tokens"] == size
    assert (await simulator.chat(stream=True)).text.count('"delta":{"content"') == size


@pytest.mark.parametrize("how", ["reset", "close"])
@pytest.mark.parametrize("count", [0, 1, 4])
async def test_cut_after_events(start: Start, how: str, count: int) -> None:
    """The connection breaks after exactly so many events, by RST or by FIN without the terminal chunk."""
    simulator = await start(cut_after_events=count, cut_by=how)
    async with await simulator.connect() as stream:
        await stream.send_all(posted(PATH, STREAM))
        got, reset = await read_until_broken(stream)
    assert got.startswith(b"HTTP/1.1 200")
    assert got.count(b"data: ") == count
    assert b"\r\n0\r\n" not in got
    assert reset == (how == "reset")
    [received] = await simulator.requests()
    assert (received["ended"], received["events"], received["status"]) == ("cut", count, 200)


async def test_a_cut_beyond_the_end_is_none(start: Start) -> None:
    """A stream shorter than the cut ends well; one that is exactly as long lacks its terminal chunk."""
    simulator = await start(cut_after_events=7)
    # role, three words, finish, DONE: six events.
    assert (await simulator.chat(stream=True)).text.endswith("[DONE]\n\n")
    await simulator.change(cut_after_events=6, cut_by="close")
    assert b"0\r\n\r\n" not in await simulator.exchange(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Length: 75\r\n\r\n"
        b'{"stream":true,"model":"m","messages":[{"role":"user","content":"hello"}]} '
    )
    assert [received["ended"] for received in await simulator.requests()] == ["answered", "cut"]


@pytest.mark.parametrize("size", [0, 5])
async def test_cut_after_bytes(start: Start, size: int) -> None:
    """A body that is no stream breaks off after exactly so many bytes."""
    simulator = await start(cut_after_bytes=size, cut_by="close")
    got = await simulator.exchange(posted(PATH, CHAT))
    head, _, body = got.partition(b"\r\n\r\n")
    assert b"content-length: " in head
    assert len(body) == size
    assert (await simulator.requests())[0]["ended"] == "cut"


async def test_sdk_sees_a_cut_stream_as_an_error(start: Start) -> None:
    """A cut stream is no short answer: the SDK's transport raises."""
    simulator = await start(cut_after_events=3)
    async with AsyncOpenAI(base_url=simulator.url, api_key="k", max_retries=0) as client:
        stream = await client.chat.completions.create(model="m", messages=TURNS, stream=True)
        with pytest.raises((openai.APIConnectionError, httpx2.TransportError)):
            _ = [chunk async for chunk in stream]
        await stream.close()


async def test_refuse_sends_no_byte(start: Start) -> None:
    """`refuse` reads the request, then closes without a byte of an answer."""
    simulator = await start(refuse=True)
    assert await simulator.exchange(posted(PATH, CHAT)) == b""
    [received] = await simulator.requests()
    assert (received["ended"], received["status"]) == ("refused", None)
    assert received["body"]


@pytest.mark.parametrize(
    "settings",
    [
        {"hang": True},
        {"latency": 3600},
        {"ttft": 3600},
        {"tokens_per_second": 0.001},
    ],
)
async def test_client_gone_is_noticed_at_once(start: Start, settings: dict[str, Any]) -> None:
    """A client that leaves while the simulator hangs, delays or streams is recorded, and nothing stays in progress."""
    simulator = await start(**settings)
    stream = await simulator.connect()
    await stream.send_all(posted(PATH, STREAM))
    state = await simulator.until(lambda state: state["requests_in_progress"] == 1)
    assert state["counts"]["client_gone"] == 0
    await stream.aclose()
    state = await simulator.until(lambda state: state["requests_in_progress"] == 0)
    assert state["counts"]["client_gone"] == 1
    assert (await simulator.requests())[0]["ended"] == "client_gone"
    await simulator.until(lambda state: state["open_connections"] == 1)


async def test_client_gone_while_not_reading(start: Start) -> None:
    """A client that leaves with the answer stuck in full buffers is gone, not answered."""
    simulator = await start()
    body = {"model": "m", "messages": [{"role": "user", "content": "x" * 20_000_000}]}
    stream = await simulator.connect()
    await stream.send_all(posted(PATH, body))
    await simulator.until(lambda state: state["counts"]["received"] == 1)
    await stream.receive_some(1)
    await stream.aclose()
    await simulator.until(lambda state: state["counts"]["client_gone"] == 1)


@pytest.mark.parametrize("flag", ["true", "1"])
async def test_headers_override_for_one_request(simulator: Running, flag: str) -> None:
    """`x-simulate-…` headers hold for their own request only."""
    answer = await simulator.chat(x_simulate_error_status="503", X_Simulate_Retry_After="3")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
    assert (await simulator.chat()).status_code == 200
    assert (await simulator.chat(x_simulate_tokens="2")).json()["usage"]["completion_tokens"] == 2
    with pytest.raises(httpx.RemoteProtocolError, match="disconnected"):
        await simulator.chat(x_simulate_refuse=flag)
    assert (await simulator.state())["settings"]["refuse"] is False


@pytest.mark.parametrize(
    ("header", "value", "said"),
    [
        ("x-simulate-colour", "red", "x-simulate-error-status"),
        ("x-simulate-record-limit", "3", "x-simulate-error-status"),
        ("x-simulate-latency", "soon", "latency must be a number"),
        ("x-simulate-tokens", "1.5", "tokens must be a whole number"),
        ("x-simulate-hang", "yes", "hang must be true or false"),
        ("x-simulate-error-status", "200", "from 400 to 599"),
    ],
)
async def test_a_wrong_override_is_a_400(simulator: Running, header: str, value: str, said: str) -> None:
    """An override that cannot take effect is refused in words, not ignored."""
    answer = await simulator.chat(**{header: value})
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]
