"""Large answers as JSON.

Law: an answer is encoded in a thread, and what is long in it piece by piece: encoding one thing holds the interpreter
until it is done, whichever thread it is in, and requests wait meanwhile.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import attrs
import msgspec
import trio
from litestar import Response

from engine.names import Position

_ENCODER: Final = msgspec.json.Encoder()
_FEW: Final = 100
"""Of so few it takes no pieces."""


async def encoded(answer: Any, position: Position) -> Response[Any]:
    """An attrs instance, of the table of a position."""
    body = await trio.to_thread.run_sync(lambda: b"".join(_of(answer)))
    return Response(body, headers={"x-pointsman-position": str(position)}, media_type="application/json")


def _of(value: Any) -> Iterator[bytes]:
    if attrs.has(type(value)):
        yield b"{"
        for place, field in enumerate(attrs.fields(type(value))):
            yield b"," * bool(place) + _ENCODER.encode(field.name) + b":"
            yield from _of(getattr(value, field.name))
        yield b"}"
    elif isinstance(value, tuple) and len(value) > _FEW:
        yield from _list(value)
    else:
        yield _ENCODER.encode(value)


def _list(values: Iterable[Any]) -> Iterator[bytes]:
    yield b"["
    for place, one in enumerate(values):
        yield b"," * bool(place) + _ENCODER.encode(one)
    yield b"]"
