"""The facts the routing table is folded from.

Law: flat, primitive fields, whole state of the entity they name (applying one twice changes nothing), and
no secret: keys appear as digests, upstream credentials as names.
Their wire names and schema numbers live in `adapters/codec.py`, which has a golden file for each.
"""

from collections.abc import Mapping
from typing import TypeAlias
from uuid import UUID

import attrs

from engine.names import Alias, CredentialId, KeyId, Position, ProviderName


@attrs.frozen
class SettingsChanged:
    strict_mode: bool
    max_idle_per_host: int
    "Idle upstream connections kept for each origin."
    idle_timeout_s: float
    "Seconds an idle upstream connection is kept."


@attrs.frozen
class KeyDefined:
    key_id: KeyId
    digest: str
    "SHA-256 of the secret, 64 hexadecimal digits."
    opens_all_pools: bool
    "A global key (AUTH-4)."
    labels: Mapping[str, str]
    max_concurrent: int | None = None
    requests_per_second: float | None = None
    burst: int | None = None


@attrs.frozen
class KeyRemoved:
    key_id: KeyId


@attrs.frozen
class PoolDefined:
    alias: Alias
    strategy: str
    keys: tuple[KeyId, ...] | None
    "The keys that open the pool beside the global ones; None: no key list of its own (CFG-11)."
    max_concurrent: int | None = None
    requests_per_second: float | None = None
    burst: int | None = None
    fallback_enabled: bool = False
    fallback_on_status: tuple[int, ...] = ()
    fallback_on_rate_limit: bool = False
    fallback_with_replacement: bool = False
    fallback_max_attempts: int | None = None
    fallback_on_connect_error: bool = True
    fallback_on_timeout: bool = True
    fallback_on_maybe_executed: bool = True
    fallback_on_embedded_error: bool | None = None
    "None: where strict mode is on."
    fallback_exhausted: str = "relay"
    backoff_initial_ms: float | None = None
    backoff_max_ms: float = 5000.0
    backoff_factor: float = 2.0
    backoff_jitter: str = "full"
    backoff_max_total_ms: float | None = None
    circuit_enabled: bool = True
    circuit_failures: int = 3
    circuit_open_on_status: tuple[int, ...] = ()
    circuit_cooldowns_s: tuple[float, ...] = (60.0, 300.0, 900.0)
    circuit_max_retry_after_s: float = 60.0
    circuit_when_all_open: str = "probe"
    connect_timeout_s: float | None = None
    "Seconds, as the three after it; None: the gateway's default (DEF-40)."
    first_byte_timeout_s: float | None = None
    idle_timeout_s: float | None = None
    total_timeout_s: float | None = None
    affinity_header: str | None = None
    "In lower case; None: the caller."
    affinity_max_load_percent: int = 125
    response_headers: Mapping[str, str] = attrs.field(factory=dict)
    sanitize_response: bool = False
    trusted: bool = False
    open_responses_adapter: bool | None = None


@attrs.frozen
class PoolRemoved:
    """The pool is gone, its providers and rules with it."""

    alias: Alias


@attrs.frozen
class ProviderDefined:
    alias: Alias
    provider: ProviderName
    rank: int
    "Place in the pool's order, from 0."
    url: str
    "Absolute, path ends in `/` (URL-1)."
    model: str | None = None
    "Replaces the body's `model`; None leaves the body as it is."
    credential: CredentialId | None = None
    auth_header: str = "Authorization"
    auth_prefix: str = "Bearer "
    weight: int = 1
    max_concurrent: int | None = None
    requests_per_second: float | None = None
    burst: int | None = None
    deployment: str | None = None
    "Providers of one deployment share its limits (SYNC-17)."
    priority: int | None = None
    cost: float = 0.0
    header_timeout_s: float | None = None
    "Seconds to wait for response headers (STREAM-5); None, here and below: as the pool says."
    connect_timeout_s: float | None = None
    idle_timeout_s: float | None = None
    total_timeout_s: float | None = None
    response_headers: Mapping[str, str] = attrs.field(factory=dict)
    sanitize_response: bool = False
    trusted: bool | None = None
    propagate_trace_context: bool | None = None
    open_responses_adapter: bool | None = None


@attrs.frozen
class ProviderRemoved:
    alias: Alias
    provider: ProviderName


@attrs.frozen
class RuleDefined:
    alias: Alias
    rank: int
    "Place in the pool's order of rules, from 0; the first match decides (RULE-1)."
    match_labels: Mapping[str, str]
    action: str
    target: Alias | None = None
    opens_target: bool = False
    "Whether a redirect admits callers whose key does not open the target (RULE-7)."


@attrs.frozen
class RuleRemoved:
    alias: Alias
    rank: int


Event: TypeAlias = (
    SettingsChanged
    | KeyDefined
    | KeyRemoved
    | PoolDefined
    | PoolRemoved
    | ProviderDefined
    | ProviderRemoved
    | RuleDefined
    | RuleRemoved
)


def stream_of(event: Event) -> str:
    """The entity an event belongs to, e.g. `pool:chat`; versions are dense within it."""
    match event:
        case SettingsChanged():
            return "settings"
        case KeyDefined() | KeyRemoved():
            return f"key:{event.key_id}"
        case _:
            return f"pool:{event.alias}"


@attrs.frozen
class Draft:
    """An event on its way into the log."""

    event_id: UUID
    event: Event


@attrs.frozen
class Recorded:
    """An event in the log."""

    position: Position
    event: Event
    event_id: UUID
    actor: str
    "Who made it so, e.g. `file:routes.json`."
    recorded_at: int
    "Unix time in microseconds, from the writer's clock; for people, never for decisions."
