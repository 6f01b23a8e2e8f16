"""The way to an OTLP collector: already encoded requests over gRPC or HTTP.

`connect(settings)` gives one `Send` per signal. What may be tried again and what may not follows the OTLP specification
(https://opentelemetry.io/docs/specs/otlp/#failures). No proxy is used: a collector stands next to the gateway.
"""

from __future__ import annotations

import gzip
import http.client
import ssl
from typing import Any
from urllib.parse import urlsplit

from telemetry.lane import Later, Refused, Send
from telemetry.settings import Collector

TRACES, LOGS, METRICS = "traces", "logs", "metrics"
SERVICES = {
    TRACES: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    LOGS: "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    METRICS: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}
RETRYABLE_HTTP = frozenset({408, 429, 500, 502, 503, 504})
RETRYABLE_GRPC = frozenset(
    {"CANCELLED", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"}
)
GZIP_ABOVE = 1024  # bytes
GZIP = b"\x1f\x8b"  # how it begins, and no export request does
MAX_MESSAGE = 4 * 1024 * 1024 - 1024  # bytes; what gRPC receivers take when nobody told them otherwise


class GrpcCollector:
    """One channel for all signals. gRPC compresses for itself, with every try."""

    def __init__(self, uri: str, compressed: bool) -> None:
        import grpc  # only in the child, and only when it is asked for: it costs 15 MB

        self._grpc = grpc
        self._compression = grpc.Compression.Gzip if compressed else grpc.Compression.NoCompression
        parts = urlsplit(uri)
        target = parts.netloc if parts.port else f"{parts.netloc}:4317"
        options = (
            ("grpc.enable_http_proxy", 0),
            ("grpc.initial_reconnect_backoff_ms", 500),
            ("grpc.max_reconnect_backoff_ms", 10_000),
        )
        if parts.scheme == "https":
            self._channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(), options)
        else:
            self._channel = grpc.insecure_channel(target, options)

    def pack(self, data: bytes) -> bytes:
        """A request as it waits for its turn."""
        return data

    def send(self, signal: str) -> Send:
        call = self._channel.unary_unary(SERVICES[signal], None, None)

        def send(data: bytes, timeout: float) -> None:
            if len(data) > MAX_MESSAGE:
                raise Refused(f"a message of {len(data)} bytes is longer than {MAX_MESSAGE}")
            try:
                call(data, timeout=timeout, compression=self._compression)
            except self._grpc.RpcError as failure:
                raise _grpc_failure(failure) from None

        return send


def _grpc_failure(failure: Any) -> Later | Refused:
    code = failure.code().name
    reason = f"gRPC {code}: {failure.details()}"
    return Later(reason) if code in RETRYABLE_GRPC else Refused(reason)


class HttpCollector:
    """One kept-alive connection per signal, protobuf bodies. A request that waits is compressed already."""

    def __init__(self, uri: str, compressed: bool) -> None:
        self._parts = urlsplit(uri)
        self._compressed = compressed

    def pack(self, data: bytes) -> bytes:
        return gzip.compress(data, 1) if self._compressed and len(data) > GZIP_ABOVE else data

    def send(self, signal: str) -> Send:
        path = f"{self._parts.path.rstrip('/')}/v1/{signal}"
        connection = self._connection()

        def send(data: bytes, timeout: float) -> None:
            headers = {"Content-Type": "application/x-protobuf", "User-Agent": "passerelle"}
            if data.startswith(GZIP):
                headers["Content-Encoding"] = "gzip"
            connection.timeout = timeout
            if connection.sock is not None:
                connection.sock.settimeout(timeout)
            try:
                connection.request("POST", path, data, headers)
                response = connection.getresponse()
                response.read(1024 * 1024)
            except (OSError, http.client.HTTPException) as failure:
                connection.close()
                raise Later(f"{type(failure).__name__}: {failure}") from None
            if response.will_close:
                connection.close()
            if response.status in RETRYABLE_HTTP:
                raise Later(f"HTTP {response.status}", _seconds(response.getheader("Retry-After", "")))
            if not 200 <= response.status < 300:
                raise Refused(f"HTTP {response.status}")

        return send

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port or 4318
        if self._parts.scheme == "https":
            return http.client.HTTPSConnection(host, port, context=ssl.create_default_context())
        return http.client.HTTPConnection(host, port)


def _seconds(text: str) -> float:
    """Retry-After as seconds; the date form is left to our own back-off."""
    return float(text) if text.strip().isdigit() else 0.0


def connect(settings: Collector) -> GrpcCollector | HttpCollector:
    kind = GrpcCollector if settings.protocol == "grpc" else HttpCollector
    return kind(settings.uri, settings.compressed)
