"""Points in time as the API tells and takes them: RFC 3339 in UTC, to the microsecond."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, TypeAlias

import msgspec
from litestar.params import Body

Time: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True), Body(description="RFC 3339, e.g. 2026-01-31T12:00:00Z.")]
"""In a body's model; one without an offset from UTC is refused."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_US: Final = 253_402_300_799_999_999
"""The end of the year 9999."""


def unix_us(time: datetime) -> int:
    """Microseconds since 1970; negative before."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def unix_s(time: datetime) -> int:
    return unix_us(time) // 1_000_000


def told(at_us: int) -> datetime:
    """The time some microseconds after 1970 began; at most the end of the year 9999."""
    return _EPOCH + timedelta(microseconds=max(0, min(at_us, _LAST_US)))
