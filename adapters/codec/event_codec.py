"""Events to JSON text and back.

Law: what `encode` gives, `decode` gives back equal, or `encode` refuses it; and the same event is the same
bytes on every machine (keys sorted), because the bytes are hashed.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import msgspec

from adapters.codec.kinds import Kind
from adapters.codec.upcasters import Document, Upcaster
from engine.errors import StoreError
from engine.events import Event


class UnreadableEvent(StoreError):
    """A stored event cannot be understood; the message says whether a newer version wrote it."""


@attrs.frozen
class Encoded:
    type: str
    schema: int
    payload: str
    "JSON text."


class EventCodec:
    """Reads and writes the given kinds; each schema below the present one needs its upcaster."""

    def __init__(self, kinds: Iterable[Kind], upcasters: Mapping[tuple[str, int], Upcaster]) -> None:
        self._by_class = {kind.event: kind for kind in kinds}
        self._by_name = {kind.name: kind for kind in self._by_class.values()}
        self._upcasters = dict(upcasters)
        wanted = {(kind.name, schema) for kind in self._by_name.values() for schema in range(1, kind.schema)}
        if wanted != self._upcasters.keys():
            raise ValueError(f"upcasters do not fit the kinds: {sorted(wanted ^ self._upcasters.keys())}")
        self._encoder = msgspec.json.Encoder(order="sorted", enc_hook=_plain_mapping)
        self._decoders = {(kind.name, kind.schema): msgspec.json.Decoder(kind.event) for kind in self._by_name.values()}

    def encode(self, event: Event) -> Encoded:
        """The event as it is stored. Raises ValueError where it would not be read back equal."""
        kind = self._by_class[type(event)]
        decoder = self._decoders[kind.name, kind.schema]
        try:
            # Written, read and written again: 90 in a float field is stored as 90.0, as a reader would write it.
            stored = decoder.decode(self._encoder.encode(event))
            payload = self._encoder.encode(stored).decode()
        except (TypeError, ValueError) as error:
            raise ValueError(f"{kind.name} cannot be stored: {error}") from error
        for field in attrs.fields(kind.event):
            given = getattr(event, field.name)
            if (dict(given) if isinstance(given, Mapping) else given) != getattr(stored, field.name):
                shown = f"={given!r}" if field.repr else ""  # no digest in a message
                raise ValueError(f"{kind.name} cannot be stored: {field.name}{shown} would be read back otherwise")
        return Encoded(kind.name, kind.schema, payload)

    def decode(self, type_name: str, schema: int, payload: str) -> Event:
        """The event that was stored. Raises UnreadableEvent."""
        decoder = self._decoders.get((type_name, schema))
        try:
            event = self._upcast(type_name, schema, payload) if decoder is None else decoder.decode(payload)
        except (LookupError, TypeError, ValueError) as error:  # LookupError: an upcaster missed a field
            raise UnreadableEvent(f"{type_name!r} of schema {schema} is malformed: {error}") from error
        return event  # type: ignore[no-any-return]  # the decoder's class is one of Event's

    def _upcast(self, type_name: str, schema: int, payload: str) -> Any:
        kind = self._by_name.get(type_name)
        if kind is None:
            raise UnreadableEvent(f"type {type_name!r} is unknown here: it was written by a newer version")
        if schema > kind.schema:
            raise UnreadableEvent(
                f"{type_name!r} has schema {schema}, this version reads up to {kind.schema}: "
                "it was written by a newer version"
            )
        if schema < 1:
            raise UnreadableEvent(f"{type_name!r} has schema {schema}; the first one is 1")
        document = msgspec.json.decode(payload, type=Document)
        for older in range(schema, kind.schema):
            document = self._upcasters[type_name, older](document)
        return msgspec.convert(document, kind.event)


def _plain_mapping(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no place in an event")
