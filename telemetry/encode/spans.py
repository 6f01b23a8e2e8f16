"""Spans of a request: SERVER for the client's call and, where a backend was called, CLIENT below it.

Names and attributes follow the HTTP semantic conventions; everything of the gateway is under `apim.`.
https://opentelemetry.io/docs/specs/semconv/http/http-spans/

Here is what a kind of requests has in common, and the events; the rest is in `requests.py`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from telemetry.batch import Kind
from telemetry.encode.wire import attributes, nested, tag, varint
from telemetry.metrics import client_error, method, origin, protocol_version, server_error
from telemetry.records import ErrorRecord, RequestRecord

ATTRIBUTES = 9
SERVER, CLIENT = 2, 3  # SpanKind
EXCEPTION = "exception"
UNSET, ERROR = nested(15, b""), nested(15, tag(3, 0) + varint(2))  # Status

Values = tuple[tuple[str, Any], ...]  # "" and None mean "not applicable"

_EVENT_TIME = struct.Struct("<BQ")


class Shared(NamedTuple):
    """What all spans of a kind have."""

    name: str
    kind: int
    failed: bool
    values: Values

    def encoded(self) -> bytes:
        head = nested(5, self.name.encode("utf-8", "replace")) + tag(6, 0) + varint(self.kind)
        return head + (ERROR if self.failed else UNSET) + attributes(ATTRIBUTES, self.values)


def server(kind: Kind) -> Shared:
    record = kind.record
    verb = method(record.method)
    name = "HTTP" if verb == "_OTHER" else verb
    name = f"{name} {record.route}" if record.route else name
    scheme, host, port = origin(kind.origin)
    source, reason, section = kind.cause or ("", "", "")
    values = (
        ("http.request.method", verb),
        ("http.request.method_original", record.method if verb == "_OTHER" else None),
        ("url.scheme", scheme),
        ("server.address", host),
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
        ("apim.cache", record.cache),
        ("apim.last_error.source", source),
        ("apim.last_error.reason", reason),
        ("apim.last_error.section", section),
    )
    failed = record.status >= 500 or record.status == 0
    return Shared(name, SERVER, failed, values)


def client(kind: Kind) -> Shared:
    record = kind.record
    verb = method(record.backend_method)
    _, host, port = origin(kind.backend_origin)
    values = (
        ("http.request.method", verb),
        ("http.request.method_original", record.backend_method if verb == "_OTHER" else None),
        ("server.address", host),
        ("server.port", port),
        ("http.response.status_code", record.backend_status or None),
        ("network.protocol.name", "http"),
        ("network.protocol.version", protocol_version(record.backend_protocol)),
        ("error.type", client_error(record)),
        ("apim.backend.id", record.backend_id),
        ("apim.api.id", record.api_id),
        ("apim.operation.id", record.operation_id),
    )
    failed = record.backend_status >= 400 or record.backend_status == 0
    return Shared("HTTP" if verb == "_OTHER" else verb, CLIENT, failed, values)


def events(record: RequestRecord, end: int) -> Iterator[tuple[str, int, Values]]:
    """Errors as exceptions, at the time they happened, and what `trace` policies said, at the end: name, Unix ns and
    attributes."""
    for error in record.errors or ((record.last_error,) if record.last_error else ()):
        yield EXCEPTION, record.start_ns + error.elapsed * 1_000_000, error_attributes(error)
    for trace in record.traces:
        values = {
            "apim.trace.source": trace.source,
            "apim.trace.severity": trace.severity,
            "message": trace.message,
        }
        for name, value in trace.metadata:
            values.setdefault(name, value)
        yield "apim.trace", end, tuple(values.items())


def encoded_events(record: RequestRecord, end: int) -> bytes:
    return b"".join(
        [
            nested(11, _EVENT_TIME.pack(0x09, when) + (_exception if name == EXCEPTION else _event)(name, values))
            for name, when, values in events(record, end)
        ]
    )


def _event(name: str, values: Values) -> bytes:
    return nested(2, name.encode()) + attributes(3, values)


_exception = lru_cache(maxsize=1024)(_event)  # many are alike


def error_attributes(error: ErrorRecord) -> Values:
    return (
        ("exception.type", error.reason),
        ("exception.message", error.message),
        ("apim.error.source", error.source),
        ("apim.error.scope", error.scope),
        ("apim.error.section", error.section),
        ("apim.error.path", error.path),
        ("apim.error.policy.id", error.policy_id),
    )
