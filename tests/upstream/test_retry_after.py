"""What a provider's wish to be left alone is read as."""

import datetime as dt
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.upstream.retry_after import LONGEST_NS, retry_after_ns

NOW = 1_445_412_480  # Wed, 21 Oct 2015 07:28:00 GMT
S = 10**9

READ: list[tuple[dict[bytes, bytes], int | None]] = [
    ({}, None),
    ({b"retry-after": b"0"}, 0),
    ({b"retry-after": b"120"}, 120 * S),
    ({b"retry-after": b" 007 "}, 7 * S),
    ({b"retry-after": b"1.5"}, 1_500_000_000),
    ({b"retry-after": b".25"}, 250_000_000),
    ({b"retry-after": b"0.0000000019"}, 1),
    ({b"retry-after": b"-3"}, 0),
    ({b"retry-after": b"-0.5"}, 0),
    ({b"retry-after": b"9" * 5000}, LONGEST_NS),
    ({b"retry-after": b"0" * 5000 + b"1"}, S),
    ({b"retry-after": b"9223372037"}, LONGEST_NS),
    ({b"retry-after": b"1e3"}, None),
    ({b"retry-after": b"5s"}, None),
    ({b"retry-after": b"5."}, None),
    ({b"retry-after": b"+5"}, None),
    ({b"retry-after": b"5, 10"}, None),
    ({b"retry-after": b"1_000"}, None),
    ({b"retry-after": b"inf"}, None),
    ({b"retry-after": b"nan"}, None),
    ({b"retry-after": b"-"}, None),
    ({b"retry-after": b"."}, None),
    ({b"retry-after": b""}, None),
    ({b"retry-after": b"soon"}, None),
    ({b"retry-after": "٣".encode()}, None),
    ({b"retry-after": b"Wed, 21 Oct 2015 07:28:30 GMT"}, 30 * S),
    ({b"retry-after": b"Wednesday, 21-Oct-15 07:28:30 GMT"}, 30 * S),
    ({b"retry-after": b"Wed Oct 21 07:28:30 2015"}, 30 * S),
    ({b"retry-after": b"Wed, 21 Oct 2015 07:27:00 GMT"}, 0),
    ({b"retry-after": b"Wed, 21 Oct 2015 07:28:30 GMT", b"date": b"Wed, 21 Oct 2015 07:28:20 GMT"}, 10 * S),
    ({b"retry-after": b"Wed, 21 Oct 2015 07:28:30 GMT", b"date": b"today"}, 30 * S),
    ({b"retry-after": b"Fri, 31 Dec 9999 23:59:59 GMT"}, LONGEST_NS),
    ({b"retry-after": b"Mon, 01 Jan 0001 00:00:00 GMT"}, 0),
    ({b"retry-after": b"Wed, 99 Oct 2015 07:28:30 GMT"}, None),
    ({b"retry-after": b"Wed, 21 Oct 2015 07:28:30 +9999"}, None),
    ({b"retry-after": b"Wed, 21 Oct 2015 07:28:30 GMT" + b" " + b"x" * 99}, None),
    ({b"retry-after-ms": b"1500"}, 1_500_000_000),
    ({b"retry-after-ms": b"0.5"}, 500_000),
    ({b"retry-after-ms": b"0.0000019"}, 1),
    ({b"retry-after-ms": b"-1"}, 0),
    ({b"retry-after-ms": b"250", b"retry-after": b"1"}, 250_000_000),
    ({b"retry-after-ms": b"Wed, 21 Oct 2015 07:28:30 GMT"}, None),
    ({b"retry-after-ms": b"x", b"retry-after": b"1"}, S),
]


@pytest.mark.parametrize(("fields", "wanted"), READ)
def test_what_is_read(fields: dict[bytes, bytes], wanted: int | None) -> None:
    """HEALTH-6, RFC 9110, 10.2.3: milliseconds, then seconds or a date; what has passed is 0, nonsense is nothing."""
    assert retry_after_ns(list(fields.items()), lambda: NOW) == wanted


def test_a_field_that_cannot_be_read_does_not_hide_another() -> None:
    """HEALTH-6: the first that can be read counts."""
    fields = [(b"retry-after", b"x"), (b"retry-after", b"2"), (b"retry-after", b"3")]
    assert retry_after_ns(fields, lambda: NOW) == 2 * S


def test_a_field_made_to_be_slow_is_not() -> None:
    """As long as a head may be; a pattern that backtracks would take minutes."""
    for value in (b"0" * 250_000 + b"x", b"9" * 250_000, b"." * 250_000, b"1." + b"1" * 250_000, b", " * 125_000):
        found = retry_after_ns([(b"retry-after", value)], lambda: NOW)
        assert found is None or 0 <= found <= LONGEST_NS


PARTS = [
    "Wed",
    ",",
    " ",
    "21",
    "Oct",
    "2015",
    "99999",
    "07:28:30",
    "24:61:99",
    "GMT",
    "-0000",
    "+9999",
    "-",
    ".",
    "0",
    "9" * 30,
    "²",
    ":",
]
values = st.binary(max_size=40) | st.lists(st.sampled_from(PARTS), max_size=12).map(
    lambda parts: "".join(parts).encode()
)
names = st.sampled_from([b"retry-after", b"retry-after-ms", b"date", b"x"])


@given(st.lists(st.tuples(names, values), max_size=5), st.integers(-(2**70), 2**70))
def test_it_is_total(fields: list[tuple[bytes, bytes]], now: int) -> None:
    """HEALTH-6: whatever the fields and the clock say, nothing raises and nothing is out of bounds."""
    found = retry_after_ns(fields, lambda: now)
    assert found is None or 0 <= found <= LONGEST_NS


dates = st.datetimes(min_value=dt.datetime(1900, 1, 1), timezones=st.just(dt.UTC)).map(  # noqa: DTZ001 - as it must be
    lambda date: date.replace(microsecond=0)
)


@given(dates, dates)
def test_dates_are_the_difference(then: dt.datetime, now: dt.datetime) -> None:
    """RFC 9110, 5.6.7: in whole seconds, from the answer's own clock."""
    dated = ((b"retry-after", then), (b"date", now))
    fields = [(name, format_datetime(date, usegmt=True).encode()) for name, date in dated]
    seconds = int((then - now).total_seconds())
    assert retry_after_ns(fields, lambda: 0) == min(max(seconds * S, 0), LONGEST_NS)
