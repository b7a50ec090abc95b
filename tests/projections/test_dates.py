"""Moments in words."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.dates import utc

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_moment_reads_as_the_calendar_has_it(drawn: datetime) -> None:
    """To the second, in UTC; RFC 3339."""
    moment = drawn.replace(microsecond=0)
    written = utc((moment - EPOCH) // timedelta(seconds=1))
    assert (written if "T" in written else f"{written}T00:00:00Z") == moment.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, "1970-01-01"),
        (-1, "1969-12-31T23:59:59Z"),
        (951_782_400, "2000-02-29"),
        (951_868_800, "2000-03-01"),
        (4_107_542_400, "2100-03-01"),
        (1_796_000_000, "2026-11-30T00:53:20Z"),
        (253_402_300_800, "10000-01-01"),
        (-62_167_219_201, "-001-12-31T23:59:59Z"),
    ],
)
def test_midnight_is_the_day_alone(seconds: int, written: str) -> None:
    """And no number of seconds is out of bounds."""
    assert utc(seconds) == written
