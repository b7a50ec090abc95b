"""The hash chain over the log: each event's hash covers every stored field of it and the hash before it.

Law: whoever changes, removes, adds or reorders stored events without rewriting all that follow is found at the
first such position. It proves nothing against someone who can rewrite the tail and the head; for that the
head's hash must be kept elsewhere.
"""

from collections.abc import Iterable
from hashlib import sha256

import attrs
import msgspec

from engine.errors import LogDamaged
from engine.names import Position


@attrs.frozen
class Entry:
    """An event as it is stored, field for column. Ids are 32 hexadecimal digits."""

    position: Position
    stream_id: str
    stream_version: int
    "Dense within the stream, from 1."
    event_id: str
    type: str
    schema_version: int
    payload: str
    actor: str
    correlation_id: str | None
    "The first event of the same append: what was decided together."
    causation_id: str | None
    recorded_at: int
    hash: bytes = b""


@attrs.frozen
class Head:
    """Where the log ends."""

    position: Position = 0
    hash: bytes = bytes(32)


_FIELDS = tuple(field.name for field in attrs.fields(Entry) if field.name != "hash")


def digest(previous: bytes, entry: Entry) -> bytes:
    """SHA-256, 32 bytes, of the hash before and all other fields of the entry as one msgpack array."""
    return sha256(msgspec.msgpack.encode((previous, *(getattr(entry, name) for name in _FIELDS)))).digest()


def extend(head: Head, entry: Entry) -> Entry:
    """The entry with its hash, as the next one after the head."""
    return attrs.evolve(entry, hash=digest(head.hash, entry))


def follow(head: Head, entries: Iterable[Entry]) -> Head:
    """The head after stored entries, each checked against the one before. Raises LogDamaged."""
    for entry in entries:
        expected = head.position + 1
        if entry.position != expected:
            raise LogDamaged(expected, f"is missing; the next one stored is {entry.position}")
        if digest(head.hash, entry) != entry.hash:
            raise LogDamaged(expected, "was changed after it was appended: its hash does not fit")
        head = Head(expected, entry.hash)
    return head


def arrive(reached: Head, head: Head) -> Position:
    """The head's position, if the chain ends exactly there. Raises LogDamaged."""
    if reached.position < head.position:
        raise LogDamaged(reached.position + 1, f"is missing; the log says it ends at {head.position}")
    if reached.position > head.position:
        raise LogDamaged(head.position + 1, "is stored, but the log says it ends before it")
    if reached.hash != head.hash:
        raise LogDamaged(head.position, "is the last one, but its hash is not the one the log ends with")
    return head.position
