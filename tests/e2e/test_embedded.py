"""Errors that call themselves successful, found by looking into an answer before it is relayed: FB-11 to FB-13.

At `near` stands an upstream that says what a test gives it; `steady` serves what is tried again.
"""

from collections.abc import Iterator

import pytest
import trio

from tests.e2e.rig import NO_CIRCUIT, Document, Known, Rig, pool, rig, served
from tests.e2e.sockets import Message, Peer, answered, says

ON_5XX = {"enabled": True, "on_status": [5]}


def document(known: Known) -> Document:
    steady, faulty, near = known["steady"], known["faulty"], known["near"]
    looking = {**ON_5XX, "on_rate_limit": True, "on_embedded_error": True}
    targets = {
        "looking": pool(near, steady, fallback=looking),
        "alone": pool(near, fallback=looking),
        "never-again": pool(near, steady, fallback={**looking, "on_status": [], "on_rate_limit": False}),
        "second": pool(faulty, near, fallback=looking),
        "not-looking": pool(near, steady, fallback={**looking, "on_embedded_error": False}),
        "default": pool(near, steady, fallback=ON_5XX),
    }
    return {"targets": {alias: {**target, **NO_CIRCUIT} for alias, target in targets.items()}}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rig(tmp_path_factory.mktemp("embedded"), document) as made:
        yield made


@pytest.fixture
async def world(shared: Rig) -> Rig:
    await shared.calm()
    return shared


def code(answer: Message) -> tuple[int, str]:
    return answer.status, answer.json()["error"]["code"]


JSON = ("content-type: application/json",)
SSE = ("content-type: text/event-stream",)
ERRORS = {
    "a number": answered(b'{"error":{"code":503}}', *JSON),
    "digits": answered(b'{"error":{"code":"529","message":"busy"}}', *JSON),
    "too many": answered(b'{"error":{"code":429}}', *JSON),
    "first event": answered(b': ping\n\ndata: {"error":{"code":500}}\n\ndata: [DONE]\n\n', *SSE),
    "other line ends": answered(b'event: error\r\ndata: {"error":{"code":"502"}}\r\n\r\n', *SSE),
    "nothing": answered(b""),
    "no event": answered(b": ping\n\n", *SSE),
    "no json": answered(b"", *JSON),
}


@pytest.mark.parametrize("what", ERRORS)
async def test_fb_11_an_error_inside_a_200_is_tried_again(world: Rig, what: str) -> None:
    """FB-11 to FB-13: as the status it stands for, by `on_status` or for 429 `on_rate_limit`; nothing counts as 502.

    With nobody left to ask it is a 503; switched off, and by default, it is relayed as it came.
    """
    async with world.near.serving(says(ERRORS[what])):
        assert served(await world.ask("looking")) == ("2", "steady")
        exhausted = await world.ask("alone")
        assert (code(exhausted), exhausted.header("x-should-retry")) == ((503, "service_unavailable"), "false")
        relayed = await world.ask("not-looking")
        assert (relayed.status, *served(relayed)) == (200, "1", "near")
        assert relayed.body == ERRORS[what].partition(b"\r\n\r\n")[2]
        assert served(await world.ask("default")) == ("1", "near")


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("a number", (503, "service_unavailable")),
        ("too many", (503, "service_unavailable")),
        ("nothing", (503, "service_unavailable")),
        ("no event", (503, "service_unavailable")),
    ],
)
async def test_fb_12_an_error_that_is_not_retryable_is_a_503(world: Rig, what: str, expected: tuple[int, str]) -> None:
    """FB-12, FB-13: 429, 5xx and nothing at all; after one attempt."""
    async with world.near.serving(says(ERRORS[what])):
        before = await world.received()
        assert code(await world.ask("never-again")) == expected
        assert (world.near.connections, await world.received()) == (1, before)


@pytest.mark.parametrize("status", [400, 404, 422, 499])
async def test_fb_12_the_clients_own_fault_keeps_its_status(world: Rig, status: int) -> None:
    """FB-12, SAN-6: another 4xx is nobody's to try again, and says no more than that it was rejected."""
    body = b'{"error":{"code":%d,"message":"by the secret host"}}' % status
    async with world.near.serving(says(answered(body, *JSON))):
        for alias in ("looking", "never-again"):
            answer = await world.ask(alias)
            assert code(answer) == (status, "upstream_error")
            assert answer.json()["error"]["message"] == "The upstream provider rejected the request."


GOOD = {
    "json": answered(b'{"choices":[],"error":null}', *JSON),
    "another code": answered(b'{"error":{"code":200}}', *JSON),
    "a word": answered(b'{"error":{"code":"too_many"}}', *JSON),
    "no json": answered(b"<error>503</error>", "content-type: text/xml"),
    "a later event": answered(b'data: {"id":1}\n\ndata: {"error":{"code":500}}\n\n', *SSE),
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "an error of its own": answered(b'{"error":{"code":503}}', *JSON, status="418 Teapot"),
}


@pytest.mark.parametrize("what", GOOD)
async def test_fb_11_what_is_no_error_passes_as_it_came(world: Rig, what: str) -> None:
    """FB-11: every byte, in order, after one attempt."""
    async with world.near.serving(says(GOOD[what])):
        answer = await world.ask("looking")
    assert served(answer) == ("1", "near")
    assert answer.body == GOOD[what].partition(b"\r\n\r\n")[2]


async def test_fb_11_a_stream_is_not_held_up_for_long(world: Rig) -> None:
    """FB-11: a first event that comes in pieces is seen whole before anything is relayed, and then all of it is."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
    pieces = (b": ping\n", b"\nda", b'ta: {"id"', b": 1}\n", b"\ndata: [DONE]\n\n")

    async def in_pieces(peer: Peer) -> None:
        await peer.request()
        await peer.send(head)
        for piece in pieces:
            await peer.send(piece)
            await trio.sleep(0.01)

    async with world.near.serving(in_pieces):
        answer = await world.ask("looking", stream=True)
    assert (answer.status, answer.body) == (200, b"".join(pieces))


async def test_fb_12_a_rejection_is_final_after_a_failure(world: Rig) -> None:
    """FB-12: a 500 first, and then the client's own fault inside a 200, which is the answer."""
    await world.faulty.change(error_status=500)
    async with world.near.serving(says(answered(b'{"error":{"code":404}}', *JSON))):
        answer = await world.ask("second")
    assert code(answer) == (404, "upstream_error")
