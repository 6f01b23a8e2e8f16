"""Microsoft's own exporters in place of ours, where `telemetry.applicationinsights.exporter` is `azure-sdk`.

    pip install azure-monitor-opentelemetry-exporter==1.0.0b58

What was encoded for our way is given to them as spans, log records and metrics. It costs them some hundred times more.

Rules
1. They keep what cannot be sent in a folder of their own and try it again themselves, as they please; what they report
   as a failure is counted as refused here, although some of it may arrive later.
2. They know only W3C ids, so another operation id is hashed; the operation's name is always method and path.
3. They are told to report nothing about themselves to Microsoft.

https://learn.microsoft.com/python/api/overview/azure/monitor-opentelemetry-exporter-readme
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

import orjson
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.metrics import export as metrics
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, set_span_in_context
from opentelemetry.trace.span import NonRecordingSpan

from telemetry.ingestion import Insights
from telemetry.lane import Refused
from telemetry.metrics import origin

SILENT = {
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
    "APPLICATIONINSIGHTS_SDKSTATS_DISABLED": "true",
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
    "APPLICATIONINSIGHTS_OPENTELEMETRY_RESOURCE_METRIC_DISABLED": "true",
    "APPLICATIONINSIGHTS_METRIC_NAMESPACE_OPT_IN": "true",
}
READ_TIMEOUT = 10  # seconds
SEVERITIES = {0: SeverityNumber.DEBUG, 1: SeverityNumber.INFO, 3: SeverityNumber.ERROR}
PACKAGE = "azure.monitor.opentelemetry.exporter"
SCOPE = InstrumentationScope("passerelle")

Envelope = Mapping[str, Any]


def check() -> None:
    """Raises ValueError when they are not installed."""
    try:
        found = importlib.util.find_spec(PACKAGE)
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise ValueError(
            "setting telemetry.applicationinsights.exporter is 'azure-sdk', and the package is not installed: "
            "pip install azure-monitor-opentelemetry-exporter==1.0.0b58, or set it to 'native'"
        )


class AzureSdk:
    """`send` is a lane's, as that of `Ingestion`. `folder` is where they may keep things, empty for where they like."""

    def __init__(self, insights: Insights, folder: str = "") -> None:
        check()
        os.environ.update(SILENT)  # before they are imported
        from azure.monitor.opentelemetry.exporter import (
            AzureMonitorLogExporter,
            AzureMonitorMetricExporter,
            AzureMonitorTraceExporter,
        )

        options: dict[str, Any] = {
            "connection_string": f"InstrumentationKey={insights.key};IngestionEndpoint={insights.endpoint}",
            "read_timeout": READ_TIMEOUT,
        }
        if folder:
            options["storage_directory"] = folder
        self._spans = AzureMonitorTraceExporter(**options)
        self._logs = AzureMonitorLogExporter(**options)
        self._metrics = AzureMonitorMetricExporter(**options)

    def send(self, data: bytes, timeout: float) -> None:
        """`data` is a JSON array of envelopes. Raises Refused."""
        spans: list[ReadableSpan] = []
        logs: list[ReadableLogRecord] = []
        points: list[Envelope] = []
        for envelope in orjson.loads(data):
            kind = envelope["data"]["baseType"]
            if kind in ("RequestData", "RemoteDependencyData"):
                spans.append(span(envelope))
            elif kind == "MetricData":
                points.append(envelope)
            else:
                logs.append(log(envelope))
        exports: tuple[tuple[Callable[[], Any], int], ...] = (
            (lambda: self._spans.export(spans), len(spans)),
            (lambda: self._logs.export(logs), len(logs)),
            (lambda: self._metrics.export(measured(points)), len(points)),
        )
        failed = [count for export, count in exports if count and export().name != "SUCCESS"]
        if failed:
            raise Refused(f"the exporter of the SDK reports a failure for {sum(failed)} items")

    def close(self) -> None:
        """After the lane has ended."""
        for each in (self._spans, self._logs, self._metrics):
            each.shutdown()


def span(envelope: Envelope) -> ReadableSpan:
    """A request or a dependency as a span."""
    data, tags = envelope["data"]["baseData"], envelope["tags"]
    server = envelope["data"]["baseType"] == "RequestData"
    verb, _, _ = data["name"].partition(" ")
    url = data["url"] if server else data["data"]
    scheme, host, port = origin(url)
    attributes: dict[str, Any] = {
        **data["properties"],
        "http.request.method": verb,
        "url.full": url,
        "url.scheme": scheme,
        "server.address": host,
        "server.port": port,
        "http.response.status_code": int(data["responseCode" if server else "resultCode"]),
    }
    if server:
        attributes["client.address"] = tags["ai.location.ip"]
        attributes["microsoft.custom_measurements"] = orjson.dumps(data["measurements"]).decode()
    if "sampleRate" in envelope:
        attributes["_MS.sampleRate"] = envelope["sampleRate"]
    start = _nanoseconds(envelope["time"])
    trace = _number(tags["ai.operation.id"], 32)
    parent = tags.get("ai.operation.parentId", "")
    return ReadableSpan(
        data["name"],
        _context(trace, _number(data["id"], 16)),
        _context(trace, _number(parent, 16)) if parent else None,
        _resource(tags),
        attributes,
        (),
        (),
        SpanKind.SERVER if server else SpanKind.CLIENT,
        None,
        Status(StatusCode.OK if data["success"] else StatusCode.ERROR),
        start,
        start + _lasting(data["duration"]),
        SCOPE,
    )


def log(envelope: Envelope) -> ReadableLogRecord:
    """An exception or a message as a log record."""
    data, tags = envelope["data"]["baseData"], envelope["tags"]
    attributes: dict[str, Any] = {**data["properties"], "ai.operation.name": tags["ai.operation.name"]}
    body = data.get("message", "")
    if exceptions := data.get("exceptions"):
        body = exceptions[0]["message"]
        attributes["exception.type"] = exceptions[0]["typeName"]
        attributes["exception.message"] = body
    trace, parent = _number(tags["ai.operation.id"], 32), _number(tags.get("ai.operation.parentId", "0"), 16)
    record = LogRecord(
        timestamp=_nanoseconds(envelope["time"]),
        context=set_span_in_context(NonRecordingSpan(_context(trace, parent))),
        severity_number=SEVERITIES[data["severityLevel"]],
        body=body,
        attributes=attributes,
    )
    return ReadableLogRecord(record, _resource(tags), SCOPE)


def measured(envelopes: list[Envelope]) -> metrics.MetricsData:
    """Custom metrics, each as a histogram with one bucket; their namespace is the scope's name."""
    scoped: dict[str, list[metrics.Metric]] = {}
    for envelope in envelopes:
        data = envelope["data"]["baseData"]
        properties, point = data["properties"], data["metrics"][0]
        start = _nanoseconds(envelope["time"])
        end = start + int(properties["_MS.AggregationIntervalMs"]) * 1_000_000
        count, total, low, high = point["count"], point["value"], point["min"], point["max"]
        histogram = metrics.Histogram(
            [metrics.HistogramDataPoint(properties, start, end, count, total, (count,), (), low, high)],
            metrics.AggregationTemporality.DELTA,
        )
        scoped.setdefault(point.get("ns", ""), []).append(metrics.Metric(point["name"], "", "", histogram))
    groups = [metrics.ScopeMetrics(InstrumentationScope(name), listed, "") for name, listed in scoped.items()]
    resource = _resource(envelopes[0]["tags"]) if envelopes else Resource({})
    return metrics.MetricsData([metrics.ResourceMetrics(resource, groups, "")])


def _resource(tags: Mapping[str, str]) -> Resource:
    found = {
        "service.name": tags.get("ai.cloud.role", ""),
        "service.instance.id": tags.get("ai.cloud.roleInstance", ""),
    }
    return Resource({name: value for name, value in found.items() if value})


def _context(trace: int, span_id: int) -> SpanContext:
    return SpanContext(trace, span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _number(text: str, digits: int) -> int:
    """An id as the number that it is in W3C's form, or one that stands for it."""
    try:
        if len(text) == digits:
            return int(text, 16)
    except ValueError:
        pass
    return int(sha256(text.encode()).hexdigest()[:digits], 16)


def _nanoseconds(text: str) -> int:
    when = datetime.fromisoformat(text)
    return int(when.timestamp()) * 1_000_000_000 + when.microsecond * 1000


def _lasting(text: str) -> int:
    """`d.hh:mm:ss.ffffff` in nanoseconds."""
    days, _, rest = text.partition(".")
    hours, minutes, seconds = rest.split(":")
    whole, _, micros = seconds.partition(".")
    total = ((int(days) * 24 + int(hours)) * 60 + int(minutes)) * 60 + int(whole)
    return (total * 1_000_000 + int(micros)) * 1000
