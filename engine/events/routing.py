"""Pools as they are defined one by one, client keys, and settings."""

from collections.abc import Mapping
from typing import TypeAlias

import attrs

from engine.names import Alias, CredentialId, KeyId, ProviderName, UserId


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
    digest: str = attrs.field(repr=False)
    "SHA-256 of the secret, 64 hexadecimal digits."
    opens_all_pools: bool
    "A global key (AUTH-4)."
    labels: Mapping[str, str]
    max_concurrent: int | None = None
    requests_per_second: float | None = None
    burst: int | None = None
    user_id: UserId | None = None
    "Whose memberships and funds it goes by; None: it opens no model but by name (SYNC-4)."
    purpose: str | None = None
    "Its label `purpose` (SYNC-8)."
    aliases: tuple[Alias, ...] = ()
    "Pools it opens beside those that list it."
    expires_at: int | None = None
    "Unix seconds, as the one below; None: never."
    cidrs: tuple[str, ...] = ()
    "Networks it may be used from; empty: from anywhere."
    previous_digest: str | None = attrs.field(default=None, repr=False)
    "After a rotation, the secret before, which is good until `previous_until`."
    previous_until: int | None = None


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


RoutingEvent: TypeAlias = (
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
