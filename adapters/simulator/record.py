"""What the simulator received, and how each request ended.

Law: a request is settled before the client can see its end, so that who has seen the end also sees it here; the record
is bounded in requests and in bytes, the oldest leave first, and no count depends on what has left.
"""

import base64
from collections import deque
from enum import Enum

import attrs

from adapters.simulator.shape import Json

MOST_BYTES = 128 * 2**20
"""Bytes of all bodies kept together."""


class Ended(Enum):
    """How a request ended."""

    IN_PROGRESS = "in_progress"
    """Not yet."""
    ANSWERED = "answered"
    """Completely, an error status included."""
    CUT = "cut"
    """By the simulator, on purpose, inside the answer's body."""
    REFUSED = "refused"
    """By the simulator, on purpose, before any byte of an answer."""
    CLIENT_GONE = "client_gone"
    """The client closed the connection first."""


@attrs.define
class Received:
    """One request as it came."""

    number: int
    connection: int
    "The number of the connection it came on."
    method: str
    target: str
    headers: list[tuple[bytes, bytes]] = attrs.field(repr=False)
    "As received: order and letter case kept."
    body: bytes = attrs.field(repr=False)
    ended: Ended = Ended.IN_PROGRESS
    status: int | None = None
    "Of the answer, once its head is sent."
    events: int = 0
    "Server-sent events written."

    def as_json(self) -> Json:
        try:
            body, encoding = self.body.decode("utf-8"), "utf-8"
        except UnicodeDecodeError:
            body, encoding = base64.b64encode(self.body).decode("ascii"), "base64"
        return {
            "number": self.number,
            "connection": self.connection,
            "method": self.method,
            "target": self.target,
            "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in self.headers],
            "body": body,
            "body_encoding": encoding,
            "status": self.status,
            "events": self.events,
            "ended": self.ended.value,
        }


class Record:
    """The newest requests, and counts of all."""

    def __init__(self) -> None:
        self._kept: deque[Received] = deque()
        self._bytes = 0
        self._counts = dict.fromkeys(Ended, 0)
        self.received = 0
        "Requests since the start."

    @property
    def in_progress(self) -> int:
        return self._counts[Ended.IN_PROGRESS]

    def begin(
        self, connection: int, method: str, target: str, headers: list[tuple[bytes, bytes]], body: bytes, *, limit: int
    ) -> Received:
        self.received += 1
        received = Received(self.received, connection, method, target, headers, body)
        self._counts[Ended.IN_PROGRESS] += 1
        self._kept.append(received)
        self._bytes += len(body)
        while len(self._kept) > limit or (self._bytes > MOST_BYTES and len(self._kept) > 1):
            self._bytes -= len(self._kept.popleft().body)
        return received

    def settle(self, received: Received, ended: Ended) -> None:
        """How it ended; the last word counts, for a final write can still fail."""
        self._counts[received.ended] -= 1
        self._counts[ended] += 1
        received.ended = ended

    def clear(self) -> int:
        """Forget the kept requests, not the counts; how many there were."""
        forgotten = len(self._kept)
        self._kept.clear()
        self._bytes = 0
        return forgotten

    def as_json(self) -> Json:
        """Oldest first."""
        return [received.as_json() for received in self._kept]

    def counts(self) -> Json:
        ended = {how.value: n for how, n in self._counts.items() if how is not Ended.IN_PROGRESS}
        return {"received": self.received, **ended}
