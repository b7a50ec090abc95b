"""The pooled transport's contract, on real sockets."""

import datetime as dt
import ipaddress
import itertools
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from adapters import clock
from adapters.poller import Poller
from adapters.upstream.headers import RawHeaders
from adapters.upstream.transport import Body, PooledTransport, PoolLimits
from tests.e2e.sockets import Behaviour, Peer, Place, answered, place, repeats, reset, says, stay


@pytest.fixture
async def poller(nursery: trio.Nursery) -> Poller:
    poller = Poller()
    nursery.start_soon(poller.run)
    return poller


@pytest.fixture
def near() -> Iterator[Place]:
    with place() as made:
        yield made


def asks(place: Place, method: str = "POST", body: bytes = b"{}") -> httpx.Request:
    return httpx.Request(method, f"{place.url}/v1/x?a=b", content=body)


async def send(transport: PooledTransport, request: httpx.Request) -> tuple[int, bytes]:
    response = await transport.handle_async_request(request)
    body = await response.aread()
    await response.aclose()
    return response.status_code, body


names = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True).map(str.encode)
values = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF), max_size=8).map(
    lambda text: text.encode("latin-1")
)


@given(st.lists(st.tuples(names, values), max_size=6))
def test_raw_headers_are_httpx_headers(fields: list[tuple[bytes, bytes]]) -> None:
    """Equal, and alike in everything httpx asks of them: order, repetition, look-up without case."""
    ours, theirs = RawHeaders(fields), httpx.Headers(fields)
    assert ours == theirs
    assert ours.raw == theirs.raw
    assert ours.multi_items() == theirs.multi_items()
    assert dict(ours) == dict(theirs)
    for name, _ in fields:
        asked = name.decode().upper()
        assert ours[asked] == theirs[asked]
        assert ours.get_list(asked) == theirs.get_list(asked)
    assert ours.copy() == theirs.copy()


async def test_a_request_is_written_as_it_was_given(poller: Poller, near: Place) -> None:
    """RFC 9112: target with its query, fields in order, the body whatever kind of stream it comes from."""

    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"a", b"", b"bc"):
            yield piece

    async def echo(peer: Peer) -> None:
        while True:
            request = await peer.request()
            head = "\n".join([request.method, request.target, *[f"{name}={value}" for name, value in request.headers]])
            await peer.send(answered(head.encode() + b"\n" + request.body))

    transport = PooledTransport(poller=poller, clock=clock.monotonic_ns)
    async with near.serving(echo):
        for stream in (
            httpx.ByteStream(b"abc"),
            httpx.Request("POST", near.url, content=pieces()).stream,
            httpx.Request("POST", near.url, content=iter([b"ab", b"c"])).stream,
        ):
            fields = [("host", "h"), ("x-b", "1"), ("x-a", "2"), ("content-length", "3")]
            request = httpx.Request("POST", f"{near.url}/v1/x?a=b%20c", headers=fields, stream=stream)
            status, body = await send(transport, request)
            assert status == 200
            assert body == b"POST\n/v1/x?a=b%20c\nhost=h\nx-b=1\nx-a=2\ncontent-length=3\nabc"
        assert near.connections == 1
    await transport.aclose()


async def test_connections_are_counted_and_used_again_newest_first(poller: Poller, near: Place) -> None:
    """STREAM-1: lent while a body is unread, idle after it, one for each request at a time."""
    transport = PooledTransport(poller=poller, clock=clock.monotonic_ns)
    async with near.serving(repeats(answered(b"body"))):
        responses = [await transport.handle_async_request(asks(near)) for _ in range(3)]
        assert (transport.lent, transport.idle, near.connections) == (3, 0, 3)
        for response in responses:
            assert await response.aread() == b"body"
            await response.aclose()
            await response.aclose()
        assert (transport.lent, transport.idle) == (0, 3)
        for _ in range(5):
            await send(transport, asks(near))
        assert (transport.idle, near.connections) == (3, 3)
        await transport.aclose()
        assert (transport.lent, transport.idle) == (0, 0)


async def test_no_more_idle_connections_than_wanted(poller: Poller, near: Place) -> None:
    """CFG http_pool: the bound may change while running; zero keeps none."""
    transport = PooledTransport(poller=poller, clock=clock.monotonic_ns, limits=PoolLimits(max_idle_per_host=2))
    async with near.serving(repeats(answered(b"body"))):
        for wanted in (2, 1, 0):
            transport.limits.max_idle_per_host = wanted
            for response in [await transport.handle_async_request(asks(near)) for _ in range(4)]:
                await response.aread()
                await response.aclose()
            assert transport.idle == wanted
        assert transport.lent == 0
    await transport.aclose()


async def test_a_connection_that_has_been_idle_too_long_is_not_used(poller: Poller, near: Place) -> None:
    """CFG http_pool: age is judged when it is wanted, by the clock that is given."""
    now = 0
    transport = PooledTransport(poller=poller, clock=lambda: now, limits=PoolLimits(idle_timeout_s=10))
    async with near.serving(repeats(answered(b"body"))):
        await send(transport, asks(near))
        now += 9 * 10**9
        await send(transport, asks(near))
        assert near.connections == 1
        now += 11 * 10**9
        await send(transport, asks(near))
        assert near.connections == 2
    await transport.aclose()


async def test_an_idle_connection_that_the_upstream_closes_is_swept(
    poller: Poller, near: Place, nursery: trio.Nursery
) -> None:
    """DEF-23: it gives its descriptor back although nobody asks for its origin again."""
    transport = PooledTransport(poller=poller, clock=clock.monotonic_ns)
    nursery.start_soon(transport.run)
    async with near.serving(says(answered(b"body"))):
        await send(transport, asks(near))
    with trio.fail_after(10):
        while transport.idle:
            await trio.lowlevel.checkpoint()
    assert transport.lent == 0


BREAKING: dict[str, tuple[Behaviour, type[httpx.TransportError]]] = {
    "closed": (says(), httpx.RemoteProtocolError),
    "reset": (says(then=reset), httpx.ReadError),
    "garbage": (says(b"garbage\r\n\r\n"), httpx.RemoteProtocolError),
}


@pytest.mark.parametrize("name", BREAKING)
async def test_what_goes_wrong_is_one_of_httpxs_errors(poller: Poller, near: Place, name: str) -> None:
    """FB-5: and nothing stays lent; the request is not sent again by itself."""
    behaviour, error = BREAKING[name]
    transport = PooledTransport(poller=poller, clock=clock.monotonic_ns)
    async with near.serving(behaviour):
        with pytest.raises(error):
            await transport.handle_async_request(asks(near))
        assert (transport.lent, transport.idle, near.connections) == (0, 0, 1)


async def test_a_connection_that_cannot_be_made_is_a_connect_error(poller: Poller) -> None:
    """FB-5: refused, or a name that does not exist."""
    transport = PooledTransport(poller=poller, clock=clock.monotonic_ns)
    with place(refusing=True) as nowhere, pytest.raises(httpx.ConnectError, match=r"cannot connect to 127\.0\.0\.1"):
        await transport.handle_async_request(asks(nowhere))
    with pytest.raises(httpx.ConnectError):
        await transport.handle_async_request(httpx.Request("GET", "http://does-not-exist.invalid/"))
    assert transport.lent == 0


async def test_a_cancelled_request_closes_its_connection(poller: Poller, near: Place) -> None:
    """FB-15, C20: while waiting for the head, and while the body is unread."""
    transport = PooledTransport(poller=poller, clock=clock.monotonic_ns)
    ended = 0

    async def until_closed(peer: Peer) -> None:
        nonlocal ended
        await stay(peer)
        ended += 1

    async with near.serving(says(then=until_closed)), trio.open_nursery() as nursery:
        nursery.start_soon(transport.handle_async_request, asks(near))
        while not near.connections:
            await trio.lowlevel.checkpoint()
        await trio.testing.wait_all_tasks_blocked(0.02)
        nursery.cancel_scope.cancel()
    async with near.serving(says(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart", then=until_closed)):
        response = await transport.handle_async_request(asks(near))
        await response.aclose()
        with trio.fail_after(5):
            while not ended:
                await trio.lowlevel.checkpoint()
    assert (transport.lent, transport.idle) == (0, 0)


async def test_httpxs_own_client_works_over_it(poller: Poller, near: Place) -> None:
    """The seam is httpx's own type: streaming, HEAD, a body that breaks."""
    transport = PooledTransport(poller=poller, clock=clock.monotonic_ns)
    async with httpx.AsyncClient(transport=transport, trust_env=False) as http:
        async with near.serving(repeats(answered(b'{"a":1}'))):
            assert (await http.post(near.url, json={})).json() == {"a": 1}
            assert near.connections == 1
        async with near.serving(says(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n")):
            head = await http.head(near.url)
            assert (head.headers["content-length"], head.content) == ("9", b"")
        async with near.serving(says(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart")):
            with pytest.raises(httpx.RemoteProtocolError):
                await http.get(near.url)
    assert (transport.lent, transport.idle) == (0, 0)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-made certificate for 127.0.0.1 and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "upstream")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "upstream.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


def over_tls(certificate: Path, behave: Behaviour) -> Behaviour:
    """The same behaviour, behind TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def secured(peer: Peer) -> None:
        stream = trio.SSLStream(peer.stream, context, server_side=True)
        try:
            await stream.do_handshake()
            await behave(Peer(stream))  # type: ignore[arg-type]
        except (trio.BrokenResourceError, ssl.SSLError):
            return

    return secured


def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


async def test_a_provider_behind_tls(poller: Poller, near: Place, certificate: Path) -> None:
    """H04: its certificate is checked against its address; the connection is used again; long bodies pass."""
    transport = PooledTransport(poller=poller, clock=clock.monotonic_ns, tls=trusting(certificate))
    url = near.url.replace("http:", "https:")
    long = bytes(range(256)) * 4096
    async with near.serving(over_tls(certificate, repeats(answered(long)))):
        for _ in range(3):
            status, body = await send(transport, httpx.Request("POST", url, content=long))
            assert (status, body) == (200, long)
        assert (near.connections, transport.idle) == (1, 1)
        await transport.aclose()


async def test_a_certificate_that_is_not_trusted_is_a_connect_error(
    poller: Poller, near: Place, certificate: Path
) -> None:
    """H04, FB-5: nothing is sent; so is a certificate of another name."""
    url = near.url.replace("http:", "https:")
    async with near.serving(over_tls(certificate, repeats(answered(b"secret")))):
        for tls, address in (
            (ssl.create_default_context(cafile=None, cadata=None), url),
            (trusting(certificate), url.replace("127.0.0.1", "localhost")),
        ):
            transport = PooledTransport(poller=poller, clock=clock.monotonic_ns, tls=tls)
            with pytest.raises(httpx.ConnectError):
                await transport.handle_async_request(httpx.Request("GET", address))
            assert transport.lent == 0


async def test_a_body_cut_without_a_farewell_is_broken(poller: Poller, near: Place, certificate: Path) -> None:
    """FB-10, RFC 8446, 6.1: a body that lasts until closing ends by close_notify; TCP's end alone could be forged."""
    transport = PooledTransport(poller=poller, clock=clock.monotonic_ns, tls=trusting(certificate))
    request = httpx.Request("GET", near.url.replace("http:", "https:"))
    async with near.serving(over_tls(certificate, says(b"HTTP/1.1 200 OK\r\n\r\nuntil closing"))):
        response = await transport.handle_async_request(request)
        with pytest.raises(httpx.ReadError):
            await response.aread()
        await response.aclose()
    assert transport.lent == 0


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_reading_that_is_cancelled_loses_no_bytes(
    poller: Poller, near: Place, certificate: Path, scheme: str
) -> None:
    """FB-11, FB-10: wherever the cancellation strikes, what had not been handed out comes with the next call."""
    wanted = b"".join(b"%d," % number for number in range(3000))
    behave: Behaviour = says(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", then=bit_by_bit(wanted))
    transport = PooledTransport(poller=poller, clock=clock.monotonic_ns, tls=trusting(certificate))
    interrupted, received = 0, b""
    async with near.serving(over_tls(certificate, behave) if scheme == "https" else behave):
        request = httpx.Request("GET", near.url.replace("http:", f"{scheme}:"))
        response = await transport.handle_async_request(request)
        assert isinstance(response.stream, Body)
        for patience_s in itertools.cycle((0, 0.00002, 0.0001, 0.0005, 5)):
            with trio.move_on_after(patience_s) as scope:
                # As a caller does that keeps what it has read: nothing waits between the two.
                piece = await response.stream.receive()
                received += piece
                if not piece:
                    break
            interrupted += scope.cancelled_caught
        await response.aclose()
        await transport.aclose()
    assert received == wanted
    assert interrupted > 100
    assert transport.lent == 0


def bit_by_bit(body: bytes) -> Behaviour:
    """Send a chunked body a few bytes at a time, cut without regard to its framing."""
    chunks = (body[start : start + 7] for start in range(0, len(body), 7))
    framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"

    async def behave(peer: Peer) -> None:
        for start in range(0, len(framed), 11):
            await peer.send(framed[start : start + 11])

    return behave


async def test_the_connect_bound_is_httpxs(poller: Poller, near: Place) -> None:
    """DEF-40: any client's `timeout` counts for TCP and TLS together; the other bounds are the caller's to keep."""
    transport = PooledTransport(poller=poller, clock=clock.monotonic_ns)
    async with httpx.AsyncClient(transport=transport, trust_env=False) as http, near.serving(stay):
        with (
            trio.fail_after(30),
            pytest.raises(httpx.ConnectTimeout, match=r"no connection to 127\.0\.0\.1:\d+ in 0\.05 s"),
        ):
            await http.get(near.url.replace("http:", "https:"), timeout=httpx.Timeout(60, connect=0.05))
    assert (transport.lent, transport.idle) == (0, 0)
