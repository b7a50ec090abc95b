"""A listening port's bounds: deadlines, places, the end."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from adapters import clock
from adapters.http.messages import Incoming, Response
from adapters.http.problems import status_of
from adapters.http.server import Deadlines, Server, address_of, listen
from adapters.poller import Poller
from adapters.settings import Address
from engine.errors import Refused, StartFailed
from tests.e2e.sockets import Broken, Peer, connect

QUICK = Deadlines(idle_s=0.15, reading_s=0.15, check_s=0.02)
REQUEST = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


class Application:
    """Says which requests it has had; waits for `going_on` before it answers."""

    def __init__(self) -> None:
        self.seen: list[Incoming] = []
        self.running = 0
        self.going_on = trio.Event()
        self.going_on.set()

    async def __call__(self, incoming: Incoming) -> Response:
        self.seen.append(incoming)
        if incoming.refusal is not None:
            return Response(status_of(Refused(incoming.refusal)), ())
        self.running += 1
        try:
            await self.going_on.wait()
        finally:
            self.running -= 1
        return Response(200, (), b"ok")

    async def until_running(self, count: int) -> None:
        with trio.fail_after(5):
            while self.running != count:
                await trio.lowlevel.checkpoint()


@asynccontextmanager
async def serving(application: Application, **options: Any) -> AsyncIterator[tuple[Server, str]]:
    """A server on a free port and its base address."""
    poller = Poller()
    listener = listen(Address("127.0.0.1", 0), option="--listen")
    server = Server(application, **{"poller": poller, "clock": clock.monotonic_ns, **options})
    async with trio.open_nursery() as nursery:
        nursery.start_soon(poller.run)
        nursery.start_soon(server.serve, listener)
        yield server, f"http://{address_of(listener)}"
        nursery.cancel_scope.cancel()


async def trickle(peer: Peer, piece: bytes) -> int:
    """Send pieces until an answer comes; its status."""
    statuses: list[int] = []
    async with trio.open_nursery() as nursery:

        async def send() -> None:
            try:
                while True:
                    await peer.send(piece)
                    await trio.sleep(0.01)
            except trio.BrokenResourceError:
                return

        nursery.start_soon(send)
        statuses.append((await peer.answer()).status)
        nursery.cancel_scope.cancel()
    return statuses[0]


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"GET / HTTP/1.1\r\nHost: h\r\nx: ", b"y"),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10000\r\n\r\n", b"x"),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
    ids=["head", "body", "chunks"],
)
async def test_a_request_that_trickles_in_is_a_408(start: bytes, piece: bytes) -> None:
    """G04, F06, DEF-40: the deadline counts from its first byte, so each further byte wins nothing."""
    async with serving(Application(), deadlines=QUICK) as (server, base), await connect(base) as peer:
        await peer.send(start)
        with trio.fail_after(5):
            assert await trickle(peer, piece) == 408
            while server.connections:
                await trio.lowlevel.checkpoint()


async def test_an_idle_connection_ends_quietly() -> None:
    """DEF-40: before its first request, and between two, without a 408 that nobody asked for."""
    async with serving(Application(), deadlines=QUICK) as (_, base):
        for requests in (b"", REQUEST):
            async with await connect(base) as peer:
                if requests:
                    await peer.send(requests)
                    assert (await peer.answer("GET")).status == 200
                assert await peer.receive() == b""


async def test_no_deadline_counts_while_a_request_is_answered() -> None:
    """STREAM-5: the client has done its part; the provider may think as long as it likes."""
    application = Application()
    application.going_on = trio.Event()
    now = 0
    options: dict[str, Any] = {"deadlines": Deadlines(check_s=0.01), "clock": lambda: now}
    async with serving(application, **options) as (_, base), await connect(base) as peer, await connect(base) as idle:
        await peer.send(REQUEST)
        await application.until_running(1)
        now += 3600 * 10**9
        assert await idle.receive() == b"", "the deadlines have been looked at"
        application.going_on.set()
        assert (await peer.answer("GET")).status == 200


async def test_no_more_connections_than_allowed() -> None:
    """The rest wait in the kernel's backlog and are served once a place is free."""
    application = Application()
    application.going_on = trio.Event()
    async with serving(application, max_connections=2) as (server, base):
        peers = [await connect(base) for _ in range(3)]
        for peer in peers:
            await peer.send(REQUEST)
        await application.until_running(2)
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert (server.connections, len(application.seen)) == (2, 2)
        application.going_on.set()
        assert (await peers[0].answer("GET")).status == 200
        peers[0].close()
        assert (await peers[2].answer("GET")).status == 200
        assert (await peers[1].answer("GET")).status == 200
        for peer in peers:
            peer.close()


async def test_a_client_that_leaves_unwinds_what_runs_for_it() -> None:
    """FB-15: at once, though nothing reads its socket at that time; others are not concerned."""
    application = Application()
    application.going_on = trio.Event()
    async with serving(application) as (server, base), await connect(base) as stays:
        await stays.send(REQUEST)
        for how in ("close", "reset", "half"):
            async with await connect(base) as peer:
                await peer.send(REQUEST + REQUEST)
                await application.until_running(2)
                if how == "reset":
                    peer.reset()
                elif how == "half":
                    await peer.stream.send_eof()
                    await application.until_running(1)
            await application.until_running(1)
        application.going_on.set()
        assert (await stays.answer("GET")).status == 200
        assert server.connections == 1


@pytest.mark.parametrize("aborted", [False, True])
async def test_a_drain_ends_what_is_idle_and_waits_for_the_rest(*, aborted: bool) -> None:
    """H06: the running request is answered, as the connection's last; `abort` ends even that."""
    application = Application()
    application.going_on = trio.Event()
    async with serving(application) as (server, base), await connect(base) as idle, await connect(base) as busy:
        await busy.send(REQUEST)
        await application.until_running(1)
        server.drain()
        assert await idle.receive() == b""
        if aborted:
            server.abort()
            with pytest.raises(Broken):
                await busy.answer("GET")
        else:
            application.going_on.set()
            assert (await busy.answer("GET")).header("connection") == "close"
        with trio.fail_after(5):
            while server.connections:
                await trio.lowlevel.checkpoint()


def test_an_address_that_is_taken_is_said_with_the_option_that_changes_it() -> None:
    """CLI: the person who reads it can act on it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = address_of(taken)
        with pytest.raises(StartFailed, match=rf"{address}: it is already in use.*--listen HOST:PORT"):
            listen(address, option="--listen")
    with pytest.raises(StartFailed, match="Cannot listen on"):
        listen(Address("203.0.113.1", 1), option="--listen")
