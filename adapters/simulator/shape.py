"""What every wire shape is made of: a question read from a body, an answer to it, and the events of a stream.

Law: pure. The same body, name and number give the same bytes; a token is a word.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import attrs
import msgspec

CREATED = 1_767_225_600
"""The `created` of every object: 2026-01-01T00:00:00Z. Fixed, since the simulator reads no wall clock."""

Json: TypeAlias = Any
"""A value that msgspec can write as JSON."""

_WORD = re.compile(r"\S+\s*")

encode = msgspec.json.Encoder().encode


@attrs.frozen
class Unacceptable(Exception):
    """The body is not a question of this shape."""

    message: str
    param: str | None = None


@attrs.frozen
class Question:
    """What a request asks, whatever its protocol."""

    model: str
    heard: str
    "The last user message, text parts only."
    input_tokens: int
    stream: bool = False
    body: Mapping[str, Json] = attrs.field(factory=dict)


@attrs.frozen
class Answer:
    """What the simulator says to one question."""

    name: str
    "The simulator's own."
    number: int
    "The request's number in this process; every id is made from it."
    pieces: tuple[str, ...]
    "The tokens: words with the blanks after them; joined they are the text."
    input_tokens: int

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def output_tokens(self) -> int:
        return len(self.pieces)

    def ident(self, prefix: str) -> str:
        return f"{prefix}{self.name}-{self.number}"


@attrs.frozen
class Event:
    """One server-sent event, as it goes on the wire."""

    data: bytes
    token: bool = False
    "Carries a piece of the answer, so it is paced."


@attrs.frozen
class Shape:
    """One route: how its question is read and its answers are written."""

    problem: Callable[[int, str, str | None, str], Json]
    "An error body from status, message, param and request id."
    read: Callable[[Mapping[str, Json]], Question]
    "Raises Unacceptable."
    whole: Callable[[Question, Answer], Json]
    events: Callable[[Question, Answer], Iterator[Event]] | None = None
    "None: this route never streams."
    request_id: bytes = b"x-request-id"
    "The header that carries the request's id."


def sse(data: Json, *, named: bool = False, token: bool = False) -> Event:
    """An event with JSON data; `named` repeats the data's `type` in an `event:` line."""
    head = b"event: %b\ndata: " % data["type"].encode() if named else b"data: "
    return Event(b"%b%b\n\n" % (head, encode(data)), token)


DONE = Event(b"data: [DONE]\n\n")


def words(text: str) -> int:
    return len(text.split())


def text_of(content: Json) -> str:
    """The text of a message's content: a string, or a list of parts of which those with a `text` count."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = (part.get("text") for part in content if isinstance(part, dict))
    return "\n".join(text for text in texts if isinstance(text, str))


def conversation(turns: list[Json], *before: Json) -> tuple[str, int]:
    """The last user message of the turns, and the number of words in all of them and in what comes before."""
    heard, total = "", sum(words(text_of(content)) for content in before)
    for turn in turns:
        if isinstance(turn, dict):
            text = text_of(turn.get("content"))
            total += words(text)
            if turn.get("role") == "user":
                heard = text
    return heard, total


def model_of(body: Mapping[str, Json]) -> str:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise Unacceptable("you must provide a model: a string that is not empty", "model")
    return model


def turns_of(body: Mapping[str, Json]) -> list[Json]:
    turns = body.get("messages")
    if not isinstance(turns, list) or not turns:
        raise Unacceptable("messages must be a list of at least one message", "messages")
    return turns


def answer(question: Question, *, name: str, number: int, tokens: int) -> Answer:
    """The answer: who speaks and the echo of what was heard, cut or filled to `tokens` words unless that is 0."""
    pieces = _WORD.findall(f"{name} heard: {question.heard}")
    if tokens:
        missing = range(len(pieces) + 1, tokens + 1)
        pieces = pieces[:tokens] + [f" word{place}" for place in missing]
    return Answer(name, number, tuple(pieces), question.input_tokens)
