"""Cumulative metrics to one OTLP export request. Field numbers are those of
https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/metrics/v1/metrics.proto
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from telemetry.encode.wire import attributes, export_request, nested, tag, varint
from telemetry.metrics import Metric, Point
from telemetry.settings import Resource

GAUGE, SUM, HISTOGRAM = 5, 7, 9
CUMULATIVE = tag(2, 0) + varint(2)  # AggregationTemporality
MONOTONIC = tag(3, 0) + varint(1)

_TIME = struct.Struct("<BQ")
_TIMES = struct.Struct("<BQBQ")
_INTEGER = struct.Struct("<Bq")
_FLOAT = struct.Struct("<Bd")
_COUNT_AND_RANGE = struct.Struct("<BQBdBdBd")


def encode(metrics: Iterable[Metric], resource: Resource, start_ns: int, now_ns: int) -> tuple[bytes, int]:
    """An export request and how many data points are in it. `start_ns` is when counting began."""
    pieces: list[bytes] = []
    points = 0
    for metric in metrics:
        if not metric.points:
            continue
        head = b"".join([nested(at, text.encode("utf-8", "replace")) for at, text in _texts(metric)])
        pieces.append(nested(2, head + _DATA[metric.kind](metric, start_ns, now_ns)))
        points += len(metric.points)
    return (export_request(resource, pieces, sum(map(len, pieces))) if points else b""), points


def _texts(metric: Metric) -> tuple[tuple[int, str], ...]:
    return (1, metric.name), (2, metric.description), (3, metric.unit)


def _counter(metric: Metric, start_ns: int, now_ns: int) -> bytes:
    times = _TIMES.pack(0x11, start_ns, 0x19, now_ns)
    return nested(SUM, _numbers(metric.points, times) + CUMULATIVE + MONOTONIC)


def _gauge(metric: Metric, start_ns: int, now_ns: int) -> bytes:
    return nested(GAUGE, _numbers(metric.points, _TIME.pack(0x19, now_ns)))


def _numbers(points: Iterable[Point], times: bytes) -> bytes:
    return b"".join([nested(1, times + _number(point.value) + attributes(7, point.labels)) for point in points])


def _number(value: float) -> bytes:
    return _INTEGER.pack(0x31, value) if isinstance(value, int) else _FLOAT.pack(0x21, value)


def _histogram(metric: Metric, start_ns: int, now_ns: int) -> bytes:
    times = _TIMES.pack(0x11, start_ns, 0x19, now_ns)
    bounds = nested(7, struct.pack(f"<{len(metric.bounds)}d", *metric.bounds)) if metric.bounds else b""
    points = [
        nested(
            1,
            times
            + _COUNT_AND_RANGE.pack(0x21, point.count, 0x29, point.value, 0x59, point.low, 0x61, point.high)
            + nested(6, struct.pack(f"<{len(point.counts)}Q", *point.counts))
            + bounds
            + attributes(9, point.labels),
        )
        for point in metric.points
    ]
    return nested(HISTOGRAM, b"".join(points) + CUMULATIVE)


_DATA = {"counter": _counter, "gauge": _gauge, "histogram": _histogram}
