"""Metrics through any exporter of the OpenTelemetry SDK: `telemetry.metrics.sdk` names installed ones, comma-separated.

A name is that of an entry point in the group opentelemetry_metrics_exporter, e.g. `console`, or
`azure_monitor_opentelemetry_exporter` of the package azure-monitor-opentelemetry-exporter. Such an exporter reads
environment variables of its own. It gets the SDK's public MetricsData: cumulative, or what came since it last took
something, if it says that it prefers that.

What an exporter gives up is in the next export: metrics are never queued, only the newest are kept.
"""

from __future__ import annotations

import dataclasses
import marshal
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any

from opentelemetry.sdk.metrics import Counter, Histogram
from opentelemetry.sdk.metrics.export import AggregationTemporality

from telemetry.batch import Batch
from telemetry.encode import sdk
from telemetry.lane import Lane, Refused
from telemetry.metrics import Metric, Point
from telemetry.settings import Resource

SETTING = "telemetry.metrics.sdk"
GROUP = "opentelemetry_metrics_exporter"
KINDS = {"counter": Counter, "histogram": Histogram}

Series = tuple[str, Any]  # name and labels of a series


class MetricsLane:
    """A lane to one MetricExporter."""

    def __init__(self, name: str, exporter: Any) -> None:
        self._exporter = exporter
        self._start_ns = time.time_ns()
        self._before: dict[Series, Point] = {}
        self._before_ns = self._start_ns
        # The SDK's own reader asks the same attribute.
        wishes = getattr(exporter, "_preferred_temporality", None) or {}
        self._deltas = {kind for kind, of in KINDS.items() if wishes.get(of) == AggregationTemporality.DELTA}
        self.lane = Lane(name, self._send, latest=True)

    def put(self, metrics: Sequence[Metric], resource: Resource) -> None:
        points = sum(len(metric.points) for metric in metrics)
        if points:
            plain = [dataclasses.astuple(metric) for metric in metrics]
            self.lane.put(marshal.dumps((sdk.plain(resource), time.time_ns(), plain)), points)

    def _send(self, data: bytes, timeout: float) -> None:
        resource, now_ns, plain = marshal.loads(data)  # noqa: S302 - what `put` wrote
        found = [
            Metric(name, kind, unit, description, tuple(Point(*point) for point in points), bounds)
            for name, kind, unit, description, points, bounds in plain
        ]
        said = [self._since(metric) if metric.kind in self._deltas else metric for metric in found]
        made = sdk.metrics(
            [metric for metric in said if metric.points],
            Resource(*resource),
            self._start_ns,
            now_ns,
            deltas=self._deltas,
            since_ns=self._before_ns,
        )
        if self._exporter.export(made, timeout_millis=timeout * 1000).name != "SUCCESS":
            raise Refused("the exporter gave up; its own message says why")
        self._before = {(metric.name, point.labels): point for metric in found for point in metric.points}
        self._before_ns = now_ns

    def _since(self, metric: Metric) -> Metric:
        points = [since(point, self._before.get((metric.name, point.labels)), metric.bounds) for point in metric.points]
        return dataclasses.replace(metric, points=tuple(point for point in points if point.count or point.value))


def since(point: Point, before: Point | None, bounds: Sequence[float]) -> Point:
    """What came after `before`. Its least and its greatest value are not known, only the buckets they are in."""
    if before is None:
        return point
    counts = tuple(now - then for now, then in zip(point.counts, before.counts, strict=True))
    low, high = point.low, point.high
    filled = [at for at, count in enumerate(counts) if count]
    if bounds and filled:
        low = max(low, bounds[filled[0] - 1]) if filled[0] else low
        high = min(high, bounds[filled[-1]]) if filled[-1] < len(bounds) else high
    return Point(point.labels, point.value - before.value, point.count - before.count, counts, low, high)


class SdkMetrics:
    """A lane for each exporter."""

    def __init__(self, exporters: Mapping[str, Any]) -> None:
        self._each = [MetricsLane(f"{name} (metrics, SDK)", exporter) for name, exporter in exporters.items()]
        self.lanes: Sequence[Lane] = [each.lane for each in self._each]

    def records(self, batch: Batch, resource: Resource) -> None:
        """The aggregates have them already."""

    def metrics(self, metrics: Sequence[Metric], resource: Resource) -> None:
        for each in self._each:
            each.put(metrics, resource)

    def tick(self, resource: Resource) -> None:
        """Nothing is collected."""


def from_settings(settings: Mapping[str, str], read: Callable[[], list[Metric]]) -> SdkMetrics | None:
    names = [name.strip() for name in settings.get(SETTING, "").split(",") if name.strip()]
    return SdkMetrics({name: _made(name) for name in dict.fromkeys(names)}) if names else None


def _made(name: str) -> Any:
    installed = {each.name: each for each in entry_points(group=GROUP)}
    if name not in installed:
        raise ValueError(f"setting {SETTING} names {name!r}; installed are: {', '.join(sorted(installed))}")
    try:
        return installed[name].load()()
    except Exception as failure:
        raise ValueError(f"setting {SETTING}: the exporter {name!r} cannot be made: {failure}") from failure
