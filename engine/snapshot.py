"""The routing table at one position.

Law: immutable, and consistent by construction; only `projections.routing` makes one. A request reads one
snapshot from its first step to its last (ORDER-5).
"""

from collections.abc import Mapping
from enum import Enum

import attrs

from engine.catalogue import Catalogue, Stream, Token, User
from engine.names import (
    Alias,
    CredentialId,
    Digest,
    GroupId,
    KeyId,
    Position,
    ProviderName,
    Source,
    UserId,
)
from engine.names import Stream as StreamName

FILE = "file:"
"""What the sources that own what they define begin with."""


class Strategy(Enum):
    """How a pool picks among its providers (LB-1)."""

    WEIGHTED_RANDOM = "weighted_random"
    "Weighted least connections; ties are drawn by weight."
    PRIORITY = "priority"
    "The first free provider in definition order; providers of one priority share by weight (DEF-81)."
    LEAST_LATENCY = "least_latency"
    "Of two drawn by weight, the one that has been answering sooner for its load."
    COST = "cost"
    "The cheapest free provider; equally cheap ones share by weight."
    CONSISTENT_HASH = "consistent_hash"
    "The same provider for the same session, as long as it has no more than its share of the load."


class Action(Enum):
    DENY = "deny"
    REDIRECT = "redirect"


class Exhausted(Enum):
    """What a client gets when all attempts have failed (FB-6, DEF-27)."""

    RELAY = "relay"
    "The last answer a provider gave; an error of the gateway only where none gave any."
    MASK = "mask"
    "An error of the gateway, whatever the providers answered."


class AllOpen(Enum):
    """What a pool does when every provider's circuit is open (HEALTH-6)."""

    PROBE = "probe"
    "One request goes to the provider that failed longest ago, before its cooldown is over."
    REFUSE = "refuse"
    "All are refused until the first cooldown is over."


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
class CircuitPolicy:
    """When a provider is left alone, and for how long (HEALTH-6)."""

    enabled: bool = True
    failures: int = 3
    "Failures in a row that open a circuit."
    open_on_status: tuple[int, ...] = ()
    "Patterns of FB-2; such an answer opens the circuit at once."
    cooldowns_s: tuple[float, ...] = (60.0, 300.0, 900.0)
    "After the first opening, the second and so on; the last one repeats (DEF-69)."
    max_retry_after_s: float = 60.0
    "At most this much of a provider's Retry-After is heeded, and passed on."
    when_all_open: AllOpen = AllOpen.PROBE


@attrs.frozen
class Timeouts:
    """Seconds; None leaves it to the pool, and there to `DEFAULT_TIMEOUTS` (DEF-40)."""

    connect_s: float | None = None
    first_byte_s: float | None = None
    "From the attempt's start to the head of the answer (STREAM-5)."
    idle_s: float | None = None
    "Between two pieces of the body."
    total_s: float | None = None
    "From the attempt's start to the end of the body."

    def over(self, others: "Timeouts") -> "Timeouts":
        """These, and the others where these say nothing."""
        given, taken = attrs.astuple(self), attrs.astuple(others)
        return Timeouts(*(mine if mine is not None else other for mine, other in zip(given, taken, strict=True)))


DEFAULT_TIMEOUTS = Timeouts(connect_s=10.0, first_byte_s=600.0, idle_s=300.0, total_s=3600.0)


@attrs.frozen
class Affinity:
    """What `consistent_hash` holds on to."""

    header: str | None = None
    "The request header that names a session, in lower case; None: the caller."
    max_load_percent: int = 125
    "Of its share by weight, what one provider may carry before the next one on the ring is asked."


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
    on_connect_error: bool = True
    "Nothing was sent (FB-5)."
    on_timeout: bool = True
    "No head in time (FB-4). The provider may have executed the request."
    on_maybe_executed: bool = True
    "The connection broke after the request was sent. The provider may have executed it (DEF-41)."
    on_embedded_error: bool | None = None
    "Whether a 2xx is looked into for an error (FB-11 to FB-13); None: where strict mode is on."
    exhausted: Exhausted = Exhausted.RELAY


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
    deployment: str | None = None
    "What the limits belong to where several pools lead to one deployment (SYNC-17); None: to this provider alone."
    priority: int | None = None
    "Lower ones first, under that strategy; None: by place in the pool."
    cost: float = 0.0
    "In any unit, the same for the whole pool."
    timeouts: Timeouts = Timeouts()
    response_headers: Mapping[str, str] = attrs.field(factory=dict, hash=False)
    sanitize_response: bool = False
    trusted: bool | None = None
    propagate_trace_context: bool | None = None
    open_responses_adapter: bool | None = None

    @property
    def identity(self) -> tuple[str, str | None, str | None]:
        """What keeps live state across changes: address, upstream model, deployment; never the credential (ADOPT-6)."""
        return (self.url, self.model, self.deployment)


@attrs.frozen
class Rule:
    match_labels: Mapping[str, str]
    action: Action
    target: Alias | None = None
    opens_target: bool = False
    "Whether a redirect admits callers whose key does not open the target by itself (RULE-7)."


@attrs.frozen
class Key:
    key_id: KeyId
    digest: Digest = attrs.field(repr=False)
    opens_all_pools: bool = False
    labels: Mapping[str, str] = attrs.field(factory=dict)
    limits: Limits = Limits()
    user_id: UserId | None = None
    "Whose memberships and funds it goes by (SYNC-4, SYNC-5)."
    purpose: str | None = None
    aliases: frozenset[Alias] = frozenset()
    "Pools it opens beside those that list it."
    expires_at: int | None = None
    "Unix seconds, as `previous_until`."
    cidrs: tuple[str, ...] = ()
    "Networks it may be used from; empty: from anywhere."
    previous: Digest | None = attrs.field(default=None, repr=False)
    "The secret before the last rotation."
    previous_until: int | None = None
    all_labels: Mapping[str, str] = attrs.field(init=False, eq=False, repr=False)
    "With `purpose`, as rules see them (SYNC-8)."

    @all_labels.default
    def _with_purpose(self) -> Mapping[str, str]:
        return self.labels if self.purpose is None else {**self.labels, "purpose": self.purpose}


@attrs.frozen
class Grants:
    """Who may use the pool of a model: its members, if they can pay for it (SYNC-4, SYNC-5)."""

    groups: frozenset[GroupId] = frozenset()
    is_free: bool = True
    is_escalation: bool = False
    "Whether batch keys may use it without being members."


@attrs.frozen
class Pool:
    alias: Alias
    providers: tuple[Provider, ...] = ()
    keys: frozenset[KeyId] | None = None
    "None: no list of its own; the pool is open unless global keys exist (CFG-11)."
    grants: Grants | None = None
    "Of a model's pool, which has no list and is never open (DEF-3); None: the pool was defined by itself."
    strategy: Strategy = Strategy.WEIGHTED_RANDOM
    affinity: Affinity = Affinity()
    limits: Limits = Limits()
    fallback: Fallback = Fallback()
    circuit: CircuitPolicy = CircuitPolicy()
    timeouts: Timeouts = Timeouts()
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
    users: Mapping[UserId, User]
    capacities: Mapping[Alias, int]
    "Batch requests each model takes at once (CAP-1), of the same position as all else (DEF-22)."
    faults: Mapping[Alias, tuple[str, ...]]
    "Why a model is not quite what was defined, a sentence each (SYNC-13, DEF-4)."
    catalogue: Catalogue
    tokens: Mapping[Digest, Token] = attrs.field(repr=False)
    "Admin tokens, by digest."
    streams: Mapping[StreamName, Stream] = attrs.field(repr=False)
    released: frozenset[Source] = frozenset()
    "Sources that no longer own what they defined."
    settings: Settings = Settings()

    def owner(self, stream: StreamName) -> Source | None:
        """The file that manages an entity, so that nobody else may change it; None: nobody does."""
        known = self.streams.get(stream)
        if known is None or not known.source.startswith(FILE) or known.source in self.released:
            return None
        return known.source


@attrs.frozen
class Manifest:
    """A whole wished-for table, as a file states it."""

    pools: Mapping[Alias, Pool] = attrs.field(factory=dict)
    keys: Mapping[KeyId, Key] = attrs.field(factory=dict)
    settings: Settings = Settings()
