"""What every event log does with drafts before and when they enter, apart from where it keeps them.

Law: an event id enters once. Drafts that are all there already, with equal content, are a repetition and
change nothing, however stale the position they were decided on; partly there is a conflict.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

import attrs

from adapters.codec import EVENTS, Encoded
from adapters.store.chain import Entry, Head, Row, extend
from engine.errors import IdempotencyConflict, LogDamaged, StoreError, WrongPosition
from engine.events import Draft, Recorded, stream_of
from engine.names import Position


@attrs.frozen
class Incoming:
    event_id: str
    stream_id: str
    encoded: Encoded
    actor: str


@attrs.frozen
class Batch:
    """The drafts of one append, encoded."""

    incoming: tuple[Incoming, ...]
    expected: Position
    causation_id: str | None
    recorded_at: int

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(one.event_id for one in self.incoming)

    @property
    def streams(self) -> frozenset[str]:
        return frozenset(one.stream_id for one in self.incoming)


def prepare(drafts: Sequence[Draft], expected: Position, actor: str, causation: UUID | None, recorded_at: int) -> Batch:
    """Raises ValueError where the caller is wrong: no drafts, one id twice, an event that cannot be stored."""
    if not drafts:
        raise ValueError("an append needs at least one draft")
    incoming = tuple(
        Incoming(draft.event_id.hex, stream_of(draft.event), EVENTS.encode(draft.event), draft.actor or actor)
        for draft in drafts
    )
    if len({one.event_id for one in incoming}) < len(incoming):
        raise ValueError("two drafts of one append have the same event id")
    for text in {*(one.actor for one in incoming), *(one.stream_id for one in incoming)}:
        if "\0" in text or not _is_unicode(text):
            raise ValueError(f"{text!r} cannot be stored: an actor or a name is Unicode text without NUL")
    return Batch(incoming, expected, None if causation is None else causation.hex, recorded_at)


def _is_unicode(text: str) -> bool:
    """False where it holds half a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@attrs.frozen
class Known:
    """What the log already holds under an event id."""

    position: Position
    content: Encoded


def admit(batch: Batch, head: Position, known: Mapping[str, Known]) -> Position | None:
    """None: they may enter now. A position: a repetition, and its last event is there.

    Raises: IdempotencyConflict, WrongPosition.
    """
    if known:
        for one in batch.incoming:
            there = known.get(one.event_id)
            if there is None:
                raise IdempotencyConflict(
                    f"{len(known)} of {len(batch.incoming)} events of this append are in the log already; "
                    f"event id {UUID(one.event_id)} is not"
                )
            if not _equal(there.content, one.encoded):
                raise IdempotencyConflict(
                    f"event id {UUID(one.event_id)} is in the log with other content, at position {there.position}"
                )
        return max(there.position for there in known.values())
    if batch.expected != head:
        raise WrongPosition(expected=batch.expected, actual=head)
    return None


def _equal(there: Encoded, here: Encoded) -> bool:
    """Equal as events: an older schema of the same fact is no other content."""
    if there == here:
        return True
    try:
        return EVENTS.encode(EVENTS.decode(there.type, there.schema, there.payload)) == here
    except (StoreError, ValueError):
        return False


def entries(batch: Batch, head: Head, versions: Mapping[str, int]) -> tuple[Entry, ...]:
    """The batch as it is stored after the head; `versions` are the present ones of its streams (absent: none)."""
    present = dict(versions)
    stored: list[Entry] = []
    for one in batch.incoming:
        present[one.stream_id] = present.get(one.stream_id, 0) + 1
        entry = extend(
            head,
            Entry(
                position=head.position + 1,
                stream_id=one.stream_id,
                stream_version=present[one.stream_id],
                event_id=one.event_id,
                type=one.encoded.type,
                schema_version=one.encoded.schema,
                payload=one.encoded.payload,
                actor=one.actor,
                correlation_id=batch.incoming[0].event_id,
                causation_id=batch.causation_id,
                recorded_at=batch.recorded_at,
                hash=b"",
            ),
        )
        stored.append(entry)
        head = Head(entry.position, entry.hash)
    return tuple(stored)


def check_page(after: Position, limit: int) -> None:
    """Raises ValueError where the caller of a read is wrong."""
    if after < 0 or limit < 1:
        raise ValueError(f"after is {after}, at least 0; limit is {limit}, at least 1")


def recorded(row: Row) -> Recorded:
    """A stored event as the engine reads it. Raises LogDamaged."""
    position, _, _, event_id, type_name, schema, payload, actor, correlation, _, recorded_at, _ = row
    try:
        event = EVENTS.decode(type_name, schema, payload)
    except (StoreError, TypeError) as error:
        raise LogDamaged(position, str(error)) from error
    return Recorded(position, event, event_id, actor, recorded_at, correlation)
