"""Errors inside answers that call themselves successful (FB-11).

Law: pure and total; an event is the same however its bytes were cut into pieces; nothing is kept beyond the event
that is still unfinished, and of that no more than `LONGEST_EVENT` bytes.
"""

import json
import re
from typing import Final

LONGEST_EVENT: Final = 64 * 1024

_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_BOM: Final = b"\xef\xbb\xbf"


def status_in_json(body: bytes) -> int | None:
    """The `error.code` of a JSON object, a whole number or its digits, if it is a status from 400 to 599."""
    # Most answers have no such word, spelled out or escaped, and need not be decoded.
    if b"error" not in body and b"\\u" not in body:
        return None
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    error = value.get("error") if isinstance(value, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    if isinstance(code, str) and len(code) == 3 and code.isascii() and code.isdigit():
        code = int(code)
    return code if isinstance(code, int) and 400 <= code <= 599 else None


class EventReader:
    """Server-sent events out of bytes, by the whole line grammar of the HTML standard (9.2.6)."""

    def __init__(self) -> None:
        self.is_overlong = False
        "Whether an event grew beyond `LONGEST_EVENT`; from then on nothing is read."
        self._line: list[bytes] = []
        "Of the unfinished line."
        self._data: list[bytes] = []
        "Of the unfinished event, line by line."
        self._size = 0
        self._any_line = False
        self._after_cr = False
        self._at_start = True

    def feed(self, piece: bytes) -> list[bytes | None]:
        """The events that these bytes complete: the data of each, None for one without (comments, other fields)."""
        if self._after_cr and piece[:1] == b"\n":
            piece = piece[1:]
            self._after_cr = False
        if not piece or self.is_overlong:
            return []
        self._after_cr = piece[-1:] == b"\r"
        *ended, unfinished = _LINE_END.split(piece)
        events: list[bytes | None] = []
        for part in ended:
            self._line.append(part)
            self._size += len(part) + 1
            self._end_line(events)
        if unfinished:
            self._line.append(unfinished)
            self._size += len(unfinished)
        if self._size > LONGEST_EVENT:
            self.is_overlong = True
            self._line.clear()
            self._data.clear()
        return events

    def end(self) -> list[bytes | None]:
        """As `feed`, for an event that the stream's end leaves without its blank line.

        The standard drops it; what clients make of it varies, so it counts here.
        """
        events: list[bytes | None] = []
        if not self.is_overlong:
            self._end_line(events)
            self._end_event(events)
        return events

    def _end_line(self, events: list[bytes | None]) -> None:
        line = b"".join(self._line)
        self._line.clear()
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        if not line:
            self._end_event(events)
            return
        self._any_line = True
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))

    def _end_event(self, events: list[bytes | None]) -> None:
        if self._any_line:
            events.append(b"\n".join(self._data) if self._data else None)
        self._data.clear()
        self._size = 0
        self._any_line = False
