"""How many tokens an answer took, as its provider says in it (BILL-7, BILL-8, DEF-72).

Law: pure and total. A body that goes by is neither changed nor held back, and nothing of it is kept but its two
ends, for as long as it is relayed; the time to read them is bounded by their size. What is not said is None,
never 0.

An answer's own `usage` is told from one that a model has written into it: text is escaped in a string, and an object
inside another one leaves too many brackets behind it.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from engine.media import EVENTS, is_json
from engine.recording import Usage

HEAD: Final = 4 * 1024
"""Bytes from a stream's beginning: Anthropic says there what went in."""
TAIL: Final = 8 * 1024
"""Bytes before a body's end, at least, where it is as long."""
_MOST: Final = 8
"""Objects of that name that are looked at in one end; there is one, unless somebody plays with us."""
_LARGEST: Final = 2**53

_OBJECT: Final = re.compile(rb'"usage"\s*:\s*\{')
_PLAIN: Final = re.compile(
    rb'"usage":\s?\{"prompt_tokens":\s?(\d{1,15}),\s?"completion_tokens":\s?(\d{1,15})[^{}\[\]\\]*\}[^{}\[\]\\]*\}\s*\Z'
)
"""What most of the everyday answers end with; it could be read as all others are, in twice the time."""
_LINE_END: Final = re.compile(rb"[\r\n]")
_decode = json.JSONDecoder().raw_decode

_Counts: TypeAlias = dict[str, Any]


class Ends:
    """The beginning and the end of one body. It costs next to nothing for each piece that goes by."""

    __slots__ = ("_bound", "_chunks", "_head", "_is_stream", "_size")

    def __init__(self, *, is_stream: bool) -> None:
        self._is_stream = is_stream
        self._chunks: list[bytes] = []
        self._size = 0
        self._bound = HEAD + TAIL
        self._head: bytes | None = None
        "None: the chunks are all of it."

    def add(self, chunk: bytes) -> None:
        """The next bytes."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size > self._bound:
            self._trim()

    def _trim(self) -> None:
        """Let go of what is neither beginning nor end, at each `TAIL` bytes or so."""
        if self._head is None:
            self._head = b"".join(self._chunks)[:HEAD] if self._is_stream else b""
        kept, left = [], TAIL
        for chunk in reversed(self._chunks):
            # All of a piece that fits is the piece itself, not a copy.
            kept.append(chunk[-left:])
            left -= len(kept[-1])
            if not left:
                break
        self._chunks = kept[::-1]
        self._size, self._bound = TAIL - left, 2 * TAIL

    def usage(self, *, is_complete: bool = True) -> Usage | None:
        """What they say; None: nothing. Never raises. Of what broke off, a stream says what it had told until then."""
        tail = b"".join(self._chunks)
        if not self._is_stream:
            return _in_document(tail) if is_complete else None
        last = _in_events(tail, is_whole=self._head is None) or {}
        if _number(last, "prompt_tokens") is None and _number(last, "input_tokens") is None:
            # Anthropic's first event has the input; the last need not repeat it.
            start = _in_start(tail if self._head is None else self._head)
            last = start | {name: count for name, count in last.items() if count is not None}
        return usage_in(last)


def ends_for(status: int, media: bytes | None) -> Ends | None:
    """For a 2xx that may say it: JSON, or a stream of events, not encoded. None: the answer is not looked at."""
    if media is None or not 200 <= status < 300:
        return None
    is_stream = media == EVENTS
    return Ends(is_stream=is_stream) if is_stream or is_json(media) else None


def usage_in(counts: _Counts) -> Usage | None:
    """A `usage` object of any protocol; None: it counts nothing.

    OpenAI's `prompt_tokens` and the Responses API's `input_tokens` contain what came from a cache; Anthropic's
    `input_tokens` do not, so that its two other counts are added. One total is split in halves (BILL-8), the odd token
    to the output.
    """
    given, made = _given(counts), _number(counts, "completion_tokens")
    if made is None:
        made = _number(counts, "output_tokens")
    if given is not None and made is not None:
        return Usage(given, made)
    total = _number(counts, "total_tokens")
    if given is None and made is None:
        return None if total is None else Usage(total // 2, total - total // 2)
    rest = max(0, (total or 0) - (given or made or 0))
    return Usage(rest if given is None else given, rest if made is None else made)


def _given(counts: _Counts) -> int | None:
    prompt = _number(counts, "prompt_tokens")
    if prompt is not None:
        return prompt
    given = _number(counts, "input_tokens")
    if given is None or "input_tokens_details" in counts:
        return given
    cached = (_number(counts, f"cache_{way}_input_tokens") or 0 for way in ("creation", "read"))
    return given + sum(cached)


def _number(counts: _Counts, name: str) -> int | None:
    value = counts.get(name)
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= _LARGEST else None


def _in_document(tail: bytes) -> Usage | None:
    plain = _PLAIN.match(tail, max(0, tail.rfind(b'"usage"')))
    if plain is not None:
        return Usage(int(plain[1]), int(plain[2]))
    for place in _places(tail):
        counts = _object(_read(b"{" + tail[place:]), "usage")
        if counts is not None:
            return usage_in(counts)
    return None


def _in_events(tail: bytes, *, is_whole: bool) -> _Counts | None:
    """The last event's that has one."""
    for place in _places(tail):
        start = max(tail.rfind(b"\n", 0, place), tail.rfind(b"\r", 0, place)) + 1
        line = _line(tail, start)
        if start or is_whole:
            counts = _in_event(_data(line))
        else:
            # The event is longer than the tail, as the one is that repeats a whole response.
            response = _read(b'{"response":{' + line[place:])
            counts = _in_event(response if response is not None else _read(b"{" + line[place:]))
        if counts is not None and usage_in(counts) is not None:
            return counts
    return None


def _in_event(event: Any) -> _Counts | None:
    for inner in ("response", "message"):
        held = _object(event, inner)
        if held is not None:
            return _object(held, "usage")
    return _object(event, "usage")


def _in_start(head: bytes) -> _Counts:
    place = head.find(b'"message_start"')
    if place < 0:
        return {}
    start = max(head.rfind(b"\n", 0, place), head.rfind(b"\r", 0, place)) + 1
    event = _data(_line(head, start))
    return (_in_event(event) or {}) if isinstance(event, dict) and event.get("type") == "message_start" else {}


def _places(text: bytes) -> Iterator[int]:
    """Where objects of the name are, the last first."""
    end, found = len(text), 0
    while found < _MOST and (place := text.rfind(b'"usage"', 0, end)) >= 0:
        end = place
        if _OBJECT.match(text, place) is not None:
            found += 1
            yield place


def _line(text: bytes, start: int) -> bytes:
    end = _LINE_END.search(text, start)
    return text[start : end.start() if end is not None else None]


def _data(line: bytes) -> Any:
    return _read(line[5:]) if line.startswith(b"data:") else None


def _read(text: bytes) -> Any:
    """A JSON value; None: it is none, or not alone."""
    try:
        read = text.decode()
        value, end = _decode(read, 1 if read[:1] == " " else 0)
    except (ValueError, RecursionError):
        return None
    return value if end == len(read) or not read[end:].strip() else None


def _object(value: Any, name: str) -> _Counts | None:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else None
