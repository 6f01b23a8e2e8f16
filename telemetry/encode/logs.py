"""One OTLP log record per request: event name GatewayLogs, the same fields as the local log, tied to the span.

Encoded in two parts (see `wire.py`): the fields that requests of one operation share, made once, and its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, SeverityNumber

from telemetry import gateway_logs
from telemetry.encode.attributes import hex_id, put
from telemetry.encode.wire import SharedParts, export_request
from telemetry.records import RequestRecord
from telemetry.settings import Resource

SEVERITIES = {
    "Info": SeverityNumber.SEVERITY_NUMBER_INFO,
    "Warn": SeverityNumber.SEVERITY_NUMBER_WARN,
    "Error": SeverityNumber.SEVERITY_NUMBER_ERROR,
}


class LogEncoder:
    """Keeps the shared parts between batches; one thread at a time."""

    def __init__(self) -> None:
        self._parts = SharedParts()

    def encode(self, records: Iterable[RequestRecord], resource: Resource, now_ns: int) -> tuple[bytes, int]:
        """An export request and how many log records are in it. `now_ns` is the time of observation, Unix ns."""
        items = [self._log(record, resource.region, now_ns) for record in records]
        return (export_request(resource, items) if items else b""), len(items)

    def _log(self, record: RequestRecord, region: str, now_ns: int) -> bytes:
        key = (region, gateway_logs.shared_key(record))
        shared = self._parts.get(key, lambda: _shared(record, region).SerializeToString())
        return shared + _own(record, now_ns).SerializeToString()


def _shared(record: RequestRecord, region: str) -> LogRecord:
    word = severity(record)
    log = LogRecord(severity_text=word, severity_number=SEVERITIES[word], event_name=gateway_logs.EVENT)
    put(log.attributes, flat(gateway_logs.shared(record, region)))
    return log


def _own(record: RequestRecord, now_ns: int) -> LogRecord:
    log = LogRecord(time_unix_nano=record.start_ns + int(record.total_ms * 1e6), observed_time_unix_nano=now_ns)
    log.body.string_value = f"{record.method} {record.url} {record.status}"
    trace_id, span_id = hex_id(record.trace_id, 16), hex_id(record.span_id, 8)
    if trace_id and span_id:
        log.trace_id = trace_id
        log.span_id = span_id
        log.flags = int(record.sampled)
    put(log.attributes, flat(gateway_logs.own(record)))
    return log


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
