"""The routing table as a fold over events.

Law: `apply` is total (a projection never refuses) and incremental: one event costs the entity it names, whatever
the size of the table, because the maps share everything else (`immutables.Map`, a hash array mapped trie).
Events that no longer make sense, such as a provider for a pool that is gone, change nothing but the position.
"""

from typing import cast

import attrs
import immutables

from engine.events import (
    Event,
    KeyDefined,
    KeyRemoved,
    PoolDefined,
    PoolRemoved,
    ProviderDefined,
    ProviderRemoved,
    Recorded,
    RuleDefined,
    RuleRemoved,
    SettingsChanged,
)
from engine.names import Alias, Digest, KeyId
from engine.snapshot import Key, Pool, RoutingSnapshot, Settings
from projections.values import key_of, pool_of, provider_of, rule_of

Pools = immutables.Map[Alias, Pool]
Keys = immutables.Map[KeyId, Key]
Callers = immutables.Map[Digest, Key]


def empty() -> RoutingSnapshot:
    """The table at position 0."""
    return RoutingSnapshot(0, Pools(), Keys(), Callers(), global_keys=0)


def apply(snapshot: RoutingSnapshot, recorded: Recorded) -> RoutingSnapshot:
    """The table one event later."""
    return attrs.evolve(_change(snapshot, recorded.event), position=recorded.position)


def touches(event: Event) -> Alias | None:
    """The pool whose definition an event may change; None where it is a key's or a setting's."""
    match event:
        case SettingsChanged() | KeyDefined() | KeyRemoved():
            return None
        case _:
            return event.alias


def _change(snapshot: RoutingSnapshot, event: Event) -> RoutingSnapshot:
    match event:
        case SettingsChanged():
            settings = Settings(event.strict_mode, event.max_idle_per_host, event.idle_timeout_s)
            return attrs.evolve(snapshot, settings=settings)
        case KeyDefined():
            return _with_key(snapshot, event.key_id, key_of(event))
        case KeyRemoved():
            return _with_key(snapshot, event.key_id, None)
        case PoolDefined():
            return _with_pool(snapshot, pool_of(event, snapshot.pools.get(event.alias)))
        case PoolRemoved():
            return _without_pool(snapshot, event.alias)
        case _:
            pool = snapshot.pools.get(event.alias)
            return snapshot if pool is None else _with_pool(snapshot, _part(pool, event))


def _part(pool: Pool, event: ProviderDefined | ProviderRemoved | RuleDefined | RuleRemoved) -> Pool:
    match event:
        case ProviderDefined():
            others = [provider for provider in pool.providers if provider.name != event.provider]
            others.insert(event.rank, provider_of(event))
            return attrs.evolve(pool, providers=tuple(others))
        case ProviderRemoved():
            kept = tuple(provider for provider in pool.providers if provider.name != event.provider)
            return attrs.evolve(pool, providers=kept)
        case RuleDefined():
            return attrs.evolve(pool, rules=(*pool.rules[: event.rank], rule_of(event), *pool.rules[event.rank + 1 :]))
        case RuleRemoved():
            return attrs.evolve(pool, rules=pool.rules[: event.rank] + pool.rules[event.rank + 1 :])


def _with_pool(snapshot: RoutingSnapshot, pool: Pool) -> RoutingSnapshot:
    return attrs.evolve(snapshot, pools=_pools(snapshot).set(pool.alias, pool))


def _without_pool(snapshot: RoutingSnapshot, alias: Alias) -> RoutingSnapshot:
    if alias not in snapshot.pools:
        return snapshot
    return attrs.evolve(snapshot, pools=_pools(snapshot).delete(alias))


def _with_key(snapshot: RoutingSnapshot, key_id: KeyId, key: Key | None) -> RoutingSnapshot:
    keys, callers, global_keys = _keys(snapshot), _callers(snapshot), snapshot.global_keys
    old = keys.get(key_id)
    if old is not None:
        keys, global_keys = keys.delete(key_id), global_keys - old.opens_all_pools
        if callers.get(old.digest) == old:
            callers = callers.delete(old.digest)
    if key is not None:
        keys, callers, global_keys = (
            keys.set(key_id, key),
            callers.set(key.digest, key),
            global_keys + key.opens_all_pools,
        )
    return attrs.evolve(snapshot, keys=keys, callers=callers, global_keys=global_keys)


def _pools(snapshot: RoutingSnapshot) -> Pools:
    return cast("Pools", snapshot.pools)


def _keys(snapshot: RoutingSnapshot) -> Keys:
    return cast("Keys", snapshot.keys)


def _callers(snapshot: RoutingSnapshot) -> Callers:
    return cast("Callers", snapshot.callers)
