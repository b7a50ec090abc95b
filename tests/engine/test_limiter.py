"""Rate limits, against buckets in fractions."""

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.limiter import Limiter, Quota, Rate, adjusted, rate_of
from engine.snapshot import Limits

MS, S = 10**6, 10**9


def limiter(rps: float, burst: int | None = None) -> Limiter:
    made = adjusted(None, Limits(None, rps, burst), 0)
    assert made is not None
    return made


def taken(bucket: Limiter, at: int) -> bool:
    if not bucket.has_token(at):
        return False
    bucket.take(at)
    return True


def test_the_vector_of_the_spec() -> None:
    """RL-1: 2 a second, 2 at once: two pass, the third does not, after 500 ms one does."""
    bucket = limiter(2, 2)
    assert [taken(bucket, 0) for _ in range(3)] == [True, True, False]
    assert bucket.next_at(0) == 500 * MS
    assert not taken(bucket, 500 * MS - 1)
    assert [taken(bucket, 500 * MS) for _ in range(2)] == [True, False]


def test_half_a_request_a_second_is_one_every_two() -> None:
    """RL-2, DEF-9: a fraction is kept, not rounded up to one."""
    bucket = limiter(0.5)
    assert [taken(bucket, at) for at in (0, 1, 2 * S - 1, 2 * S, 2 * S, 4 * S)] == [
        True,
        False,
        False,
        True,
        False,
        True,
    ]


@pytest.mark.parametrize("rps", [2.9, 0.1, 1 / 3, 7.0, 1e-3, 123456.789])
def test_no_rate_drifts(rps: float) -> None:
    """RL-2, DEF-9: after a burst of two, the n-th token comes when n / rate has passed, to the nanosecond."""
    bucket, rate = limiter(rps, 2), Fraction(str(rps))
    assert [taken(bucket, 0), taken(bucket, 0)] == [True, True]
    at = 0
    for n in range(1, 5000):
        at = bucket.next_at(at)
        assert at == ceil(n * S / rate)
        assert not bucket.has_token(at - 1)
        assert taken(bucket, at)


@pytest.mark.parametrize(
    ("limits", "burst"),
    [
        (Limits(None, 2.9), 2),
        (Limits(None, 10), 10),
        (Limits(None, 0.5), 1),
        (Limits(None, 1.9), 1),
        (Limits(None, 0.5, 7), 7),
        (Limits(None, 10, 1), 1),
    ],
)
def test_the_burst_is_a_seconds_worth_unless_it_is_said(limits: Limits, burst: int) -> None:
    """RL-1, RL-2: at least one; a bucket starts full and takes no more than that at once."""
    bucket = adjusted(None, limits, 0)
    assert bucket is not None
    assert bucket.quota(0) == Quota(burst, burst, 0)
    assert [taken(bucket, 0) for _ in range(burst + 1)] == [True] * burst + [False]


def test_a_burst_without_a_rate_is_no_limit() -> None:
    """RL-2: nothing to refill it by."""
    assert rate_of(Limits(3, None, 5)) is None
    assert adjusted(limiter(1), Limits(3, None, 5), 0) is None


def test_units_make_a_token_a_whole_number() -> None:
    """RL-1: 2.9 is 29 tenths, so a nanosecond has 29 units and a token ten thousand million."""
    assert rate_of(Limits(None, 2.9)) == Rate(29, 10**10, 2)


@pytest.mark.parametrize(
    ("before", "after", "left"),
    [
        # (rate, burst) of both, and what is left of a bucket from which four were taken.
        ((1, 10), (1, 10), 6),
        ((1, 10), (2, 10), 6),
        ((1, 10), (0.1, 10), 6),
        ((1, 10), (1, 20), 6),
        ((1, 10), (1, 4), 4),
        ((2, 4), (2, 9), 0),
        ((2.9, 5), (0.7, 3), 1),
    ],
)
def test_a_change_keeps_the_balance(before: tuple[float, int], after: tuple[float, int], left: int) -> None:
    """RL-7, DEF-8: the tokens stay, cut to the new burst; the next ones come at the new rate."""
    bucket = limiter(*before)
    for _ in range(4):
        bucket.take(0)
    changed = adjusted(bucket, Limits(None, *after), 0)
    assert changed is bucket
    assert bucket.quota(0).remaining == left
    assert [taken(bucket, 0) for _ in range(left + 1)] == [True] * left + [False]
    # A changed balance loses less than one unit, so the next token is late by a nanosecond at most.
    due = ceil(S / Fraction(str(after[0])))
    assert due <= bucket.next_at(0) <= due + 1


def test_the_same_rate_again_changes_nothing() -> None:
    """RL-7: not even by a rounding."""
    bucket = limiter(2.9, 5)
    for at in (0, 17, 12345):
        bucket.take(at)
    before = bucket.full_at
    for at in range(20000, 30000, 7):
        bucket.change(Rate(29, 10**10, 5), at)
    assert bucket.full_at == before


def test_a_token_given_back_is_there_again() -> None:
    """ORDER-2: as if it had never been taken; but a full bucket is full."""
    bucket = limiter(2, 2)
    bucket.take(0)
    bucket.take(0)
    bucket.give_back(0)
    assert [taken(bucket, 0) for _ in range(2)] == [True, False]
    later = 400 * MS
    bucket.give_back(later)
    assert bucket.quota(later) == Quota(2, 1, 100 * MS)
    for _ in range(3):
        bucket.give_back(later)
    assert bucket.quota(later) == Quota(2, 2, 0)
    assert bucket.is_full(later)


def test_what_a_caller_is_told() -> None:
    """RL-4: whole tokens that are left, and when the bucket is full again."""
    bucket = limiter(2, 3)
    seen = [bucket.quota(0)]
    for _ in range(3):
        bucket.take(0)
        seen.append(bucket.quota(0))
    assert seen == [Quota(3, 3, 0), Quota(3, 2, 500 * MS), Quota(3, 1, S), Quota(3, 0, 1500 * MS)]
    assert bucket.quota(499 * MS) == Quota(3, 0, 1001 * MS)
    assert bucket.quota(500 * MS) == Quota(3, 1, S)
    assert not bucket.is_full(1500 * MS - 1)
    assert bucket.is_full(1500 * MS)


RATES = st.sampled_from([0.5, 1.0, 2.0, 2.9, 0.1, 1000.0])


@given(RATES, st.integers(1, 5), st.lists(st.tuples(st.integers(0, 2 * S), st.booleans()), max_size=60))
def test_it_is_a_bucket_that_fills(rps: float, burst: int, happenings: list[tuple[int, bool]]) -> None:
    """RL-1: exactly, with tokens taken and given back at any time; `next_at` is the first time there is a token."""
    bucket, rate = limiter(rps, burst), Fraction(str(rps)) / S
    tokens, at = Fraction(burst), 0
    for wait, back in happenings:
        at += wait
        tokens = min(Fraction(burst), tokens + rate * wait)
        if back:
            bucket.give_back(at)
            tokens = min(Fraction(burst), tokens + 1)
        elif taken(bucket, at):
            tokens -= 1
        assert tokens >= 0
        assert bucket.quota(at).remaining == int(tokens)
        assert bucket.has_token(at) == (tokens >= 1)
        following = bucket.next_at(at)
        assert bucket.has_token(following)
        assert following == at or not bucket.has_token(following - 1)
