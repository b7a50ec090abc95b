"""The routing table at one position.

Law: immutable, and consistent by construction; only `projections.routing` makes one. A request reads one
snapshot from its first step to its last (ORDER-5).
"""

from collections.abc import Mapping

import attrs

from engine.catalogue import Capacities, Catalogue, Stream, Token, User
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
from engine.policies import (
    DEFAULT_TIMEOUTS,
    Action,
    Affinity,
    AllOpen,
    Backoff,
    CircuitPolicy,
    Exhausted,
    Fallback,
    Limits,
    Strategy,
    Timeouts,
)

__all__ = [
    "DEFAULT_TIMEOUTS",
    "FILE",
    "SENT",
    "Action",
    "Affinity",
    "AllOpen",
    "Backoff",
    "CircuitPolicy",
    "Exhausted",
    "Fallback",
    "Grants",
    "Key",
    "Limits",
    "Manifest",
    "Pool",
    "Provider",
    "RoutingSnapshot",
    "Rule",
    "Settings",
    "Strategy",
    "Timeouts",
    "behalf",
    "file_of",
    "is_owning",
    "parties",
    "source_of",
]

FILE = "file:"
"""What the source of a file begins with that a gateway watches; its name follows."""
SENT = "sent:"
"""The same of a file that came by the API: another source, so that nobody sends what a gateway is told to watch."""
_OWNING = (FILE, SENT)
_BEHALF = " for "


def is_owning(source: Source) -> bool:
    """Whether a source owns what it defines, as files do."""
    return source.startswith(_OWNING)


def behalf(actor: Source, source: Source) -> Source:
    """The actor of an event that one writes in the place of another, whose the entity then is: both are told."""
    return f"{actor}{_BEHALF}{source}"


def source_of(actor: Source) -> Source:
    """Whose an entity is that an actor writes of: the actor's, or theirs in whose place it is done."""
    return parties(actor)[-1]


def parties(actor: Source) -> tuple[Source, ...]:
    """Who wrote an event, and in whose place where it was another's."""
    who, mark, source = actor.partition(_BEHALF)
    # A token's name has no spaces; a file's may have any.
    return (who, source) if mark and who.startswith("token:") else (actor,)


def file_of(source: Source) -> str:
    """The name of a source's file."""
    return source.partition(":")[2]


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
    faults: Mapping[Alias, tuple[str, ...]]
    "Why a model is not quite what was defined, a sentence each (SYNC-13, DEF-4)."
    catalogue: Catalogue
    tokens: Mapping[Digest, Token] = attrs.field(repr=False)
    "Admin tokens, by digest."
    streams: Mapping[StreamName, Stream] = attrs.field(repr=False)
    released: frozenset[Source] = frozenset()
    "Sources that no longer own what they defined."
    settings: Settings = Settings()

    @property
    def capacities(self) -> Mapping[Alias, int]:
        """Batch requests each model takes at once (CAP-1), of the same position as all else (DEF-22)."""
        return Capacities(self.catalogue)

    def owner(self, stream: StreamName) -> Source | None:
        """The file that manages an entity, so that nobody else may change it; None: nobody does."""
        known = self.streams.get(stream)
        if known is None or not is_owning(known.source) or known.source in self.released:
            return None
        return known.source


@attrs.frozen
class Manifest:
    """A whole wished-for table, as a file states it."""

    pools: Mapping[Alias, Pool] = attrs.field(factory=dict)
    keys: Mapping[KeyId, Key] = attrs.field(factory=dict)
    settings: Settings = Settings()
