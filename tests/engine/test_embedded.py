"""Errors inside answers that look successful, in JSON and in events."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.embedded import LONGEST_EVENT, EventReader, status_in_json

TOLD: list[tuple[bytes, int | None]] = [
    (b'{"error": {"code": 429}}', 429),
    (b'{"error": {"code": "503", "message": "m"}, "id": 1}', 503),
    (b'{"\\u0065rror": {"code": 400}}', 400),
    (b'\xef\xbb\xbf{"error": {"code": 599}}', 599),
    (b'{"error": {"code": 399}}', None),
    (b'{"error": {"code": 600}}', None),
    (b'{"error": {"code": "600"}}', None),
    (b'{"error": {"code": "rate_limit_exceeded"}}', None),
    (b'{"error": {"code": "4290"}}', None),
    (b'{"error": {"code": " 429"}}', None),
    ('{"error": {"code": "٤٢٩"}}'.encode(), None),
    (b'{"error": {"code": 429.0}}', None),
    (b'{"error": {"code": true}}', None),
    (b'{"error": {"code": null}}', None),
    (b'{"error": {"code": [429]}}', None),
    (b'{"error": {"status": 429}}', None),
    (b'{"error": {"inner": {"code": 429}}}', None),
    (b'{"error": "429"}', None),
    (b'{"error": null, "code": 429}', None),
    (b'{"choices": [{"error": {"code": 429}}]}', None),
    (b'[{"error": {"code": 429}}]', None),
    (b'{"error": {"code": 429}', None),
    (b'"error"', None),
    (b"error", None),
    (b"[DONE]", None),
    (b"", None),
    (b'{"error": {"code": %s}}' % (b"9" * 5000), None),
    (b'{"error": ' * 30_000, None),
    (b"\xfferror", None),
]


@pytest.mark.parametrize(("body", "status"), TOLD, ids=[repr(body[:50]) for body, _ in TOLD])
def test_a_status_is_found_where_it_belongs(body: bytes, status: int | None) -> None:
    """FB-11: `error.code` of the object itself, a number or its digits, 400 to 599."""
    assert status_in_json(body) == status


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["429", 503]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["error", "code", "x"]), inner),
    max_leaves=8,
)


@given(st.binary() | values.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_told(body: bytes) -> None:
    """FB-11: nothing raises, and what is found is a status."""
    found = status_in_json(body)
    assert found is None or 400 <= found <= 599


STREAMS: list[tuple[bytes, list[bytes | None]]] = [
    (b"data: a\n\n", [b"a"]),
    (b"data:a\r\n\r\n", [b"a"]),
    (b"data:  a\r\r", [b" a"]),
    (b"data: a\r\n\ndata: b\n\r\n", [b"a", b"b"]),
    (b"data: a\ndata\ndata:b\n\n", [b"a\n\nb"]),
    (b"data:\n\n", [b""]),
    (b"data\n\n", [b""]),
    (b": ping\n\n", [None]),
    (b": ping\n\n: pong\r\r\n\n\ndata: a\n\n", [None, None, b"a"]),
    (b"event: error\nid: 7\nretry: 9\n: c\ndata: a:b\n\n", [b"a:b"]),
    (b"event: only\n\n", [None]),
    (b"database: x\nDATA: y\n data: z\n\n", [None]),
    (b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n", [b"a", None]),
    (b"\n\n\r\r\r\n\r\n", []),
    (b"", []),
    (b'{"error": {"code": 429}}', [None]),
    (b"data: a\n\ndata: unfinished", [b"a", b"unfinished"]),
    (b"data: a\n: last", [b"a"]),
]


@pytest.mark.parametrize(("stream", "events"), STREAMS)
def test_events_by_the_whole_grammar(stream: bytes, events: list[bytes | None]) -> None:
    """STREAM-4, DEF-36: all three line ends, mixed; comments; data over several lines; a mark at the start."""
    reader = EventReader()
    assert reader.feed(stream) + reader.end() == events


lines = st.sampled_from(
    [b"data", b"data:", b"data: ", b": c", b"id: 1", b"", b"x", b"\xef\xbb\xbf", b"\n", b"\r", b"\r\n"]
)


@given(st.lists(lines, max_size=30).map(b"".join), st.data())
def test_events_do_not_depend_on_the_pieces(stream: bytes, data: st.DataObject) -> None:
    """STREAM-4: cut anywhere, between CR and LF too, and with empty pieces."""
    whole = EventReader()
    wanted = whole.feed(stream) + whole.end()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    reader = EventReader()
    events: list[bytes | None] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        events += reader.feed(stream[start:end])
    assert events + reader.end() == wanted


@given(st.lists(lines, max_size=30).map(b"".join))
def test_an_event_is_told_with_its_last_byte(stream: bytes) -> None:
    """STREAM-4: an ending of two CRs does not wait for what may follow it."""
    whole, single = EventReader(), EventReader()
    assert [event for byte in stream for event in single.feed(bytes([byte]))] == whole.feed(stream)


def test_only_the_unfinished_event_is_bounded() -> None:
    """STREAM-4, DEF-37: many small events are fine, one that does not end is not, and what came before it counts."""
    reader = EventReader()
    assert len(reader.feed(b"data: a\n\n" * LONGEST_EVENT)) == LONGEST_EVENT
    assert not reader.is_overlong
    assert reader.feed(b"data: b\n\ndata: " + b"x" * LONGEST_EVENT) == [b"b"]
    assert reader.is_overlong
    assert reader.feed(b"\n\ndata: c\n\n") == []
    assert reader.end() == []
    bytewise = EventReader()
    for _ in range(LONGEST_EVENT):
        bytewise.feed(b"x")
    assert not bytewise.is_overlong
    bytewise.feed(b"x")
    assert bytewise.is_overlong
