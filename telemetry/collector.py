"""The way to an OTLP collector: already encoded requests over gRPC or HTTP.

`connect(settings)` gives one `Send` per signal. What may be tried again and what may not follows the OTLP specification
(https://opentelemetry.io/docs/specs/otlp/#failures), but that every 5xx and every RESOURCE_EXHAUSTED is tried again,
and a broken connection whatever gRPC calls it: such things pass. No proxy is used: a collector stands next to the
gateway.
"""

from __future__ import annotations

import gzip
import http.client
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from telemetry.https import seconds
from telemetry.lane import Later, Partly, Refused, Send
from telemetry.settings import Collector

TRACES, LOGS, METRICS = "traces", "logs", "metrics"
SERVICES = {
    TRACES: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    LOGS: "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    METRICS: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}
# What a collector answers, and where it says how many items it refused.
ANSWERS: dict[str, tuple[Any, str]] = {
    TRACES: (ExportTraceServiceResponse, "rejected_spans"),
    LOGS: (ExportLogsServiceResponse, "rejected_log_records"),
    METRICS: (ExportMetricsServiceResponse, "rejected_data_points"),
}
RETRYABLE_HTTP = frozenset({408, 429})
RETRYABLE_GRPC = frozenset(
    {"CANCELLED", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"}
)
GZIP_ABOVE = 1024  # bytes
GZIP = b"\x1f\x8b"  # how it begins, and no export request does
MAX_MESSAGE = 4 * 1024 * 1024 - 1024  # bytes; what gRPC receivers take when nobody told them otherwise
MAX_ANSWER = 64 * 1024  # bytes


class GrpcCollector:
    """One channel for all signals. gRPC compresses for itself, with every try."""

    def __init__(self, settings: Collector) -> None:
        import grpc  # only in the child, and only when it is asked for: it costs 15 MB

        self._grpc = grpc
        self._headers = settings.headers
        self._compression = grpc.Compression.Gzip if settings.compression == "gzip" else grpc.Compression.NoCompression
        parts = urlsplit(settings.uri)
        target = parts.netloc if parts.port else f"{parts.netloc}:4317"
        options = (
            ("grpc.enable_http_proxy", 0),
            ("grpc.initial_reconnect_backoff_ms", 500),
            ("grpc.max_reconnect_backoff_ms", 10_000),
            ("grpc.max_receive_message_length", MAX_ANSWER),
        )
        if parts.scheme == "https":
            credentials = grpc.ssl_channel_credentials(
                _content(settings.ca), _content(settings.key or settings.certificate), _content(settings.certificate)
            )
            self._channel = grpc.secure_channel(target, credentials, options)
        else:
            self._channel = grpc.insecure_channel(target, options)

    def pack(self, data: bytes) -> bytes:
        """A request as it waits for its turn."""
        return data

    def send(self, signal: str) -> Send:
        call = self._channel.unary_unary(SERVICES[signal], None, None)

        def send(data: bytes, timeout: float) -> None:
            if data.startswith(GZIP):  # from before the protocol was changed
                data = gzip.decompress(data)
            if len(data) > MAX_MESSAGE:
                raise Refused(f"a message of {len(data)} bytes is longer than {MAX_MESSAGE}")
            compression = self._compression if len(data) > GZIP_ABOVE else None
            try:
                answer = call(data, timeout=timeout, metadata=self._headers, compression=compression)
            except self._grpc.RpcError as failure:
                raise _grpc_failure(failure) from None
            _check(signal, answer)

        return send

    def close(self) -> None:
        self._channel.close()


def _content(path: str) -> bytes | None:
    return Path(path).read_bytes() if path else None


def _grpc_failure(failure: Any) -> Later | Refused:
    code, details = failure.code().name, failure.details() or ""
    reason = f"gRPC {code}: {details}"
    broken = code in ("UNKNOWN", "INTERNAL") and ("Stream removed" in details or "RST_STREAM" in details)
    too_long = code == "RESOURCE_EXHAUSTED" and "larger than max" in details  # and stays so
    if too_long or not (broken or code in RETRYABLE_GRPC):
        return Refused(reason)
    return Later(reason, _retry_info(failure.trailing_metadata() or ()))


def _retry_info(metadata: Any) -> float:
    """Seconds of google.rpc.RetryInfo in the details of a status; 0 without one."""
    from google.rpc import error_details_pb2, status_pb2

    for name, value in metadata:
        if name != "grpc-status-details-bin":
            continue
        try:
            for detail in status_pb2.Status.FromString(value).details:
                info = error_details_pb2.RetryInfo()
                if detail.Unpack(info):
                    seconds: float = info.retry_delay.seconds + info.retry_delay.nanos / 1e9
                    return max(0.0, seconds)
        except DecodeError:  # bytes that are no status say nothing
            return 0.0
    return 0.0


class HttpCollector:
    """One kept-alive connection per signal, protobuf bodies. A request that waits is compressed already."""

    def __init__(self, settings: Collector) -> None:
        self._parts = urlsplit(settings.uri)
        self._settings = settings
        self._tls = _context(settings) if self._parts.scheme == "https" else None
        self._connections: list[http.client.HTTPConnection] = []

    def pack(self, data: bytes) -> bytes:
        return gzip.compress(data, 1) if self._settings.compression == "gzip" and len(data) > GZIP_ABOVE else data

    def send(self, signal: str) -> Send:
        path = f"{self._parts.path.rstrip('/')}/v1/{signal}"
        connection = self._connection()
        common = {
            "Content-Type": "application/x-protobuf",
            "User-Agent": "passerelle",
            **{name.title(): value for name, value in self._settings.headers},
        }

        def send(data: bytes, timeout: float) -> None:
            headers = dict(common)
            if data.startswith(GZIP):
                headers["Content-Encoding"] = "gzip"
            connection.timeout = timeout
            if connection.sock is not None:
                connection.sock.settimeout(connection.timeout)
            try:
                connection.request("POST", path, data, headers)
                response = connection.getresponse()
                answer = response.read(MAX_ANSWER)
            except (OSError, http.client.HTTPException) as failure:
                connection.close()
                raise Later(f"{type(failure).__name__}: {failure}") from None
            if response.will_close or not response.isclosed():
                connection.close()
            if response.status in RETRYABLE_HTTP or response.status >= 500:
                raise Later(f"HTTP {response.status}", seconds(response.getheader("Retry-After", "")))
            if not 200 <= response.status < 300:
                raise Refused(f"HTTP {response.status}")
            if response.getheader("Content-Type", "").startswith("application/x-protobuf"):
                _check(signal, answer)

        return send

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port or 4318
        connection = http.client.HTTPConnection(host, port)
        if self._tls is not None:
            connection = http.client.HTTPSConnection(host, port, context=self._tls)
        self._connections.append(connection)
        return connection


def _context(settings: Collector) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.ca or None)
    if settings.certificate:
        context.load_cert_chain(settings.certificate, settings.key or None)
    return context


def _check(signal: str, answer: bytes) -> None:
    """Raise Partly when the collector took a message but not every item in it. An answer that is none is taken as yes:
    the message has been accepted."""
    if not answer:
        return
    kind, field = ANSWERS[signal]
    try:
        partial = kind.FromString(answer).partial_success
    except DecodeError:
        return
    refused = int(getattr(partial, field))
    if refused > 0:
        raise Partly(f"{refused} items were refused: {partial.error_message}", refused=refused)


def connect(settings: Collector) -> GrpcCollector | HttpCollector:
    """Raises ValueError when a certificate cannot be used."""
    try:
        _context(settings)  # gRPC would only say much later, and over and over, that it cannot use them
        return GrpcCollector(settings) if settings.protocol == "grpc" else HttpCollector(settings)
    except (OSError, ssl.SSLError) as failure:
        raise ValueError(
            f"the certificates in observability.opentelemetry.collector.tls cannot be used: {failure}"
        ) from None
