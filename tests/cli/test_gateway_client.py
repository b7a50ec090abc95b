"""What the command line makes of answers, and of answers that do not come: a real connection to a scripted server."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

from adapters.cli.gateway_client import AdminApi, Declined, connected
from engine.errors import StartFailed

CUT = b""


class Scripted:
    """Answers each request with the next of some answers; `CUT` ends the connection without one."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = list(answers)
        self.requests: list[str] = []

    async def serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            received = b""
            while True:
                while b"\r\n\r\n" not in received:
                    piece = await stream.receive_some()
                    if not piece:
                        return
                    received += piece
                head, _, received = received.partition(b"\r\n\r\n")
                fields = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:])
                length = int(fields.get(b"content-length", 0))
                while len(received) < length:
                    received += await stream.receive_some()
                received = received[length:]
                self.requests.append(head.decode())
                answer = self._answers.pop(0)
                if answer == CUT:
                    return
                await stream.send_all(answer)

    @asynccontextmanager
    async def api(self) -> AsyncIterator[AdminApi]:
        async with trio.open_nursery() as nursery:
            (listener,) = await nursery.start(partial(trio.serve_tcp, self.serve, 0, host="127.0.0.1"))
            port = listener.socket.getsockname()[1]
            async with connected(f"http://127.0.0.1:{port}", b"a-token-of-the-tests") as http:
                yield AdminApi(http, "The gateway")
            nursery.cancel_scope.cancel()


def answered(status: int, body: object) -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return b"HTTP/1.1 %d -\r\ncontent-length: %d\r\n\r\n%b" % (status, len(content), content)


async def test_a_change_whose_answer_was_lost_is_sent_once_more_and_counts_once() -> None:
    """With the same Idempotency-Key; another change has another one."""
    script = Scripted(CUT, answered(200, {"position": 7}), answered(200, {"position": 8}))
    async with script.api() as api:
        assert await api.change("PUT", "users", "u", body={"name": "U"}) == {"position": 7}
        assert await api.change("PUT", "users", "u", body={"name": "V"}) == {"position": 8}
    keys = [
        next(line.partition(": ")[2] for line in one.split("\r\n") if line.lower().startswith("idempotency-key"))
        for one in script.requests
    ]
    assert keys[0] == keys[1] != keys[2]
    assert all("prefer: wait=applied" in one.lower() for one in script.requests)


async def test_a_change_whose_answers_are_lost_is_in_doubt() -> None:
    """And said to be."""
    async with Scripted(CUT, CUT).api() as api:
        with pytest.raises(StartFailed, match="Whether it made the change is not known"):
            await api.change("PUT", "users", "u", body={})


async def test_all_pages_are_read() -> None:
    """Each from where the one before ended."""
    pages = [{"data": [1, 2], "next": "b c"}, {"data": [3], "next": None}]
    script = Scripted(*(answered(200, page) for page in pages))
    async with script.api() as api:
        assert await api.all("users") == [1, 2, 3]
    assert [one.split()[1].partition("?")[2] for one in script.requests] == ["limit=1000", "limit=1000&after=b+c"]


async def test_an_id_is_one_part_of_the_path() -> None:
    """Whatever it has in it."""
    script = Scripted(answered(200, {}))
    async with script.api() as api:
        await api.get("pools", "a/b ?#%ü")
    assert script.requests[0].split()[1] == "/admin/v1/pools/a%2Fb%20%3F%23%25%C3%BC"


ERRORS = [
    {"where": "a[0].b", "what": "is \x1b[31mbad", "valid": "a number"},
    {"where": "", "what": "no", "valid": ""},
]
OF_A_QUERY = [
    {"where": "?position_from", "what": "is not after ?since", "valid": "a/?b"},
    {"where": "url", "what": "has ?since in it", "valid": ""},
]


@pytest.mark.parametrize(
    ("status", "body", "lines", "is_input"),
    [
        (422, {"detail": "2 errors", "errors": ERRORS}, ["a[0].b: is \\x1b[31mbad; valid: a number", "no"], True),
        (
            422,
            {"detail": "2 errors", "errors": OF_A_QUERY},
            ["--from: is not after --since; valid: a/?b", "url: has ?since in it"],
            True,
        ),
        (409, {"detail": "It is a file's."}, ["It is a file's."], False),
        (404, {"detail": "There is none."}, ["There is none."], True),
        (503, {"detail": "The store is away."}, ["The store is away."], False),
        (500, b"oops", ["The gateway answered with status 500 and no reason; is it a control port?"], False),
        (404, [], ["The gateway answered with status 404 and no reason; is it a control port?"], True),
    ],
)
async def test_a_problem_is_told_a_line_an_error(status: int, body: object, lines: list[str], is_input: bool) -> None:
    """Where, what, and what is valid; whose fault it is decides the exit code. A query's parameters are options."""
    async with Scripted(answered(status, body)).api() as api:
        with pytest.raises(Declined) as caught:
            await api.get("users")
    assert str(caught.value).splitlines() == lines
    assert (caught.value.wrong_input, caught.value.status) == (is_input, status)


async def test_what_is_no_json_is_no_control_port() -> None:
    """One sentence."""
    async with Scripted(answered(200, b"<html>")).api() as api:
        with pytest.raises(StartFailed, match=r"answered what is no JSON; is it a control port\?"):
            await api.get("users")
