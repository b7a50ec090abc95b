"""The live stream's messages as text, for both of its ends.

Law: one JSON object a message, its `type` first; `decode` gives back what was encoded, ignores fields it does not
know, and answers None for a type it does not know, so that a newer gateway can say more to an older client.
"""

from typing import Final, TypeAlias

import attrs
import msgspec

from projections.live import Delta, Snapshot


@attrs.frozen
class Heartbeat:
    """Nothing to tell: the client has everything up to `seq`."""

    seq: int


Message: TypeAlias = Snapshot | Delta | Heartbeat


@attrs.frozen
class _Tagged:
    type: str


_NAMES: Final[dict[type[Message], str]] = {Snapshot: "snapshot", Delta: "delta", Heartbeat: "heartbeat"}
_DECODERS: Final = {name: msgspec.json.Decoder(kind) for kind, name in _NAMES.items()}
_TAG: Final = msgspec.json.Decoder(_Tagged)
_ENCODER: Final = msgspec.json.Encoder()


def encode(message: Message) -> str:
    fields = {field.name: getattr(message, field.name) for field in attrs.fields(type(message))}
    return _ENCODER.encode({"type": _NAMES[type(message)], **fields}).decode()


def decode(text: str | bytes) -> Message | None:
    """The message; None where its type is unknown here. Raises ValueError."""
    decoder = _DECODERS.get(_TAG.decode(text).type)
    return None if decoder is None else decoder.decode(text)
