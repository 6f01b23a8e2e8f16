"""Spans of a request: SERVER for the client's call and, where a backend was called, CLIENT below it.

Names and attributes follow the HTTP semantic conventions; everything of the gateway is under `apim.`.
https://opentelemetry.io/docs/specs/semconv/http/http-spans/
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from telemetry.encode.attributes import SCOPE, hex_id, put, resource_message
from telemetry.metrics import client_error, method, origin, protocol_version, server_error
from telemetry.records import RequestRecord
from telemetry.settings import Resource

SAMPLED = 1
NOT_REMOTE = 0x100  # the flag bit that says the next one is known
REMOTE = 0x200  # the parent is in another process


def encode(records: Iterable[RequestRecord], resource: Resource) -> tuple[bytes, int]:
    """An export request and how many spans are in it; records that are not sampled have none."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.CopyFrom(resource_message(resource))
    scope = group.scope_spans.add()
    scope.scope.name = SCOPE
    for record in records:
        if record.sampled:
            _server(scope.spans, record)
    count = len(scope.spans)
    return (request.SerializeToString() if count else b""), count


def _server(spans: Any, record: RequestRecord) -> None:
    # The proxy leaves ids empty when it takes no part in tracing; a span needs one all the same.
    trace_id = hex_id(record.trace_id, 16) or os.urandom(16)
    span = spans.add()
    span.trace_id = trace_id
    span.span_id = hex_id(record.span_id, 8) or os.urandom(8)
    parent = hex_id(record.parent_span_id, 8)
    if parent:
        span.parent_span_id = parent
        span.flags = SAMPLED | NOT_REMOTE | REMOTE
    else:
        span.flags = SAMPLED | NOT_REMOTE
    verb = method(record.method)
    name = "HTTP" if verb == "_OTHER" else verb
    span.name = f"{name} {record.route}" if record.route else name
    span.kind = Span.SPAN_KIND_SERVER
    span.start_time_unix_nano = record.start_ns
    span.end_time_unix_nano = record.start_ns + int(record.total_ms * 1e6)
    put(span.attributes, server_attributes(record))
    if record.status >= 500 or record.status == 0:
        span.status.code = Status.STATUS_CODE_ERROR
    for error in record.errors or ((record.last_error,) if record.last_error else ()):
        event = span.events.add()
        event.name = "exception"
        event.time_unix_nano = record.start_ns + error.elapsed * 1_000_000
        put(event.attributes, error_attributes(error))
    for trace in record.traces:
        event = span.events.add()
        event.name = "apim.trace"
        event.time_unix_nano = span.end_time_unix_nano
        put(event.attributes, (("apim.trace.source", trace.source), ("apim.trace.severity", trace.severity)))
        put(event.attributes, (("message", trace.message), *trace.metadata))
    if record.backend_url:
        _client(spans.add(), record, trace_id, span.span_id)


def _client(span: Any, record: RequestRecord, trace_id: bytes, parent: bytes) -> None:
    span.trace_id = trace_id
    span.span_id = hex_id(record.backend_span_id, 8) or os.urandom(8)
    span.parent_span_id = parent
    span.flags = SAMPLED | NOT_REMOTE
    verb = method(record.backend_method)
    span.name = "HTTP" if verb == "_OTHER" else verb
    span.kind = Span.SPAN_KIND_CLIENT
    # The record has no offset of the backend call: what is neither backend nor client time is taken to come before it.
    before = max(0.0, record.total_ms - record.backend_ms - record.client_ms)
    span.start_time_unix_nano = record.start_ns + int(before * 1e6)
    span.end_time_unix_nano = span.start_time_unix_nano + int(record.backend_ms * 1e6)
    put(span.attributes, client_attributes(record))
    if record.backend_status >= 400 or record.backend_status == 0:
        span.status.code = Status.STATUS_CODE_ERROR


def server_attributes(record: RequestRecord) -> list[tuple[str, Any]]:
    verb = method(record.method)
    scheme, address, port = origin(record.url)
    path, _, query = record.url[record.url.find("/", len(scheme) + 3) :].partition("?")
    error = record.last_error
    return [
        ("http.request.method", verb),
        ("http.request.method_original", record.method if verb == "_OTHER" else None),
        ("url.scheme", scheme),
        ("url.path", path),
        ("url.query", query),
        ("server.address", address),
        ("server.port", port),
        ("http.response.status_code", record.status or None),
        ("http.route", record.route),
        ("network.protocol.name", "http"),
        ("network.protocol.version", protocol_version(record.client_protocol)),
        ("tls.protocol.version", record.client_tls_version),
        ("client.address", record.client_ip),
        ("http.request.body.size", record.request_size),
        ("http.response.body.size", record.response_size),
        ("error.type", server_error(record)),
        ("apim.correlation.id", record.correlation_id),
        ("apim.api.id", record.api_id),
        ("apim.api.name", record.api_name),
        ("apim.api.revision", record.api_revision),
        ("apim.operation.id", record.operation_id),
        ("apim.operation.name", record.operation_name),
        ("apim.product.id", record.product_id),
        ("apim.subscription.id", record.subscription_id),
        ("apim.user.id", record.user_id),
        ("apim.cache", record.cache),
        ("apim.last_error.source", error.source if error else None),
        ("apim.last_error.reason", error.reason if error else None),
        ("apim.last_error.section", error.section if error else None),
    ]


def client_attributes(record: RequestRecord) -> list[tuple[str, Any]]:
    verb = method(record.backend_method)
    _, address, port = origin(record.backend_url)
    return [
        ("http.request.method", verb),
        ("http.request.method_original", record.backend_method if verb == "_OTHER" else None),
        ("url.full", record.backend_url),
        ("server.address", address),
        ("server.port", port),
        ("http.response.status_code", record.backend_status or None),
        ("network.protocol.name", "http"),
        ("network.protocol.version", protocol_version(record.backend_protocol)),
        ("error.type", client_error(record)),
        ("apim.backend.id", record.backend_id),
        ("apim.api.id", record.api_id),
        ("apim.operation.id", record.operation_id),
    ]


def error_attributes(error: Any) -> tuple[tuple[str, Any], ...]:
    return (
        ("exception.type", error.reason),
        ("exception.message", error.message),
        ("apim.error.source", error.source),
        ("apim.error.scope", error.scope),
        ("apim.error.section", error.section),
        ("apim.error.path", error.path),
        ("apim.error.policy.id", error.policy_id),
    )
