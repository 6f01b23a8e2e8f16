"""Spans of a request: SERVER for the client's call and, where a backend was called, CLIENT below it.

Names and attributes follow the HTTP semantic conventions; everything of the gateway is under `apim.`.
https://opentelemetry.io/docs/specs/semconv/http/http-spans/

A span is its kind's part, made once, and its own (see `wire.py`). Field numbers are those of
https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto
"""

from __future__ import annotations

import os
import struct
from operator import itemgetter
from typing import Any

from telemetry.batch import Batch, Kind
from telemetry.encode.wire import Caller, Nested, Number, Text, attributes, export_request, nested, tag, varint
from telemetry.metrics import client_error, method, origin, protocol_version, server_error
from telemetry.records import ErrorRecord, RequestRecord, places
from telemetry.settings import Resource

SERVER, CLIENT = 2, 3  # SpanKind
ERROR = nested(15, tag(3, 0) + varint(2))  # Status
SAMPLED = 1
NOT_REMOTE = 0x100  # the flag bit that says the next one is known
REMOTE = 0x200  # the parent is in another process
ATTRIBUTES = 9

_own = itemgetter(
    *places(
        "start_ns",
        "total_ms",
        "backend_ms",
        "client_ms",
        "trace_id",
        "span_id",
        "parent_span_id",
        "backend_span_id",
        "url",
        "backend_url",
        "client_ip",
        "request_size",
        "response_size",
        "correlation_id",
        "subscription_id",
        "user_id",
        "last_error",
        "errors",
        "traces",
    )
)
# trace id, span id, start, end, flags; and with a parent's id
_ROOT = struct.Struct("<2s16s2s8sBQBQ2sI")
_CHILD = struct.Struct("<2s16s2s8sBQBQ2sI2s8s")
_TRACE_ID, _SPAN_ID, _PARENT_ID = b"\x0a\x10", b"\x12\x08", b"\x22\x08"
_START, _END = 0x39, 0x41
_FLAGS = b"\x85\x01"
_EVENT_TIME = struct.Struct("<BQ")


class SpanEncoder:
    """Keeps pieces between batches; one thread at a time."""

    def __init__(self) -> None:
        self._path = Text(ATTRIBUTES, "url.path")
        self._query = Text(ATTRIBUTES, "url.query")
        self._address = Text(ATTRIBUTES, "client.address")
        self._correlation = Text(ATTRIBUTES, "apim.correlation.id")
        self._full = Text(ATTRIBUTES, "url.full")
        self._received = Number(ATTRIBUTES, "http.request.body.size")
        self._sent = Number(ATTRIBUTES, "http.response.body.size")
        self._caller = Caller(ATTRIBUTES, "apim.subscription.id", "apim.user.id")
        self._item = Nested(2)

    def encode(self, batch: Batch, resource: Resource) -> tuple[bytes, int]:
        """An export request and how many spans are in it; records that are not sampled have none."""
        pieces = self.spans(batch)
        return (export_request(resource, pieces) if pieces else b""), len(pieces) // 2

    def spans(self, batch: Batch) -> list[bytes]:
        """Spans for an `export_request`, each after a piece of its own with its length."""
        path_head, query_head, address_head, item = self._path, self._query, self._address, self._item
        correlation_head, full_head, received_of, sent_of = self._correlation, self._full, self._received, self._sent
        caller, fromhex, join, root, child = self._caller, bytes.fromhex, b"".join, _ROOT.pack, _CHILD.pack
        pieces: list[bytes] = []
        add = pieces.append
        for record, kind in zip(batch, batch.kinds, strict=True):
            made = kind.made.get(self)
            if made is None:
                made = kind.made[self] = _shared(kind)
            server, client, at = made
            if server is None:
                continue
            (
                start, total_ms, backend_ms, client_ms, trace_text, span_text, parent_text, call_text, url, backend_url,
                client_ip, received, sent, correlation, subscription, user, error, errors, traces,
            ) = _own(record)  # fmt: skip
            try:
                trace_id, span_id, parent = fromhex(trace_text), fromhex(span_text), fromhex(parent_text)
            except ValueError:
                trace_id, span_id, parent = hex_id(trace_text, 16), hex_id(span_text, 8), hex_id(parent_text, 8)
            # The proxy leaves ids empty when it takes no part in tracing; a span needs one all the same.
            if len(trace_id) != 16:
                trace_id = os.urandom(16)
            if len(span_id) != 8:
                span_id = os.urandom(8)
            end = start + int(total_ms * 1e6)
            if len(parent) == 8:
                head = child(
                    _TRACE_ID, trace_id, _SPAN_ID, span_id, _START, start, _END, end,
                    _FLAGS, SAMPLED | NOT_REMOTE | REMOTE, _PARENT_ID, parent,
                )  # fmt: skip
            else:
                head = root(
                    _TRACE_ID, trace_id, _SPAN_ID, span_id, _START, start, _END, end, _FLAGS, SAMPLED | NOT_REMOTE
                )
            path, _, query = url[at:].encode("utf-8", "replace").partition(b"?")
            address, correlation = client_ip.encode("utf-8", "replace"), correlation.encode("utf-8", "replace")
            span = join(
                (
                    server, head, caller[subscription, user], path_head[len(path)], path, query_head[len(query)], query,
                    address_head[len(address)], address, correlation_head[len(correlation)], correlation,
                    received_of[received], sent_of[sent],
                )
            )  # fmt: skip
            if error is not None or errors or traces:
                span += _events(record, end)
            add(item[len(span)])
            add(span)
            if client is not None:
                call_id = hex_id(call_text, 8) or os.urandom(8)
                # The record has no offset of the backend call: what is neither backend nor client time is taken to
                # come before it.
                start += int(max(0.0, total_ms - backend_ms - client_ms) * 1e6)
                full = backend_url.encode("utf-8", "replace")
                head = child(
                    _TRACE_ID, trace_id, _SPAN_ID, call_id, _START, start, _END, start + int(backend_ms * 1e6),
                    _FLAGS, SAMPLED | NOT_REMOTE, _PARENT_ID, span_id,
                )  # fmt: skip
                span = join((client, head, full_head[len(full)], full))
                add(item[len(span)])
                add(span)
        return pieces


def hex_id(text: str, size: int) -> bytes:
    """A trace or span id of `size` bytes from hexadecimal; empty when the text is no such id."""
    try:
        value = bytes.fromhex(text)
    except ValueError:
        return b""
    return value if len(value) == size else b""


def _shared(kind: Kind) -> tuple[bytes | None, bytes | None, int]:
    """What all server spans of a kind have, what all client spans have, and where in the URL the path begins."""
    if not kind.record.sampled:
        return None, None, 0
    return _server(kind), _client(kind) if kind.backend_origin else None, len(kind.origin)


def _server(kind: Kind) -> bytes:
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
    return _span(name, SERVER, failed, values)


def _client(kind: Kind) -> bytes:
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
    return _span("HTTP" if verb == "_OTHER" else verb, CLIENT, failed, values)


def _span(name: str, kind: int, failed: bool, values: tuple[tuple[str, Any], ...]) -> bytes:
    head = nested(5, name.encode("utf-8", "replace")) + tag(6, 0) + varint(kind)
    return head + (ERROR if failed else b"") + attributes(ATTRIBUTES, values)


def _events(record: RequestRecord, end: int) -> bytes:
    """Errors as exceptions, at the time they happened, and what `trace` policies said, at the end."""
    events = [
        _event("exception", record.start_ns + error.elapsed * 1_000_000, error_attributes(error))
        for error in record.errors or ((record.last_error,) if record.last_error else ())
    ]
    for trace in record.traces:
        said = (("apim.trace.source", trace.source), ("apim.trace.severity", trace.severity))
        events.append(_event("apim.trace", end, (*said, ("message", trace.message), *trace.metadata)))
    return b"".join(events)


def _event(name: str, time_ns: int, values: tuple[tuple[str, Any], ...]) -> bytes:
    return nested(11, _EVENT_TIME.pack(0x09, time_ns) + nested(2, name.encode()) + attributes(3, values))


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
