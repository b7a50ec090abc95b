"""An ASGI application on our own server."""

from typing import Any

import pytest
import trio
from structlog.testing import capture_logs

from adapters.http.asgi import Asgi
from tests.e2e.sockets import Message, Peer, connect
from tests.http.test_server import serving


def request(method: str, target: str, body: bytes = b"", *fields: str, version: str = "1.1") -> bytes:
    head = [f"{method} {target} HTTP/{version}", "Host: h", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(head).encode() + body


async def asked(peer: Peer, method: str, target: str, body: bytes = b"", *fields: str) -> Message:
    await peer.send(request(method, target, body, *fields))
    return await peer.answer(method)


async def start(send: Any, *fields: tuple[bytes, bytes]) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": fields})


async def body(send: Any, data: bytes = b"", *, more: bool = False) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": more})


async def test_the_request_is_told_in_full() -> None:
    """ASGI 3.0: path decoded and as it came, query, fields in lower case, peer, body; HEAD as the GET it stands for."""
    seen: list[dict[str, Any]] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        seen.append({**scope, "body": await receive()})
        await start(send, (b"Connection", b"keep-alive"), (b"X-One", b"1"))
        await body(send, b"ok")

    async with serving(Asgi(app)) as (_, base), await connect(base) as peer:
        answer = await asked(peer, "POST", "/a%20b/%C3%A9%2Fc?q=%C3%A9", b"{}", "X-Case: Kept")
        assert (answer.status, answer.body, answer.header("content-length")) == (200, b"ok", "2")
        assert (answer.header("x-one"), answer.header("connection")) == ("1", None)
        assert (await asked(peer, "HEAD", "http://h/x")).header("content-length") == "2"
        assert (await asked(peer, "GET", "/")).body == b"ok", "the connection has been kept"
    first, head, _ = seen
    assert (first["type"], first["http_version"], first["scheme"], first["method"]) == ("http", "1.1", "http", "POST")
    assert (first["path"], first["raw_path"], first["query_string"]) == ("/a b/é/c", b"/a%20b/%C3%A9%2Fc", b"q=%C3%A9")
    assert first["headers"] == [(b"host", b"h"), (b"content-length", b"2"), (b"x-case", b"Kept")]
    assert first["client"] == ("127.0.0.1", 0)
    assert first["body"] == {"type": "http.request", "body": b"{}", "more_body": False}
    assert (head["method"], head["path"]) == ("GET", "/x")


@pytest.mark.parametrize("how", ["waiting", "sending", "before the head"])
async def test_a_client_that_leaves_is_told_to_the_application_and_ends_it(how: str) -> None:
    """`http.disconnect` first, then cancellation; wherever it stands, and however little the client has read."""
    seen: list[str] = []
    runs = trio.Event()

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        runs.set()

        async def listen() -> None:
            seen.append((await receive())["type"])
            await trio.sleep_forever()

        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(listen)
                if how != "before the head":
                    await start(send)
                while how == "sending":
                    await body(send, b"x" * 1_000_000, more=True)
                seen.append("waits")
                await trio.sleep_forever()
        finally:
            seen.append("ended")

    async with serving(Asgi(app)) as (server, base):
        async with await connect(base) as peer:
            await peer.send(request("GET", "/"))
            await runs.wait()
            await trio.testing.wait_all_tasks_blocked(0.05)
        with trio.fail_after(5):
            while server.connections:
                await trio.lowlevel.checkpoint()
    assert seen == ([] if how == "sending" else ["waits"]) + ["http.disconnect", "ended"]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("fault", ["raises", "returns", "too long", "too short"])
async def test_a_body_that_fails_is_never_ended_cleanly(fault: str, version: str) -> None:
    """The connection is cut: a client of HTTP/1.0 meets a reset."""
    going_on = trio.Event()

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await start(send, *([(b"content-length", b"6")] if fault.startswith("too") else []))
        await body(send, b"some", more=True)
        await going_on.wait()
        if fault == "raises":
            raise ValueError("sk-secret")
        if fault.startswith("too"):
            await body(send, b"more" if fault == "too long" else b"")

    async with serving(Asgi(app)) as (_, base), await connect(base) as peer:
        with capture_logs() as logged:
            await peer.send(request("GET", "/", version=version))
            assert (await peer.receive_until(b"some")).startswith(b"HTTP/1.1 200 OK\r\n")
            going_on.set()
            if version == "1.0" and not fault.startswith("too"):
                assert not await peer.ended()
            else:
                rest = b""
                while data := await peer.receive():
                    rest += data
                assert rest in {b"", b"\r\n"}
    assert len(logged) == 1
    assert "sk-secret" not in str(logged[0].get("error"))


async def test_a_head_that_cannot_be_sent_is_a_500() -> None:
    """A line break in a field would let its value write fields of its own."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await start(send, (b"x", b"1\r\nset-cookie: a=b"))

    async with serving(Asgi(app)) as (_, base), await connect(base) as peer:
        with capture_logs() as logged:
            answer = await asked(peer, "GET", "/")
        assert (answer.status, answer.header("set-cookie")) == (500, None)
        assert [line["error"] for line in logged] == ["ValueError"]
