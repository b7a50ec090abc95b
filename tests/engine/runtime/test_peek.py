"""A look into an answer, over answers in memory whose pieces take the time they are given."""

import math
from collections.abc import Sequence

import attrs
import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from engine.embedded import status_in_json
from engine.errors import Failure, UpstreamFailed
from engine.ports import Headers
from engine.runtime.peek import MOST_BYTES, PATIENCE_S, Embedded, Empty, Peeked, Replayed, peek

JSON = b"application/json"
EVENTS = b"text/event-stream"
ERROR = b'{"error": {"code": 429}}'

Piece = bytes | float | Failure
"What comes, for how many seconds nothing does, or how it breaks."


@attrs.define(eq=False)
class Timed:
    """An `engine.ports.UpstreamAnswer` that keeps its law: a cancelled `receive` loses nothing."""

    _rest: list[Piece]
    status: int = 200
    headers: Headers = ()
    retry_after_ns: int | None = None
    received: int = 0
    closed: int = 0

    async def receive(self, patience_s: float = math.inf) -> bytes:
        del patience_s
        await trio.lowlevel.checkpoint()
        while self._rest and isinstance(self._rest[0], float):
            until = trio.current_time() + self._rest[0]
            try:
                await trio.sleep_until(until)
            except trio.Cancelled:
                self._rest[0] = until - trio.current_time()
                raise
            del self._rest[0]
        return self._next()

    def receive_nowait(self) -> bytes | None:
        return None if self._rest and not isinstance(self._rest[0], bytes) else self._next()

    async def aclose(self) -> None:
        self.closed += 1

    def _next(self) -> bytes:
        assert not self.closed, "read after it was closed"
        self.received += 1
        piece = self._rest.pop(0) if self._rest else b""
        if isinstance(piece, Failure):
            raise UpstreamFailed(piece)
        assert isinstance(piece, bytes)
        return piece


def answered(*pieces: Piece, media: bytes = JSON, status: int = 200, coding: bytes | None = None) -> Timed:
    headers = [(b"x-other", b"1"), (b"content-type", media)]
    if coding is not None:
        headers.append((b"content-encoding", coding))
    return Timed(list(pieces), status, headers)


async def read_from(peeked: Peeked, *, nowait: bool = False) -> bytes:
    """All that an answer that passed gives."""
    assert not isinstance(peeked, Embedded | Empty)
    read: list[bytes] = []
    while True:
        piece = peeked.receive_nowait() if nowait else None
        if piece is None:
            piece = await peeked.receive()
        if not piece:
            return b"".join(read)
        read.append(piece)


LOOKED_INTO: dict[str, tuple[bytes, Sequence[Piece], Embedded | Empty | None]] = {
    "json error": (JSON, [ERROR], Embedded(429)),
    "json error in pieces": (JSON, [ERROR[:9], 5.0, ERROR[9:]], Embedded(429)),
    "json error with a charset": (b"Application/JSON ; charset=utf-8", [ERROR], Embedded(429)),
    "problem+json": (b"application/problem+json", [ERROR], Embedded(429)),
    "json success": (JSON, [b'{"choices": ', b"[]}"], None),
    "no json at all": (JSON, [b"<html>"], None),
    "nothing for json": (JSON, [], Empty()),
    "nothing for json, late": (JSON, [9.0], Empty()),
    "json just short enough": (JSON, [ERROR.ljust(MOST_BYTES)], Embedded(429)),
    "json too long": (JSON, [ERROR.ljust(MOST_BYTES), b" "], None),
    "first event": (EVENTS, [b"data: " + ERROR + b"\n\n", b"data: [DONE]\n\n"], Embedded(429)),
    "with parameters": (b"TEXT/Event-Stream;charset=utf-8", [b"data:" + ERROR + b"\r\r"], Embedded(429)),
    "after comments": (EVENTS, [b": a\n\n: b\r\n\r\nevent: x\n\ndata: " + ERROR, b"\n\n"], Embedded(429)),
    "over several lines": (EVENTS, [b'data: {"error":\r\n', b'data: {"code": "503"}}\r\n\r\n'], Embedded(503)),
    "without its blank line": (EVENTS, [b"data: " + ERROR], Embedded(429)),
    "second event": (EVENTS, [b"data: {}\n\n", b"data: " + ERROR + b"\n\n"], None),
    "fifth event": (EVENTS, [b": a\n\n" * 4, b"data: " + ERROR + b"\n\n"], None),
    "fifth event of one piece": (EVENTS, [b": a\n\n" * 4 + b"data: " + ERROR + b"\n\n"], None),
    "event in time": (EVENTS, [PATIENCE_S * 0.9, b"data: " + ERROR + b"\n\n"], Embedded(429)),
    "event too late": (EVENTS, [b": a\n\n", PATIENCE_S * 1.1, b"data: " + ERROR + b"\n\n"], None),
    "event too long": (EVENTS, [b"data: " + b"x" * MOST_BYTES, b"\n\n"], None),
    "done at once": (EVENTS, [b"data: [DONE]\n\n"], None),
    "nothing for events": (EVENTS, [], Empty()),
    "only comments": (EVENTS, [b": a\n\n", b": b\n\n"], Empty()),
    "no events at all": (EVENTS, [ERROR], Empty()),
    "end too late": (EVENTS, [b": a\n\n", PATIENCE_S * 1.1], None),
    "another type": (b"text/plain", [ERROR], None),
    "a type that only looks like it": (b"text/event-stream2", [b"data: " + ERROR + b"\n\n"], None),
    "no type": (b"", [ERROR], None),
    "nothing of another type": (b"text/plain", [], Empty()),
    "another type, late": (b"audio/mpeg", [PATIENCE_S * 2, b"sound"], None),
}


@pytest.mark.parametrize("name", LOOKED_INTO)
async def test_what_an_answer_of_2xx_is(name: str, autojump_clock: trio.testing.MockClock) -> None:
    """FB-11, FB-13, DEF-50: an error, nothing, or an answer that gives every byte; closing is left to the caller."""
    del autojump_clock
    media, pieces, verdict = LOOKED_INTO[name]
    answer = answered(*pieces, media=media)
    peeked = await peek(answer, "POST")
    assert answer.closed == 0
    if verdict is not None:
        assert peeked == verdict
    else:
        assert await read_from(peeked) == b"".join(piece for piece in pieces if isinstance(piece, bytes))
        assert trio.current_time() < 100


@pytest.mark.parametrize(
    ("status", "method"), [(204, "POST"), (205, "POST"), (200, "HEAD"), (304, "GET"), (404, "POST"), (500, "POST")]
)
async def test_what_has_no_body_or_is_no_success_is_not_looked_into(status: int, method: str) -> None:
    """FB-13: an answer that cannot have a body is not empty by mistake; a failed one is what it says."""
    answer = answered(ERROR if status >= 400 else b"", status=status)
    assert await peek(answer, method) is answer
    assert answer.received == 0


@pytest.mark.parametrize(("coding", "looked"), [(b"gzip", False), (b"br, gzip", False), (b"Identity", True)])
async def test_what_is_compressed_is_not_looked_into(coding: bytes, *, looked: bool) -> None:
    """FB-11: its bytes are not the text; that there are any can still be told (FB-13)."""
    peeked = await peek(answered(ERROR, coding=coding), "POST")
    if looked:
        assert peeked == Embedded(429)
    else:
        assert await read_from(peeked) == ERROR
    assert await peek(answered(coding=coding), "POST") == Empty()


@pytest.mark.parametrize("media", [JSON, EVENTS, b"text/plain"])
async def test_a_break_before_anything_was_handed_out_is_a_failure(media: bytes) -> None:
    """FB-10, FB-13: a body that breaks is no short one; the attempt has failed, and another may be made."""
    with pytest.raises(UpstreamFailed) as failed:
        await peek(answered(Failure.BROKEN, media=media), "POST")
    assert failed.value.failure is Failure.BROKEN


@pytest.mark.parametrize("media", [JSON, EVENTS])
async def test_a_break_while_looking_is_a_failure_too(media: bytes) -> None:
    """FB-10: some has come, but the client has none of it."""
    with pytest.raises(UpstreamFailed):
        await peek(answered(b": a", Failure.BROKEN, media=media), "POST")


async def test_a_break_after_the_look_is_left_to_the_body() -> None:
    """FB-10: all bytes before it are delivered."""
    peeked = await peek(answered(b"data: a\n\n", Failure.BROKEN, media=EVENTS), "POST")
    assert isinstance(peeked, Replayed)
    assert peeked.receive_nowait() == b"data: a\n\n"
    assert peeked.receive_nowait() is None
    with pytest.raises(UpstreamFailed):
        await peeked.receive()


async def test_an_answer_that_passed_is_the_answer_it_was() -> None:
    """FB-11: its head is the same, and closing it closes the one below."""
    answer = answered(b'{"a": 1}', status=201)
    peeked = await peek(answer, "POST")
    assert isinstance(peeked, Replayed)
    assert (peeked.status, peeked.headers, peeked.retry_after_ns) == (201, answer.headers, None)
    await peeked.aclose()
    assert answer.closed == 1


async def test_the_look_is_over_as_soon_as_the_first_event_is_there(autojump_clock: trio.testing.MockClock) -> None:
    """FB-11, STREAM-1: nothing is held back longer than its verdict takes."""
    del autojump_clock
    answer = answered(b"data: a\r", b"\r", 1.0, b"data: b\n\n", media=EVENTS)
    peeked = await peek(answer, "POST")
    assert (trio.current_time(), answer.received) == (0, 2)
    assert await read_from(peeked) == b"data: a\r\rdata: b\n\n"


async def test_a_cancelled_look_is_cancelled(autojump_clock: trio.testing.MockClock) -> None:
    """FB-15: the patience of the look does not swallow the client's leaving."""
    del autojump_clock
    for media in (JSON, EVENTS, b"text/plain"):
        answer = answered(9.0, b"x", media=media)
        with trio.move_on_after(0.5) as scope:
            await peek(answer, "POST")
        assert scope.cancelled_caught


pieces = st.one_of(
    st.binary(max_size=12),
    st.sampled_from([b"data: ", b"data: {}", b": c", b"\n", b"\r", b"\n\n", b"\r\n\r\n", b"{}", ERROR, b"x" * 40_000]),
    st.floats(0.0, 3.0),
)


@given(
    st.lists(pieces.filter(lambda piece: piece != b""), max_size=12),
    st.sampled_from([JSON, EVENTS, b"text/plain"]),
    st.booleans(),
)
def test_an_answer_that_passes_loses_nothing(pieces: list[Piece], media: bytes, nowait: bool) -> None:
    """FB-11: whatever the pieces and the pauses, every byte comes once and in order, or there is a cause."""
    whole = b"".join(piece for piece in pieces if isinstance(piece, bytes))

    async def look() -> tuple[Peeked, bytes | None]:
        peeked = await peek(answered(*pieces, media=media), "POST")
        verdict = isinstance(peeked, Embedded | Empty)
        return peeked, None if verdict else await read_from(peeked, nowait=nowait)

    peeked, read = trio.run(look, clock=trio.testing.MockClock(autojump_threshold=0))
    if isinstance(peeked, Embedded):
        assert peeked.status == 429
        assert status_in_json(whole) == 429 if media == JSON else ERROR in whole
    elif isinstance(peeked, Empty):
        assert not whole or (media == EVENTS and len(whole) <= MOST_BYTES)
    else:
        assert read == whole
