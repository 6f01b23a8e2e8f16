"""The metrics that policies emit, aggregated per name and dimensions: number, sum, least and greatest value.

They are histograms without buckets, cumulative since the child started. The namespace is the dimension
`apim.metric.namespace`.

Rules
1. At most `MAX_METRICS` names and, per name, `max_series` combinations of values; what comes later is counted in the
   overflow series of its name, or not at all when there are too many names.
2. One thread adds, others read: `read()` hands out a copy.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

from telemetry.metrics import OVERFLOW, Labels, Metric, Point
from telemetry.records import MetricRecord, RequestRecord
from telemetry.settings import Resource

MAX_METRICS = 200
NAMESPACE = "apim.metric.namespace"
DESCRIPTION = "Emitted by policies"


class CustomMetrics:
    """`lost` counts values whose name came after `MAX_METRICS` others."""

    def __init__(self, max_series: int) -> None:
        self.lost = 0
        self._max_series = max_series
        self._lock = threading.Lock()
        self._metrics: dict[str, dict[Labels, Point]] = {}

    def add(self, records: Iterable[RequestRecord], resource: Resource) -> None:
        for record in records:
            if record.metrics:
                with self._lock:
                    for each in record.metrics:
                        self._add(each)

    def read(self) -> list[Metric]:
        with self._lock:
            return [
                Metric(name, "histogram", "1", DESCRIPTION, tuple(series.values()))
                for name, series in self._metrics.items()
            ]

    def _add(self, emitted: MetricRecord) -> None:
        series = self._metrics.get(emitted.name)
        if series is None:
            if len(self._metrics) >= MAX_METRICS:
                self.lost += 1
                return
            series = self._metrics[emitted.name] = {}
        labels: Labels = ((NAMESPACE, emitted.namespace), *emitted.dimensions)
        held = series.get(labels)
        if held is None and len(series) >= self._max_series:
            labels, held = OVERFLOW, series.get(OVERFLOW)
        value = emitted.value
        if held is None:
            series[labels] = Point(labels, value, 1, (1,), value, value)
        else:
            count = held.count + 1
            low, high = min(held.low, value), max(held.high, value)
            series[labels] = Point(labels, held.value + value, count, (count,), low, high)
