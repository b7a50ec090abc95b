"""How this process keeps up with the log, as Prometheus' types (OBS-2).

Law: labels are from fixed lists (DEF-14); a lag is never negative, and a clock that makes one so is counted (DEF-12);
a look that failed is counted by why it was taken, whatever that was (DEF-17).
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from engine.runtime.follower import Look
from projections.live_facts import ReloadView

_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)


class SyncMetrics:
    """`looked` is told of every look at the log; `clock_us` gives Unix microseconds."""

    def __init__(self, *, clock_us: Callable[[], int]) -> None:
        self._clock_us = clock_us
        self._looks: dict[str, int] = defaultdict(int)
        self._failures: dict[str, int] = defaultdict(int)
        self._lags: dict[str, list[int]] = {}
        self._lag_sums_us: dict[str, int] = defaultdict(int)
        self._skewed = 0
        self.reload: ReloadView | None = None
        "The last look that brought anything; None: nothing since the start."
        self.is_following = False
        "Whether lags mean something: not for what was read at the start."

    def looked(self, look: Look) -> None:
        self._looks[look.wake.value] += 1
        if look.failure is not None:
            self._failures[look.wake.value] += 1
        now = self._clock_us() if look.oldest and self.is_following else 0
        if now:
            self.reload = ReloadView(look.wake.value, now, max(0, now - min(look.oldest.values())))
        for kind, recorded_at in look.oldest.items() if now else ():
            lag_us = now - recorded_at
            self._skewed += lag_us < 0
            lag_us = max(lag_us, 0)
            counts = self._lags.setdefault(kind, [0] * (len(_BOUNDS_S) + 1))
            counts[bisect_left(_BOUNDS_S, lag_us / 1e6)] += 1
            self._lag_sums_us[kind] += lag_us

    def collect(self, *, state: str, reconnects: int, faults: int) -> Iterator[Metric]:
        """All of it, with how the store's news reach this process and how many models are not as they were defined."""
        yield _counts("pointsman_sync", "Looks at the log, by what made for them.", self._looks)
        yield _counts("pointsman_sync_errors", "Looks at the log that failed.", self._failures)
        yield CounterMetricFamily(
            "pointsman_sync_clock_skew", "Changes that were recorded in this process's future.", value=self._skewed
        )
        yield CounterMetricFamily("pointsman_sync_reconnects", "Connections for news made again.", value=reconnects)
        states = GaugeMetricFamily("pointsman_sync_state", "1 for the state the connection is in.", labels=["state"])
        for name in ("connecting", "connected", "disconnected", "reconnecting"):
            states.add_metric([name], name == state)
        yield states
        yield GaugeMetricFamily("pointsman_faulty_models", "Models that are not quite what was defined.", value=faults)
        yield from self._lag_histograms()

    def _lag_histograms(self) -> Iterable[Metric]:
        lags = HistogramMetricFamily(
            "pointsman_sync_lag_seconds", "From a change's recording to its being in force here.", labels=["entity"]
        )
        for kind, counts in self._lags.items():
            buckets, total = [], 0
            for bound, count in zip((*_BOUNDS_S, None), counts, strict=True):
                total += count
                buckets.append(("+Inf" if bound is None else str(bound), total))
            lags.add_metric([kind], buckets=buckets, sum_value=self._lag_sums_us[kind] / 1e6)
        return [lags]


def _counts(name: str, what: str, counts: dict[str, int]) -> Metric:
    family = CounterMetricFamily(name, what, labels=["source"])
    for source, count in counts.items():
        family.add_metric([source], count)
    return family
