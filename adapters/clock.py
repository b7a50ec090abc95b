"""The only place that reads a clock or asks for randomness; all else is given these as ports."""

import secrets
import time
from datetime import UTC, datetime
from uuid import UUID

import uuid_utils
from uuid_utils.compat import uuid7

from engine.ports import Clock

monotonic_ns: Clock = time.monotonic_ns  # noqa: TID251 - this is the place


def unix_us() -> int:
    """Microseconds since 1970, for people; never for decisions."""
    return time.time_ns() // 1000


def unix_s() -> int:
    """Seconds since 1970, for people."""
    return time.time_ns() // 1_000_000_000


class Timestamps:
    """The wall clock as ISO 8601 in UTC with milliseconds, for log lines; each whole second is formatted once."""

    def __init__(self) -> None:
        self._second = -1
        self._prefix = ""

    def now(self) -> str:
        microseconds = unix_us()
        second = microseconds // 1_000_000
        if second != self._second:
            self._second = second
            self._prefix = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._prefix}.{microseconds // 1000 % 1000:03d}Z"


def new_id() -> UUID:
    """A UUIDv7: unique, and sortable by time."""
    return uuid7()


def new_request_id() -> str:
    """A UUIDv7 as text; made without the detour over `uuid.UUID`, since every request needs one."""
    return str(uuid_utils.uuid7())


def new_secret() -> str:
    """256 random bits, as 43 characters that may stand in a header."""
    return secrets.token_urlsafe(32)


def new_seed() -> int:
    """64 random bits for a pool's draws."""
    return secrets.randbits(64)
