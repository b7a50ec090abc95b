"""The routing table as a fold over events.

Law: `fold` is total (a projection never refuses) and incremental: an event costs the entities it names, whatever the
size of the table, because the maps share everything else (`immutables.Map`, a hash array mapped trie).
Events that no longer make sense, such as a provider for a pool that is gone, change nothing but the position.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import attrs

from engine import events
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
from engine.names import Alias, Digest, KeyId, Position
from engine.snapshot import Key, Pool, RoutingSnapshot, Settings
from projections import access, inventory, office
from projections.models import project
from projections.table import Table, empty
from projections.values import key_of, pool_of, provider_of, rule_of

__all__ = ["Folding", "apply", "change", "empty", "fold"]


class Folding:
    """A table into which events are folded, page by page, before anybody sees it."""

    def __init__(self, snapshot: RoutingSnapshot) -> None:
        self._table = Table(snapshot)

    @property
    def position(self) -> Position:
        """Of the last event."""
        return self._table.position

    def take(self, recorded: Iterable[Recorded]) -> None:
        table, folds = self._table, _FOLDS
        for one in recorded:
            table.note(one)
            folds[type(one.event)](table, one.event)

    def close(self) -> tuple[RoutingSnapshot, frozenset[Alias]]:
        """The table, and the pools that may differ from those of the one before. Nothing can be folded in any more."""
        project(self._table)
        return self._table.closed(), frozenset(self._table.touched)


def fold(snapshot: RoutingSnapshot, recorded: Iterable[Recorded]) -> tuple[RoutingSnapshot, frozenset[Alias]]:
    """The table some events later, and the pools that may differ from those of the one before."""
    folding = Folding(snapshot)
    folding.take(recorded)
    return folding.close()


def apply(snapshot: RoutingSnapshot, recorded: Recorded) -> RoutingSnapshot:
    """The table one event later."""
    return fold(snapshot, (recorded,))[0]


def change(snapshot: RoutingSnapshot, changes: Iterable[Event]) -> RoutingSnapshot:
    """What the table would be if these were recorded now; it stays at its position."""
    table = Table(snapshot)
    for event in changes:
        _FOLDS[type(event)](table, event)
    project(table)
    return table.closed()


def _settings_changed(table: Table, event: SettingsChanged) -> None:
    table.settings = Settings(event.strict_mode, event.max_idle_per_host, event.idle_timeout_s)


def _key_defined(table: Table, event: KeyDefined) -> None:
    _set_key(table, event.key_id, key_of(event))


def _key_removed(table: Table, event: KeyRemoved) -> None:
    _set_key(table, event.key_id, None)


def _pool_defined(table: Table, event: PoolDefined) -> None:
    _set_pool(table, pool_of(event, table.pools.get(event.alias)))


def _pool_removed(table: Table, event: PoolRemoved) -> None:
    if event.alias in table.pools:
        table.drop(event.alias)
        _restore_model(table, event.alias)


def _provider_defined(table: Table, event: ProviderDefined) -> None:
    pool = table.pools.get(event.alias)
    if pool is not None:
        others = [provider for provider in pool.providers if provider.name != event.provider]
        others.insert(event.rank, provider_of(event))
        _set_pool(table, attrs.evolve(pool, providers=tuple(others)))


def _provider_removed(table: Table, event: ProviderRemoved) -> None:
    pool = table.pools.get(event.alias)
    if pool is not None:
        kept = tuple(provider for provider in pool.providers if provider.name != event.provider)
        _set_pool(table, attrs.evolve(pool, providers=kept))


def _rule_defined(table: Table, event: RuleDefined) -> None:
    pool = table.pools.get(event.alias)
    if pool is not None:
        rules = (*pool.rules[: event.rank], rule_of(event), *pool.rules[event.rank + 1 :])
        _set_pool(table, attrs.evolve(pool, rules=rules))


def _rule_removed(table: Table, event: RuleRemoved) -> None:
    pool = table.pools.get(event.alias)
    if pool is not None:
        _set_pool(table, attrs.evolve(pool, rules=pool.rules[: event.rank] + pool.rules[event.rank + 1 :]))


def _set_pool(table: Table, pool: Pool) -> None:
    table.touched.add(pool.alias)
    table.pools[pool.alias] = pool
    _restore_model(table, pool.alias)


def _restore_model(table: Table, alias: Alias) -> None:
    """A model's name stays the model's, whatever a log says that `decide` would not have let through (DEF-19)."""
    model_id = table.models.get(alias)
    if model_id is not None:
        table.stale.add(model_id)


def _set_key(table: Table, key_id: KeyId, key: Key | None) -> None:
    old = table.keys.get(key_id)
    if old is not None:
        table.global_keys -= old.opens_all_pools
        _forget_secret(table, old, old.digest)
        if old.previous is not None:
            _forget_secret(table, old, old.previous)
    if key is None:
        table.keys.pop(key_id)
    else:
        table.keys[key_id] = key
        table.global_keys += key.opens_all_pools
        table.callers[key.digest] = key
        if key.previous is not None:
            table.callers[key.previous] = key


def _forget_secret(table: Table, key: Key, digest: Digest) -> None:
    """Unless it has become another key's."""
    holder = table.callers.get(digest)
    if holder is not None and holder.key_id == key.key_id:
        del table.callers[digest]


_FOLDS: Final[Mapping[type, Callable[[Table, Any], None]]] = {
    events.SettingsChanged: _settings_changed,
    events.KeyDefined: _key_defined,
    events.KeyRemoved: _key_removed,
    events.PoolDefined: _pool_defined,
    events.PoolRemoved: _pool_removed,
    events.ProviderDefined: _provider_defined,
    events.ProviderRemoved: _provider_removed,
    events.RuleDefined: _rule_defined,
    events.RuleRemoved: _rule_removed,
    events.EndpointDefined: inventory.endpoint_defined,
    events.EndpointRemoved: inventory.endpoint_removed,
    events.DeploymentDefined: inventory.deployment_defined,
    events.DeploymentRemoved: inventory.deployment_removed,
    events.CompositeDefined: inventory.composite_defined,
    events.CompositeRemoved: inventory.composite_removed,
    events.ComponentDefined: inventory.component_defined,
    events.ComponentRemoved: inventory.component_removed,
    events.TrafficRuleDefined: inventory.traffic_rule_defined,
    events.TrafficRuleRemoved: inventory.traffic_rule_removed,
    events.BatchDefaultChanged: inventory.batch_default_changed,
    events.UserDefined: access.user_defined,
    events.UserRemoved: access.user_removed,
    events.GroupDefined: access.group_defined,
    events.GroupRemoved: access.group_removed,
    events.MemberAdded: access.member_added,
    events.MemberRemoved: access.member_removed,
    events.GrantAdded: access.grant_added,
    events.GrantRemoved: access.grant_removed,
    events.CreditsBooked: access.credits_booked,
    events.CreditsCheckpointed: access.credits_checkpointed,
    events.FundsRestored: access.funds_restored,
    events.FundsExhausted: access.funds_exhausted,
    events.TariffDefined: access.tariff_defined,
    events.TariffBegan: access.tariff_began,
    events.TariffEnded: access.tariff_ended,
    events.TariffRemoved: access.tariff_removed,
    events.EscalationChanged: access.escalation_changed,
    events.TokenDefined: office.token_defined,
    events.TokenRemoved: office.token_removed,
    events.SourceReleased: office.source_released,
    events.SourceClaimed: office.source_claimed,
}
