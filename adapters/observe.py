"""What the gateway tells its operators about requests: counts, and one log line each.

Law: labels are names from the configuration or from fixed lists, never what a client sent; no header, body or
credential comes here. Recording is plain arithmetic and one encoded line; Prometheus' own types are made only when
somebody asks, so that a request does not pay for them.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from adapters.clock import Timestamps
from adapters.logs import LineWriter
from adapters.pool_metrics import key_metrics, pool_metrics
from adapters.request_lines import line_of
from engine.names import KeyId
from engine.pool.view import PoolView
from engine.recording import Served
from engine.runtime.journal import Journal
from engine.runtime.trail import Trail

_BUCKETS_NS = tuple(
    int(seconds * 1e9) for seconds in (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)
)


class Observer:
    """`lines` takes the log lines, `journal` the requests; without one there are none."""

    def __init__(self, lines: LineWriter | None = None, journal: Journal | None = None) -> None:
        self._lines = lines
        self._journal = journal
        self._timestamps = Timestamps()
        self._requests: dict[tuple[str, str, int], int] = defaultdict(int)
        self._unfinished: dict[tuple[str, str, str], int] = defaultdict(int)
        self._refusals: dict[tuple[str, str, str], int] = defaultdict(int)
        self._overhead = [0] * (len(_BUCKETS_NS) + 1)
        self._overhead_sum_ns = 0
        self._position: Callable[[], int] = int
        self._views: Callable[[], Iterable[PoolView]] = list
        self._keys: Callable[[], Mapping[KeyId, tuple[int, int | None]]] = dict
        self._recorded: Callable[[], Iterable[Metric]] = list
        self._sync: Callable[[], Iterable[Metric]] = list
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

    def watch(
        self,
        *,
        position: Callable[[], int],
        views: Callable[[], Iterable[PoolView]],
        keys: Callable[[], Mapping[KeyId, tuple[int, int | None]]],
        journal: Callable[[], Iterable[Metric]] = list,
        sync: Callable[[], Iterable[Metric]] = list,
    ) -> None:
        """Where to read, when asked: position, pools, how limited keys stand, the journal, the log's news."""
        self._position, self._views, self._keys, self._recorded, self._sync = position, views, keys, journal, sync

    def ended(self, trail: Trail, overhead_ns: int | None = None) -> None:
        """A request is over, however it went. `overhead_ns`: until its answer's head, less the wait for providers.

        The journal takes those that named an alias; the others ask nothing of the configuration.
        """
        served = trail.served
        if served.outcome == "refused":
            self._refusals[served.pool or "", served.reason or "", served.scope or ""] += 1
        else:
            self._count(served, overhead_ns)
        if self._journal is not None and served.alias is not None:
            self._journal.note_request(served)
        if self._lines is not None:
            line = line_of(trail, overhead_ns)
            line.ts = self._timestamps.now()
            self._lines.write(_encode(line))

    def _count(self, served: Served, overhead_ns: int | None) -> None:
        provider = served.attempts[-1].provider if served.attempts else ""
        if overhead_ns is not None and served.status is not None:
            answering = served.answering
            provider = answering.provider if answering is not None else provider
            self._requests[served.pool or "", provider, served.status] += 1
            self._overhead[bisect_left(_BUCKETS_NS, overhead_ns)] += 1
            self._overhead_sum_ns += overhead_ns
        if served.outcome != "complete":
            self._unfinished[served.pool or "", provider, served.outcome] += 1

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        """The counts as Prometheus' types; the registry asks."""
        requests = CounterMetricFamily(
            "pointsman_requests", "Requests answered by a provider.", labels=["pool", "provider", "status"]
        )
        for (pool, provider, status), count in self._requests.items():
            requests.add_metric([pool, provider, str(status)], count)
        unfinished = CounterMetricFamily(
            "pointsman_unfinished_responses",
            "Responses that did not reach their end, by who left: client, provider or gateway.",
            labels=["pool", "provider", "by"],
        )
        for labels, count in self._unfinished.items():
            unfinished.add_metric(list(labels), count)
        refusals = CounterMetricFamily(
            "pointsman_refusals",
            "Requests the gateway itself refused; scope: whose limit it was, empty where it was none.",
            labels=["pool", "reason", "scope"],
        )
        for labels, count in self._refusals.items():
            refusals.add_metric(list(labels), count)
        dropped = CounterMetricFamily(
            "pointsman_dropped_log_lines",
            "Log lines that nobody took.",
            value=self._lines.dropped if self._lines is not None else 0,
        )
        position = GaugeMetricFamily(
            "pointsman_applied_position", "Log position of the routing table in force.", value=self._position()
        )
        return [
            requests,
            unfinished,
            refusals,
            dropped,
            self._overhead_histogram(),
            position,
            *pool_metrics(self._views()),
            *key_metrics(self._keys()),
            *self._recorded(),
            *self._sync(),
        ]

    def _overhead_histogram(self) -> Metric:
        buckets, total = [], 0
        for bound, count in zip((*_BUCKETS_NS, None), self._overhead, strict=True):
            total += count
            buckets.append(("+Inf" if bound is None else str(bound / 1e9), total))
        return HistogramMetricFamily(
            "pointsman_overhead_seconds",
            "Time from a request's first byte to its answer's head, less the wait for providers.",
            buckets=buckets,
            sum_value=self._overhead_sum_ns / 1e9,
        )


_encode = msgspec.json.Encoder().encode
