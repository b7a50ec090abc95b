"""Events as text: what each is called in the log, in which schema, and how old schemas are read.

Law: names and numbers are chosen by hand and never change: a new shape gets the next schema number, and an upcaster
from the old one. Every schema ever written has lines in `tests/golden/`.
"""

from typing import Final

from adapters.codec.event_codec import Encoded, EventCodec, UnreadableEvent
from adapters.codec.kinds import KINDS, NAMES, Kind
from adapters.codec.upcasters import UPCASTERS, Document, Upcaster

__all__ = [
    "EVENTS",
    "KINDS",
    "NAMES",
    "UPCASTERS",
    "Document",
    "Encoded",
    "EventCodec",
    "Kind",
    "UnreadableEvent",
    "Upcaster",
]

EVENTS: Final = EventCodec(KINDS, UPCASTERS)
"""The codec of everything this version writes."""
