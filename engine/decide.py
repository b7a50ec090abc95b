"""Commands to events.

Law: `decide(snapshot, command)` is pure; it returns exactly the events whose fold makes the wish true, none for
what is true already (DELTA-7), or raises `Rejected` with every problem and changes nothing. Between two of its
events no pool is open that is not open before or after, and no key opens one that it does not open before or after
(rules aside, and an append becomes visible at once).
"""

from collections.abc import Callable, Iterable, Iterator

import attrs

from engine.checks import problems_of
from engine.commands import (
    ApplyManifest,
    ChangeEntities,
    Command,
    SettleAccounts,
)
from engine.definitions import define_key, define_pool, define_provider, define_rule, define_settings
from engine.entity_changes import changes_of
from engine.entity_checks import problems_of_entity
from engine.errors import Owned, Problem, Rejected
from engine.events import Event, KeyRemoved, PoolRemoved, ProviderRemoved, RuleRemoved, stream_of
from engine.names import Source
from engine.scope import Scope, scope_of
from engine.settlement import due
from engine.snapshot import Key, Manifest, Pool, RoutingSnapshot

Change = Callable[[RoutingSnapshot, Iterable[Event]], RoutingSnapshot]
"""A table with some more events; the projection's."""


def decide(
    snapshot: RoutingSnapshot, command: Command, *, source: Source | None = None, change: Change | None = None
) -> tuple[Event, ...]:
    """The events a command of a source causes at a snapshot; without a source, whoever owns what it changes.

    `change` is needed for commands of several facts, each of which is decided on what those before it lead to.
    Raises Rejected, Owned.
    """
    match command:
        case ChangeEntities():
            events = tuple(_entities(snapshot, command, change))
        case SettleAccounts():
            events = tuple(due(snapshot, command.at_us))
        case _:
            events = tuple(_table(scope_of(snapshot, command, source)))
    if source is not None:
        for event in events:
            stream = stream_of(event)
            owner = snapshot.owner(stream)
            if owner is not None and not (owner == source or isinstance(command, ApplyManifest)):
                raise Owned(stream, owner)
    return events


def _table(scope: Scope) -> Iterator[Event]:
    problems = (*scope.problems, *problems_of(scope.wished, beside=scope))
    if problems:
        raise Rejected(problems)
    return _differences(scope.present, scope.wished)


def _entities(snapshot: RoutingSnapshot, command: ChangeEntities, change: Change | None) -> Iterator[Event]:
    problems: list[Problem] = []
    for place, fact in enumerate(command.facts):
        found = tuple(problems_of_entity(snapshot, fact, may_be_faulty=command.may_be_faulty))
        many = len(command.facts) > 1
        problems += [attrs.evolve(problem, where=(place, *problem.where)) if many else problem for problem in found]
        if found:
            continue
        caused = tuple(changes_of(snapshot, fact))
        yield from caused
        if change is not None and many:
            snapshot = change(snapshot, caused)
    if problems:
        raise Rejected(tuple(problems))


def _differences(old: Manifest, new: Manifest) -> Iterator[Event]:
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
