"""OTLP with the official exporters of the OpenTelemetry SDK: `observability.opentelemetry.exporter` `sdk`.

The collector, its headers, certificates, protocol and compression are those of `otlp.py`, which does the same with a
twentieth of the work; this is for whom only the official bytes will do. A lane keeps plain records; objects of the SDK
are made when it is their turn.

The SDK's exporters try again by themselves, within the collector's timeout, and do not say why they gave up: what they
give up is dropped and counted.
"""

from __future__ import annotations

import marshal
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from telemetry import frames
from telemetry.batch import Batch, Kinds
from telemetry.encode import sdk
from telemetry.exporters.sdk_metrics import MetricsLane
from telemetry.lane import Lane, Refused, Send
from telemetry.metrics import Metric
from telemetry.records import RequestRecord
from telemetry.settings import Collector, Resource
from telemetry.settings import collector as collector_settings

BATCH = 512  # records
LINGER = 1.0  # seconds


class Official:
    """One lane per signal."""

    def __init__(self, settings: Collector) -> None:
        traces, logs, metrics = grpc_exporters(settings) if settings.protocol == "grpc" else http_exporters(settings)
        self._metrics = MetricsLane("the collector (metrics, SDK)", metrics)
        self._spans = Lane("the collector (traces, SDK)", _spans(traces)) if settings.traces else None
        self._logs = Lane("the collector (logs, SDK)", _logs(logs)) if settings.logs else None
        self.lanes: Sequence[Lane] = [
            self._metrics.lane, *(lane for lane in (self._spans, self._logs) if lane)
        ]  # fmt: skip
        self._collected: list[RequestRecord] = []
        self._spans_collected = 0
        self._since = 0.0

    @property
    def waiting(self) -> int:
        """How many of the last records are not in a lane yet."""
        return len(self._collected)

    def records(self, batch: Batch, resource: Resource) -> None:
        if self._spans is None and self._logs is None:
            return
        if not self._collected:
            self._since = time.monotonic()
        self._collected += batch
        self._spans_collected += sum(1 + bool(record.backend_url) for record in batch if record.sampled)
        if len(self._collected) >= BATCH:
            self._flush(resource)

    def tick(self, resource: Resource) -> None:
        if time.monotonic() - self._since >= LINGER:
            self._flush(resource)

    def metrics(self, metrics: Sequence[Metric], resource: Resource) -> None:
        self._flush(resource)
        self._metrics.put(metrics, resource)

    def _flush(self, resource: Resource) -> None:
        if not self._collected:
            return
        data = marshal.dumps((sdk.plain(resource), time.time_ns(), list(map(frames.packed, self._collected))))
        if self._spans is not None and self._spans_collected:
            self._spans.put(data, self._spans_collected)
        if self._logs is not None:
            self._logs.put(data, len(self._collected))
        self._collected = []
        self._spans_collected = 0


def _opened(data: bytes) -> tuple[Batch, Resource, int]:
    resource, now_ns, rows = marshal.loads(data)  # noqa: S302 - what `_flush` wrote
    return Kinds().batch(frames.rows(rows)), Resource(*resource), now_ns


def _spans(exporter: Any) -> Send:
    def send(data: bytes, timeout: float) -> None:
        batch, resource, _ = _opened(data)
        taken(exporter.export(sdk.spans(batch, resource)))

    return send


def _logs(exporter: Any) -> Send:
    def send(data: bytes, timeout: float) -> None:
        batch, resource, now_ns = _opened(data)
        taken(exporter.export(sdk.logs(batch, resource, now_ns)))

    return send


def taken(result: Any) -> None:
    """Raise Refused for what an exporter of the SDK did not deliver."""
    if result.name != "SUCCESS":
        raise Refused("the exporter gave up; its own message says why")


def grpc_exporters(settings: Collector) -> tuple[Any, Any, Any]:
    """For traces, logs and metrics."""
    import grpc
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    secure = settings.uri.startswith("https://")
    options: dict[str, Any] = {
        "endpoint": settings.uri,
        "insecure": not secure,
        "headers": settings.headers,
        "timeout": settings.timeout,
        "compression": grpc.Compression.Gzip if settings.compression == "gzip" else grpc.Compression.NoCompression,
    }
    if secure:
        options["credentials"] = grpc.ssl_channel_credentials(
            *[_content(path) for path in (settings.ca, settings.key or settings.certificate, settings.certificate)]
        )
    return OTLPSpanExporter(**options), OTLPLogExporter(**options), OTLPMetricExporter(**options)


def http_exporters(settings: Collector) -> tuple[Any, Any, Any]:
    """For traces, logs and metrics."""
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    def made(kind: Callable[..., Any], signal: str) -> Any:
        return kind(
            endpoint=f"{settings.uri}/v1/{signal}",
            certificate_file=settings.ca or None,
            client_certificate_file=settings.certificate or None,
            client_key_file=settings.key or None,
            headers=dict(settings.headers),
            timeout=settings.timeout,
            compression=Compression(settings.compression),
        )

    return made(OTLPSpanExporter, "traces"), made(OTLPLogExporter, "logs"), made(OTLPMetricExporter, "metrics")


def _content(path: str) -> bytes | None:
    if not path:
        return None
    with open(path, "rb") as file:
        return file.read()


def from_settings(settings: Mapping[str, str], read: Callable[[], list[Metric]]) -> Official | None:
    where = collector_settings(settings)
    return Official(where) if where and where.official else None
