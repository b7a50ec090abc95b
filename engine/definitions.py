"""Values of the table, stated as events. `projections.routing` reads them back.

Law: reading back what is stated here gives an equal value (a property test holds it).
"""

import attrs

from engine.events import KeyDefined, PoolDefined, ProviderDefined, RuleDefined, SettingsChanged
from engine.names import Alias
from engine.snapshot import Key, Pool, Provider, Rule, Settings


def define_settings(settings: Settings) -> SettingsChanged:
    return SettingsChanged(settings.strict_mode, settings.max_idle_per_host, settings.idle_timeout_s)


def define_key(key: Key) -> KeyDefined:
    return KeyDefined(
        key_id=key.key_id,
        digest=key.digest.hex(),
        opens_all_pools=key.opens_all_pools,
        labels=dict(key.labels),
        max_concurrent=key.limits.max_concurrent,
        requests_per_second=key.limits.requests_per_second,
        burst=key.limits.burst,
        user_id=key.user_id,
        purpose=key.purpose,
        aliases=tuple(sorted(key.aliases)),
        expires_at=key.expires_at,
        cidrs=key.cidrs,
        previous_digest=None if key.previous is None else key.previous.hex(),
        previous_until=key.previous_until,
    )


def define_pool(pool: Pool) -> PoolDefined:
    """The pool without its providers and rules, which are events of their own."""
    fallback, backoff, circuit = pool.fallback, pool.fallback.backoff, pool.circuit
    defined = PoolDefined(
        alias=pool.alias,
        strategy=pool.strategy.value,
        keys=None if pool.keys is None else tuple(sorted(pool.keys)),
        max_concurrent=pool.limits.max_concurrent,
        requests_per_second=pool.limits.requests_per_second,
        burst=pool.limits.burst,
        fallback_enabled=fallback.enabled,
        fallback_on_status=fallback.on_status,
        fallback_on_rate_limit=fallback.on_rate_limit,
        fallback_with_replacement=fallback.with_replacement,
        fallback_max_attempts=fallback.max_attempts,
        fallback_on_connect_error=fallback.on_connect_error,
        fallback_on_timeout=fallback.on_timeout,
        fallback_on_maybe_executed=fallback.on_maybe_executed,
        fallback_on_embedded_error=fallback.on_embedded_error,
        fallback_exhausted=fallback.exhausted.value,
        backoff_max_total_ms=fallback.max_total_backoff_ms,
        circuit_enabled=circuit.enabled,
        circuit_failures=circuit.failures,
        circuit_open_on_status=circuit.open_on_status,
        circuit_cooldowns_s=circuit.cooldowns_s,
        circuit_max_retry_after_s=circuit.max_retry_after_s,
        circuit_when_all_open=circuit.when_all_open.value,
        connect_timeout_s=pool.timeouts.connect_s,
        first_byte_timeout_s=pool.timeouts.first_byte_s,
        idle_timeout_s=pool.timeouts.idle_s,
        total_timeout_s=pool.timeouts.total_s,
        affinity_header=pool.affinity.header,
        affinity_max_load_percent=pool.affinity.max_load_percent,
        response_headers=dict(pool.response_headers),
        sanitize_response=pool.sanitize_response,
        trusted=pool.trusted,
        open_responses_adapter=pool.open_responses_adapter,
    )
    if backoff is None:
        return defined
    return attrs.evolve(
        defined,
        backoff_initial_ms=backoff.initial_ms,
        backoff_max_ms=backoff.max_ms,
        backoff_factor=backoff.factor,
        backoff_jitter=backoff.jitter,
    )


def define_provider(alias: Alias, rank: int, provider: Provider) -> ProviderDefined:
    return ProviderDefined(
        alias=alias,
        provider=provider.name,
        rank=rank,
        url=provider.url,
        model=provider.model,
        credential=provider.credential,
        auth_header=provider.auth_header,
        auth_prefix=provider.auth_prefix,
        weight=provider.weight,
        max_concurrent=provider.limits.max_concurrent,
        requests_per_second=provider.limits.requests_per_second,
        burst=provider.limits.burst,
        deployment=provider.deployment,
        priority=provider.priority,
        cost=provider.cost,
        header_timeout_s=provider.timeouts.first_byte_s,
        connect_timeout_s=provider.timeouts.connect_s,
        idle_timeout_s=provider.timeouts.idle_s,
        total_timeout_s=provider.timeouts.total_s,
        response_headers=dict(provider.response_headers),
        sanitize_response=provider.sanitize_response,
        trusted=provider.trusted,
        propagate_trace_context=provider.propagate_trace_context,
        open_responses_adapter=provider.open_responses_adapter,
    )


def define_rule(alias: Alias, rank: int, rule: Rule) -> RuleDefined:
    return RuleDefined(alias, rank, dict(rule.match_labels), rule.action.value, rule.target, rule.opens_target)
