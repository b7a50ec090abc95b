"""Events as text: a type name, a schema number and JSON.

Law: what `encode` gives, `decode` gives back equal, or `encode` refuses it; and the same event is the same
bytes on every machine (keys sorted), because the bytes are hashed. Names and numbers are chosen by hand and
never change: a new shape gets the next schema number, and an upcaster from the old one.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

import attrs
import msgspec

from engine.errors import StoreError
from engine.events import (
    Event,
    KeyDefined,
    KeyRemoved,
    PoolDefined,
    PoolRemoved,
    ProviderDefined,
    ProviderRemoved,
    RuleDefined,
    RuleRemoved,
    SettingsChanged,
)

Document: TypeAlias = dict[str, Any]
Upcaster: TypeAlias = Callable[[Document], Document]
"""From a document of one schema to the same fact in the next."""


class UnreadableEvent(StoreError):
    """A stored event cannot be understood; the message says whether a newer version wrote it."""


@attrs.frozen
class Kind:
    """What one event class is called in the log, and the schema it is written in now."""

    name: str
    schema: int
    event: type[Any]


@attrs.frozen
class Encoded:
    type: str
    schema: int
    payload: str
    "JSON text."


KINDS: Final = (
    Kind("settings.changed", 1, SettingsChanged),
    Kind("key.defined", 1, KeyDefined),
    Kind("key.removed", 1, KeyRemoved),
    Kind("pool.defined", 2, PoolDefined),
    Kind("pool.removed", 1, PoolRemoved),
    Kind("provider.defined", 2, ProviderDefined),
    Kind("provider.removed", 1, ProviderRemoved),
    Kind("rule.defined", 2, RuleDefined),
    Kind("rule.removed", 1, RuleRemoved),
)


def _pool_from_1(old: Document) -> Document:
    """There were no circuits, and no look into an answer of status 200; every failure to get one was tried again."""
    return old | {
        "affinity_header": None,
        "affinity_max_load_percent": 125,
        "circuit_cooldowns_s": [60.0, 300.0, 900.0],
        "circuit_enabled": False,
        "circuit_failures": 3,
        "circuit_max_retry_after_s": 60.0,
        "circuit_open_on_status": [],
        "circuit_when_all_open": "probe",
        "connect_timeout_s": None,
        "fallback_exhausted": "relay",
        "fallback_on_connect_error": True,
        "fallback_on_embedded_error": False,
        "fallback_on_maybe_executed": True,
        "fallback_on_timeout": True,
        "first_byte_timeout_s": None,
        "idle_timeout_s": None,
        "total_timeout_s": None,
    }


def _provider_from_1(old: Document) -> Document:
    later = ("connect_timeout_s", "deployment", "idle_timeout_s", "priority", "total_timeout_s")
    return old | dict.fromkeys(later) | {"cost": 0.0}


def _rule_from_1(old: Document) -> Document:
    """Every redirect opened its target (DEF-26)."""
    return old | {"opens_target": old["action"] == "redirect"}


UPCASTERS: Final[Mapping[tuple[str, int], Upcaster]] = {
    ("pool.defined", 1): _pool_from_1,
    ("provider.defined", 1): _provider_from_1,
    ("rule.defined", 1): _rule_from_1,
}
"""By type name and the schema they read. What a fact of then did not say is as the gateway of then did it."""


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
                raise ValueError(f"{kind.name} cannot be stored: {field.name}={given!r} would be read back otherwise")
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


EVENTS: Final = EventCodec(KINDS, UPCASTERS)
"""The codec of everything this version writes."""
