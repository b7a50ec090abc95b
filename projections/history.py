"""The log for people: what each event changed, in one sentence.

Law: `sentence` is total; it compares an event with the table before it, so what an event merely restates it does not
repeat; it is one line of printable characters; and nothing of a secret is in it, no digest either (upstream
credentials are names).
"""

from collections.abc import Callable, Iterable, Iterator

from engine.definitions import define_key, define_pool, define_provider, define_rule, define_settings
from engine.events import (
    AccessEvent,
    Event,
    KeyDefined,
    KeyRemoved,
    ModelEvent,
    OfficeEvent,
    PoolDefined,
    PoolRemoved,
    ProviderDefined,
    ProviderRemoved,
    Recorded,
    RoutingEvent,
    RuleDefined,
    RuleRemoved,
    SettingsChanged,
)
from engine.names import ProviderName
from engine.snapshot import Key, Pool, RoutingSnapshot
from projections.access_history import access_sentence
from projections.model_history import model_sentence
from projections.office_history import office_sentence
from projections.phrases import (
    changed,
    created,
    differences,
    key_differences,
    missing,
    particulars,
    pool_particulars,
    printable,
    provider_particulars,
    removed,
    rule_order,
)


def sentence(before: RoutingSnapshot, recorded: Recorded) -> str:
    """What an event changed in the table before it."""
    return printable(_sentence(before, recorded.event))


def sentences(
    before: RoutingSnapshot,
    events: Iterable[Event],
    change: Callable[[RoutingSnapshot, Iterable[Event]], RoutingSnapshot],
) -> Iterator[str]:
    """What events that are not recorded would change, one after the other."""
    for event in events:
        yield sentence(before, Recorded(before.position + 1, event, "", "", 0))
        before = change(before, (event,))


def _sentence(before: RoutingSnapshot, event: Event) -> str:
    if isinstance(event, ModelEvent):
        return model_sentence(before.catalogue, event)
    if isinstance(event, AccessEvent):
        return access_sentence(before, event)
    if isinstance(event, OfficeEvent):
        return office_sentence(before, event)
    return _routing_sentence(before, event)


def _routing_sentence(before: RoutingSnapshot, event: RoutingEvent) -> str:
    match event:
        case SettingsChanged():
            return changed("settings", differences(define_settings(before.settings), event))
        case KeyDefined() | KeyRemoved():
            return _key(f"key {event.key_id}", before.keys.get(event.key_id), event)
        case PoolDefined() | PoolRemoved():
            return _pool(f"pool {event.alias}", before.pools.get(event.alias), event)
        case _:
            return _part(before.pools.get(event.alias), event)


def _key(subject: str, key: Key | None, event: KeyDefined | KeyRemoved) -> str:
    if isinstance(event, KeyRemoved):
        return removed(subject, key is not None)
    if key is None:
        return created(subject, particulars(event))
    return changed(subject, key_differences(define_key(key), event))


def _pool(subject: str, pool: Pool | None, event: PoolDefined | PoolRemoved) -> str:
    if isinstance(event, PoolRemoved):
        parts = f", {len(pool.providers)} provider(s) and {len(pool.rules)} rule(s) with it" if pool else ""
        return f"{removed(subject, pool is not None)}{parts}"
    if pool is None:
        return created(subject, pool_particulars(event))
    return changed(subject, differences(define_pool(pool), event))


def _part(pool: Pool | None, event: ProviderDefined | ProviderRemoved | RuleDefined | RuleRemoved) -> str:
    if isinstance(event, ProviderDefined | ProviderRemoved):
        subject = f"provider {event.provider} of pool {event.alias}"
    else:
        subject = f"rule {event.rank} of pool {event.alias}"
    if pool is None:
        return missing(subject, pool=False)
    match event:
        case ProviderDefined():
            return _provider(subject, pool, event)
        case ProviderRemoved():
            return removed(subject, event.provider in _names(pool))
        case RuleDefined():
            return _rule(subject, pool, event)
        case RuleRemoved():
            return removed(subject, event.rank < len(pool.rules))


def _provider(subject: str, pool: Pool, event: ProviderDefined) -> str:
    names = _names(pool)
    others = [name for name in names if name != event.provider]
    others.insert(event.rank, event.provider)
    rank = others.index(event.provider)
    if event.provider not in names:
        return created(subject, [event.url, f"weight {event.weight}", *provider_particulars(event)])
    old_rank = names.index(event.provider)
    phrases = [f"place {old_rank} → {rank}"] if rank != old_rank else []
    phrases += differences(define_provider(pool.alias, rank, pool.providers[old_rank]), event)
    return changed(subject, phrases)


def _rule(subject: str, pool: Pool, event: RuleDefined) -> str:
    old = pool.rules[event.rank : event.rank + 1]
    if not old:
        return f"{subject} was created: {rule_order(event)}"
    before, after = rule_order(define_rule(pool.alias, event.rank, old[0])), rule_order(event)
    return changed(subject, [f"{before} → {after}"] if before != after else [])


def _names(pool: Pool) -> list[ProviderName]:
    return [provider.name for provider in pool.providers]
