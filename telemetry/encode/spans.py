"""Spans of a request: SERVER for the client's call and, where a backend was called, CLIENT below it.

Names and attributes follow the HTTP semantic conventions; everything of the gateway is under `apim.`.
https://opentelemetry.io/docs/specs/semconv/http/http-spans/

A span is encoded in two parts (see `wire.py`): what requests of one operation share, made once, and its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from telemetry.encode.attributes import hex_id, put
from telemetry.encode.wire import SharedParts, export_request
from telemetry.metrics import client_error, method, origin, protocol_version, server_error
from telemetry.records import ErrorRecord, RequestRecord
from telemetry.settings import Resource

SAMPLED = 1
NOT_REMOTE = 0x100  # the flag bit that says the next one is known
REMOTE = 0x200  # the parent is in another process


class SpanEncoder:
    """Keeps the shared parts between batches; one thread at a time."""

    def __init__(self) -> None:
        self._server_parts = SharedParts()
        self._client_parts = SharedParts()

    def encode(self, records: Iterable[RequestRecord], resource: Resource) -> tuple[bytes, int]:
        """An export request and how many spans are in it; records that are not sampled have none."""
        items: list[bytes] = []
        for record in records:
            if record.sampled:
                self._spans(record, items)
        return (export_request(resource, items) if items else b""), len(items)

    def _spans(self, record: RequestRecord, items: list[bytes]) -> None:
        # The proxy leaves ids empty when it takes no part in tracing; a span needs one all the same.
        trace_id = hex_id(record.trace_id, 16) or os.urandom(16)
        span_id = hex_id(record.span_id, 8) or os.urandom(8)
        error = record.last_error
        key = (
            origin(record.url),
            record.method,
            record.status,
            record.route,
            record.client_protocol,
            record.client_tls_version,
            record.api_id,
            record.api_name,
            record.api_revision,
            record.operation_id,
            record.operation_name,
            record.product_id,
            record.subscription_id,
            record.user_id,
            record.cache,
            (error.source, error.reason, error.section) if error else None,
        )
        shared = self._server_parts.get(key, lambda: _server_shared(record).SerializeToString())
        items.append(shared + _server_own(record, trace_id, span_id).SerializeToString())
        if record.backend_url:
            backend_key = (
                origin(record.backend_url),
                record.backend_method,
                record.backend_status,
                record.backend_protocol,
                record.backend_id,
                record.api_id,
                record.operation_id,
                client_error(record),
            )
            shared = self._client_parts.get(backend_key, lambda: _client_shared(record).SerializeToString())
            items.append(shared + _client_own(record, trace_id, span_id).SerializeToString())


def _server_shared(record: RequestRecord) -> Span:
    verb = method(record.method)
    name = "HTTP" if verb == "_OTHER" else verb
    span = Span(name=f"{name} {record.route}" if record.route else name, kind=Span.SPAN_KIND_SERVER)
    if record.status >= 500 or record.status == 0:
        span.status.code = Status.STATUS_CODE_ERROR
    scheme, address, port = origin(record.url)
    error = record.last_error
    put(
        span.attributes,
        (
            ("http.request.method", verb),
            ("http.request.method_original", record.method if verb == "_OTHER" else None),
            ("url.scheme", scheme),
            ("server.address", address),
            ("server.port", port),
            ("http.response.status_code", record.status or None),
            ("http.route", record.route),
            ("network.protocol.name", "http"),
            ("network.protocol.version", protocol_version(record.client_protocol)),
            ("tls.protocol.version", record.client_tls_version),
            ("error.type", server_error(record)),
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
        ),
    )
    return span


def _server_own(record: RequestRecord, trace_id: bytes, span_id: bytes) -> Span:
    parent = hex_id(record.parent_span_id, 8)
    end = record.start_ns + int(record.total_ms * 1e6)
    span = Span(
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=parent,
        flags=SAMPLED | NOT_REMOTE | (REMOTE if parent else 0),
        start_time_unix_nano=record.start_ns,
        end_time_unix_nano=end,
    )
    path, _, query = record.url[record.url.find("/", record.url.find("://") + 3) :].partition("?")
    put(
        span.attributes,
        (
            ("url.path", path),
            ("url.query", query),
            ("client.address", record.client_ip),
            ("http.request.body.size", record.request_size),
            ("http.response.body.size", record.response_size),
            ("apim.correlation.id", record.correlation_id),
        ),
    )
    for error in record.errors or ((record.last_error,) if record.last_error else ()):
        event = span.events.add(name="exception", time_unix_nano=record.start_ns + error.elapsed * 1_000_000)
        put(event.attributes, error_attributes(error))
    for trace in record.traces:
        event = span.events.add(name="apim.trace", time_unix_nano=end)
        put(event.attributes, (("apim.trace.source", trace.source), ("apim.trace.severity", trace.severity)))
        put(event.attributes, (("message", trace.message), *trace.metadata))
    return span


def _client_shared(record: RequestRecord) -> Span:
    verb = method(record.backend_method)
    span = Span(name="HTTP" if verb == "_OTHER" else verb, kind=Span.SPAN_KIND_CLIENT)
    if record.backend_status >= 400 or record.backend_status == 0:
        span.status.code = Status.STATUS_CODE_ERROR
    _, address, port = origin(record.backend_url)
    put(
        span.attributes,
        (
            ("http.request.method", verb),
            ("http.request.method_original", record.backend_method if verb == "_OTHER" else None),
            ("server.address", address),
            ("server.port", port),
            ("http.response.status_code", record.backend_status or None),
            ("network.protocol.name", "http"),
            ("network.protocol.version", protocol_version(record.backend_protocol)),
            ("error.type", client_error(record)),
            ("apim.backend.id", record.backend_id),
            ("apim.api.id", record.api_id),
            ("apim.operation.id", record.operation_id),
        ),
    )
    return span


def _client_own(record: RequestRecord, trace_id: bytes, parent: bytes) -> Span:
    # The record has no offset of the backend call: what is neither backend nor client time is taken to come before it.
    before = max(0.0, record.total_ms - record.backend_ms - record.client_ms)
    start = record.start_ns + int(before * 1e6)
    span = Span(
        trace_id=trace_id,
        span_id=hex_id(record.backend_span_id, 8) or os.urandom(8),
        parent_span_id=parent,
        flags=SAMPLED | NOT_REMOTE,
        start_time_unix_nano=start,
        end_time_unix_nano=start + int(record.backend_ms * 1e6),
    )
    put(span.attributes, (("url.full", record.backend_url),))
    return span


def error_attributes(error: ErrorRecord) -> tuple[tuple[str, Any], ...]:
    return (
        ("exception.type", error.reason),
        ("exception.message", error.message),
        ("apim.error.source", error.source),
        ("apim.error.scope", error.scope),
        ("apim.error.section", error.section),
        ("apim.error.path", error.path),
        ("apim.error.policy.id", error.policy_id),
    )
