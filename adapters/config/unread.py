"""Keys that say something which another key of the same target keeps from mattering.

Law: a warning at each such place, strict or not, for the table is as the file says; a key at its default, or null,
says nothing.
"""

from collections.abc import Iterator

import attrs

from adapters.config.findings import Finding
from adapters.config.policies import affinity, fallback
from adapters.config.sections import Section
from engine.snapshot import Affinity, Fallback, Strategy

_OF_PROVIDERS = {"priority": Strategy.PRIORITY, "cost": Strategy.COST}
"""A provider's keys that one strategy reads."""


def unread_keys(document: Section) -> Iterator[Finding]:
    """One finding for each place that is set and not read."""
    targets = document.within("targets")
    for alias, target in targets.named():
        if "providers" not in target.node:
            for entry in (target, *targets.objects(alias)):
                yield from _of_provider(entry, None)
            continue
        strategy = Strategy(target.get("strategy", Strategy.WEIGHTED_RANDOM.value))
        yield from _of_pool(target, strategy)
        for provider in target.objects("providers"):
            yield from _of_provider(provider, strategy)


def _of_pool(pool: Section, strategy: Strategy) -> Iterator[Finding]:
    if affinity(pool.within("affinity")) != Affinity() and strategy is not Strategy.CONSISTENT_HASH:
        yield _unread(pool, "affinity", Strategy.CONSISTENT_HASH, strategy)
    section = pool.within("fallback")
    chosen = fallback(section)
    if not chosen.enabled:
        # Whether answers are looked into matters to circuits and to the client too (FB-11).
        looks = chosen.on_embedded_error is not None
        if attrs.evolve(chosen, on_embedded_error=None) != Fallback():
            but = ", except for `on_embedded_error`" if looks else ""
            yield Finding(section.path, f"does nothing until `enabled` is true{but}")
    elif chosen.with_replacement and strategy is not Strategy.WEIGHTED_RANDOM:
        yield _unread(section, "with_replacement", Strategy.WEIGHTED_RANDOM, strategy)


def _of_provider(provider: Section, strategy: Strategy | None) -> Iterator[Finding]:
    for name, reader in _OF_PROVIDERS.items():
        if provider.get(name) is not None and strategy is not reader:
            yield _unread(provider, name, reader, strategy)


def _unread(section: Section, name: str, reader: Strategy, strategy: Strategy | None) -> Finding:
    other = f"; this pool has {strategy.value}" if strategy else ", which a target with `providers` can have"
    return Finding((*section.path, name), f"does nothing except under the strategy {reader.value}{other}")
