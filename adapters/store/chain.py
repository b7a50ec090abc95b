"""The hash chain over the log: each event's hash covers every stored field of it and the hash before it.

Law: whoever changes, removes, adds or reorders stored events without rewriting all that follow is found at the
first such position. It proves nothing against someone who can rewrite the tail and the head; for that the
head's hash must be kept elsewhere.
"""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any, Final, NamedTuple, TypeAlias

import attrs
import msgspec

from engine.errors import LogDamaged
from engine.names import Position


class Entry(NamedTuple):
    """An event as it is stored, field for column. Ids are 32 hexadecimal digits.

    A tuple, so that the rows of a database are entries as they come: a log is read by the million.
    """

    position: Position
    stream_id: str
    stream_version: int
    "Dense within the stream, from 1."
    event_id: str
    type: str
    schema_version: int
    payload: str
    actor: str
    correlation_id: str
    "The first event of the same append: what was decided together."
    causation_id: str | None
    "What asked for the append; None where nobody said."
    recorded_at: int
    hash: bytes


Row: TypeAlias = Sequence[Any]
"""The fields of an `Entry` in their order, as a database's driver gave them: of whatever type."""

HASH: Final = Entry._fields.index("hash")
"""Where the hash stands in a row; all before it is hashed."""


@attrs.frozen
class Head:
    """Where the log ends."""

    position: Position = 0
    hash: bytes = bytes(32)


_encode = msgspec.msgpack.Encoder().encode


def digest(previous: bytes, row: Row) -> bytes:
    """SHA-256, 32 bytes, of the hash before and all other fields of the row as one msgpack array."""
    return sha256(_encode((previous, *row[:HASH]))).digest()


def extend(head: Head, entry: Entry) -> Entry:
    """The entry with its hash, as the next one after the head."""
    return entry._replace(hash=digest(head.hash, entry))


def checked(head: Head, rows: Iterable[Row]) -> Iterator[Row]:
    """The rows, each once it was checked against the one before. Raises LogDamaged."""
    position, previous = head.position, head.hash
    for row in rows:
        position += 1
        if row[0] != position:
            raise LogDamaged(position, f"is missing; the next one stored is {row[0]}")
        stored = row[HASH]
        # What `digest` does, without a call for each of a million rows.
        if sha256(_encode((previous, *row[:HASH]))).digest() != stored:
            raise LogDamaged(position, "was changed after it was appended: its hash does not fit")
        previous = stored
        yield row


def follow(head: Head, rows: Sequence[Row]) -> Head:
    """The head after stored rows, each checked. Raises LogDamaged."""
    for _ in checked(head, rows):
        pass
    return end_of(head, rows)


def end_of(head: Head, rows: Sequence[Row]) -> Head:
    """The head after rows that were checked."""
    return Head(rows[-1][0], rows[-1][HASH]) if rows else head


def arrive(reached: Head, head: Head) -> Position:
    """The head's position, if the chain ends exactly there. Raises LogDamaged."""
    if reached.position < head.position:
        raise LogDamaged(reached.position + 1, f"is missing; the log says it ends at {head.position}")
    if reached.position > head.position:
        raise LogDamaged(head.position + 1, "is stored, but the log says it ends before it")
    if reached.hash != head.hash:
        raise LogDamaged(head.position, "is the last one, but its hash is not the one the log ends with")
    return head.position


def meet(reached: Head, head: Head, seen: Head) -> None:
    """Check the end of the log against where a reader has come, and against what was there before. Raises LogDamaged.

    `reached` may lie beyond the head where the reader asked for what is not there yet; `seen` never may.
    """
    if seen.position > head.position:
        raise LogDamaged(head.position + 1, f"was there and is missing; the log says it ends at {head.position}")
    if seen.position == head.position:
        arrive(seen, head)
    if reached.position < head.position:
        arrive(reached, head)
