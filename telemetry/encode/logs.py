"""One OTLP log record per request: event name GatewayLogs, the same fields as the local log, tied to the span."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import SeverityNumber

from telemetry import gateway_logs
from telemetry.encode.attributes import SCOPE, hex_id, put, resource_message
from telemetry.records import RequestRecord
from telemetry.settings import Resource

SEVERITIES = {
    "Info": SeverityNumber.SEVERITY_NUMBER_INFO,
    "Warn": SeverityNumber.SEVERITY_NUMBER_WARN,
    "Error": SeverityNumber.SEVERITY_NUMBER_ERROR,
}


def encode(records: Iterable[RequestRecord], resource: Resource, now_ns: int) -> tuple[bytes, int]:
    """An export request and how many log records are in it. `now_ns` is the time of observation, Unix nanoseconds."""
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.CopyFrom(resource_message(resource))
    scope = group.scope_logs.add()
    scope.scope.name = SCOPE
    for record in records:
        log = scope.log_records.add()
        log.time_unix_nano = record.start_ns + int(record.total_ms * 1e6)
        log.observed_time_unix_nano = now_ns
        log.severity_text = severity(record)
        log.severity_number = SEVERITIES[log.severity_text]
        log.event_name = gateway_logs.EVENT
        log.body.string_value = f"{record.method} {record.url} {record.status}"
        trace_id, span_id = hex_id(record.trace_id, 16), hex_id(record.span_id, 8)
        if trace_id and span_id:
            log.trace_id = trace_id
            log.span_id = span_id
            log.flags = int(record.sampled)
        put(log.attributes, attributes(record, resource))
    count = len(scope.log_records)
    return (request.SerializeToString() if count else b""), count


def severity(record: RequestRecord) -> str:
    """Info for a success, Warn when the client erred, Error when the gateway or the backend did or nobody was left."""
    if gateway_logs.succeeded(record):
        return "Info"
    return "Warn" if 400 <= record.status < 500 else "Error"


def attributes(record: RequestRecord, resource: Resource) -> Iterator[tuple[str, Any]]:
    """The fields with `lastError` flattened to `lastError.reason` and the like, lists as JSON text."""
    for name, value in gateway_logs.fields(record, resource.region).items():
        if isinstance(value, dict):
            for inner, each in value.items():
                yield f"{name}.{inner}", each
        elif isinstance(value, list):
            yield name, json.dumps(value, ensure_ascii=False)
        else:
            yield name, value
