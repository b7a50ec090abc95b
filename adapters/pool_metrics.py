"""The pools' live state as Prometheus' types, made when somebody asks.

Law: labels are names from the configuration; two providers of one name in a pool, of which one drains, are one sample.
"""

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from engine.names import KeyId
from engine.pool.view import CircuitView, PoolView, ProviderView

_PHASES = {"closed": 0, "half_open": 1, "open": 2}


def pool_metrics(views: Iterable[PoolView]) -> Iterator[Metric]:
    """In flight, retries, tokens and circuits."""
    in_flight = GaugeMetricFamily("pointsman_pool_in_flight", "Requests in a pool now.", labels=["pool"])
    retries = CounterMetricFamily("pointsman_retries", "Attempts after a request's first one.", labels=["pool"])
    budgets = CounterMetricFamily(
        "pointsman_retry_budget_exhausted", "Requests that were given up for want of backoff time.", labels=["pool"]
    )
    tokens = GaugeMetricFamily("pointsman_pool_tokens", "Tokens left of a pool's rate limit.", labels=["pool"])
    providers = _Providers()
    for pool in views:
        in_flight.add_metric([pool.alias], pool.active)
        retries.add_metric([pool.alias], pool.retries)
        budgets.add_metric([pool.alias], pool.budgets_exhausted)
        if pool.rate is not None:
            tokens.add_metric([pool.alias], pool.rate.remaining)
        providers.add(pool)
    yield from (in_flight, retries, budgets, tokens, *providers.metrics())


def key_metrics(keys: Mapping[KeyId, tuple[int, int | None]]) -> Iterator[Metric]:
    """In flight and tokens left, of keys that have limits and something to tell."""
    in_flight = GaugeMetricFamily("pointsman_key_in_flight", "Requests of a limited key now.", labels=["key"])
    tokens = GaugeMetricFamily(
        "pointsman_key_tokens", "Tokens left of a key's rate limit; none here: all of them.", labels=["key"]
    )
    for key_id, (active, left) in keys.items():
        in_flight.add_metric([key_id], active)
        if left is not None:
            tokens.add_metric([key_id], left)
    yield from (in_flight, tokens)


class _Providers:
    def __init__(self) -> None:
        labels = ["pool", "provider"]
        self._in_flight = GaugeMetricFamily(
            "pointsman_provider_in_flight", "Requests at a provider now.", labels=labels
        )
        self._tokens = GaugeMetricFamily(
            "pointsman_provider_tokens", "Tokens left of a provider's rate limit.", labels=labels
        )
        self._circuit = GaugeMetricFamily(
            "pointsman_provider_circuit", "A provider's circuit: 0 closed, 1 half-open, 2 open.", labels=labels
        )
        self._credential = GaugeMetricFamily(
            "pointsman_provider_credential", "The same for the gateway's credential there.", labels=labels
        )

        self._openings = CounterMetricFamily(
            "pointsman_provider_circuit_openings", "How often a provider's circuits were opened.", labels=labels
        )

    def add(self, pool: PoolView) -> None:
        active: dict[str, int] = {}
        for provider in pool.providers:
            active[provider.name] = active.get(provider.name, 0) + provider.active
        for name, count in active.items():
            self._in_flight.add_metric([pool.alias, name], count)
        for provider in pool.providers:
            if not provider.draining:
                self._add_state([pool.alias, provider.name], provider)

    def metrics(self) -> tuple[Metric, ...]:
        return self._in_flight, self._tokens, self._circuit, self._credential, self._openings

    def _add_state(self, labels: list[str], provider: ProviderView) -> None:
        if provider.rate is not None:
            self._tokens.add_metric(labels, provider.rate.remaining)
        self._circuit.add_metric(labels, _phase(provider.circuit))
        self._credential.add_metric(labels, _phase(provider.credential))
        self._openings.add_metric(labels, provider.openings)


def _phase(circuit: CircuitView) -> int:
    return _PHASES[circuit.phase]
