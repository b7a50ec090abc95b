"""One attempt, over our own transport and over httpx's: the seam between them is httpx's type."""

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager

import attrs
import httpx
import pytest
import trio

from adapters import clock
from adapters.poller import Poller
from adapters.upstream.forwarder import Forwarder
from adapters.upstream.transport import PooledTransport
from engine.errors import Failure, Reason, Refused, UpstreamFailed
from engine.ports import Request
from engine.runtime import peek as looking
from engine.runtime.peek import Embedded, Empty, peek
from engine.snapshot import DEFAULT_TIMEOUTS, Provider, Timeouts
from tests.e2e.sockets import Behaviour, Message, Peer, Place, answered, place, repeats, reset, says, stay

BODY = b'{"messages": [1.0, 1e2, "\\u00e9"], "model": "alias", "n": 12345678901234567890}'
REWRITTEN = b'{"messages":[1.0, 1e2, "\\u00e9"],"model":"their-model","n":12345678901234567890}'


@pytest.fixture(params=["ours", "httpx"])
async def transport(request: pytest.FixtureRequest, nursery: trio.Nursery) -> AsyncIterator[httpx.AsyncBaseTransport]:
    if request.param == "httpx":
        async with httpx.AsyncHTTPTransport(verify=False, trust_env=False) as theirs:
            yield theirs
        return
    poller = Poller()
    nursery.start_soon(poller.run)
    async with PooledTransport(poller=poller, clock=clock.monotonic_ns) as ours:
        yield ours


@pytest.fixture
def forwarder(transport: httpx.AsyncBaseTransport) -> Forwarder:
    return Forwarder(transport, resolve={"cred": "sk-upstream"}.__getitem__, unix_s=lambda: 1_445_412_480)


@pytest.fixture
def near() -> Iterator[Place]:
    with place() as made:
        yield made


def asked(**changes: object) -> Request:
    request = Request(
        method="POST",
        path="/v1/chat/completions",
        query="beta=true",
        headers=[
            (b"host", b"gateway"),
            (b"authorization", b"Bearer sk-client"),
            (b"cookie", b"c"),
            (b"x-own", b"1"),
            (b"content-length", b"999"),
        ],
        body=BODY,
        alias="alias",
        alias_overridden=False,
        caller=None,
        request_id="req-1",
    )
    return attrs.evolve(request, **changes)  # type: ignore[arg-type]


def recording(seen: list[Message]) -> Behaviour:
    async def behave(peer: Peer) -> None:
        while True:
            seen.append(await peer.request())
            await peer.send(answered(b"hello", "X-Back: 1"))

    return behave


async def test_a_request_becomes_the_providers(forwarder: Forwarder, near: Place) -> None:
    """T1, MODEL-5, MODEL-6, HDR-1, HDR-2, URL-2: its address, its credential, its model, every other byte as sent."""
    seen: list[Message] = []
    provider = Provider("near", f"{near.url}/v1/", model="their-model", credential="cred")
    async with near.serving(recording(seen)):
        answer = await forwarder.send(provider, asked(), DEFAULT_TIMEOUTS)
        assert (answer.status, dict(answer.headers)[b"x-back"]) == (200, b"1")
        body = b""
        while chunk := await answer.receive():
            body += chunk
        assert body == b"hello"
        assert await answer.receive() == b""
        await answer.aclose()
    (received,) = seen
    assert received.target == "/v1/chat/completions?beta=true"
    assert received.body == REWRITTEN
    assert received.header("content-length") == str(len(received.body))
    assert received.header("authorization") == "Bearer sk-upstream"
    assert received.header("cookie") is None
    assert received.header("x-own") == "1"
    assert received.header("host") == near.url.removeprefix("http://")
    assert received.header("x-request-id") == "req-1"


async def test_without_a_model_of_its_own_a_provider_gets_the_body_untouched(forwarder: Forwarder, near: Place) -> None:
    """MODEL-6, D05: not one byte is written anew."""
    seen: list[Message] = []
    async with near.serving(recording(seen)):
        answer = await forwarder.send(Provider("near", f"{near.url}/v1/"), asked(), DEFAULT_TIMEOUTS)
        await answer.aclose()
    assert seen[0].body == BODY
    assert seen[0].header("authorization") is None


async def test_a_body_that_has_no_model_to_replace_is_refused(forwarder: Forwarder) -> None:
    """MODEL-5: before anything is sent."""
    with pytest.raises(Refused) as refused:
        await forwarder.send(Provider("x", "http://127.0.0.1:1/", model="m"), asked(body=b"{}"), DEFAULT_TIMEOUTS)
    assert refused.value.reason is Reason.BAD_REQUEST


async def test_failures_before_the_head_are_of_three_kinds(forwarder: Forwarder, near: Place) -> None:
    """FB-4, FB-5: could not connect, broke after sending, took too long."""
    with place(refusing=True) as nowhere, pytest.raises(UpstreamFailed) as failed:
        await forwarder.send(Provider("x", nowhere.url), asked(), DEFAULT_TIMEOUTS)
    assert failed.value.failure is Failure.CONNECT
    for behaviour in (says(), says(then=reset), says(b"garbage\r\n\r\n")):
        async with near.serving(behaviour):
            with pytest.raises(UpstreamFailed) as failed:
                await forwarder.send(Provider("x", near.url), asked(), DEFAULT_TIMEOUTS)
        assert failed.value.failure is Failure.BROKEN
    async with near.serving(says(then=stay)):
        with pytest.raises(UpstreamFailed) as failed:
            await forwarder.send(Provider("x", near.url), asked(), attrs.evolve(DEFAULT_TIMEOUTS, first_byte_s=0.05))
    assert failed.value.failure is Failure.TIMEOUT


@pytest.mark.parametrize(
    "framing", [b"content-length: 9\r\n\r\npart", b"transfer-encoding: chunked\r\n\r\n4\r\npart\r\n"]
)
async def test_a_body_that_breaks_is_a_failure_after_its_bytes(
    forwarder: Forwarder, near: Place, framing: bytes
) -> None:
    """FB-10."""
    async with near.serving(says(b"HTTP/1.1 200 OK\r\n" + framing)):
        answer = await forwarder.send(Provider("x", near.url), asked(), DEFAULT_TIMEOUTS)
        assert await answer.receive() == b"part"
        with pytest.raises(UpstreamFailed) as failed:
            await answer.receive()
        await answer.aclose()
    assert failed.value.failure is Failure.BROKEN


async def test_no_secret_is_in_what_is_raised(forwarder: Forwarder, near: Place) -> None:
    """G07: neither the provider's credential nor the client's."""
    with place(refusing=True) as nowhere:
        for behaviour, url in (
            (says(then=reset), near.url),
            (says(b"garbage\r\n\r\n"), near.url),
            (says(), nowhere.url),
        ):
            async with near.serving(behaviour):
                with pytest.raises(UpstreamFailed) as failed:
                    await forwarder.send(Provider("x", url, credential="cred"), asked(), DEFAULT_TIMEOUTS)
            assert "sk-" not in f"{failed.value!r} {failed.value} {failed.value.__cause__!r}"


@contextmanager
def unaccepting() -> Iterator[str]:
    """The address of a listener that answers no more connection attempts, since nobody takes those it has."""
    with ExitStack() as kept:
        listener = kept.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = kept.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield "http://{}:{}".format(*listener.getsockname())


async def test_making_a_connection_has_its_own_bound(forwarder: Forwarder, near: Place) -> None:
    """DEF-40, FB-5: TCP and TLS; nothing has been sent, so it is a connect failure and no timeout."""
    timeouts = Timeouts(connect_s=0.05, first_byte_s=60)
    with unaccepting() as url, trio.fail_after(30), pytest.raises(UpstreamFailed) as failed:
        await forwarder.send(Provider("x", url), asked(), timeouts)
    assert failed.value.failure is Failure.CONNECT
    async with near.serving(stay):
        with trio.fail_after(30), pytest.raises(UpstreamFailed) as failed:
            await forwarder.send(Provider("x", near.url.replace("http:", "https:")), asked(), timeouts)
    assert failed.value.failure is Failure.CONNECT


async def test_the_first_byte_is_bounded_from_the_start(forwarder: Forwarder) -> None:
    """STREAM-5, FB-5: making the connection counts, however long that alone might take; nothing was sent then, which
    our own transport can tell.
    """
    for connect_s in (60, None):
        with unaccepting() as url, trio.fail_after(30), pytest.raises(UpstreamFailed) as failed:
            await forwarder.send(Provider("x", url), asked(), Timeouts(connect_s=connect_s, first_byte_s=0.05))
        is_ours = isinstance(forwarder._transport, PooledTransport)
        assert failed.value.failure is (Failure.CONNECT if is_ours else Failure.TIMEOUT)


async def test_the_bound_ends_with_the_head(forwarder: Forwarder, near: Place) -> None:
    """STREAM-5: and a connection that is used again needs none for being made; None is no bound."""
    gate = trio.Event()

    async def halting(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n")
            await gate.wait()
            await peer.send(b"late")

    async with near.serving(halting):
        for timeouts in (Timeouts(connect_s=5, first_byte_s=0.2), Timeouts(connect_s=0, first_byte_s=5), Timeouts()):
            answer = await forwarder.send(Provider("x", near.url), asked(), timeouts)
            with trio.move_on_after(0.3 if timeouts.first_byte_s == 0.2 else 0):
                await gate.wait()
            gate.set()
            assert await answer.receive() == b"late"
            assert await answer.receive() == b""
            await answer.aclose()
        assert near.connections == 1


@pytest.mark.parametrize(
    ("status", "fields", "wanted"),
    [
        ("429 Too Many Requests", ["Retry-After: 2"], 2 * 10**9),
        ("503 Service Unavailable", ["Retry-After: 2", "Retry-After-MS: 1500.5"], 1_500_500_000),
        ("503 Service Unavailable", ["Retry-After: Wed, 21 Oct 2015 07:28:30 GMT"], 30 * 10**9),
        ("503 Service Unavailable", ["Retry-After: Wed, 21 Oct 2015 07:28:30 GMT", "Date: garbage"], 30 * 10**9),
        ("500 Internal Server Error", ["Retry-After: soon"], None),
        ("500 Internal Server Error", [], None),
        ("200 OK", ["Retry-After: 2"], None),
        ("302 Found", ["Retry-After: 2"], None),
    ],
)
async def test_an_answer_says_when_to_come_back(
    forwarder: Forwarder, near: Place, status: str, fields: list[str], wanted: int | None
) -> None:
    """HEALTH-6: only one that failed; a date counts from the wall clock where the answer has no date of its own."""
    async with near.serving(repeats(answered(b"", *fields, status=status))):
        answer = await forwarder.send(Provider("x", near.url), asked(), DEFAULT_TIMEOUTS)
        assert answer.retry_after_ns == wanted
        await answer.aclose()


async def test_a_look_that_runs_out_of_time_loses_nothing(
    forwarder: Forwarder, transport: httpx.AsyncBaseTransport, near: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FB-11: over our own transport. httpx's closes a response whose reading is cancelled: never a clean end."""
    monkeypatch.setattr(looking, "PATIENCE_S", 0.05)
    looked = trio.Event()

    async def late(peer: Peer) -> None:
        await looked.wait()
        await peer.send(b"data: a\n\n")

    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 16\r\n\r\n"
    async with near.serving(says(head + b": ping\n", then=late)):
        answer = await forwarder.send(Provider("x", near.url), asked(), DEFAULT_TIMEOUTS)
        peeked = await peek(answer, "POST")
        looked.set()
        assert not isinstance(peeked, Embedded | Empty)
        assert await peeked.receive() == b": ping\n"
        if isinstance(transport, PooledTransport):
            assert await peeked.receive() == b"data: a\n\n"
            assert await peeked.receive() == b""
        else:
            with pytest.raises(UpstreamFailed):
                await peeked.receive()
        await peeked.aclose()
