"""What clients are told of limits and pauses, in the fields their SDKs look for.

Law: times are rounded up, so that a client that heeds them is let in; none is told to wait longer than is bearable,
because some sleep for whatever they are told (conformance A13).
"""

from typing import Final

from engine.limiter import Quota
from engine.names import Nanoseconds

LONGEST_S: Final = 60.0
NO_RETRY: Final = (b"x-should-retry", b"false")
"""Both SDKs obey it: what can be tried has been."""

_MS, _S = 10**6, 10**9


def retry_fields(wait_ns: Nanoseconds, longest_s: float = LONGEST_S) -> list[tuple[bytes, bytes]]:
    """When to ask again; a wait beyond the longest is cut to it, and not worth trying."""
    cut = min(wait_ns, int(longest_s * _S))
    fields = [
        (b"retry-after", b"%d" % max(1, -(-cut // _S))),
        (b"retry-after-ms", b"%d" % max(1, -(-cut // _MS))),
    ]
    if cut < wait_ns:
        fields.append(NO_RETRY)
    return fields


def quota_fields(quota: Quota) -> list[tuple[bytes, bytes]]:
    """How a rate limit stands; the reset is a duration such as `6m0s` or `120ms`."""
    return [
        (b"x-ratelimit-limit-requests", b"%d" % quota.limit),
        (b"x-ratelimit-remaining-requests", b"%d" % quota.remaining),
        (b"x-ratelimit-reset-requests", duration(quota.reset_ns).encode("ascii")),
    ]


def duration(span_ns: Nanoseconds) -> str:
    """A span as OpenAI's own headers write it, rounded up to a millisecond: `1h2m3s`, `1.5s`, `120ms`."""
    ms = -(-span_ns // _MS)
    if ms < 1000:
        return f"{ms}ms"
    minutes, rest = divmod(ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + seconds
