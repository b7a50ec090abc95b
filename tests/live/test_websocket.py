"""One client of the live stream, on streams in memory and behind the gateway's own server."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast

import attrs
import pytest
import trio
import trio.testing
from trio.testing import MockClock
from trio_websocket import ConnectionClosed, WebSocketConnection, open_websocket, wrap_client_stream

from adapters import clock
from adapters.http.messages import Incoming, Response, Takeover
from adapters.http.server import Server, address_of, listen
from adapters.live.hub import LiveHub
from adapters.live.websocket import serve_live
from adapters.poller import Poller
from adapters.settings import Address
from engine.pool.meter import Meters
from engine.pool.view import PoolView
from engine.runtime.journal import Journal
from engine.runtime.pool_actor import PoolActor
from engine.snapshot import Pool, Provider
from projections.live import LiveView
from projections.live_facts import Observation

CLOSED = {"phase": "closed", "failures": 0, "reopens_in_s": None}
_UPGRADE = (
    b"GET /live HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


class Chat:
    """One real pool actor, and the position it runs."""

    def __init__(self) -> None:
        self.actor = PoolActor("chat", seed=1, clock=clock.monotonic_ns, meters=Meters(), journal=Journal())
        self.position = 0
        self.others: dict[str, PoolView] = {}

    def define(self, weight: int) -> None:
        self.position += 1
        provider = Provider("a", "http://a.example/", credential="cred-hidden", auth_prefix="hidden", weight=weight)
        self.actor.reconfigure(Pool("chat", (provider,), keys=frozenset({"hidden"})), self.position)

    def sample(self) -> Observation:
        view = self.actor.view()
        return Observation(self.position, {**self.others, **({} if view is None else {"chat": view})})


@pytest.fixture
def chat(nursery: trio.Nursery) -> Chat:
    chat = Chat()
    nursery.start_soon(chat.actor.run, lambda: None)
    chat.define(weight=1)
    return chat


@pytest.fixture
def hub(nursery: trio.Nursery, chat: Chat) -> LiveHub:
    hub = LiveHub(LiveView(ring=4), sample=chat.sample)
    nursery.start_soon(hub.run)
    return hub


@asynccontextmanager
async def client(
    hub: LiveHub, *, narrow: bool = False, since: int | None = None, watched: frozenset[str] | None = None
) -> AsyncIterator[WebSocketConnection]:
    """A websocket to a `serve_live` of its own, over memory; `narrow`: nothing is buffered on the way."""
    pair = trio.testing.lockstep_stream_pair if narrow else trio.testing.memory_stream_pair
    ours, theirs = pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(serve_live, theirs, since=since, watched=watched, hub=hub))
        connection = await wrap_client_stream(nursery, cast("Any", ours), "pointsman.example", "/live")
        yield connection
        nursery.cancel_scope.cancel()


async def message(connection: WebSocketConnection) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(await connection.get_message())
    return document


async def test_a_snapshot_comes_first_and_then_dense_deltas(
    hub: LiveHub, chat: Chat, autojump_clock: MockClock
) -> None:
    """WS-1, WS-2, LB-15: everything there is, then what changes, numbered without a hole."""
    async with client(hub) as connection:
        first = await message(connection)
        assert list(first) == ["type", "seq", "position", "pools", "keys", "gateway", "events_position"]
        assert (first["type"], first["position"]) == ("snapshot", 1)
        seq = first["seq"]
        assert first["pools"]["chat"] == {
            "alias": "chat", "position": 1, "strategy": "weighted_random", "active": 0, "limit": None,
            "fallback": False, "rules": 0, "keys": 1,
            "rate": None, "waiting": 0, "retries": 0, "budgets_exhausted": 0, "refused": {},
            "providers": [
                {
                    "name": "a", "url": "http://a.example/", "weight": 1, "active": 0, "limit": None, "rate": None,
                    "circuit": CLOSED, "credential": CLOSED, "latency_ms": None, "deployment": None, "openings": 0,
                    "draining": False, "chosen": 0,
                }
            ],
        }  # fmt: skip
        await chat.actor.acquire(1)
        busy = await message(connection)
        assert (busy["type"], busy["since"], busy["seq"]) == ("delta", seq, seq + 1)
        assert (busy["pools"]["chat"]["active"], busy["pools"]["chat"]["providers"][0]["chosen"]) == (1, 1)
        chat.define(weight=5)
        hub.ring()
        heavier = await message(connection)
        assert (heavier["seq"], heavier["position"]) == (seq + 2, 2)
        assert heavier["pools"]["chat"]["providers"][0]["weight"] == 5
        chat.actor.reconfigure(None, 3)
        assert (await message(connection))["pools"] == {"chat": None}
    assert autojump_clock.current_time() < 15


async def test_no_secret_is_in_the_stream(hub: LiveHub) -> None:
    """WS-2: not even the names of credentials and keys."""
    async with client(hub) as connection:
        assert "hidden" not in str(await connection.get_message())


async def test_a_heartbeat_every_15_seconds(hub: LiveHub, autojump_clock: MockClock) -> None:
    """It names the seq up to which the client has everything."""
    async with client(hub) as connection:
        first = await message(connection)
        began = autojump_clock.current_time()
        for number in (1, 2, 3):
            assert await message(connection) == {"type": "heartbeat", "seq": first["seq"], "position": 1}
            assert autojump_clock.current_time() - began == pytest.approx(15 * number, abs=0.5)


async def test_pings_are_answered_however_much_the_client_says(hub: LiveHub, autojump_clock: MockClock) -> None:
    """Its messages are thrown away at once, so the library's queue never fills."""
    async with client(hub) as connection:
        await message(connection)
        for _ in range(50):
            await connection.send_message("what about me?")
        with trio.fail_after(1):
            await connection.ping()
    assert autojump_clock.current_time() < 15


async def test_a_long_message_of_the_client_ends_the_stream(hub: LiveHub) -> None:
    """1009, as RFC 6455 has it for a message that is too big."""
    async with client(hub) as connection:
        await message(connection)
        await connection.send_message("x" * 5000)
        with pytest.raises(ConnectionClosed) as closed:
            await connection.get_message()
        assert closed.value.reason is not None
        assert closed.value.reason.code == 1009


async def test_what_a_slow_client_missed_comes_as_one_delta(
    hub: LiveHub, chat: Chat, autojump_clock: MockClock
) -> None:
    """WS-2: conflated to the newest state; the hub and a faster client never waited for it."""
    async with client(hub, narrow=True) as slow, client(hub) as fast:
        seq = (await message(slow))["seq"]
        await message(fast)
        # Two messages fit between the slow client and the hub: one in its library's queue, one on its way to it.
        for ticket in range(6):
            await chat.actor.acquire(ticket)
            await trio.sleep(0.5)
            assert (await message(fast))["pools"]["chat"]["active"] == ticket + 1
        steps = []
        while seq < 7:
            document = await message(slow)
            assert (document["type"], document["since"]) == ("delta", seq)
            steps.append(document["seq"] - seq)
            seq = document["seq"]
        assert max(steps) > 1
        assert document["pools"]["chat"]["active"] == 6
    assert autojump_clock.current_time() < 15


async def test_a_client_too_slow_for_the_ring_begins_again(hub: LiveHub, chat: Chat, autojump_clock: MockClock) -> None:
    """WS-2: it is told so, and why, and gets a snapshot."""
    async with client(hub, narrow=True) as slow, client(hub) as fast:
        await message(slow)
        await message(fast)
        for ticket in range(10):
            await chat.actor.acquire(ticket)
            await trio.sleep(0.5)
            await message(fast)
        told = [await message(slow)]
        while told[-1]["type"] != "resync_required":
            told.append(await message(slow))
        assert told[-1]["since"] == told[-2]["seq"]
        assert told[-1]["reason"] == "expired"
        snapshot = await message(slow)
        assert (snapshot["type"], snapshot["pools"]["chat"]["active"]) == ("snapshot", 10)
    assert autojump_clock.current_time() < 15


async def test_who_comes_back_goes_on_where_it_was(hub: LiveHub, chat: Chat, autojump_clock: MockClock) -> None:
    """WS-2: one delta with all that has changed; a heartbeat at once where nothing has; else it begins again."""
    async with client(hub) as first:
        seq = (await message(first))["seq"]
        await chat.actor.acquire(1)
        await message(first)
        await chat.actor.acquire(2)
        await message(first)
        before = autojump_clock.current_time()
        async with client(hub, since=seq) as back:
            delta = await message(back)
            assert (delta["type"], delta["since"], delta["seq"]) == ("delta", seq, seq + 2)
            assert delta["pools"]["chat"]["active"] == 2
        async with client(hub, since=seq + 2) as back:
            assert await message(back) == {"type": "heartbeat", "seq": seq + 2, "position": 1}
            await chat.actor.acquire(3)
            assert (await message(back))["since"] == seq + 2
        for unknown in (seq + 99, 2**53 - 1):
            async with client(hub, since=unknown) as back:
                resync = await message(back)
                assert (resync["type"], resync["since"], resync["reason"]) == (
                    "resync_required", unknown, "unknown_seq",
                )  # fmt: skip
                assert (await message(back))["type"] == "snapshot"
        assert autojump_clock.current_time() - before < 5


async def test_who_watches_one_pool_hears_of_no_other_but_of_the_head(
    hub: LiveHub, chat: Chat, autojump_clock: MockClock
) -> None:
    """The head seq comes within a second, and the next delta applies to it."""
    chat.others = {"other": PoolView("other", 1, "priority", 0, None, False, 0, None, ())}
    async with client(hub, watched=frozenset({"chat", "not yet"})) as narrow, client(hub) as wide:
        first = await message(narrow)
        assert set(first["pools"]) == {"chat"}
        assert set((await message(wide))["pools"]) == {"chat", "other"}
        for active in (1, 2):
            chat.others = {"other": attrs.evolve(chat.others["other"], active=active)}
            assert set((await message(wide))["pools"]) == {"other"}
        head = await message(narrow)
        assert head == {"type": "heartbeat", "seq": first["seq"] + 2, "position": 1}
        await chat.actor.acquire(1)
        delta = await message(narrow)
        assert (delta["since"], delta["seq"], set(delta["pools"])) == (head["seq"], head["seq"] + 1, {"chat"})
    assert autojump_clock.current_time() < 5


async def test_one_client_too_many_is_told_so(
    hub: LiveHub, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """503, before the protocol changes."""
    monkeypatch.setattr("adapters.live.websocket.MOST_CLIENTS", 1)
    async with client(hub) as first:
        await message(first)
        ours, theirs = trio.testing.memory_stream_pair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(serve_live, theirs, hub=hub))
            await ours.send_all(_UPGRADE)
            answer = bytes(await ours.receive_some())
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 10" in answer.lower()
    assert autojump_clock.current_time() < 15


async def test_a_client_that_reads_nothing_is_given_up(hub: LiveHub, chat: Chat, autojump_clock: MockClock) -> None:
    """After a minute, and without an error."""
    ours, theirs = trio.testing.lockstep_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(serve_live, theirs, hub=hub))
        await ours.send_all(_UPGRADE)
        assert b" 101 " in await ours.receive_some()
    assert 60 <= autojump_clock.current_time() < 70
    assert hub.watchers == 0
    chat.define(weight=2)


async def test_cancelling_the_server_closes_with_1001(hub: LiveHub) -> None:
    """The client learns that the gateway is going, not that something broke."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        server = trio.CancelScope()

        async def serve() -> None:
            with server:
                await serve_live(theirs, hub=hub)

        nursery.start_soon(serve)
        connection = await wrap_client_stream(nursery, cast("Any", ours), "pointsman.example", "/live")
        await message(connection)
        server.cancel()
        with pytest.raises(ConnectionClosed) as closed:
            await connection.get_message()
        assert closed.value.reason is not None
        assert closed.value.reason.code == 1001
        nursery.cancel_scope.cancel()
    assert hub.watchers == 0


async def test_the_hubs_end_closes_with_1001(hub: LiveHub) -> None:
    """Both sides finish the closing handshake."""
    async with client(hub) as connection:
        await message(connection)
        hub.close()
        with pytest.raises(ConnectionClosed) as closed:
            await connection.get_message()
        assert closed.value.reason is not None
        assert closed.value.reason.code == 1001


@pytest.mark.parametrize("politely", [True, False])
async def test_a_client_that_leaves_ends_quietly(hub: LiveHub, autojump_clock: MockClock, politely: bool) -> None:
    """With the closing handshake or by cutting the line; `serve_live` returns and nobody watches any more."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as server:
        server.start_soon(partial(serve_live, theirs, hub=hub))
        async with trio.open_nursery() as nursery:
            connection = await wrap_client_stream(nursery, cast("Any", ours), "pointsman.example", "/live")
            await message(connection)
            if politely:
                await connection.aclose()
            else:
                await ours.aclose()
            nursery.cancel_scope.cancel()
    assert hub.watchers == 0
    assert autojump_clock.current_time() < 5


@pytest.mark.parametrize(
    "head",
    [b"GET /live HTTP/1.1\r\nhost: a\r\n\r\n", b"\x16\x03\x01 no HTTP at all\r\n\r\n", _UPGRADE.replace(b"13", b"7")],
)
async def test_what_is_no_handshake_ends_quietly(hub: LiveHub, autojump_clock: MockClock, head: bytes) -> None:
    """The stream is closed; nothing is raised and nothing watches."""
    ours, theirs = trio.testing.memory_stream_pair()
    await ours.send_all(head)
    await serve_live(theirs, hub=hub)
    assert hub.watchers == 0
    assert autojump_clock.current_time() < 10


async def test_it_runs_behind_the_gateways_own_server(nursery: trio.Nursery, hub: LiveHub, chat: Chat) -> None:
    """The upgrade request was read by the server and is replayed; the deltas come over a real socket."""

    async def application(_: Incoming) -> Response:
        return Takeover(partial(serve_live, hub=hub))

    poller = Poller()
    nursery.start_soon(poller.run)
    listener = listen(Address("127.0.0.1", 0), option="--control")
    address = address_of(listener)
    server = Server(application, poller=poller, clock=clock.monotonic_ns)
    nursery.start_soon(server.serve, listener)
    async with open_websocket(address.host, address.port, "/live", use_ssl=False) as connection:
        seq = (await message(connection))["seq"]
        chat.define(weight=9)
        hub.ring()
        delta = await message(connection)
        assert (delta["seq"], delta["pools"]["chat"]["providers"][0]["weight"]) == (seq + 1, 9)
    with trio.fail_after(5):
        while server.connections or hub.watchers:
            await trio.testing.wait_all_tasks_blocked()


async def test_a_client_that_may_not_watch_any_more_is_told_so(
    hub: LiveHub, chat: Chat, autojump_clock: MockClock
) -> None:
    """WS-1, AUTH-9: within a second, also where there is nothing to tell; what happens then it does not hear."""
    for has_news in (False, True):
        ours, theirs = trio.testing.memory_stream_pair()
        admitted = [True]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(serve_live, theirs, lambda: admitted[0], hub=hub))  # noqa: B023 - ends within
            connection = await wrap_client_stream(nursery, cast("Any", ours), "pointsman.example", "/live")
            await message(connection)
            admitted[0] = False
            since = autojump_clock.current_time()
            if has_news:
                chat.define(weight=7)
                hub.ring()
            with pytest.raises(ConnectionClosed) as closed:
                await connection.get_message()
            assert closed.value.reason is not None
            assert closed.value.reason.code == 1008
            assert autojump_clock.current_time() - since <= 1.1
            nursery.cancel_scope.cancel()
    assert hub.watchers == 0
