"""One OTLP log record per request: event name GatewayLogs, the same fields as the local log, tied to the span.

Here is what a kind of requests has in common, and what went wrong; the rest is in `requests.py`. Which fields there are
is decided by `gateway_logs.py`.
"""

from __future__ import annotations

import json
from functools import lru_cache

from telemetry import gateway_logs
from telemetry.encode.wire import attributes, nested, tag, varint
from telemetry.records import ErrorRecord, RequestRecord

ATTRIBUTES = 6
SEVERITIES = {"Info": 9, "Warn": 13, "Error": 17}


def shared(record: RequestRecord, region: str) -> bytes:
    """Severity, event name, and the attributes that all requests of its kind have."""
    word = severity(record)
    return (
        tag(2, 0)
        + varint(SEVERITIES[word])
        + nested(3, word.encode())
        + nested(12, gateway_logs.EVENT.encode())
        + attributes(ATTRIBUTES, gateway_logs.shared(record, region).items())
    )


def said(record: RequestRecord) -> bytes:
    """The attributes of its errors, and of what policies said: `lastError` as `lastError.reason` and the like, lists as
    JSON text."""
    data = b""
    if record.last_error:
        elapsed, *rest = record.last_error
        data += attributes(ATTRIBUTES, (("lastError.elapsed", elapsed),)) + _error(tuple(rest))[0]
    if record.errors:
        texts = [f'{{"elapsed": {elapsed}{_error(tuple(rest))[1]}' for elapsed, *rest in record.errors]
        data += attributes(ATTRIBUTES, (("errors", f"[{', '.join(texts)}]"),))
    if record.traces:
        traces = gateway_logs.said(record)["traceRecords"]
        data += attributes(ATTRIBUTES, (("traceRecords", json.dumps(traces, ensure_ascii=False)),))
    return data


@lru_cache(maxsize=1024)
def _error(rest: tuple[str, ...]) -> tuple[bytes, str]:
    """An error without the time that had elapsed: as `lastError.*`, and as the rest of a JSON object."""
    values = gateway_logs.error(ErrorRecord(0, *rest))
    del values["elapsed"]
    flat = attributes(ATTRIBUTES, [(f"lastError.{name}", value) for name, value in values.items()])
    text = json.dumps(values, ensure_ascii=False)
    return flat, f", {text[1:]}" if values else text[1:]


def severity(record: RequestRecord) -> str:
    """Info for a success, Warn when the client erred, Error when the gateway or the backend did or nobody was left."""
    if gateway_logs.succeeded(record):
        return "Info"
    return "Warn" if 400 <= record.status < 500 else "Error"
