"""Litestar on our own server: what the control plane's API counts on."""

import json

import pytest
import trio
from structlog.testing import capture_logs

from adapters.http.asgi import Asgi
from tests.e2e.sockets import connect
from tests.http.example_api import api
from tests.http.test_asgi import asked, request
from tests.http.test_server import serving


async def test_litestar_answers_under_trio() -> None:
    """Models in and out, parameters, a synchronous route behind a guard, a description without other hosts."""
    async with serving(Asgi(api())) as (_, base), await connect(base) as peer:
        thing = {"name": "n", "kind": "embeddings", "parts": [{"weight": 2}], "labels": {"a": "b"}}
        made = await asked(peer, "POST", "/things", json.dumps(thing).encode(), "Idempotency-Key: k")
        assert (made.status, made.json()) == (201, thing)
        assert (made.header("etag"), made.header("x-key")) == ('"7"', "k")
        assert (await asked(peer, "GET", "/things/x?limit=3")).json() == {"name": "x", "limit": 3}
        assert (await asked(peer, "GET", "/secret", b"", "Authorization: Bearer token")).json() == {"ok": True}
        schema = await asked(peer, "GET", "/schema/openapi.json")
        assert schema.json()["openapi"] == "3.1.0"
        assert schema.json()["components"]["schemas"]["Part"]["properties"]["weight"]["minimum"] == 1
        assert b"http" not in schema.body.replace(b"https://spec.openapis.org", b"")
        got, head = [await asked(peer, method, "/things/x") for method in ("GET", "HEAD")]
        assert (head.status, head.headers, head.body) == (got.status, got.headers, b"")
        large = await asked(peer, "POST", "/things", json.dumps({"name": "x" * 8_000_000}).encode())
        assert (large.status, len(large.json()["name"])) == (201, 8_000_000)
        generated = await asked(peer, "GET", "/generated")
        assert (generated.body, generated.header("transfer-encoding")) == (b"onetwo", "chunked")


@pytest.mark.parametrize(
    ("method", "target", "sent", "status", "errors"),
    [
        ("POST", "/things", b'{"name": 1}', 422, [("body", "name", "Expected `str`, got `int`")]),
        ("POST", "/things", b"{}", 422, [("body", "", "Object missing required field `name`")]),
        ("POST", "/things", b"", 422, [("body", "", "The request needs a body.")]),
        ("POST", "/things", b"{", 422, [("body", "", "The body is not valid JSON.")]),
        ("POST", "/things", b'{"name": "\xff"}', 422, [("body", "", "The body is not valid JSON.")]),
        (
            "POST",
            "/things",
            b'{"name": "n", "x": %b}' % (b"[" * 100_000),
            422,
            [("body", "", "The body is not valid JSON.")],
        ),
        (
            "POST",
            "/things",
            b'{"name": "n", "parts": [{}, {"weight": "2"}]}',
            422,
            [("body", "parts[1].weight", "Expected `int`, got `str`")],
        ),
        (
            "POST",
            "/things",
            b'{"name": "n", "parts": [{"wieght": 2}]}',
            422,
            [("body", "parts[0].wieght", "There is no such field.")],
        ),
        ("GET", "/things/x?limit=0", b"", 422, [("query", "limit", "Expected `int` >= 1")]),
        ("GET", "/nothing", b"", 404, None),
        ("DELETE", "/things", b"", 405, None),
        ("GET", "/secret", b"", 401, None),
        ("GET", "/%FF", b"", 400, None),
    ],
)
async def test_what_is_wrong_is_a_problem(
    method: str, target: str, sent: bytes, status: int, errors: list[tuple[str, str, str]] | None
) -> None:
    """RFC 9457: of one kind whoever found it, naming the field and the rule; the connection goes on."""
    async with serving(Asgi(api())) as (_, base), await connect(base) as peer:
        answer = await asked(peer, method, target, sent)
        assert (answer.status, answer.header("content-type")) == (status, "application/problem+json")
        assert answer.json()["status"] == status
        if errors is not None:
            assert [tuple(one.values()) for one in answer.json()["errors"]] == errors
        if status == 405:
            assert {"POST", "OPTIONS"} == set((answer.header("allow") or "").split(", "))
        assert (await asked(peer, "GET", "/things/x")).status == 200


async def test_a_bug_is_a_500_and_its_place_is_logged() -> None:
    """What it said is neither answered nor logged, since it may quote the request."""
    async with serving(Asgi(api())) as (_, base), await connect(base) as peer:
        with capture_logs() as logged:
            answer = await asked(peer, "GET", "/bug?key=sk-secret")
        assert (answer.status, answer.header("content-type")) == (500, "application/problem+json")
        assert [(line["event"], line["error"]) for line in logged] == [("the application failed", "KeyError")]
        assert "in bug" in logged[0]["where"]
        assert b"sk-secret" not in answer.body
        assert "?key" not in str(logged)
        assert (await asked(peer, "GET", "/things/x")).status == 200


async def test_a_stream_is_relayed_as_it_comes_and_ended() -> None:
    """The head before the first chunk, each chunk before the next; then the connection serves another request."""
    sending, receiving = trio.open_memory_channel[bytes](0)
    async with serving(Asgi(api(receiving))) as (_, base), await connect(base) as peer:
        await peer.send(request("GET", "/follow"))
        head = await peer.receive_until(b"\r\n\r\n")
        assert b"transfer-encoding: chunked" in head
        assert b"content-type: text/event-stream" in head
        for chunk in (b"data: 1\n\n", b"data: 2\n\n"):
            await sending.send(chunk)
            assert await peer.receive_until(chunk + b"\r\n") == b"9\r\n" + chunk + b"\r\n"
        sending.close()
        assert await peer.receive_until(b"0\r\n\r\n") == b"0\r\n\r\n"
        assert (await asked(peer, "GET", "/things/x")).status == 200
        assert (await asked(peer, "HEAD", "/follow")).body == b""
        assert (await asked(peer, "GET", "/things/x")).status == 200


@pytest.mark.parametrize("reading", [True, False])
async def test_litestar_ends_a_stream_whose_client_has_left(*, reading: bool) -> None:
    """Also one that did not read; nothing of the stream is left behind."""
    seen: list[str] = []
    sending, receiving = trio.open_memory_channel[bytes](0)
    async with serving(Asgi(api(receiving, seen))) as (server, base):
        async with await connect(base) as peer:
            await peer.send(request("GET", "/follow"))
            await peer.receive_until(b"\r\n\r\n")
            takes = not reading
            while takes:
                await trio.testing.wait_all_tasks_blocked(0.05)
                try:
                    sending.send_nowait(b"x" * 1_000_000)
                except trio.WouldBlock:
                    takes = False
        with trio.fail_after(5):
            while server.connections:
                await trio.lowlevel.checkpoint()
    assert seen == (["cancelled"] if reading else [])
    assert receiving.statistics().tasks_waiting_receive == 0


async def test_a_server_that_stops_ends_its_streams() -> None:
    """H06: without waiting for an application that waits for ever."""
    sending, receiving = trio.open_memory_channel[bytes](0)
    async with serving(Asgi(api(receiving))) as (server, base), await connect(base) as peer:
        await peer.send(request("GET", "/follow"))
        await peer.receive_until(b"\r\n\r\n")
        server.abort()
        with trio.fail_after(5):
            while server.connections:
                await trio.lowlevel.checkpoint()
        assert await peer.receive() == b"", "not even the chunk that would end it"
    assert receiving.statistics().tasks_waiting_receive == 0
    sending.close()
