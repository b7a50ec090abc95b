"""Rate limits: the generic cell rate algorithm in whole numbers (RL-1).

Law: the balance is exact, whatever the rate: time is counted in `units` of a nanosecond chosen so that one token is a
whole number of them, and nothing is rounded but the answer to "when". A change of rate or burst keeps the balance,
cut to the new burst (RL-7); a token given back never makes more than a full bucket.
"""

from fractions import Fraction
from functools import lru_cache

import attrs

from engine.names import Nanoseconds
from engine.snapshot import Limits

_SECOND = 10**9


@attrs.frozen
class Rate:
    """A rate limit as exact whole numbers."""

    units: int
    "How many units of time there are in a nanosecond."
    interval: int
    "Units between two tokens."
    burst: int
    "Tokens in a full bucket."


@attrs.define
class Quota:
    """What a caller is told of a limit: `x-ratelimit-limit|remaining|reset-requests`."""

    limit: int
    remaining: int
    reset_ns: Nanoseconds
    "Until the bucket is full again, if nobody takes any more."


@lru_cache(maxsize=4096)
def rate_of(limits: Limits) -> Rate | None:
    """The rate limit among limits; None where there is none. A fraction counts as it is written: 0.1 is one tenth.

    Without a burst, as many tokens as one second brings, and at least one.
    """
    per_second = limits.requests_per_second
    if per_second is None:
        return None
    exact = Fraction(str(per_second))
    burst = limits.burst if limits.burst is not None else max(1, int(exact))
    return Rate(exact.numerator, _SECOND * exact.denominator, burst)


@attrs.define(eq=False)
class Limiter:
    """One bucket; starts full."""

    rate: Rate
    full_at: int = 0
    "In units: when the bucket is full again. The theoretical arrival time of the algorithm."

    def has_token(self, at: Nanoseconds) -> bool:
        rate = self.rate
        return self.full_at - at * rate.units <= rate.interval * (rate.burst - 1)

    def next_at(self, at: Nanoseconds) -> Nanoseconds:
        """When there is a token; `at` if there is one now."""
        rate = self.rate
        earliest = self.full_at - rate.interval * (rate.burst - 1)
        return max(at, -(-earliest // rate.units))

    def take(self, at: Nanoseconds) -> None:
        """Spend a token that is there."""
        rate = self.rate
        now = at * rate.units
        self.full_at = max(now, self.full_at) + rate.interval

    def give_back(self, at: Nanoseconds) -> None:
        """Undo a `take` whose request was not let in after all (ORDER-2)."""
        self.full_at = max(self.full_at - self.rate.interval, at * self.rate.units)

    def quota(self, at: Nanoseconds) -> Quota:
        rate = self.rate
        owed = max(0, self.full_at - at * rate.units)
        return Quota(rate.burst, rate.burst - -(-owed // rate.interval), -(-owed // rate.units))

    def is_full(self, at: Nanoseconds) -> bool:
        return self.full_at <= at * self.rate.units

    def change(self, rate: Rate, at: Nanoseconds) -> None:
        """Go on under another rate. The balance stays, cut to the new burst; less than one unit of time is lost."""
        old, self.rate = self.rate, rate
        if rate == old:
            return
        owed = max(0, self.full_at - at * old.units)
        balance = (old.burst * old.interval - owed) * rate.interval // old.interval
        full = rate.burst * rate.interval
        self.full_at = at * rate.units + full - min(balance, full)


def adjusted(limiter: Limiter | None, limits: Limits, at: Nanoseconds) -> Limiter | None:
    """The limiter under new limits: changed in place, made, or dropped where there is no rate any more."""
    rate = rate_of(limits)
    if rate is None:
        return None
    if limiter is None:
        return Limiter(rate)
    limiter.change(rate, at)
    return limiter
