"""What the gateway tells its operators about requests: counts, and one log line each.

Law: labels are names from the configuration or from fixed lists, never what a client sent; no header, body or
credential comes here. Recording is plain arithmetic and one encoded line; Prometheus' own types are made only when
somebody asks, so that a request does not pay for them.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

import attrs
import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from adapters.clock import Timestamps
from adapters.logs import LineWriter
from adapters.pool_metrics import key_metrics, pool_metrics
from engine.names import KeyId
from engine.pool.view import PoolView

_BUCKETS_NS = tuple(
    int(seconds * 1e9) for seconds in (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)
)


@attrs.define
class Served:
    """A request that was answered by a provider, once its body had ended or would not. Also its log line."""

    request_id: str
    alias: str
    pool: str
    provider: str
    status: int
    attempts: int
    position: int
    decision: int
    "The number to ask about."
    key: str | None
    ms: float
    "From the first byte read to the last one written."
    overhead_ms: float
    "From the first byte read to the answer's head, less the wait for providers."
    outcome: str
    "complete, or who left before the end: client, provider, or the gateway when it stops."
    tried: list[str] | None
    "What became of the attempts before this one; None where there were none."
    event: str = "request"
    level: str = "info"
    ts: str = ""


@attrs.define
class RefusedRequest:
    """A request that the gateway itself refused. Also its log line."""

    request_id: str
    reason: str
    status: int
    alias: str | None
    "As the client named it, shortened; None where it named none."
    scope: str | None
    "Whose limit it was; None where it was none."
    why: str | None
    "The pool's own word for it, where several come to one reason."
    key: str | None
    pool: str | None
    decision: int | None
    "The number to ask about; None where no actor was asked."
    tried: tuple[str, ...]
    "What became of each attempt."
    event: str = "refused"
    level: str = "info"
    ts: str = ""


class Observer:
    """`lines` takes the log lines; None writes none."""

    def __init__(self, lines: LineWriter | None = None) -> None:
        self._lines = lines
        self._timestamps = Timestamps()
        self._requests: dict[tuple[str, str, int], int] = defaultdict(int)
        self._unfinished: dict[tuple[str, str, str], int] = defaultdict(int)
        self._refusals: dict[str, int] = defaultdict(int)
        self._overhead = [0] * (len(_BUCKETS_NS) + 1)
        self._overhead_sum_ns = 0
        self._position: Callable[[], int] = int
        self._views: Callable[[], Iterable[PoolView]] = list
        self._keys: Callable[[], Mapping[KeyId, tuple[int, int | None]]] = dict
        self._lost: Callable[[], int] = int
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
        dropped: Callable[[], int],
        sync: Callable[[], Iterable[Metric]] = list,
    ) -> None:
        """Where to read, when asked: position, pools, how limited keys stand, the journal's losses, the log's news."""
        self._position, self._views, self._keys, self._lost, self._sync = position, views, keys, dropped, sync

    def served(self, served: Served, overhead_ns: int) -> None:
        self._requests[served.pool, served.provider, served.status] += 1
        self._overhead[bisect_left(_BUCKETS_NS, overhead_ns)] += 1
        self._overhead_sum_ns += overhead_ns
        if served.outcome != "complete":
            self._unfinished[served.pool, served.provider, served.outcome] += 1
        self._note(served)

    def refused(self, refused: RefusedRequest) -> None:
        self._refusals[refused.reason] += 1
        self._note(refused)

    def _note(self, record: Served | RefusedRequest) -> None:
        if self._lines is not None:
            record.ts = self._timestamps.now()
            self._lines.write(_encode(record))

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
        refusals = CounterMetricFamily("pointsman_refusals", "Requests the gateway itself refused.", labels=["reason"])
        for reason, count in self._refusals.items():
            refusals.add_metric([reason], count)
        dropped = CounterMetricFamily(
            "pointsman_dropped_log_lines",
            "Log lines that nobody took.",
            value=self._lines.dropped if self._lines is not None else 0,
        )
        lost = CounterMetricFamily(
            "pointsman_dropped_journal_entries", "Actor inputs that cannot be computed again.", value=self._lost()
        )
        position = GaugeMetricFamily(
            "pointsman_applied_position", "Log position of the routing table in force.", value=self._position()
        )
        return [
            requests,
            unfinished,
            refusals,
            dropped,
            lost,
            self._overhead_histogram(),
            position,
            *pool_metrics(self._views()),
            *key_metrics(self._keys()),
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
