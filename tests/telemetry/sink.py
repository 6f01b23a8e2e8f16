"""A small OTLP collector for tests: gRPC and HTTP, all three signals, with faults on demand.

`mode`, which may change at any time:

    ok           takes everything
    slow         takes everything, after half a second
    partial      takes everything but the first item of each message, and says so
    unavailable  503, UNAVAILABLE
    throttled    429 with Retry-After 1, RESOURCE_EXHAUSTED with RetryInfo 1 s
    refused      400, INVALID_ARGUMENT
    too-long     413, and what gRPC says of a message that is too long
    hang         does not answer while the mode is this, and then with a fault
    garbage      bytes that are no answer

`down()` and `up()` end and start it on the same port: connections are refused between the two.
"""

from __future__ import annotations

import contextlib
import gzip
import socket
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
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
REJECTED = {"trace": "rejected_spans", "logs": "rejected_log_records", "metrics": "rejected_data_points"}
TAKES = ("ok", "slow", "partial")
GRPC_FAULTS = {
    "unavailable": grpc.StatusCode.UNAVAILABLE,
    "throttled": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "refused": grpc.StatusCode.INVALID_ARGUMENT,
    "too-long": grpc.StatusCode.RESOURCE_EXHAUSTED,
}
HTTP_FAULTS = {"unavailable": 503, "throttled": 429, "refused": 400, "too-long": 413}


class Sink:
    """Use as a context manager. `calls` counts requests, taken or not; the lists hold what was taken.

    `tls` is (certificate, key, authority of the clients), PEM: every client must then show a certificate of that.
    """

    def __init__(self, protocol: str = "grpc", mode: str = "ok", tls: tuple[str, str, str] | None = None) -> None:
        self.protocol = protocol
        self.mode = mode
        self.tls = tls
        self.port = 0
        self.calls = 0
        self.called: list[float] = []  # when, monotonic seconds
        self.headers: list[dict[str, str]] = []
        self.requests: dict[str, list[Any]] = {signal: [] for signal in TYPES}
        self._over = threading.Event()
        self._lock = threading.Lock()

    @property
    def settings(self) -> dict[str, str]:
        prefix = "observability.opentelemetry"
        return {
            f"{prefix}.enabled": "true",
            f"{prefix}.collector.uri": f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}",
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
        self.up()
        return self

    def up(self) -> None:
        self._over.clear()
        if self.protocol == "grpc":
            self._start_grpc()
        else:
            self._start_http()

    def __exit__(self, *_: object) -> None:
        self.down()

    def down(self) -> None:
        self._over.set()
        self._stop()

    def take(self, signal: str, data: bytes) -> tuple[str, bytes]:
        """What to do with a request: "" and the answer when taken, else the fault."""
        with self._lock:
            self.calls += 1
            self.called.append(time.monotonic())
            mode = self.mode
            kind, answer = TYPES[signal][0], TYPES[signal][1]()
            if mode in TAKES:
                self.keep(signal, kind.FromString(data))
                if mode == "partial":
                    setattr(answer.partial_success, REJECTED[signal], 1)
                    answer.partial_success.error_message = "the first is not wanted"
        if mode == "slow":
            self._over.wait(0.5)
        while mode == "hang" and self.mode == "hang" and not self._over.wait(0.05):
            pass
        return ("" if mode in TAKES else mode), answer.SerializeToString()

    def keep(self, signal: str, message: Any) -> None:
        """A message that was taken; the lock is held."""
        self.requests[signal].append(message)

    def _start_grpc(self) -> None:
        sink = self

        def handler(signal: str) -> Any:
            def export(data: bytes, context: grpc.ServicerContext) -> bytes:
                sink.headers.append({key: str(value) for key, value in context.invocation_metadata()})
                fault, answer = sink.take(signal, data)
                if fault == "garbage":
                    return b"\xff\xff\xff"
                if fault == "throttled":
                    info = any_pb2.Any()
                    info.Pack(error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=1)))
                    status = status_pb2.Status(code=8, details=[info]).SerializeToString()
                    context.set_trailing_metadata((("grpc-status-details-bin", status),))
                if fault:
                    words = "Received message larger than max" if fault == "too-long" else fault
                    context.abort(GRPC_FAULTS.get(fault, grpc.StatusCode.UNAVAILABLE), words)
                return answer

            method = grpc.unary_unary_rpc_method_handler(export, request_deserializer=None, response_serializer=None)
            service = f"opentelemetry.proto.collector.{signal}.v1.{signal.capitalize()}Service"
            return grpc.method_handlers_generic_handler(service, {"Export": method})

        server = grpc.server(ThreadPoolExecutor(8), options=(("grpc.so_reuseport", 0),))
        server.add_generic_rpc_handlers([handler(signal) for signal in TYPES])
        where = f"127.0.0.1:{self.port}"
        if self.tls is None:
            self.port = server.add_insecure_port(where)
        else:
            certificate, key, authority = (Path(name).read_bytes() for name in self.tls)
            credentials = grpc.ssl_server_credentials([(key, certificate)], authority, True)
            self.port = server.add_secure_port(where, credentials)
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
                fault, answer = sink.take(signal, data)
                if fault == "garbage":
                    self.wfile.write(b"\0\xff no answer\r\n")
                    self.close_connection = True
                    return
                self.send_response(HTTP_FAULTS.get(fault, 503) if fault else 200)
                if fault == "throttled":
                    self.send_header("Retry-After", "1")
                if not fault:
                    self.send_header("Content-Type", "application/x-protobuf")
                body = b"" if fault else answer
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = _Server(("127.0.0.1", self.port), Handler)
        if self.tls is not None:
            certificate, key, authority = self.tls
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority)
            context.load_cert_chain(certificate, key)
            context.verify_mode = ssl.CERT_REQUIRED
            server.socket = context.wrap_socket(server.socket, server_side=True)
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()

        def stop() -> None:
            server.shutdown()
            thread.join()
            server.server_close()
            server.disconnect()

        self._stop = stop


class _Server(ThreadingHTTPServer):
    """Ends its connections when it ends, as the end of a process would."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, *arguments: Any) -> None:
        self._open: set[Any] = set()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def disconnect(self) -> None:
        for each in list(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""
