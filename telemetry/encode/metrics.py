"""Cumulative metrics to one OTLP export request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

from telemetry.encode.attributes import SCOPE, put, resource_message
from telemetry.metrics import Metric
from telemetry.settings import Resource

CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE


def encode(metrics: Iterable[Metric], resource: Resource, start_ns: int, now_ns: int) -> tuple[bytes, int]:
    """An export request and how many data points are in it. `start_ns` is when counting began."""
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    group.resource.CopyFrom(resource_message(resource))
    scope = group.scope_metrics.add()
    scope.scope.name = SCOPE
    points = 0
    for metric in metrics:
        if not metric.points:
            continue
        message = scope.metrics.add()
        message.name = metric.name
        message.unit = metric.unit
        message.description = metric.description
        _WRITERS[metric.kind](message, metric, start_ns, now_ns)
        points += len(metric.points)
    return (request.SerializeToString() if points else b""), points


def _counter(message: Any, metric: Metric, start_ns: int, now_ns: int) -> None:
    message.sum.aggregation_temporality = CUMULATIVE
    message.sum.is_monotonic = True
    _numbers(message.sum.data_points, metric, start_ns, now_ns)


def _gauge(message: Any, metric: Metric, start_ns: int, now_ns: int) -> None:
    _numbers(message.gauge.data_points, metric, 0, now_ns)


def _numbers(points: Any, metric: Metric, start_ns: int, now_ns: int) -> None:
    for point in metric.points:
        target = points.add()
        if start_ns:
            target.start_time_unix_nano = start_ns
        target.time_unix_nano = now_ns
        if isinstance(point.value, int):
            target.as_int = point.value
        else:
            target.as_double = point.value
        put(target.attributes, point.labels)


def _histogram(message: Any, metric: Metric, start_ns: int, now_ns: int) -> None:
    message.histogram.aggregation_temporality = CUMULATIVE
    for point in metric.points:
        target = message.histogram.data_points.add()
        target.start_time_unix_nano = start_ns
        target.time_unix_nano = now_ns
        target.count = point.count
        target.sum = point.value
        target.min = point.low
        target.max = point.high
        target.explicit_bounds.extend(metric.bounds)
        target.bucket_counts.extend(point.counts)
        put(target.attributes, point.labels)


_WRITERS = {"counter": _counter, "gauge": _gauge, "histogram": _histogram}
