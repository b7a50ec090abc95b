"""How pools, providers and keys are to be treated: the values that a table's entities share."""

from enum import Enum

import attrs


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
