"""One OTLP log record per request: event name GatewayLogs, the same fields as the local log, tied to the span.

A log record is its kind's part, made once, and its own (see `wire.py`); which field is in which part is decided by
`gateway_logs.py`. Field numbers are those of
https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/logs/v1/logs.proto
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import Any

from telemetry import gateway_logs
from telemetry.batch import Batch, Kind
from telemetry.encode.wire import Caller, Nested, Number, Text, attributes, export_request, nested, tag, varint
from telemetry.lines import timestamp
from telemetry.records import RequestRecord, places
from telemetry.settings import Resource

SEVERITIES = {"Info": 9, "Warn": 13, "Error": 17}
ATTRIBUTES = 6

_own = itemgetter(
    *places(
        "start_ns",
        "total_ms",
        "backend_ms",
        "client_ms",
        "cache_ms",
        "trace_id",
        "span_id",
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
_TIMES = struct.Struct("<BQBQ")
_CONTEXT = struct.Struct("<2s16s2s8sBI")
_NO_CONTEXT = b""


class LogEncoder:
    """Keeps pieces between batches; one thread at a time."""

    def __init__(self) -> None:
        self._total = Number(ATTRIBUTES, "totalTime")
        self._backend = Number(ATTRIBUTES, "backendTime")
        self._client = Number(ATTRIBUTES, "clientTime")
        self._cache = Number(ATTRIBUTES, "cacheTime", zero=False)
        self._received = Number(ATTRIBUTES, "requestSize")
        self._sent = Number(ATTRIBUTES, "responseSize")
        self._caller = Caller(ATTRIBUTES, "apimSubscriptionId", "userId")
        self._address = Text(ATTRIBUTES, "callerIpAddress")
        self._when = Text(ATTRIBUTES, "timeGenerated")[len(timestamp(0))]
        self._correlation = Text(ATTRIBUTES, "correlationId")
        self._url = Text(ATTRIBUTES, "url")
        self._backend_url = Text(ATTRIBUTES, "backendUrl")
        self._body = Nested(5)
        self._text = Nested(1)
        self._item = Nested(2)

    def encode(self, batch: Batch, resource: Resource, now_ns: int) -> tuple[bytes, int]:
        """An export request and how many log records are in it. `now_ns` is the time of observation, Unix ns."""
        return (export_request(resource, self.logs(batch, resource.region, now_ns)) if batch else b""), len(batch)

    def logs(self, batch: Batch, region: str, now_ns: int) -> list[bytes]:
        """Log records for an `export_request`, each after a piece of its own with its length."""
        address_head, correlation_head, url_head = self._address, self._correlation, self._url
        backend_url_head, when_head, item, body_head, text_head = (
            self._backend_url, self._when, self._item, self._body, self._text,
        )  # fmt: skip
        total_of, client_of, cache_of, backend_of = self._total, self._client, self._cache, self._backend
        received_of, sent_of, caller = self._received, self._sent, self._caller
        fromhex, join, times, context_of = bytes.fromhex, b"".join, _TIMES.pack, _CONTEXT.pack
        own_key = (self, region)
        pieces: list[bytes] = []
        add = pieces.append
        for record, kind in zip(batch, batch.kinds, strict=True):
            made = kind.made.get(own_key)
            if made is None:
                made = kind.made[own_key] = _shared(kind, region)
            shared, verb, status, called, flags = made
            (
                start, total_ms, backend_ms, client_ms, cache_ms, trace_text, span_text, url, backend_url, client_ip,
                received, sent, correlation, subscription, user, error, errors, traces,
            ) = _own(record)  # fmt: skip
            try:
                trace_id, span_id = fromhex(trace_text), fromhex(span_text)
            except ValueError:
                trace_id = span_id = b""
            if len(trace_id) == 16 and len(span_id) == 8:
                context = context_of(b"\x4a\x10", trace_id, b"\x52\x08", span_id, 0x45, flags)
            else:
                context = _NO_CONTEXT
            address, correlation = client_ip.encode("utf-8", "replace"), correlation.encode("utf-8", "replace")
            url, backend_url = url.encode("utf-8", "replace"), backend_url.encode("utf-8", "replace")
            body = join((verb, url, status))
            text = text_head[len(body)]
            log = join(
                (
                    shared, times(0x09, start + int(total_ms * 1e6), 0x59, now_ns), context,
                    body_head[len(text) + len(body)], text, body, caller[subscription, user],
                    total_of[round(total_ms)], client_of[round(client_ms)], cache_of[round(cache_ms)],
                    backend_of[round(backend_ms)] if called or backend_url else b"",
                    received_of[received], sent_of[sent],
                    address_head[len(address)], address,
                    when_head, timestamp(start / 1e9 + total_ms / 1000).encode(),
                    correlation_head[len(correlation)], correlation,
                    url_head[len(url)], url, backend_url_head[len(backend_url)], backend_url,
                )
            )  # fmt: skip
            if error is not None or errors or traces:
                log += attributes(ATTRIBUTES, flat(gateway_logs.said(record)))
            add(item[len(log)])
            add(log)
        return pieces


def _shared(kind: Kind, region: str) -> tuple[bytes, bytes, bytes, bool, int]:
    """What all logs of a kind have; how their bodies begin and end; whether a backend was called; their flags."""
    record = kind.record
    word = severity(record)
    shared = (
        tag(2, 0)
        + varint(SEVERITIES[word])
        + nested(3, word.encode())
        + nested(12, gateway_logs.EVENT.encode())
        + attributes(ATTRIBUTES, gateway_logs.shared(record, region).items())
    )
    verb, status = f"{record.method} ".encode("utf-8", "replace"), f" {record.status}".encode()
    return shared, verb, status, bool(record.backend_method), int(record.sampled)


def severity(record: RequestRecord) -> str:
    """Info for a success, Warn when the client erred, Error when the gateway or the backend did or nobody was left."""
    if gateway_logs.succeeded(record):
        return "Info"
    return "Warn" if 400 <= record.status < 500 else "Error"


def flat(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """`lastError` as `lastError.reason` and the like, lists as JSON text."""
    for name, value in fields.items():
        if isinstance(value, dict):
            for inner, each in value.items():
                yield f"{name}.{inner}", each
        elif isinstance(value, list):
            yield name, json.dumps(value, ensure_ascii=False)
        else:
            yield name, value
