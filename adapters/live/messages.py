"""The live stream's messages as text, for both of its ends.

Law: one JSON object a message, its `type` first; `decode` gives back what was encoded, ignores fields it does not
know, and answers None for a type it does not know, so that a newer gateway can say more to an older client.
"""

from typing import Final, TypeAlias

import attrs
import msgspec

from engine.names import Position
from projections.live import Delta, Gap, Snapshot


@attrs.frozen
class Heartbeat:
    """Nothing to tell: the client has everything up to `seq`."""

    seq: int
    position: Position


@attrs.frozen
class ResyncRequired:
    """What the client knows cannot be brought up to date; a snapshot follows."""

    since: int
    "What the client had."
    reason: str
    "expired or unknown_seq."
    detail: str
    "The same for people."

    @classmethod
    def of(cls, since: int, gap: Gap) -> "ResyncRequired":
        return cls(since, gap.value, _WHY[gap])


Message: TypeAlias = Snapshot | Delta | Heartbeat | ResyncRequired

_WHY: Final = {
    Gap.EXPIRED: "More has changed since than is kept for those who come back or read slowly.",
    Gap.UNKNOWN: "This process has never told of such a state: it was another process's, before the gateway started.",
}


@attrs.frozen
class _Tagged:
    type: str


NAMES: Final[dict[type[Message], str]] = {
    Snapshot: "snapshot",
    Delta: "delta",
    Heartbeat: "heartbeat",
    ResyncRequired: "resync_required",
}
_DECODERS: Final = {name: msgspec.json.Decoder(kind) for kind, name in NAMES.items()}
_TAG: Final = msgspec.json.Decoder(_Tagged)
_ENCODER: Final = msgspec.json.Encoder()


def encode(message: Message) -> bytes:
    fields = {field.name: getattr(message, field.name) for field in attrs.fields(type(message))}
    return _ENCODER.encode({"type": NAMES[type(message)], **fields})


def decode(text: str | bytes) -> Message | None:
    """The message; None where its type is unknown here. Raises ValueError."""
    decoder = _DECODERS.get(_TAG.decode(text).type)
    return None if decoder is None else decoder.decode(text)
