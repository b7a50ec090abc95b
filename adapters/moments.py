"""Where to look in the past, as people say it: a position of the log, or a time.

Law: what is all digits is a position; a time that names no zone is in the zone of whoever asks; what is still to come
is no time to look back at.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from datetime import time as Time  # noqa: N812 - a time of day, beside `datetime`
from typing import Final, TypeAlias

import attrs

from engine.names import Position

VALID: Final = (
    "a position such as 42, or a time that is past: 2027-01-31T12:00:00Z, 2027-01-31, 14:30 today, or 15m, 2h, 3d ago"
)
LONGEST: Final = 64
"""Characters of what is understood."""
_MOST: Final = 2**53 - 1
_SKEW: Final = timedelta(seconds=60)
"""How much further on another's clock may be."""
_POSITION: Final = re.compile(r"[0-9]{1,16}", re.ASCII)
_AGE: Final = re.compile(r"((?:[0-9]{1,6}[smhdw])+)(?: ago)?", re.ASCII)
_PART: Final = re.compile(r"([0-9]+)([smhdw])", re.ASCII)
_CLOCK: Final = re.compile(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?", re.ASCII)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_US: Final = -62_135_596_800_000_000
"""The beginning of the year 1."""
_LAST_US: Final = 253_402_300_799_999_999
"""The end of the year 9999."""


@attrs.frozen
class Moment:
    at_us: int
    "Unix microseconds."

    def __str__(self) -> str:
        """RFC 3339 in UTC, which reads back as the same moment."""
        return told(self.at_us)


Asked: TypeAlias = Position | Moment


@attrs.frozen
class Unclear(Exception):
    """What was said names neither; `VALID` is what would."""

    what: str


def asked_for(text: str, *, now_us: int, zone: tzinfo | None) -> Asked:
    """What a text names. `zone`: of a time that names none; None: this machine's. Raises Unclear."""
    text = text.strip()
    if _POSITION.fullmatch(text) is not None and int(text) <= _MOST:
        return int(text)
    now = EPOCH + timedelta(microseconds=now_us)
    try:
        moment = _time(text, now, zone) if len(text) <= LONGEST else None
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        raise Unclear(f"{text[:LONGEST]!r} is neither a position nor a time")
    if moment > now + _SKEW:
        raise Unclear(f"{text!r} is still to come: it is {_in(now, zone).isoformat(timespec='seconds')}")
    return Moment((moment - EPOCH) // timedelta(microseconds=1))


def point(at_us: int) -> datetime:
    """The time some microseconds after 1970 began, in UTC; from the year 1 to the end of the year 9999."""
    return EPOCH + timedelta(microseconds=max(_FIRST_US, min(at_us, _LAST_US)))


def told(at_us: int) -> str:
    """RFC 3339 in UTC, as short as it can be."""
    return point(at_us).isoformat().replace("+00:00", "Z")


def told_in_full(at_us: int) -> str:
    """The same, always to the microsecond."""
    return point(at_us).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _time(text: str, now: datetime, zone: tzinfo | None) -> datetime:
    """Raises ValueError, OverflowError."""
    if (age := _AGE.fullmatch(text)) is not None:
        return now - sum(_spans(age[1]), timedelta())
    if _CLOCK.fullmatch(text) is not None:
        today: date = _in(now, zone).date()
        of_day = Time.fromisoformat(text.rjust(8 if text.count(":") > 1 else 5, "0"))
        return _zoned(datetime.combine(today, of_day), zone)
    return _zoned(datetime.fromisoformat(text), zone)


def _spans(text: str) -> Iterator[timedelta]:
    return (timedelta(seconds=int(number) * _SECONDS[unit]) for number, unit in _PART.findall(text))


def _zoned(moment: datetime, zone: tzinfo | None) -> datetime:
    if moment.tzinfo is None:
        moment = moment.astimezone() if zone is None else moment.replace(tzinfo=zone)
    return moment.astimezone(UTC)


def _in(moment: datetime, zone: tzinfo | None) -> datetime:
    return moment.astimezone(zone)
