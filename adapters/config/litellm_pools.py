"""Groups of LiteLLM deployments to targets of the onwards format.

Law: a group's fallbacks are in its pool, on levels of their own after its own deployments; a deployment that stands in
several pools has one name for its limits in all of them. What a pool's strategy does not read is not written.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import gcd, lcm
from typing import Any, Final

import attrs

from adapters.config.litellm_models import Deployment
from adapters.config.litellm_policies import Policies
from adapters.config.litellm_source import MOST, NOT_CARRIED, Source

_ANY_ERROR: Final = [4, 5]
"""LiteLLM leaves a group for its fallbacks after every error."""

Chains = Mapping[str, tuple[str, ...]]
"""For each alias the groups that serve it, its own first."""


@attrs.define
class PoolWriter:
    groups: Mapping[str, Sequence[Deployment]]
    policies: Policies
    root: Source
    _weights: dict[str, list[int]] = attrs.field(factory=dict)

    def targets(self, chains: Chains) -> dict[str, dict[str, Any]]:
        """A pool for each alias."""
        self._weights = {group: self._weighed(members) for group, members in self.groups.items()}
        standing = Counter(group for chain in chains.values() for group in chain)
        by_level = {alias: len(chain) > 1 or self._has_order(chain[0]) for alias, chain in chains.items()}
        self._tell_of_levels(chains, by_level)
        return {
            alias: self._pool(chain, is_shared=standing, by_level=by_level[alias]) for alias, chain in chains.items()
        }

    def _pool(self, chain: tuple[str, ...], *, is_shared: Mapping[str, int], by_level: bool) -> dict[str, Any]:
        is_single = sum(len(self.groups[group]) for group in chain) == 1
        strategy = "priority" if by_level else "weighted_random" if is_single else self.policies.strategy
        providers: list[dict[str, Any]] = []
        level = 0
        for group in chain:
            members = self.groups[group]
            levels = _levels(members)
            for deployment, weight, place in zip(members, self._weights[group], levels, strict=True):
                provider = {**deployment.provider}
                if weight != 1:
                    provider["weight"] = weight
                if is_shared[group] > 1:
                    provider["deployment"] = deployment.label
                if by_level:
                    provider["priority"] = level + place
                elif strategy == "cost" and deployment.cost:
                    provider["cost"] = deployment.cost
                providers.append(provider)
            level += max(levels) + 1
        pool: dict[str, Any] = {"strategy": strategy}
        fallback = self._fallback(len(providers), has_fallbacks=len(chain) > 1)
        parts = {"fallback": fallback, "circuit": self.policies.circuit, "timeouts": self.policies.timeouts}
        pool |= {name: dict(part) for name, part in parts.items() if part}
        return {**pool, "providers": providers}

    def _fallback(self, providers: int, *, has_fallbacks: bool) -> dict[str, Any]:
        policies = self.policies
        is_single = providers == 1
        if is_single and policies.attempts == 1:
            return {}
        fallback: dict[str, Any] = {"enabled": True}
        fallback["on_status"] = _ANY_ERROR if has_fallbacks else list(policies.on_status)
        if not is_single:
            fallback["on_rate_limit"] = True
        if not (policies.on_timeout or has_fallbacks):
            fallback["on_timeout"] = False
        if not has_fallbacks:
            fallback["max_attempts"] = policies.attempts if is_single else min(policies.attempts, providers)
        if is_single:
            fallback["with_replacement"] = True
        if policies.wait_ms:
            longest = max(policies.wait_ms, 5000)
            fallback["backoff"] = {"initial_ms": policies.wait_ms, "max_ms": longest, "jitter": "none"}
        return fallback

    def _has_order(self, group: str) -> bool:
        members = self.groups[group]
        return len(members) > 1 and any(deployment.order is not None for deployment in members)

    def _weighed(self, members: Sequence[Deployment]) -> list[int]:
        """Whole numbers in the proportions that LiteLLM draws by; all 1 where it does not."""
        name = next((name for name in ("weight", "rpm", "tpm") if any(name in one.shares for one in members)), None)
        is_by_limit = name in {"rpm", "tpm"}
        if name is None or (is_by_limit and not self._draws_by(name, members)):
            return [1] * len(members)
        for deployment in members:
            if name not in deployment.shares:
                self._tell(
                    deployment, "`weight` is missing, though another deployment of this model has one; 1 is taken"
                )
        shares = [Fraction(str(deployment.shares.get(name, 1))) for deployment in members]
        scale = lcm(*(share.denominator for share in shares))
        whole = [int(share * scale) for share in shares]
        divisor = gcd(*whole) or 1
        weights = [number // divisor for number in whole]
        largest = max(weights)
        if largest > MOST:
            # A weight above 0 stays above 0.
            weights = [max(1, number * MOST // largest) if number else 0 for number in weights]
        return weights

    def _draws_by(self, name: str, members: Sequence[Deployment]) -> bool:
        return self.policies.by_share and all(deployment.shares.get(name) for deployment in members)

    def _tell_of_levels(self, chains: Chains, by_level: Mapping[str, bool]) -> None:
        policies = self.policies
        for group in {chain[0]: None for chain in chains.values()}:
            if self._has_order(group):
                for deployment in self.groups[group]:
                    if deployment.order is None:
                        why = (
                            "`order` is missing, though another deployment of this model has one; it comes after those"
                        )
                        self._tell(deployment, why)
        if policies.strategy != "weighted_random" and any(by_level.values()):
            policies.strategy_place.tell(
                f"{NOT_CARRIED} to pools with fallbacks or `order`: they go by level, to the least busy of each",
                "routing_strategy",
            )
        if policies.is_least_busy and any(by_level.values()):
            policies.strategy_place.tell(
                "in pools with fallbacks or `order` it chooses within a level, and so the strategy there is priority",
                "routing_strategy",
            )
        if policies.retries_place is None:
            return
        if any(len(chain) > 1 for chain in chains.values()):
            why = "there every provider is tried once before the request fails"
            policies.retries_place.tell(f"{NOT_CARRIED} to pools with fallbacks: {why}", "num_retries")
        if any(len(chain) == 1 < len(self.groups[chain[0]]) < policies.attempts for chain in chains.values()):
            why = "a pool of several providers tries each of them at most once, where LiteLLM may come back to one"
            policies.retries_place.tell(why, "num_retries")

    def _tell(self, deployment: Deployment, text: str) -> None:
        self.root.tell(text, *deployment.path, "litellm_params")


def _levels(members: Sequence[Deployment]) -> list[int]:
    """Each deployment's level in its group, from 0; those without an `order` come last."""
    stated = sorted({deployment.order for deployment in members if deployment.order is not None})
    return [len(stated) if one.order is None else stated.index(one.order) for one in members]
