"""When a provider wants to be asked again, read from its answer's header (RFC 9110, 10.2.3).

Law: total. What cannot be read is None, what has passed is 0, and nothing is longer than `LONGEST_NS`.
"""

import re
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from engine.names import Nanoseconds
from engine.ports import Headers

LONGEST_NS: Final = 2**63 - 1
"292 years."

_NUMBER: Final = re.compile(rb"(-?)([0-9]*)(?:\.([0-9]*))?")
_LONGEST_DATE: Final = 64
_SECOND: Final = 10**9
_MILLISECOND: Final = 10**6


def retry_after_ns(fields: Headers, unix_s: Callable[[], int]) -> Nanoseconds | None:
    """How long to leave the provider alone, from `retry-after-ms`, else from `retry-after`; None: it does not say.

    A date counts from the answer's own `date`, so that the clocks need not agree; without one, from `unix_s()`.
    """
    soonest = _first(fields, b"retry-after-ms", lambda value: _span(value, _MILLISECOND))
    if soonest is not None:
        return soonest
    return _first(fields, b"retry-after", lambda value: _seconds_or_date(value, fields, unix_s))


def _first(fields: Headers, wanted: bytes, read: Callable[[bytes], int | None]) -> int | None:
    """The first field of a name that can be read."""
    for name, value in fields:
        if name == wanted:
            found = read(value.strip())
            if found is not None:
                return found
    return None


def _seconds_or_date(value: bytes, fields: Headers, unix_s: Callable[[], int]) -> int | None:
    span = _span(value, _SECOND)
    if span is not None:
        return span
    then = _date(value)
    if then is None:
        return None
    now = _first(fields, b"date", _date)
    return _bounded((then - (unix_s() if now is None else now)) * _SECOND)


def _span(value: bytes, unit: int) -> int | None:
    """A decimal number of some unit in nanoseconds, the rest of a nanosecond dropped."""
    number = _NUMBER.fullmatch(value)
    if number is None or not value[-1:].isdigit():
        return None
    sign, whole, fraction = number.groups(default=b"")
    if sign:
        return 0
    whole = whole.lstrip(b"0")
    if len(whole) > len(str(LONGEST_NS)):
        return LONGEST_NS
    # Nine digits are all that a nanosecond has room for, whatever the unit.
    return _bounded(int(whole or b"0") * unit + int(fraction[:9].ljust(9, b"0")) * unit // _SECOND)


def _date(value: bytes) -> int | None:
    """One of HTTP's three date formats, in seconds since 1970; without a zone it is UTC."""
    if len(value) > _LONGEST_DATE:
        return None
    try:
        date = parsedate_to_datetime(value.decode("ascii"))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return int((date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp())


def _bounded(span: int) -> int:
    return min(max(span, 0), LONGEST_NS)
