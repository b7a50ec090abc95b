"""What a provider may say in HTTP/1.1 and what it may not, byte by byte, as the client sees it."""

from collections.abc import Iterator

import pytest
import trio

from tests.e2e.rig import Rig, rig
from tests.e2e.sockets import Peer, answered, asked, connect, posted, repeats, says

OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rig(tmp_path_factory.mktemp("wire-upstream")) as made:
        yield made


@pytest.fixture
async def world(shared: Rig) -> Rig:
    await shared.calm()
    return shared


MALFORMED = {
    "no status line": b"hello\r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "a bad version": b"HTTP/9.9 200 OK\r\n\r\n",
    "a status that is no number": b"HTTP/1.1 2x0 OK\r\n\r\n",
    "CR in a header": OK + b"x-a: b\rset-cookie: c\r\ncontent-length: 0\r\n\r\n",
    "NUL in a header": OK + b"x-a: b\x00c\r\ncontent-length: 0\r\n\r\n",
    "a folded header": OK + b"x-a: b\r\n c\r\ncontent-length: 0\r\n\r\n",
    "a blank in a name": OK + b"x a: b\r\ncontent-length: 0\r\n\r\n",
    "bare LF": b"HTTP/1.1 200 OK\ncontent-length: 0\n\n",
    "length and chunks": OK + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": OK + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello",
    "a negative length": OK + b"content-length: -5\r\n\r\n",
    "a bad first chunk": OK + b"transfer-encoding: chunked\r\n\r\nxyz\r\n",
    "a header of 300 KB": OK + b"x: " + b"y" * 300_000 + b"\r\ncontent-length: 0\r\n\r\n",
    "a change of protocol": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n",
    "nothing": b"",
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_an_invalid_answer_is_a_502_and_worth_a_second_attempt(world: Rig, name: str) -> None:
    """FB-5, G05: no byte of it reaches the client, in headers least of all."""
    async with world.near.serving(says(MALFORMED[name])):
        alone = await asked(world.gateway.data, posted("near"))
        followed = await asked(world.gateway.data, posted("near>steady"))
    assert alone.status == 502
    assert alone.header("set-cookie") is None
    assert b"hello" not in alone.body
    assert (followed.status, followed.header("x-pointsman-provider")) == (200, "steady")


async def test_interim_answers_are_not_the_answer(world: Rig) -> None:
    """RFC 9110, 15.2: any number of them, with headers of their own, which go nowhere."""
    interim = b"HTTP/1.1 100 Continue\r\n\r\n" + b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 3
    async with (
        world.near.serving(repeats(interim + answered(b"{}", "x-b: 1"))),
        await connect(world.gateway.data) as peer,
    ):
        for _ in range(3):
            await peer.send(posted("near"))
            answer = await peer.answer()
            assert (answer.status, answer.body, answer.header("x-b")) == (200, b"{}", "1")
            assert answer.header("link") is None
        assert world.near.connections == 1


async def test_trailers_end_here(world: Rig) -> None:
    """RFC 9110, 6.5.1: they do not become headers, of this answer or of the next on the connection."""
    chunked = OK + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx-canary: 1\r\nset-cookie: a\r\n\r\n"
    async with world.near.serving(repeats(chunked)), await connect(world.gateway.data) as peer:
        for _ in range(3):
            await peer.send(posted("near"))
            answer = await peer.answer()
            assert answer.body == b"{}"
            assert not {"x-canary", "set-cookie"} & {name for name, _ in answer.headers}


async def test_an_answer_nobody_asked_for_is_nobodys(world: Rig) -> None:
    """RFC 9112, 9.2: two answers to one request: the first counts, and the connection is not used again."""
    stray = answered(b"stray", "set-cookie: stray", status="500 Internal Server Error")
    async with world.near.serving(repeats(answered(b"mine") + stray)), await connect(world.gateway.data) as peer:
        for number in range(1, 4):
            await peer.send(posted("near"))
            answer = await peer.answer()
            assert (answer.status, answer.body, answer.header("set-cookie")) == (200, b"mine", None)
            assert world.near.connections == number


async def test_what_comes_between_two_requests_is_nobodys(world: Rig) -> None:
    """RFC 9112, 9.2: an idle connection on which something was said is not used again."""
    said = trio.Event()

    async def talks(peer: Peer) -> None:
        await peer.request()
        await peer.send(answered(b"mine"))
        await peer.send(answered(b"stray"))
        said.set()
        await peer.receive()

    async with world.near.serving(talks), await connect(world.gateway.data) as peer:
        for number in (1, 2):
            await peer.send(posted("near"))
            assert (await peer.answer()).body == b"mine"
            await said.wait()
            assert world.near.connections == number


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_a_provider_that_closes_is_connected_to_anew(world: Rig, version: bytes) -> None:
    """RFC 9112, 9.3: it says so, or speaks HTTP/1.0."""
    head = b"HTTP/%b 200 OK\r\ncontent-length: 2\r\n" % version
    head += b"connection: close\r\n" if version == b"1.1" else b""

    async def one(peer: Peer) -> None:
        await peer.request()
        await peer.send(head + b"\r\n{}")
        assert await peer.ended(), "the gateway does not keep what it must not use"

    async with world.near.serving(one), await connect(world.gateway.data) as peer:
        for number in (1, 2, 3):
            await peer.send(posted("near"))
            assert (await peer.answer()).body == b"{}"
            assert world.near.connections == number


async def test_an_answer_before_the_body_was_read_is_relayed(world: Rig) -> None:
    """FB-5: a provider that refuses a long body and closes has answered; the reset after that is not the outcome."""

    async def refuses(peer: Peer) -> None:
        await peer.receive_until(b"\r\n\r\n")
        await peer.send(answered(b"too long", "connection: close", status="413 Content Too Large"))

    async with world.near.serving(refuses):
        answer = await asked(world.gateway.data, posted("near", pad="x" * 8 * 2**20))
    assert (answer.status, answer.body) == (413, b"too long")
    assert answer.header("x-pointsman-provider") == "near"


async def test_odd_but_valid_answers_are_relayed(world: Rig) -> None:
    """RFC 9112, 4: no reason phrase, an unknown status, repeated and empty headers, names in any case."""
    fields = b"SeT-CooKie: a\r\nset-cookie: b\r\nx-empty:\r\nx-latin: gr\xf6\xdfe\r\ncontent-length: 1\r\n\r\nx"
    async with world.near.serving(says(b"HTTP/1.1 299 \r\n" + fields)):
        answer = await asked(world.gateway.data, posted("near"))
    assert answer.status == 299
    assert [value for name, value in answer.headers if name == "set-cookie"] == ["a", "b"]
    assert (answer.header("x-empty"), answer.header("x-latin")) == ("", "größe")


async def test_a_provider_cannot_speak_for_the_gateway(world: Rig) -> None:
    """HDR-7: its `x-pointsman-*` and request ids do not pass for ours."""
    fields = ("x-pointsman-provider: somebody", "x-pointsman-secret: 1", "x-request-id: theirs")
    async with world.near.serving(says(answered(b"{}", *fields))):
        answer = await asked(world.gateway.data, posted("near", "x-request-id: mine"))
    assert answer.header("x-pointsman-provider") == "near"
    assert answer.header("x-pointsman-secret") is None
    assert (answer.header("x-request-id"), answer.header("x-upstream-request-id")) == ("mine", "theirs")
