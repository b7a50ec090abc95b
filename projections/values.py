"""Events back to values of the table: the inverse of `engine.definitions`.

Law: total. A word this version does not know becomes the value that does the least harm: a rule with an unknown
action denies (RULE-10, DEF-4), everything else has its default.
"""

from enum import Enum
from functools import lru_cache
from sys import intern
from typing import TypeVar

from engine.events import KeyDefined, PoolDefined, ProviderDefined, RuleDefined
from engine.names import Digest
from engine.snapshot import (
    Action,
    Affinity,
    AllOpen,
    Backoff,
    CircuitPolicy,
    Exhausted,
    Fallback,
    Key,
    Limits,
    Pool,
    Provider,
    Rule,
    Strategy,
    Timeouts,
)

Word = TypeVar("Word", bound=Enum)

_limits = lru_cache(maxsize=4096, typed=True)(Limits)
"""Many keys have the same."""


def key_of(event: KeyDefined) -> Key:
    limits = _limits(event.max_concurrent, event.requests_per_second, event.burst)
    return Key(
        event.key_id,
        digest_of(event.digest),
        event.opens_all_pools,
        event.labels,
        limits,
        user_id=_one_text(event.user_id),
        purpose=_one_text(event.purpose),
        aliases=frozenset(event.aliases),
        expires_at=event.expires_at,
        cidrs=event.cidrs,
        previous=None if event.previous_digest is None else digest_of(event.previous_digest),
        previous_until=event.previous_until,
    )


def _one_text(text: str | None) -> str | None:
    """A decision compares texts of keys and users: where they are one object, it reads only one from memory."""
    return None if text is None else intern(text)


def digest_of(text: str) -> Digest:
    """What it says; of what says nothing, the digest that no secret has."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def pool_of(event: PoolDefined, old: Pool | None) -> Pool:
    """The pool with the providers and rules it had."""
    return Pool(
        alias=event.alias,
        providers=old.providers if old else (),
        keys=None if event.keys is None else frozenset(event.keys),
        strategy=_known(event.strategy, Strategy.WEIGHTED_RANDOM),
        affinity=Affinity(event.affinity_header, event.affinity_max_load_percent),
        limits=Limits(event.max_concurrent, event.requests_per_second, event.burst),
        fallback=_fallback(event),
        circuit=CircuitPolicy(
            enabled=event.circuit_enabled,
            failures=event.circuit_failures,
            open_on_status=event.circuit_open_on_status,
            cooldowns_s=event.circuit_cooldowns_s,
            max_retry_after_s=event.circuit_max_retry_after_s,
            when_all_open=_known(event.circuit_when_all_open, AllOpen.PROBE),
        ),
        timeouts=Timeouts(
            connect_s=event.connect_timeout_s,
            first_byte_s=event.first_byte_timeout_s,
            idle_s=event.idle_timeout_s,
            total_s=event.total_timeout_s,
        ),
        rules=old.rules if old else (),
        response_headers=event.response_headers,
        sanitize_response=event.sanitize_response,
        trusted=event.trusted,
        open_responses_adapter=event.open_responses_adapter,
    )


def provider_of(event: ProviderDefined) -> Provider:
    return Provider(
        name=event.provider,
        url=event.url,
        model=event.model,
        credential=event.credential,
        auth_header=event.auth_header,
        auth_prefix=event.auth_prefix,
        weight=event.weight,
        limits=Limits(event.max_concurrent, event.requests_per_second, event.burst),
        deployment=event.deployment,
        priority=event.priority,
        cost=event.cost,
        timeouts=Timeouts(
            connect_s=event.connect_timeout_s,
            first_byte_s=event.header_timeout_s,
            idle_s=event.idle_timeout_s,
            total_s=event.total_timeout_s,
        ),
        response_headers=event.response_headers,
        sanitize_response=event.sanitize_response,
        trusted=event.trusted,
        propagate_trace_context=event.propagate_trace_context,
        open_responses_adapter=event.open_responses_adapter,
    )


def rule_of(event: RuleDefined) -> Rule:
    return Rule(event.match_labels, _known(event.action, Action.DENY), event.target, event.opens_target)


def _fallback(event: PoolDefined) -> Fallback:
    backoff = None
    if event.backoff_initial_ms is not None:
        backoff = Backoff(event.backoff_initial_ms, event.backoff_max_ms, event.backoff_factor, event.backoff_jitter)
    return Fallback(
        enabled=event.fallback_enabled,
        on_status=event.fallback_on_status,
        on_rate_limit=event.fallback_on_rate_limit,
        with_replacement=event.fallback_with_replacement,
        max_attempts=event.fallback_max_attempts,
        backoff=backoff,
        max_total_backoff_ms=event.backoff_max_total_ms,
        on_connect_error=event.fallback_on_connect_error,
        on_timeout=event.fallback_on_timeout,
        on_maybe_executed=event.fallback_on_maybe_executed,
        on_embedded_error=event.fallback_on_embedded_error,
        exhausted=_known(event.fallback_exhausted, Exhausted.RELAY),
    )


def _known(word: str, default: Word) -> Word:
    """The word as a member of the default's class."""
    try:
        return type(default)(word)
    except ValueError:
        return default
