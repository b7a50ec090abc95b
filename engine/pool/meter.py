"""What a provider's limits are counted on, and how it is shared.

Law: a deployment that stands in several pools has one meter, whoever uses it (SYNC-17, DEF-20); every other provider
has one of its own. A step never suspends, so between two steps a meter is as consistent as a pool's own state
(ADR 0009).
"""

import attrs

from engine.limiter import Limiter, adjusted
from engine.names import Nanoseconds
from engine.snapshot import Limits, Provider


@attrs.define(eq=False)
class Meter:
    limit: int | None = None
    "Most leases at a time (CL-2)."
    limiter: Limiter | None = None
    active: int = 0
    "Leases running, in all pools."
    slots: int = 0
    "How many slots count on it."

    @property
    def is_full(self) -> bool:
        return self.limit is not None and self.active >= self.limit

    def adopt(self, limits: Limits, at: Nanoseconds) -> None:
        """Go on under these limits. What runs goes on running (CL-5)."""
        self.limit = limits.max_concurrent
        self.limiter = adjusted(self.limiter, limits, at)


@attrs.define(eq=False)
class Meters:
    """The meters of deployments, by name: one table a process."""

    shared: dict[str, Meter] = attrs.field(factory=dict)

    def attach(self, provider: Provider) -> Meter:
        """The meter for a new slot of a provider."""
        if provider.deployment is None:
            return Meter(slots=1)
        meter = self.shared.setdefault(provider.deployment, Meter())
        meter.slots += 1
        return meter

    def detach(self, provider: Provider, meter: Meter) -> None:
        """A slot is gone. With the last one, its deployment's meter is."""
        meter.slots -= 1
        if provider.deployment is not None and not meter.slots:
            del self.shared[provider.deployment]
