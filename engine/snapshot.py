"""The routing table at one position.

Law: immutable, and consistent by construction; only `projections.routing` makes one. A request reads one
snapshot from its first step to its last (ORDER-5).
"""

from collections.abc import Mapping
from enum import Enum

import attrs

from engine.names import Alias, CredentialId, Digest, KeyId, Position, ProviderName


class Strategy(Enum):
    """How a pool picks among its providers (LB-1)."""

    WEIGHTED_RANDOM = "weighted_random"
    "Weighted least connections; ties are drawn by weight."
    PRIORITY = "priority"
    "The first free provider in definition order."


class Action(Enum):
    DENY = "deny"
    REDIRECT = "redirect"


@attrs.frozen
class Limits:
    """None means no limit."""

    max_concurrent: int | None = None
    requests_per_second: float | None = None
    burst: int | None = None


@attrs.frozen
class Backoff:
    initial_ms: float
    max_ms: float = 5000.0
    factor: float = 2.0
    jitter: str = "full"


@attrs.frozen
class Fallback:
    enabled: bool = False
    on_status: tuple[int, ...] = ()
    "Patterns of FB-2: below 10 a class, below 100 a decade, else a status."
    on_rate_limit: bool = False
    with_replacement: bool = False
    max_attempts: int | None = None
    backoff: Backoff | None = None
    max_total_backoff_ms: float | None = None


@attrs.frozen(cache_hash=True)
class Provider:
    name: ProviderName
    url: str
    model: str | None = None
    credential: CredentialId | None = None
    auth_header: str = "Authorization"
    auth_prefix: str = "Bearer "
    weight: int = 1
    limits: Limits = Limits()
    header_timeout_s: float | None = None
    response_headers: Mapping[str, str] = attrs.field(factory=dict, hash=False)
    sanitize_response: bool = False
    trusted: bool | None = None
    propagate_trace_context: bool | None = None
    open_responses_adapter: bool | None = None

    @property
    def identity(self) -> tuple[str, str | None]:
        """What keeps a live counter across changes: address and upstream model, never the credential."""
        return (self.url, self.model)


@attrs.frozen
class Rule:
    match_labels: Mapping[str, str]
    action: Action
    target: Alias | None = None


@attrs.frozen
class Key:
    key_id: KeyId
    digest: Digest = attrs.field(repr=False)
    opens_all_pools: bool = False
    labels: Mapping[str, str] = attrs.field(factory=dict)
    limits: Limits = Limits()


@attrs.frozen
class Pool:
    alias: Alias
    providers: tuple[Provider, ...] = ()
    keys: frozenset[KeyId] | None = None
    "None: no list of its own; the pool is open unless global keys exist (CFG-11)."
    strategy: Strategy = Strategy.WEIGHTED_RANDOM
    limits: Limits = Limits()
    fallback: Fallback = Fallback()
    rules: tuple[Rule, ...] = ()
    response_headers: Mapping[str, str] = attrs.field(factory=dict)
    sanitize_response: bool = False
    trusted: bool = False
    open_responses_adapter: bool | None = None


@attrs.frozen
class Settings:
    strict_mode: bool = False
    max_idle_per_host: int = 100
    idle_timeout_s: float = 90.0


@attrs.frozen
class RoutingSnapshot:
    """Mappings are persistent: the next snapshot shares all that did not change."""

    position: Position
    pools: Mapping[Alias, Pool]
    keys: Mapping[KeyId, Key]
    callers: Mapping[Digest, Key] = attrs.field(repr=False)
    "The same keys, by digest."
    global_keys: int
    "How many keys open all pools."
    settings: Settings = Settings()


@attrs.frozen
class Manifest:
    """A whole wished-for table, as a file states it."""

    pools: Mapping[Alias, Pool] = attrs.field(factory=dict)
    keys: Mapping[KeyId, Key] = attrs.field(factory=dict)
    settings: Settings = Settings()
