"""What clients are told of limits and pauses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.http.limits import NO_RETRY, duration, quota_fields, retry_fields
from engine.limiter import Quota

MS, S = 10**6, 10**9


@pytest.mark.parametrize(
    ("span_ns", "text"),
    [
        (0, "0ms"),
        (1, "1ms"),
        (120 * MS, "120ms"),
        (S - 1, "1s"),
        (S, "1s"),
        (1500 * MS, "1.5s"),
        (60 * S, "1m0s"),
        (360 * S, "6m0s"),
        (3723 * S, "1h2m3s"),
        (3600 * S, "1h0m0s"),
    ],
)
def test_a_duration_is_written_as_the_sdks_read_it(span_ns: int, text: str) -> None:
    """Conventions, rate limits: `1s`, `6m0s`."""
    assert duration(span_ns) == text


def test_a_wait_is_rounded_up_in_both_units() -> None:
    """RL-4: who heeds it is let in."""
    assert retry_fields(1_200_000_001) == [(b"retry-after", b"2"), (b"retry-after-ms", b"1201")]


def test_no_wait_is_still_a_moment() -> None:
    """A client told 0 would come back in a loop."""
    assert retry_fields(0) == [(b"retry-after", b"1"), (b"retry-after-ms", b"1")]


def test_a_wait_beyond_what_is_bearable_is_cut_and_not_worth_trying() -> None:
    """Conformance A13: some clients sleep for whatever they are told."""
    assert retry_fields(86_400 * S) == [(b"retry-after", b"60"), (b"retry-after-ms", b"60000"), NO_RETRY]
    assert retry_fields(9 * S, longest_s=2.5) == [(b"retry-after", b"3"), (b"retry-after-ms", b"2500"), NO_RETRY]
    assert NO_RETRY not in retry_fields(60 * S)


@given(st.integers(0, 60 * S))
def test_the_two_waits_agree(wait_ns: int) -> None:
    """Neither is shorter than the wait, and they differ by less than a second, but for the least of one."""
    fields = dict(retry_fields(wait_ns))
    seconds, ms = int(fields[b"retry-after"]), int(fields[b"retry-after-ms"])
    assert wait_ns <= ms * MS <= max(wait_ns + MS, MS)
    assert ms * MS <= seconds * S < ms * MS + S


def test_a_quota_has_three_fields() -> None:
    assert quota_fields(Quota(10, 3, 1500 * MS)) == [
        (b"x-ratelimit-limit-requests", b"10"),
        (b"x-ratelimit-remaining-requests", b"3"),
        (b"x-ratelimit-reset-requests", b"1.5s"),
    ]
