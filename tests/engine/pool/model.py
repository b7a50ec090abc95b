"""What a pool's limits and counters must come to, worked out from the answers its askers got.

Law: it shares no arithmetic with the machine: buckets are fractions that fill, counts are added and taken away, and a
new definition is matched by identity, the k-th with the k-th. A change of rate may cost the machine less than one of
its units of time, so a bucket knows the most and the least there can be; the two differ by nothing else.
"""

from collections.abc import Iterable
from fractions import Fraction

import attrs

from engine.limiter import Limiter
from engine.pool.state import Slot
from engine.snapshot import Limits, Pool, Provider

S = 10**9


@attrs.define(eq=False)
class Bucket:
    """A bucket that fills."""

    limits: Limits
    at: int
    most: Fraction = Fraction(0)
    least: Fraction = Fraction(0)

    def __attrs_post_init__(self) -> None:
        self.most = self.least = self.burst

    @property
    def rate(self) -> Fraction:
        """A second's tokens."""
        return Fraction(str(self.limits.requests_per_second))

    @property
    def burst(self) -> Fraction:
        return Fraction(self.limits.burst if self.limits.burst is not None else max(1, int(self.rate)))

    def add(self, tokens: Fraction | int) -> None:
        self.most, self.least = (min(self.burst, had + tokens) for had in (self.most, self.least))
        assert self.most >= 0

    def pass_to(self, at: int) -> None:
        self.add(self.rate * (at - self.at) / S)
        self.at = at

    def change(self, limits: Limits, at: int) -> None:
        self.pass_to(at)
        before = (self.rate, self.burst)
        self.limits = limits
        if (self.rate, self.burst) != before:
            # One unit of time brings this much.
            self.least = max(Fraction(0), self.least - Fraction(1, S * self.rate.denominator))
            self.add(0)

    def assert_is(self, limiter: Limiter | None, at: int) -> None:
        """The machine's bucket has as much, to the token and below."""
        assert limiter is not None
        self.pass_to(at)
        rate = limiter.rate
        owed = max(0, limiter.full_at - at * rate.units)
        assert rate.burst == self.burst
        assert self.least <= self.burst - Fraction(owed, rate.interval) <= self.most
        assert int(self.least) <= limiter.quota(at).remaining <= int(self.most)


def adjusted(bucket: Bucket | None, limits: Limits, at: int) -> Bucket | None:
    if limits.requests_per_second is None:
        return None
    if bucket is None:
        return Bucket(limits, at)
    bucket.change(limits, at)
    return bucket


@attrs.define(eq=False)
class MeterModel:
    users: int = 0
    limit: int | None = None
    bucket: Bucket | None = None
    active: int = 0


@attrs.define(eq=False)
class SlotModel:
    provider: Provider
    meter: MeterModel
    active: int = 0
    real: Slot | None = None
    "The machine's, once it was seen."

    def lacks_tokens(self, at: int) -> bool:
        bucket = self.meter.bucket
        if bucket is None:
            return False
        bucket.pass_to(at)
        return bucket.least < 1


@attrs.define(eq=False)
class PoolModel:
    shared: dict[str, MeterModel]
    "By deployment, over all pools."
    pool: Pool | None = None
    bucket: Bucket | None = None
    slots: list[SlotModel] = attrs.field(factory=list)
    draining: list[SlotModel] = attrs.field(factory=list)
    running: dict[int, SlotModel] = attrs.field(factory=dict)
    "What a ticket's attempt holds."
    attempts: dict[int, int] = attrs.field(factory=dict)
    "Of each ticket that is inside."

    def define(self, pool: Pool | None, at: int) -> None:
        left = [*self.slots, *self.draining]
        self.slots = []
        for provider in pool.providers if pool is not None else ():
            slot = next((one for one in left if one.provider.identity == provider.identity), None)
            if slot is None:
                slot = SlotModel(provider, self._meter(provider))
            else:
                left.remove(slot)
            self.slots.append(slot)
            slot.provider = provider
            slot.meter.limit = provider.limits.max_concurrent
            slot.meter.bucket = adjusted(slot.meter.bucket, provider.limits, at)
        self.draining = [slot for slot in left if slot.active]
        self._drop(slot for slot in left if not slot.active)
        self.pool = pool
        if pool is not None:
            self.bucket = adjusted(self.bucket, pool.limits, at)

    def enter(self, ticket: int, at: int) -> None:
        self.attempts[ticket] = 0
        if self.bucket is not None:
            self.bucket.pass_to(at)
            self.bucket.add(-1)

    def take(self, ticket: int, place: int, at: int) -> None:
        slot = self.slots[place]
        assert ticket not in self.running
        self.running[ticket] = slot
        self.attempts[ticket] += 1
        slot.active += 1
        slot.meter.active += 1
        if slot.meter.bucket is not None:
            slot.meter.bucket.pass_to(at)
            slot.meter.bucket.add(-1)

    def release(self, ticket: int) -> None:
        slot = self.running.pop(ticket, None)
        if slot is None:
            return
        slot.active -= 1
        slot.meter.active -= 1
        if slot in self.draining and not slot.active:
            self.draining.remove(slot)
            self._drop([slot])

    def refund(self, ticket: int, at: int) -> None:
        """Nothing was sent: the running attempt's token comes back, and the pool's where it was the first."""
        slot = self.running.get(ticket)
        for bucket in (slot.meter.bucket if slot else None, self.bucket if self.attempts.get(ticket) == 1 else None):
            if bucket is not None:
                bucket.pass_to(at)
                bucket.add(1)

    def leave(self, ticket: int) -> None:
        self.release(ticket)
        self.attempts.pop(ticket, None)

    def _meter(self, provider: Provider) -> MeterModel:
        meter = MeterModel()
        if provider.deployment is not None:
            meter = self.shared.setdefault(provider.deployment, meter)
        meter.users += 1
        return meter

    def _drop(self, slots: Iterable[SlotModel]) -> None:
        for slot in slots:
            slot.meter.users -= 1
            deployment = slot.provider.deployment
            if deployment is not None and not slot.meter.users:
                del self.shared[deployment]
