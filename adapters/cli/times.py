"""Points in time on the command line."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import click

from adapters import clock
from adapters.moments import VALID, Asked, Moment, Unclear, asked_for

_SPAN: Final = re.compile(r"(\d{1,6})([smhdw])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_NEVER: Final = "never"


class TimeType(click.ParamType[str]):
    """RFC 3339 in UTC, from RFC 3339 or a span from now such as 90d; `never` stays."""

    name = "TIME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if text == _NEVER:
            return text
        if (span := _SPAN.fullmatch(text)) is not None:
            now = datetime.fromtimestamp(clock.unix_s(), UTC)
            return _written(now + timedelta(seconds=int(span[1]) * _SECONDS[span[2]]))
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            self.fail(_VALID, param, ctx)
        return _written(time if time.tzinfo is not None else time.replace(tzinfo=UTC))


class SpanType(click.ParamType[int]):
    """Seconds, from a whole number of seconds or a span such as 24h."""

    name = "SPAN"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value)
        span = _SPAN.fullmatch(text) or _SPAN.fullmatch(f"{text}s")
        if span is None:
            self.fail("valid: seconds, or a number and one of s, m, h, d, w such as 24h", param, ctx)
        return int(span[1]) * _SECONDS[span[2]]


class PastType(click.ParamType[Asked]):
    """A position of the log, or a time that is past; one without a zone is in this machine's."""

    name = "POSITION|TIME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Asked:
        if isinstance(value, int | Moment):
            return value
        try:
            return asked_for(str(value), now_us=clock.unix_us(), zone=None)
        except Unclear as unclear:
            self.fail(f"{unclear.what}; valid: {VALID}", param, ctx)


_VALID: Final = "valid: RFC 3339 such as 2027-01-31T12:00:00Z, a span from now such as 90d, or never"


def _written(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
