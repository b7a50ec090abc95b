"""A request that is under way while recorded traffic is tried under a table."""

import attrs

from engine.fallback import tries_again_on_embedded, tries_again_on_failure, tries_again_on_status
from engine.names import ProviderName
from engine.pool.messages import SUCCEEDED, Kind, Outcome
from engine.pool.state import PoolState
from engine.snapshot import Provider
from projections.traffic import Went


@attrs.define(eq=False)
class Running:
    went: Went
    state: PoolState
    "Of its pool."
    ends_itself: bool
    "It was refused then, so no end of it is recorded."
    asked: Provider | None = None
    "Who has the running attempt."
    _failed: dict[ProviderName, Outcome] = attrs.field(factory=dict)
    "What came of attempts at providers then, so far."

    def granted(self, provider: Provider) -> None:
        self.asked = provider
        self.went = attrs.evolve(self.went, providers=(*self.went.providers, provider.name))

    def has_failed(self, provider: ProviderName, outcome: Outcome) -> None:
        """An attempt at a provider went wrong then."""
        self._failed[provider] = outcome

    def is_at(self, provider: ProviderName | None) -> bool:
        return self.asked is not None and self.asked.name == provider

    @property
    def outcome(self) -> Outcome:
        """Of the running attempt, at a provider that was not the last one then."""
        return SUCCEEDED if self.asked is None else self._failed.get(self.asked.name, SUCCEEDED)

    def tries_again(self, outcome: Outcome) -> bool:
        """Whether the pool's fallback goes on after what came of an attempt.

        Another provider was asked after it then, so an error in a 2xx is one by its status.
        """
        pool, asked = self.state.pool, self.asked
        if pool is None or asked is None or outcome.kind is not Kind.FAILED:
            return False
        if outcome.failure is not None:
            return tries_again_on_failure(pool.fallback, outcome.failure)
        return outcome.status is not None and (
            tries_again_on_embedded(pool.fallback, outcome.status)
            or tries_again_on_status(pool.fallback, outcome.status, asked)
        )
