"""What will happen to one request, decided before any of it happens.

Law: pure. The script depends on the request, the settings, the simulator's name and the request's number, on nothing
else.
"""

from collections.abc import Iterator
from http import HTTPStatus

import attrs
import msgspec

from adapters.simulator import routes
from adapters.simulator.connection import Request
from adapters.simulator.overrides import overridden
from adapters.simulator.settings import InvalidSetting, Settings
from adapters.simulator.shape import Event, Json, Shape, Unacceptable, answer, encode
from adapters.simulator.shapes_anthropic import MESSAGES
from adapters.simulator.shapes_openai import CHAT

JSON = (b"content-type", b"application/json")
TEXT = (b"content-type", b"text/plain; charset=utf-8")
STREAM = (b"content-type", b"text/event-stream; charset=utf-8")
NO_CACHE = (b"cache-control", b"no-cache")

MOST_NESTED = 200
"""Far below what the interpreter's stack can write back, parts of the body being repeated in some answers."""

_decode = msgspec.json.Decoder().decode
_U64 = 2**64 - 1
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


@attrs.frozen
class Script:
    """The answer and the mishaps on its way."""

    settings: Settings
    "In force for this request."
    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes = b""
    events: Iterator[Event] | None = None
    "Instead of `body`: a stream."

    @property
    def waits(self) -> bool:
        return self.settings.hang or self.settings.latency > 0 or self.events is not None


def draw(seed: int, number: int) -> float:
    """A number in [0, 1) from a seed and a counter: the output function of splitmix64."""
    bits = (seed + number * 0x9E3779B97F4A7C15) & _U64
    bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & _U64
    bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & _U64
    return ((bits ^ (bits >> 31)) >> 11) / 2**53


def write(request: Request, settings: Settings, *, name: str, number: int) -> Script:
    """The script for a request. Never raises: what cannot be answered is answered with its error."""
    request_id = f"req_{name}-{number}"
    shape = MESSAGES if request.has(b"anthropic-version") else CHAT
    try:
        mine = overridden(settings, request.headers)
    except InvalidSetting as invalid:
        return _problem(settings, shape, 400, str(invalid), None, request_id, name)
    try:
        shape = routes.find(
            request.method,
            request.target.partition("?")[0],
            anthropic=shape is MESSAGES,
            models=mine.models,
        )
        if mine.error_status and draw(mine.seed, number) < mine.error_rate:
            return _injected(mine, shape, request_id, name)
        question = shape.read(_object(request))
    except routes.NoRoute as missing:
        return _problem(mine, missing.shape, missing.status, missing.message, None, request_id, name)
    except Unacceptable as invalid:
        return _problem(mine, shape, 400, invalid.message, invalid.param, request_id, name)
    said = answer(question, name=name, number=number, tokens=mine.tokens)
    common = _common(shape, request_id, name)
    if question.stream and shape.events is not None:
        return Script(mine, 200, (STREAM, NO_CACHE, *common), events=shape.events(question, said))
    return Script(mine, 200, (JSON, *common), encode(shape.whole(question, said)))


def _object(request: Request) -> dict[str, Json]:
    if request.method == "GET":
        return {}
    try:
        body = _decode(request.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unacceptable(f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise Unacceptable("the body must be a JSON object")
    if request.body.count(b"{") + request.body.count(b"[") > MOST_NESTED and _deeper(body, MOST_NESTED):
        raise Unacceptable(f"the body may nest at most {MOST_NESTED} arrays and objects")
    return body


def _deeper(value: Json, levels: int) -> bool:
    """More than so many arrays and objects inside each other."""
    level = [value]
    for _ in range(levels):
        inside = (one.values() if isinstance(one, dict) else one for one in level)
        level = [one for many in inside for one in many if isinstance(one, dict | list)]
        if not level:
            return False
    return True


def _common(shape: Shape, request_id: str, name: str) -> tuple[tuple[bytes, bytes], ...]:
    return ((shape.request_id, request_id.encode("ascii")), (b"x-simulator", name.encode("ascii")))


def _problem(
    settings: Settings, shape: Shape, status: int, message: str, param: str | None, request_id: str, name: str
) -> Script:
    body = encode(shape.problem(status, message, param, request_id))
    return Script(settings, status, (JSON, *_common(shape, request_id, name)), body)


def _injected(settings: Settings, shape: Shape, request_id: str, name: str) -> Script:
    status = settings.error_status
    message = f"{name} was told to answer {status}: {_PHRASES.get(status, 'an error')}"
    headers = _common(shape, request_id, name)
    if settings.retry_after:
        headers = ((b"retry-after", settings.retry_after.encode("ascii")), *headers)
    match settings.status_bodies:
        case "empty":
            return Script(settings, status, headers)
        case "text":
            return Script(settings, status, (TEXT, *headers), message.encode())
        case "openai":
            problem = CHAT.problem
        case "anthropic":
            problem = MESSAGES.problem
        case _:
            problem = shape.problem
    return Script(settings, status, (JSON, *headers), encode(problem(status, message, None, request_id)))
