"""A small OTLP collector for tests: gRPC and HTTP, all three signals, with faults on demand.

`mode`: ok | unavailable (503) | throttled (429, Retry-After 1) | refused (400) | hang (never answers).
"""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

TYPES = {
    "trace": (ExportTraceServiceRequest, ExportTraceServiceResponse),
    "logs": (ExportLogsServiceRequest, ExportLogsServiceResponse),
    "metrics": (ExportMetricsServiceRequest, ExportMetricsServiceResponse),
}
GRPC_FAULTS = {
    "unavailable": grpc.StatusCode.UNAVAILABLE,
    "throttled": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "refused": grpc.StatusCode.INVALID_ARGUMENT,
}
HTTP_FAULTS = {"unavailable": 503, "throttled": 429, "refused": 400}


class Sink:
    """Use as a context manager. `calls` counts requests, taken or not; the lists hold what was taken."""

    def __init__(self, protocol: str = "grpc", mode: str = "ok") -> None:
        self.protocol = protocol
        self.mode = mode
        self.calls = 0
        self.headers: list[dict[str, str]] = []
        self.requests: dict[str, list[Any]] = {signal: [] for signal in TYPES}
        self._over = threading.Event()
        self._lock = threading.Lock()

    @property
    def settings(self) -> dict[str, str]:
        prefix = "observability.opentelemetry"
        return {
            f"{prefix}.enabled": "true",
            f"{prefix}.collector.uri": f"http://127.0.0.1:{self.port}",
            f"{prefix}.protocol": "grpc" if self.protocol == "grpc" else "http/protobuf",
        }

    def spans(self) -> list[Any]:
        with self._lock:
            return [
                span
                for request in self.requests["trace"]
                for group in request.resource_spans
                for scope in group.scope_spans
                for span in scope.spans
            ]

    def logs(self) -> list[Any]:
        with self._lock:
            return [
                log
                for request in self.requests["logs"]
                for group in request.resource_logs
                for scope in group.scope_logs
                for log in scope.log_records
            ]

    def metrics(self) -> dict[str, Any]:
        """The newest of each name."""
        with self._lock:
            return {
                metric.name: metric
                for request in self.requests["metrics"]
                for group in request.resource_metrics
                for scope in group.scope_metrics
                for metric in scope.metrics
            }

    def wait(self, ready: Callable[[], Any], seconds: float = 8.0) -> Any:
        """Until `ready()` is true; the test fails otherwise."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if value := ready():
                return value
            time.sleep(0.02)
        raise AssertionError(f"the sink waited {seconds} s in vain; {self.calls} calls")

    def __enter__(self) -> Sink:
        if self.protocol == "grpc":
            self._start_grpc()
        else:
            self._start_http()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._stop()

    def take(self, signal: str, data: bytes) -> str:
        """What to do with a request: "" when taken, else the fault."""
        with self._lock:
            self.calls += 1
            mode = self.mode
            if mode == "ok":
                self.requests[signal].append(TYPES[signal][0].FromString(data))
                return ""
        if mode == "hang":
            self._over.wait(60)
        return mode

    def _start_grpc(self) -> None:
        sink = self

        def handler(signal: str) -> Any:
            def export(data: bytes, context: grpc.ServicerContext) -> Any:
                fault = sink.take(signal, data)
                if fault:
                    context.abort(GRPC_FAULTS.get(fault, grpc.StatusCode.UNAVAILABLE), fault)
                return TYPES[signal][1]()

            method = grpc.unary_unary_rpc_method_handler(
                export, request_deserializer=None, response_serializer=lambda answer: answer.SerializeToString()
            )
            service = f"opentelemetry.proto.collector.{signal}.v1.{signal.capitalize()}Service"
            return grpc.method_handlers_generic_handler(service, {"Export": method})

        server = grpc.server(ThreadPoolExecutor(8))
        server.add_generic_rpc_handlers([handler(signal) for signal in TYPES])
        self.port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self._stop = lambda: server.stop(0).wait()

    def _start_http(self) -> None:
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    data = gzip.decompress(data)
                sink.headers.append(dict(self.headers))
                signal = {"/v1/traces": "trace", "/v1/logs": "logs", "/v1/metrics": "metrics"}[self.path]
                fault = sink.take(signal, data)
                self.send_response(HTTP_FAULTS.get(fault, 503) if fault else 200)
                if fault == "throttled":
                    self.send_header("Retry-After", "1")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()

        def stop() -> None:
            server.shutdown()
            thread.join()
            server.server_close()

        self._stop = stop
