"""Who has no good admin token, or has none any more, at a running gateway's control port."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, connect_websocket_url

from adapters.http.control import STRANGERS_BODY_BYTES
from tests.e2e.running import PATIENCE_S, Gateway, client, gateway
from tests.e2e.sockets import connect

LARGE = 4 * 1024 * 1024


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(tmp_path, {"targets": {}}) as running:
        yield running


def head(*fields: str) -> bytes:
    return "\r\n".join(("POST /admin/v1/apply HTTP/1.1", "host: h", *fields, "", "")).encode()


async def test_a_strangers_body_is_refused_before_it_is_read(running: Gateway) -> None:
    """MODEL-9, AUTH-9: by its length at the head, in chunks at the bound; the answer is the one to all strangers."""
    for bad in ((), ("authorization: Bearer wrong",), ("x-admin-key: wrong",)):
        async with await connect(running.control) as peer:
            await peer.send(head(f"content-length: {LARGE}", *bad))
            answer = await peer.answer()
            assert answer.status == 401
            assert (answer.header("www-authenticate") or "").startswith("Bearer ")
        async with await connect(running.control) as peer:
            await peer.send(head("transfer-encoding: chunked", *bad))
            piece = b"x" * STRANGERS_BODY_BYTES
            await peer.send(b"%x\r\n%b\r\n1\r\nx" % (len(piece), piece))
            assert (await peer.answer()).status == 401


@pytest.mark.parametrize("header", ["authorization: Bearer {}", "authorization: bearer {}", "x-admin-key: {}"])
async def test_a_good_token_opens_the_whole_bound(running: Gateway, header: str) -> None:
    """MODEL-9: a table of some megabytes is read; what is beyond 32 MiB is a 413, also with a token."""
    token = header.format(running.token)
    async with await connect(running.control) as peer:
        await peer.send(head(f"content-length: {LARGE}", "content-type: application/json", token) + b"x" * LARGE)
        assert (await peer.answer()).status == 422
    async with await connect(running.control) as peer:
        await peer.send(head("content-length: 33554433", token))
        assert (await peer.answer()).status == 413


async def test_a_token_that_is_revoked_ends_its_live_stream(running: Gateway) -> None:
    """AUTH-9, WS-1: from the position on at which it is none any more, with a policy violation (RFC 6455, 7.4.1)."""
    address = running.control.replace("http:", "ws:") + "/live"
    async with client() as http, trio.open_nursery() as nursery:
        http.headers["authorization"] = f"Bearer {running.token}"
        tokens = httpx.URL(f"{running.control}/admin/v1/tokens")
        made = (await http.post(tokens, json={"name": "watcher", "scope": "read"})).json()
        fields = [(b"authorization", f"Bearer {made['secret']}".encode())]
        websocket = await connect_websocket_url(nursery, address, extra_headers=fields)
        with trio.fail_after(PATIENCE_S):
            assert await websocket.get_message()
            gone = await http.delete(f"{tokens}/{made['token_id']}")
            assert gone.is_success
            with pytest.raises(ConnectionClosed) as closed:
                await to_the_end(websocket)
        assert closed.value.reason is not None
        assert closed.value.reason.code == 1008
        # The library leaves the socket to whoever cancels it.
        await trio.aclose_forcefully(websocket._stream)
        nursery.cancel_scope.cancel()


async def to_the_end(websocket: WebSocketConnection) -> None:
    while True:
        await websocket.get_message()
