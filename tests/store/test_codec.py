"""Events as text: stable names, stable bytes, old schemas still read."""

import math
from base64 import b64encode
from pathlib import Path
from typing import Any, get_args, get_type_hints

import attrs
import immutables
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.codec import EVENTS, KINDS, Encoded, EventCodec, Kind, UnreadableEvent
from engine import events
from engine.events import (
    Event,
    KeyDefined,
    KeyRemoved,
    PoolDefined,
    ProviderDefined,
    RuleDefined,
    SettingsChanged,
    TokenDefined,
    kind_of,
    stream_of,
)

CLASSES = set(get_args(Event))
GOLDEN = Path(__file__).parent.parent / "golden"


class Line(msgspec.Struct):
    type: str
    schema: int
    payload: msgspec.Raw


LINES = [
    msgspec.json.decode(line, type=Line)
    for file in sorted(GOLDEN.glob("events-v*.jsonl"))
    for line in file.read_bytes().splitlines()
]


@pytest.mark.parametrize("line", LINES, ids=[f"{line.type}-{line.schema}" for line in LINES])
def test_every_event_ever_written_is_read_and_written_alike(line: Line) -> None:
    """A golden line decodes; in the present schema it encodes to the same bytes, the ones that were hashed."""
    event = EVENTS.decode(line.type, line.schema, bytes(line.payload).decode())
    encoded = EVENTS.encode(event)
    assert encoded.type == line.type
    if encoded.schema == line.schema:
        assert encoded.payload.encode() == bytes(line.payload)


def test_the_golden_files_hold_every_schema_of_every_event() -> None:
    """And every member of `Event` has a wire name."""
    wanted = {(kind.name, schema) for kind in KINDS for schema in range(1, kind.schema + 1)}
    assert {(line.type, line.schema) for line in LINES} == wanted
    assert {kind.event for kind in KINDS} == CLASSES
    assert len({kind.name for kind in KINDS}) == len(KINDS) == len(CLASSES)


def test_every_event_belongs_to_an_entity() -> None:
    """And is exported with the others; its stream begins with its kind, of which there are a fixed few (DEF-14)."""
    for line in LINES:
        event = EVENTS.decode(line.type, line.schema, bytes(line.payload).decode())
        assert stream_of(event).split(":")[0] == kind_of(event)
        assert type(event).__name__ in events.__all__
    assert events._STREAMS.keys() == CLASSES
    defined = {one for one in map(vars(events).get, events.__all__) if isinstance(one, type)}
    assert defined - CLASSES == {events.Draft, events.Recorded}


def test_the_golden_lines_name_every_field() -> None:
    """A field added without a new schema number is noticed here."""
    for line in LINES:
        (kind,) = (kind for kind in KINDS if kind.name == line.type)
        if line.schema == kind.schema:
            written = msgspec.json.decode(line.payload, type=dict[str, Any])
            assert list(written) == sorted(field.name for field in attrs.fields(kind.event))


def in_schema(type_name: str, schema: int) -> list[Event]:
    """The golden events of one schema, as they are read now."""
    return [
        EVENTS.decode(line.type, line.schema, bytes(line.payload).decode())
        for line in LINES
        if (line.type, line.schema) == (type_name, schema)
    ]


def test_a_key_of_schema_1_is_nobodys_and_lasts() -> None:
    """It opens what lists it, from anywhere, and has had no other secret."""
    (key,) = in_schema("key.defined", 1)
    assert key == KeyDefined("team-a", "9f" * 32, True, {"env": "prod", "team": "a"}, 5, 2.5, 10)
    assert isinstance(key, KeyDefined)
    assert (key.user_id, key.purpose, key.aliases, key.cidrs) == (None, None, (), ())
    assert (key.expires_at, key.previous_digest, key.previous_until) == (None, None, None)


def test_a_pool_of_schema_1_does_what_it_did() -> None:
    """HEALTH-6, FB-4, FB-5, FB-11: no circuits then, every failure tried again, a 2xx never looked into."""
    for event in in_schema("pool.defined", 1):
        assert isinstance(event, PoolDefined)
        assert (event.circuit_enabled, event.fallback_on_embedded_error, event.fallback_exhausted) == (
            (False, False, "relay")
        )
        assert event.fallback_on_connect_error
        assert event.fallback_on_timeout
        assert event.fallback_on_maybe_executed
        named = ("connect_timeout_s", "first_byte_timeout_s", "idle_timeout_s", "total_timeout_s", "affinity_header")
        assert [getattr(event, name) for name in named] == [None] * 5


def test_a_provider_of_schema_1_keeps_its_timeout() -> None:
    """STREAM-5: and is a deployment of its own."""
    first, second = in_schema("provider.defined", 1)
    assert isinstance(first, ProviderDefined)
    assert isinstance(second, ProviderDefined)
    assert (first.header_timeout_s, second.header_timeout_s) == (45.0, None)
    assert (first.deployment, first.priority, first.cost, first.total_timeout_s) == (None, None, 0.0, None)


def test_a_redirect_of_schema_1_opens_its_target() -> None:
    """RULE-7, DEF-26: the table of then is read as it was; the file in force is what closes it."""
    rules = in_schema("rule.defined", 1)
    assert all(isinstance(rule, RuleDefined) for rule in rules)
    assert [(getattr(rule, "action", ""), getattr(rule, "opens_target", None)) for rule in rules] == [
        ("redirect", True),
        ("deny", False),
    ]


@given(st.builds(ProviderDefined, weight=st.integers(1, 9), requests_per_second=st.floats(0.01, 1e6)))
def test_an_event_survives_the_round_trip(event: ProviderDefined) -> None:
    """Whatever its text and numbers are."""
    encoded = EVENTS.encode(event)
    assert EVENTS.decode(encoded.type, encoded.schema, encoded.payload) == event


# Every field is drawn, those with a default too.
ANY_EVENT = st.sampled_from(sorted(CLASSES, key=lambda one: one.__name__)).flatmap(
    lambda one: st.builds(
        one, **{field.name: st.from_type(get_type_hints(one)[field.name]) for field in attrs.fields(one)}
    )
)


@given(ANY_EVENT)
def test_any_event_is_read_back_equal_or_refused(event: Event) -> None:
    """Refused is what JSON has no word for: NaN and infinity."""
    try:
        encoded = EVENTS.encode(event)
    except ValueError:
        values = attrs.astuple(event)
        flat = [one for value in values for one in (value if isinstance(value, tuple) else (value,))]
        assert not all(math.isfinite(one) for one in flat if isinstance(one, float))
        return
    assert EVENTS.decode(encoded.type, encoded.schema, encoded.payload) == event
    assert EVENTS.encode(EVENTS.decode(encoded.type, encoded.schema, encoded.payload)) == encoded


@pytest.mark.parametrize(
    "event",
    [
        KeyDefined("k", "9f" * 32, opens_all_pools=False, labels={}, previous_digest="a0" * 32),
        TokenDefined("t", "9f" * 32, "admin"),
    ],
)
def test_a_digest_is_in_no_text_about_an_event(event: Any) -> None:
    """Neither what it looks like in a log or a traceback, nor why it cannot be stored."""
    assert "9f9f" not in repr(event)
    assert "a0a0" not in repr(event)
    for field in attrs.fields(type(event)):
        if "digest" in field.name:
            with pytest.raises(ValueError, match="cannot be stored") as refused:
                EVENTS.encode(attrs.evolve(event, **{field.name: b"secret"}))
            assert "secret" not in str(refused.value)
            assert b64encode(b"secret").decode() not in str(refused.value)


def test_equal_events_are_equal_bytes() -> None:
    """The order of a mapping and the kind of a whole number do not show; any mapping will do."""
    one = KeyDefined("k", "00", opens_all_pools=False, labels={"a": "1", "b": "2"}, requests_per_second=5)
    two = attrs.evolve(one, labels=immutables.Map({"b": "2", "a": "1"}), requests_per_second=5.0)
    assert EVENTS.encode(one) == EVENTS.encode(two)


@pytest.mark.parametrize(
    "event",
    [
        SettingsChanged(strict_mode=False, max_idle_per_host=1, idle_timeout_s=float("nan")),
        KeyDefined("k", "00", opens_all_pools=False, labels={}, requests_per_second=float("inf")),
        KeyDefined("k", "00", opens_all_pools=False, labels={}, burst=True),
        KeyDefined("k", "00", opens_all_pools=False, labels={1: "x"}),  # type: ignore[dict-item]
        PoolDefined("a", "priority", keys=["k"]),  # type: ignore[arg-type]
        KeyRemoved(object()),  # type: ignore[arg-type]
        KeyRemoved("\ud800"),
    ],
)
def test_what_would_not_be_read_back_is_not_written(event: Event) -> None:
    """A limit of NaN would come back as no limit: ValueError instead."""
    with pytest.raises(ValueError, match="cannot be stored"):
        EVENTS.encode(event)


@pytest.mark.parametrize(
    ("type_name", "schema", "payload", "reason"),
    [
        ("key.rotated", 1, "{}", "'key.rotated' is unknown here: it was written by a newer version"),
        ("key.removed", 2, "{}", "schema 2, this version reads up to 1: it was written by a newer version"),
        ("key.removed", 0, "{}", "the first one is 1"),
        ("key.removed", 1, "{", "malformed"),
        ("key.removed", 1, "{}", "malformed: .*`key_id`"),
        ("key.removed", 1, '{"key_id":1}', "malformed"),
    ],
)
def test_what_cannot_be_read_says_why(type_name: str, schema: int, payload: str, reason: str) -> None:
    """A log from a newer version is told from a broken one."""
    with pytest.raises(UnreadableEvent, match=reason):
        EVENTS.decode(type_name, schema, payload)


@attrs.frozen
class Greeted:
    """Schema 1 had `name`, schema 2 `names`, schema 3 is this."""

    names: tuple[str, ...]
    loudly: bool


def _greeted(**upcasters: Any) -> EventCodec:
    return EventCodec(
        [Kind("greeted", 3, Greeted)],
        {("greeted", int(schema.removeprefix("from_"))): upcaster for schema, upcaster in upcasters.items()},
    )


def test_older_schemas_are_brought_up_to_the_present_one() -> None:
    """Step by step, on reading; what is stored stays as it is."""
    codec = _greeted(
        from_1=lambda old: {"names": [old["name"]]},
        from_2=lambda old: old | {"loudly": False},
    )
    assert codec.decode("greeted", 1, '{"name":"a"}') == Greeted(("a",), loudly=False)
    assert codec.decode("greeted", 2, '{"names":["a","b"]}') == Greeted(("a", "b"), loudly=False)
    present = Encoded("greeted", 3, '{"loudly":true,"names":["a"]}')
    assert codec.decode(present.type, present.schema, present.payload) == Greeted(("a",), loudly=True)
    assert codec.encode(Greeted(("a",), loudly=True)) == present  # type: ignore[arg-type]
    for schema, payload in ((1, "{}"), (2, '{"names":"a"}')):
        with pytest.raises(UnreadableEvent, match="malformed"):
            codec.decode("greeted", schema, payload)


@pytest.mark.parametrize("present", [{}, {"from_1": dict}, {"from_1": dict, "from_2": dict, "from_3": dict}])
def test_a_schema_without_its_upcaster_does_not_start(present: dict[str, Any]) -> None:
    """Nor one with an upcaster too many."""
    with pytest.raises(ValueError, match="upcasters do not fit"):
        _greeted(**present)
