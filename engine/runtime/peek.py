"""A look into an answer of 2xx before it is believed: is it an error (FB-11), is it nothing at all (FB-13)?

Law: an answer that passes gives every byte in order, as if nobody had looked; the look ends by itself, except that
JSON is read to its end, for which the caller bounds the waiting. `peek` never closes the answer, whatever it returns
or raises.
"""

from collections.abc import Awaitable, Callable
from math import inf
from typing import Final, TypeAlias

import attrs
import trio

from engine.embedded import EventReader, status_in_json
from engine.media import EVENTS, is_json, media_type
from engine.ports import Headers, UpstreamAnswer

MOST_BYTES: Final = 64 * 1024
MOST_EVENTS: Final = 4
PATIENCE_S: Final = 2.0
_NO_CONTENT: Final = {204, 205}


@attrs.frozen
class Embedded:
    """The answer is an error (FB-11)."""

    status: int
    "400 to 599."


@attrs.frozen
class Empty:
    """The answer ended where its first byte, or its first event with data, should be (FB-13)."""

    status: int = 502


@attrs.define(eq=False)
class Replayed:
    """An `engine.ports.UpstreamAnswer` that begins with what was read of another one, which it closes."""

    _answer: UpstreamAnswer
    _read: bytes = attrs.field(repr=False)

    @property
    def status(self) -> int:
        return self._answer.status

    @property
    def headers(self) -> Headers:
        return self._answer.headers

    @property
    def retry_after_ns(self) -> int | None:
        return self._answer.retry_after_ns

    async def receive(self, patience_s: float = inf) -> bytes:
        return self._take() or await self._answer.receive(patience_s)

    def receive_nowait(self) -> bytes | None:
        return self._take() or self._answer.receive_nowait()

    async def aclose(self) -> None:
        await self._answer.aclose()

    def _take(self) -> bytes:
        taken, self._read = self._read, b""
        return taken


Peeked: TypeAlias = Embedded | Empty | UpstreamAnswer
"A verdict, or the answer to relay: the one given or a `Replayed`."


async def peek(answer: UpstreamAnswer, method: str, patience_s: float = inf) -> Peeked:
    """What an answer is, as far as its beginning tells; `method` is that of the request,
    `patience_s` how long its next bytes may take.

    JSON (`application/json`, `+json`) of at most `MOST_BYTES` is read whole. Of `text/event-stream` the first event
    with data is looked for, among at most `MOST_EVENTS` and `MOST_BYTES`, for at most `PATIENCE_S`. Of all else, and
    of what is compressed, only whether there is a first byte within that time.
    Raises UpstreamFailed where the answer breaks meanwhile: nothing of it has been handed out yet (FB-10).
    """
    if not 200 <= answer.status < 300 or answer.status in _NO_CONTENT or method == "HEAD":
        return answer
    read: list[bytes] = []
    verdict = await _look_for(answer.headers)(answer, read, patience_s)
    if verdict is not None:
        return verdict
    return Replayed(answer, b"".join(read)) if read else answer


async def _look_into_json(answer: UpstreamAnswer, read: list[bytes], patience_s: float) -> Embedded | Empty | None:
    size = 0
    while piece := await answer.receive(patience_s):
        read.append(piece)
        size += len(piece)
        if size > MOST_BYTES:
            return None
    if not read:
        return Empty()
    return _verdict(b"".join(read))


async def _look_into_events(answer: UpstreamAnswer, read: list[bytes], patience_s: float) -> Embedded | Empty | None:
    events, reader = 0, EventReader()
    size = 0
    with trio.move_on_after(PATIENCE_S):
        while events < MOST_EVENTS and size <= MOST_BYTES:
            # Nothing may wait between a piece's coming and its being kept.
            piece = await answer.receive(patience_s)
            read.append(piece)
            size += len(piece)
            for data in reader.feed(piece) if piece else reader.end():
                if data is not None:
                    return _verdict(data)
                events += 1
                if events == MOST_EVENTS:
                    break
            if not piece:
                return Empty()
    return None


async def _look_at_start(answer: UpstreamAnswer, read: list[bytes], patience_s: float) -> Embedded | Empty | None:
    with trio.move_on_after(PATIENCE_S):
        piece = await answer.receive(patience_s)
        if not piece:
            return Empty()
        read.append(piece)
    return None


def _verdict(text: bytes) -> Embedded | None:
    status = status_in_json(text)
    return None if status is None else Embedded(status)


def _look_for(fields: Headers) -> Callable[[UpstreamAnswer, list[bytes], float], Awaitable[Embedded | Empty | None]]:
    """How to look into an answer with this header."""
    media = media_type(dict(fields))
    if media == EVENTS:
        return _look_into_events
    return _look_into_json if media is not None and is_json(media) else _look_at_start
