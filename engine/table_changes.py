"""One valid part of the table to another: what differs, as events.

Law: exactly what differs (DELTA-7). Between two of the events no pool is open that is not open before or after, and no
key opens one that it does not open before or after (rules aside, and an append becomes visible at once).
"""

from collections.abc import Iterator

from engine.definitions import define_key, define_pool, define_provider, define_rule, define_settings
from engine.events import Event, KeyRemoved, PoolRemoved, ProviderRemoved, RuleRemoved
from engine.snapshot import Key, Manifest, Pool


def changes_between(old: Manifest, new: Manifest) -> Iterator[Event]:
    """The events that turn the old ones into the new ones; both are valid."""
    if new.settings != old.settings:
        yield define_settings(new.settings)
    # What closes before what opens: a key stays global until the pools that stay have their new lists, lest the last
    # global key's going opens them, and a new pool comes when the keys that are not to open it are gone.
    for alias in sorted(alias for alias in old.pools if alias not in new.pools):
        yield PoolRemoved(alias)
    changed = [new.keys[key_id] for key_id in sorted(new.keys) if new.keys[key_id] != old.keys.get(key_id)]
    for key in changed:
        if not _is_narrowed(old, key):
            yield define_key(key)
    for alias in sorted(alias for alias in new.pools if alias in old.pools):
        yield from _pool_differences(old.pools[alias], new.pools[alias])
    for key in changed:
        if _is_narrowed(old, key):
            yield define_key(key)
    for key_id in sorted(key_id for key_id in old.keys if key_id not in new.keys):
        yield KeyRemoved(key_id)
    for alias in sorted(alias for alias in new.pools if alias not in old.pools):
        yield from _pool_differences(None, new.pools[alias])


def _is_narrowed(old: Manifest, key: Key) -> bool:
    """Whether a key was global and is not to be."""
    before = old.keys.get(key.key_id)
    return before is not None and before.opens_all_pools and not key.opens_all_pools


def _pool_differences(old: Pool | None, new: Pool) -> Iterator[Event]:
    if old == new:
        return
    defined = define_pool(new)
    if old is None or define_pool(old) != defined:
        yield defined
    names = {provider.name for provider in new.providers}
    staying = [provider for provider in old.providers if provider.name in names] if old else []
    for provider in old.providers if old else ():
        if provider.name not in names:
            yield ProviderRemoved(new.alias, provider.name)
    # From the first place where the order differs, each provider is stated again: the fold inserts by rank.
    reordered = False
    for rank, provider in enumerate(new.providers):
        reordered = reordered or rank >= len(staying) or staying[rank].name != provider.name
        if reordered or staying[rank] != provider:
            yield define_provider(new.alias, rank, provider)
    old_rules = old.rules if old else ()
    for rank in reversed(range(len(new.rules), len(old_rules))):
        yield RuleRemoved(new.alias, rank)
    for rank, rule in enumerate(new.rules):
        if rank >= len(old_rules) or old_rules[rank] != rule:
            yield define_rule(new.alias, rank, rule)
