"""How many requests went where: counts that a plan compares and a predicate asks."""

from collections import Counter
from collections.abc import Iterator

import attrs

from engine.names import Alias, ProviderName
from projections.traffic import Verdict, Went


@attrs.frozen
class Refusals:
    """What requests that were refused have in common."""

    alias: Alias | None
    key: str | None
    verdict: Verdict


@attrs.define(eq=False)
class Tally:
    requests: int = 0
    attempts: Counter[tuple[Alias, ProviderName]] = attrs.field(factory=Counter)
    "Attempts sent to each provider of each pool."
    refused: Counter[Refusals] = attrs.field(factory=Counter)

    def add(self, went: Went) -> None:
        self.requests += 1
        for provider in went.providers:
            self.attempts[went.pool or "", provider] += 1
        if went.refused is not None:
            self.refused[Refusals(went.alias, went.key_id, went.refused)] += 1

    def shares(self, pool: Alias) -> dict[ProviderName, float]:
        """Of the pool's attempts, each provider's part."""
        counts = {provider: count for (alias, provider), count in self.attempts.items() if alias == pool}
        total = sum(counts.values())
        return {provider: count / total for provider, count in counts.items()}

    def pools(self) -> Iterator[Alias]:
        return iter(sorted({pool for pool, _ in self.attempts}))


@attrs.frozen
class Shift:
    """A provider's part of its pool's attempts, from 0 to 1."""

    pool: Alias
    provider: ProviderName
    before: float
    after: float


@attrs.define(eq=False)
class Comparison:
    """The same requests under two tables."""

    before: Tally = attrs.field(factory=Tally)
    after: Tally = attrs.field(factory=Tally)
    differing: int = 0
    "Requests that would have gone otherwise."
    newly_refused: Counter[Verdict] = attrs.field(factory=Counter)
    newly_served: int = 0
    attempts_saved: int = 0
    "Fewer attempts for the requests that both serve; below 0: more."

    def add(self, before: Went, after: Went) -> None:
        self.before.add(before)
        self.after.add(after)
        if before == after:
            return
        self.differing += 1
        if after.refused is not None and before.refused is None:
            self.newly_refused[after.refused] += 1
        elif after.refused is None and before.refused is not None:
            self.newly_served += 1
        elif after.refused is None:
            self.attempts_saved += len(before.providers) - len(after.providers)

    def shifts(self) -> list[Shift]:
        """Every provider of every pool, the largest change first."""
        found: list[Shift] = []
        for pool in sorted({*self.before.pools(), *self.after.pools()}):
            then, now = self.before.shares(pool), self.after.shares(pool)
            found += [Shift(pool, name, then.get(name, 0.0), now.get(name, 0.0)) for name in sorted({*then, *now})]
        return sorted(found, key=lambda shift: -abs(shift.after - shift.before))
