"""One attempt, over our own transport and over httpx's: the seam between them is httpx's type."""

from collections.abc import AsyncIterator, Iterator

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
from engine.snapshot import Provider
from tests.e2e.sockets import Behaviour, Message, Peer, Place, answered, place, reset, says, stay

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
    return Forwarder(transport, resolve={"cred": "sk-upstream"}.__getitem__)


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
        answer = await forwarder.send(provider, asked())
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
        answer = await forwarder.send(Provider("near", f"{near.url}/v1/"), asked())
        await answer.aclose()
    assert seen[0].body == BODY
    assert seen[0].header("authorization") is None


async def test_a_body_that_has_no_model_to_replace_is_refused(forwarder: Forwarder) -> None:
    """MODEL-5: before anything is sent."""
    with pytest.raises(Refused) as refused:
        await forwarder.send(Provider("x", "http://127.0.0.1:1/", model="m"), asked(body=b"{}"))
    assert refused.value.reason is Reason.BAD_REQUEST


async def test_failures_before_the_head_are_of_three_kinds(forwarder: Forwarder, near: Place) -> None:
    """FB-4, FB-5: could not connect, broke after sending, took too long."""
    with place(refusing=True) as nowhere, pytest.raises(UpstreamFailed) as failed:
        await forwarder.send(Provider("x", nowhere.url), asked())
    assert failed.value.failure is Failure.CONNECT
    for behaviour in (says(), says(then=reset), says(b"garbage\r\n\r\n")):
        async with near.serving(behaviour):
            with pytest.raises(UpstreamFailed) as failed:
                await forwarder.send(Provider("x", near.url), asked())
        assert failed.value.failure is Failure.BROKEN
    async with near.serving(says(then=stay)):
        with pytest.raises(UpstreamFailed) as failed:
            await forwarder.send(Provider("x", near.url, header_timeout_s=0.05), asked())
    assert failed.value.failure is Failure.TIMEOUT


@pytest.mark.parametrize(
    "framing", [b"content-length: 9\r\n\r\npart", b"transfer-encoding: chunked\r\n\r\n4\r\npart\r\n"]
)
async def test_a_body_that_breaks_is_a_failure_after_its_bytes(
    forwarder: Forwarder, near: Place, framing: bytes
) -> None:
    """FB-10."""
    async with near.serving(says(b"HTTP/1.1 200 OK\r\n" + framing)):
        answer = await forwarder.send(Provider("x", near.url), asked())
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
                    await forwarder.send(Provider("x", url, credential="cred"), asked())
            assert "sk-" not in f"{failed.value!r} {failed.value} {failed.value.__cause__!r}"
