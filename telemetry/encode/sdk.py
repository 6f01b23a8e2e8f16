"""Requests and metrics as objects of the OpenTelemetry SDK: for exporters that are not ours, and the proof of our bytes
(tests have the SDK's own encoders write these, and compare message by message).

It costs twenty times what `requests.py` does, so it is used where somebody asked for it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.metrics import export as points
from opentelemetry.sdk.resources import Resource as SdkResource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags, set_span_in_context
from opentelemetry.trace.status import Status, StatusCode

from telemetry import gateway_logs
from telemetry.batch import Batch, Kind, origin_of
from telemetry.encode import logs as log_parts
from telemetry.encode import spans as span_parts
from telemetry.encode.requests import hex_id
from telemetry.encode.wire import SCOPE, resource_values
from telemetry.metrics import Metric, Point
from telemetry.records import RequestRecord
from telemetry.settings import Resource

CUMULATIVE, DELTA = points.AggregationTemporality.CUMULATIVE, points.AggregationTemporality.DELTA
_SCOPE = InstrumentationScope(SCOPE)


def plain(of: Resource) -> tuple[str, str, str, int]:
    """The values of a Resource, in its order."""
    return of.instance_id, of.gateway_id, of.region, of.process_id


def resource(of: Resource) -> SdkResource:
    return SdkResource(_said(resource_values(of)))


def spans(batch: Batch, of: Resource) -> list[ReadableSpan]:
    """One or two of each request that is sampled."""
    whose = resource(of)
    return [
        span
        for record, kind in zip(batch, batch.kinds, strict=True)
        if record.sampled
        for span in _spans(record, kind, whose)
    ]


def _spans(record: RequestRecord, kind: Kind, whose: SdkResource) -> Iterator[ReadableSpan]:
    trace_id = _number(record.trace_id, 16) or _random(16)
    parent = _number(record.parent_span_id, 8)
    context = _context(trace_id, _number(record.span_id, 8) or _random(8))
    start, end = record.start_ns, record.start_ns + int(record.total_ms * 1e6)
    path, _, query = record.url[len(origin_of(record.url)) :].partition("?")
    own = (
        ("url.path", path),
        ("url.query", query),
        ("client.address", record.client_ip),
        ("http.request.body.size", record.request_size),
        ("http.response.body.size", record.response_size),
        ("apim.correlation.id", record.correlation_id),
        ("apim.subscription.id", record.subscription_id),
        ("apim.user.id", record.user_id),
    )
    shared = span_parts.server(kind)
    yield ReadableSpan(
        shared.name,
        context,
        _context(trace_id, parent, remote=True) if parent else None,
        whose,
        _said((*shared.values, *own)),
        [Event(name, _said(values), when) for name, when, values in span_parts.events(record, end)],
        (),
        SpanKind.SERVER,
        None,
        Status(StatusCode.ERROR if shared.failed else StatusCode.UNSET),
        start,
        end,
        _SCOPE,
    )
    if not kind.backend_origin:
        return
    shared = span_parts.client(kind)
    start += max(0, int((record.total_ms - record.backend_ms - record.client_ms) * 1e6))
    yield ReadableSpan(
        shared.name,
        _context(trace_id, _number(record.backend_span_id, 8) or _random(8)),
        context,
        whose,
        _said((*shared.values, ("url.full", record.backend_url))),
        (),
        (),
        SpanKind.CLIENT,
        None,
        Status(StatusCode.ERROR if shared.failed else StatusCode.UNSET),
        start,
        start + int(record.backend_ms * 1e6),
        _SCOPE,
    )


def logs(batch: Batch, of: Resource, now_ns: int) -> list[ReadableLogRecord]:
    """One of each request; `now_ns` is the time of observation."""
    whose = resource(of)
    return [_log(record, of.region, now_ns, whose) for record in batch]


def _log(record: RequestRecord, region: str, now_ns: int, whose: SdkResource) -> ReadableLogRecord:
    word = log_parts.severity(record)
    trace_id, span_id = _number(record.trace_id, 16), _number(record.span_id, 8)
    context = SpanContext(trace_id, span_id, False, TraceFlags(int(record.sampled)))
    return ReadableLogRecord(
        LogRecord(
            timestamp=record.start_ns + int(record.total_ms * 1e6),
            observed_timestamp=now_ns,
            context=set_span_in_context(NonRecordingSpan(context)) if trace_id and span_id else None,
            severity_text=word,
            severity_number=SeverityNumber(log_parts.SEVERITIES[word]),
            body=f"{record.method} {record.url} {record.status}",
            attributes=_said(_flat(gateway_logs.fields(record, region))),
            event_name=gateway_logs.EVENT,
        ),
        whose,
        _SCOPE,
    )


def _flat(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """`lastError` as `lastError.reason` and the like, lists as JSON text."""
    for name, value in fields.items():
        if isinstance(value, dict):
            for inner, each in value.items():
                yield f"{name}.{inner}", each
        elif isinstance(value, list):
            yield name, json.dumps(value, ensure_ascii=False)
        else:
            yield name, value


def metrics(
    found: Iterable[Metric],
    of: Resource,
    start_ns: int,
    now_ns: int,
    deltas: Collection[str] = (),
    since_ns: int = 0,
) -> points.MetricsData:
    """What a MetricExporter of the SDK takes. `start_ns` is when counting began; the kinds in `deltas` say what came
    after `since_ns`."""
    made = []
    for metric in found:
        delta = metric.kind in deltas
        data = _data(metric, since_ns if delta else start_ns, now_ns, DELTA if delta else CUMULATIVE)
        made.append(points.Metric(metric.name, metric.description, metric.unit, data))
    scopes = [points.ScopeMetrics(_SCOPE, made, "")]
    return points.MetricsData([points.ResourceMetrics(resource(of), scopes, "")])


def _data(
    metric: Metric, start_ns: int, now_ns: int, temporality: points.AggregationTemporality
) -> points.Sum | points.Gauge | points.Histogram:
    if metric.kind == "histogram":
        return points.Histogram([_histogram(point, metric, start_ns, now_ns) for point in metric.points], temporality)
    numbers = [points.NumberDataPoint(dict(point.labels), start_ns, now_ns, point.value) for point in metric.points]
    return points.Sum(numbers, temporality, True) if metric.kind == "counter" else points.Gauge(numbers)


def _histogram(point: Point, metric: Metric, start_ns: int, now_ns: int) -> points.HistogramDataPoint:
    return points.HistogramDataPoint(
        dict(point.labels),
        start_ns,
        now_ns,
        point.count,
        point.value,
        point.counts,
        metric.bounds,
        point.low,
        point.high,
    )


def _said(values: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in values if value is not None and value != ""}


def _context(trace_id: int, span_id: int, remote: bool = False) -> SpanContext:
    return SpanContext(trace_id, span_id, remote, TraceFlags(1))


def _number(text: str, size: int) -> int:
    data = hex_id(text)
    return int.from_bytes(data) if len(data) == size else 0


def _random(size: int) -> int:
    return int.from_bytes(os.urandom(size))
