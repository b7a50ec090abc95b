"""Values of events in words: what a field is called, and how its value reads.

Law: total over every field of every event; a field without words here is shown under its own name, and a digest never.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from engine.events import Event, PoolDefined, ProviderDefined, RuleDefined
from engine.snapshot import Action

_WORDS: Final[Mapping[str, str]] = {
    "strict_mode": "strict mode",
    "max_idle_per_host": "idle connections per host",
    "idle_timeout_s": "idle seconds",
    "opens_all_pools": "opens all pools",
    "max_concurrent": "limit",
    "requests_per_second": "requests per second",
    "fallback_enabled": "fallback",
    "fallback_on_status": "fallback statuses",
    "fallback_on_rate_limit": "fallback on rate limit",
    "fallback_with_replacement": "fallback with replacement",
    "fallback_max_attempts": "attempts",
    "fallback_on_connect_error": "fallback on connect error",
    "fallback_on_timeout": "fallback on timeout",
    "fallback_on_maybe_executed": "fallback on maybe executed",
    "fallback_on_embedded_error": "fallback on embedded error",
    "fallback_exhausted": "when exhausted",
    "backoff_initial_ms": "backoff ms",
    "backoff_max_ms": "longest backoff ms",
    "backoff_factor": "backoff factor",
    "backoff_jitter": "backoff jitter",
    "backoff_max_total_ms": "total backoff ms",
    "circuit_enabled": "circuits",
    "circuit_failures": "circuits open after failures",
    "circuit_open_on_status": "circuits open at once on",
    "circuit_cooldowns_s": "cooldown seconds",
    "circuit_max_retry_after_s": "longest retry-after seconds",
    "circuit_when_all_open": "with all circuits open",
    "connect_timeout_s": "connect seconds",
    "first_byte_timeout_s": "first byte seconds",
    "header_timeout_s": "first byte seconds",
    "total_timeout_s": "total seconds",
    "affinity_header": "affinity header",
    "affinity_max_load_percent": "affinity load percent",
    "response_headers": "response headers",
    "sanitize_response": "sanitizing",
    "open_responses_adapter": "responses adapter",
    "auth_header": "credential header",
    "auth_prefix": "credential prefix",
    "propagate_trace_context": "trace context",
}
"""Where a field's own name would not do."""

_NAMES: Final = {"key_id", "alias", "provider", "rank"}
"""Of the entity itself; the sentence has named it already."""

_UNTOLD: Final = {*_NAMES, "digest"}
_TOLD_OF_POOLS: Final = frozenset(
    {"strategy", "keys", "fallback_enabled", "fallback_on_status", "fallback_on_rate_limit"}
)
_SWITCHES: Final = (
    "fallback_on_rate_limit",
    "fallback_on_connect_error",
    "fallback_on_timeout",
    "fallback_on_maybe_executed",
    "fallback_on_embedded_error",
)
"""What is tried again besides statuses, each where it is on."""
_TOLD_OF_PROVIDERS: Final = frozenset({"url", "weight"})
_PATTERNS: Final = {"fallback_on_status", "circuit_open_on_status"}
_ACTIONS: Final = {action.value for action in Action}


def text(value: Any) -> str:
    """A field's value."""
    match value:
        case None | "":
            words = "none"
        case bool():
            words = "on" if value else "off"
        case float():
            words = f"{value:g}"
        case Mapping():
            words = f"[{', '.join(f'{name}={value[name]}' for name in sorted(value))}]"
        case tuple():
            words = f"[{', '.join(map(text, value))}]"
        case _:
            words = str(value)
    return words


def pattern(status: int) -> str:
    """A status pattern of FB-2: 5 is 5xx, 42 is 42x, 429 is itself."""
    if 0 < status < 10:
        return f"{status}xx"
    return f"{status}x" if 10 <= status < 100 else str(status)


def differences(old: Event, new: Event) -> list[str]:
    """What differs between two events of one class about one entity, a phrase a field."""
    names = [field.name for field in attrs.fields(type(new)) if field.name not in _NAMES]
    return [
        _difference(name, getattr(old, name), getattr(new, name))
        for name in names
        if getattr(old, name) != getattr(new, name)
    ]


def particulars(event: Event, *, beside: frozenset[str] = frozenset()) -> Iterator[str]:
    """What an event sets, a phrase a field: not what is left at its default, nor the fields told `beside`."""
    for field in attrs.fields(type(event)):
        name, value = field.name, getattr(event, field.name)
        # A switch that is off is told where it would be on, or somebody else's to say, if nothing were set.
        off = value is False and field.default is attrs.NOTHING
        if name in _UNTOLD or name in beside or value is None or off or value in ({}, field.default):
            continue
        yield _name(name) if value is True else f"{_name(name)} {_value(name, value)}"


def pool_particulars(event: PoolDefined) -> Iterator[str]:
    """A pool's own definition, whole. Of a fallback all that is in force is told, set or not."""
    on = [name for name in _SWITCHES if event.fallback_enabled and getattr(event, name)]
    yield event.strategy
    yield "no key list" if event.keys is None else f"{len(event.keys)} key(s)"
    yield from particulars(event, beside=_TOLD_OF_POOLS.union(on))
    if event.fallback_enabled:
        occasions = [pattern(status) for status in event.fallback_on_status]
        occasions += [_name(name).removeprefix("fallback on ") for name in on]
        # What is wrong with a credential of the gateway's own is tried elsewhere in any case (DEF-71).
        yield f"fallback on {', '.join(occasions) or 'its own credentials alone'}"


def provider_particulars(event: ProviderDefined) -> Iterator[str]:
    """A provider's definition beyond its address and weight."""
    return particulars(event, beside=_TOLD_OF_PROVIDERS)


def rule_order(rule: RuleDefined) -> str:
    """What a rule does to whom."""
    callers = f"callers with {text(rule.match_labels)[1:-1]}" if rule.match_labels else "all callers with a key"
    action = rule.action if rule.action in _ACTIONS else f"deny, for {rule.action} is unknown here,"
    target = f" to {rule.target}" if rule.target is not None else ""
    return f"{action} {callers}{target}" + (", which opens it" if rule.opens_target else "")


def printable(line: str) -> str:
    """The text on one line, with whatever a terminal might obey escaped."""
    if line.isprintable():
        return line
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in line)


def _name(field: str) -> str:
    return _WORDS.get(field, field)


def _value(field: str, value: Any) -> str:
    if field in _PATTERNS:
        return text(tuple(map(pattern, value)))
    return text(value)


def _difference(field: str, old: Any, new: Any) -> str:
    match field:
        case "digest":
            return "a new secret"
        case "keys" if old is not None and new is not None:
            added = [f"+{one}" for one in new if one not in old]
            removed = [f"-{one}" for one in old if one not in new]
            return f"keys {' '.join(added + removed)}".rstrip()
        case _:
            return f"{_name(field)} {_value(field, old)} → {_value(field, new)}"
