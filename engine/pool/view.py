"""A pool's live state as observers see it: cheap, consistent, without secrets (LB-15, WS-1)."""

import attrs

from engine.names import Alias, Position, ProviderName
from engine.pool.state import PoolState


@attrs.frozen
class ProviderView:
    name: ProviderName
    url: str
    weight: int
    active: int
    limit: int | None
    draining: bool = False
    "The provider is gone from the definition and its last requests are ending."


@attrs.frozen
class PoolView:
    alias: Alias
    position: Position
    "Of the definition the pool runs."
    strategy: str
    active: int
    "Requests in the pool, between attempts included."
    limit: int | None
    fallback: bool
    rules: int
    keys: int | None
    "How many keys it lists; None: no list of its own."
    providers: tuple[ProviderView, ...]


def view(state: PoolState) -> PoolView | None:
    """The read model; None once the alias is gone."""
    pool = state.pool
    if pool is None:
        return None
    listed = [(slot, False) for slot in state.slots] + [(slot, True) for slot in state.draining]
    return PoolView(
        alias=state.alias,
        position=state.position,
        strategy=pool.strategy.value,
        active=len(state.journeys),
        limit=pool.limits.max_concurrent,
        fallback=pool.fallback.enabled,
        rules=len(pool.rules),
        keys=None if pool.keys is None else len(pool.keys),
        providers=tuple(
            ProviderView(
                name=slot.provider.name,
                url=slot.provider.url,
                weight=slot.provider.weight,
                active=slot.active,
                limit=slot.provider.limits.max_concurrent,
                draining=draining,
            )
            for slot, draining in listed
        ),
    )
