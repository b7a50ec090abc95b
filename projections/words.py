"""Fields of events in words: what each is called, and how its value reads.

Law: total over every value of every field; a field without words here is shown under its own name.
"""

from collections.abc import Mapping
from typing import Any, Final

from projections.dates import utc

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
    "endpoint_id": "endpoint",
    "model_id": "model",
    "model_name": "model",
    "batch_capacity": "batch capacity",
    "sort_order": "order",
    "user_id": "owner",
    "aliases": "opens",
    "expires_at": "expires",
    "cidrs": "networks",
    "previous_until": "the secret before is good until",
    "input_price": "input price",
    "output_price": "output price",
    "valid_from": "from",
    "valid_until": "until",
}
"""Where a field's own name would not do."""

_NOTHING: Final[Mapping[str, str]] = {
    "cidrs": "any",
    "expires_at": "never",
    "valid_from": "at once",
}
"""What a field means that states nothing, where `none` would not do."""

_PATTERNS: Final = {"fallback_on_status", "circuit_open_on_status"}
_SECONDS: Final = {"expires_at", "previous_until"}
_MICROSECONDS: Final = {"valid_from", "valid_until"}


def field_name(field: str) -> str:
    return _WORDS.get(field, field)


def field_value(field: str, value: Any) -> str:
    """A value, as its field means it."""
    if value in (None, ()):
        return _NOTHING.get(field, text(value))
    if field in _PATTERNS:
        return text(tuple(map(pattern, value)))
    if field in _SECONDS:
        return utc(value)
    if field in _MICROSECONDS:
        return utc(value // 1_000_000)
    return text(value)


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
