"""Positions and times, as people say them."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.moments import Moment, Unclear, asked_for, told

NOW = datetime(2026, 11, 21, 1, 30, 15, tzinfo=UTC)
EAST = timezone(timedelta(hours=2))


def us(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def asked(text: str, zone: Any = EAST) -> Any:
    found = asked_for(text, now_us=us(NOW), zone=zone)
    return datetime.fromisoformat(str(found)) if isinstance(found, Moment) else found


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("0", 0),
        ("42", 42),
        ("20261121", 20261121),
        ("15m", NOW - timedelta(minutes=15)),
        ("2h ago", NOW - timedelta(hours=2)),
        ("1h30m", NOW - timedelta(minutes=90)),
        ("3d", NOW - timedelta(days=3)),
        ("0s", NOW),
        ("02:15", datetime(2026, 11, 21, 0, 15, tzinfo=UTC)),
        ("2:15:07", datetime(2026, 11, 21, 0, 15, 7, tzinfo=UTC)),
        ("2026-11-20", datetime(2026, 11, 19, 22, tzinfo=UTC)),
        ("2026-11-20 12:00", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("2026-11-20T12:00:00.25Z", datetime(2026, 11, 20, 12, 0, 0, 250_000, tzinfo=UTC)),
        ("2026-11-20T12:00:00-05:00", datetime(2026, 11, 20, 17, tzinfo=UTC)),
    ],
)
def test_what_is_understood(text: str, meant: object) -> None:
    """Issue 5, item 3: ISO 8601 with a zone or in one's own, a time of today's, an age, a position."""
    assert asked(text) == meant


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "-1", "1.5", "25:00", "14:75", "2026-13-01", "9" * 17, "15 m", "5y", "٣", "1" * 99, "12-5"],
)
def test_what_is_neither_is_unclear(text: str) -> None:
    with pytest.raises(Unclear, match="neither a position nor a time"):
        asked(text)


def test_what_is_still_to_come_is_told_with_the_time_it_is() -> None:
    """At half past three 23:50 is tonight's, and nobody means the present by it."""
    with pytest.raises(Unclear, match=r"'23:50' is still to come: it is 2026-11-21T03:30:15\+02:00"):
        asked("23:50")
    assert asked("2026-11-21T01:31:00Z") > NOW, "another's clock may be a little further on"


def test_without_a_zone_it_is_the_machines() -> None:
    """Whatever that is, it reads back."""
    local = datetime(2026, 11, 20, 12).astimezone()
    assert asked("2026-11-20T12:00", None) == local


@given(st.integers(-(10**15), us(NOW)))
def test_what_is_told_reads_back(at_us: int) -> None:
    """To the microsecond."""
    assert asked_for(told(at_us), now_us=us(NOW), zone=EAST) == Moment(at_us)
