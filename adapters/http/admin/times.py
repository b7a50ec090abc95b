"""Points in time as the API tells and takes them: RFC 3339 in UTC, to the microsecond."""

from datetime import datetime, timedelta
from typing import Annotated, TypeAlias

import msgspec
from litestar.params import Body

from adapters.moments import EPOCH, point

Time: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True), Body(description="RFC 3339, e.g. 2026-01-31T12:00:00Z.")]
"""In a body's model; one without an offset from UTC is refused."""


def unix_us(time: datetime) -> int:
    """Microseconds since 1970; negative before."""
    return (time - EPOCH) // timedelta(microseconds=1)


def unix_s(time: datetime) -> int:
    return unix_us(time) // 1_000_000


def told(at_us: int) -> datetime:
    """The time some microseconds after 1970 began; at most the end of the year 9999."""
    return point(max(0, at_us))
