"""The recorded journal's writer, as Prometheus' types.

Law: labels are from fixed lists.
"""

from collections.abc import Iterator, Mapping
from typing import Final, Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

REASONS: Final = ("overrun", "unwritten", "unencodable")


class Counted(Protocol):
    """Since the start; entries and requests by why they were lost."""

    blocks: int
    bytes: int
    entries: int
    requests: int
    dropped: dict[str, int]
    dropped_requests: dict[str, int]
    failures: int
    error: str | None


def journal_metrics(counts: Counted, *, is_on: bool) -> Iterator[Metric]:
    for name, text, value in (
        ("blocks", "Blocks of the journal that were written.", counts.blocks),
        ("bytes", "Their bytes, compressed.", counts.bytes),
        ("entries", "Actors' inputs and answers in them.", counts.entries),
        ("requests", "Ended requests in them.", counts.requests),
        ("write_failures", "Writes of the journal that failed.", counts.failures),
    ):
        yield CounterMetricFamily(f"pointsman_journal_{name}", text, value=value)
    yield _by_reason("pointsman_dropped_journal_entries", "Actor inputs that cannot be computed again.", counts.dropped)
    yield _by_reason(
        "pointsman_dropped_journal_requests", "Ended requests that were not recorded.", counts.dropped_requests
    )
    yield GaugeMetricFamily(
        "pointsman_journal_up", "1 while decisions are recorded.", value=is_on and counts.error is None
    )


def _by_reason(name: str, text: str, values: Mapping[str, int]) -> Metric:
    metric = CounterMetricFamily(name, text, labels=["reason"])
    for reason in REASONS:
        metric.add_metric([reason], values.get(reason, 0))
    return metric
