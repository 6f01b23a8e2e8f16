"""A request record in the words of the GatewayLogs category, for every place that logs one.

Field names and order are those of the self-hosted gateway's own output; what does not apply is left out. Columns:
https://learn.microsoft.com/azure/azure-monitor/reference/tables/apimanagementgatewaylogs
"""

from __future__ import annotations

import json
from typing import Any

from telemetry.lines import timestamp
from telemetry.records import ErrorRecord, RequestRecord

EVENT = "GatewayLogs"
ORDER = (
    "isRequestSuccess",
    "totalTime",
    "category",
    "callerIpAddress",
    "timeGenerated",
    "region",
    "correlationId",
    "method",
    "url",
    "backendResponseCode",
    "responseCode",
    "responseSize",
    "cache",
    "backendTime",
    "cacheTime",
    "requestSize",
    "apiId",
    "operationId",
    "productId",
    "userId",
    "apimSubscriptionId",
    "clientTime",
    "clientProtocol",
    "backendProtocol",
    "apiRevision",
    "clientTlsVersion",
    "backendId",
    "backendMethod",
    "backendUrl",
    "lastError",
    "errors",
    "traceRecords",
)


def fields(record: RequestRecord, region: str = "") -> dict[str, Any]:
    """All that applies, in order. Times are whole milliseconds."""
    values = {**shared(record, region), **own(record)}
    return {name: value for name in ORDER if (value := values.get(name, "")) != ""}


def shared(record: RequestRecord, region: str) -> dict[str, Any]:
    """What requests of one kind (`batch.py`) have in common; "" means "not applicable"."""
    return {
        "isRequestSuccess": succeeded(record),
        "category": EVENT,
        "region": region,
        "method": record.method,
        "backendResponseCode": record.backend_status or "",
        "responseCode": record.status,
        "cache": record.cache or "none",
        "apiId": record.api_id,
        "operationId": record.operation_id,
        "productId": record.product_id,
        "clientProtocol": record.client_protocol,
        "backendProtocol": record.backend_protocol,
        "apiRevision": record.api_revision,
        "clientTlsVersion": record.client_tls_version,
        "backendId": record.backend_id,
        "backendMethod": record.backend_method,
    }


def own(record: RequestRecord) -> dict[str, Any]:
    """What is this request's alone; "" means "not applicable"."""
    return {
        "totalTime": round(record.total_ms),
        "callerIpAddress": record.client_ip,
        "timeGenerated": timestamp(finished(record)),
        "correlationId": record.correlation_id,
        "url": record.url,
        "responseSize": record.response_size,
        "backendTime": round(record.backend_ms) if record.backend_method or record.backend_url else "",
        "cacheTime": round(record.cache_ms) or "",
        "requestSize": record.request_size,
        "userId": record.user_id,
        "apimSubscriptionId": record.subscription_id,
        "clientTime": round(record.client_ms),
        "backendUrl": record.backend_url,
        **said(record),
    }


def said(record: RequestRecord) -> dict[str, Any]:
    """What went wrong, and what policies said."""
    values: dict[str, Any] = {}
    if record.last_error:
        values["lastError"] = error(record.last_error)
    if record.errors:
        values["errors"] = [error(each) for each in record.errors]
    if record.traces:
        values["traceRecords"] = traces(record)
    return values


def traces(record: RequestRecord) -> list[dict[str, str]]:
    """What `trace` policies said."""
    return [
        {"source": trace.source, "severity": trace.severity, "message": trace.message, **dict(trace.metadata)}
        for trace in record.traces
    ]


def nested(value: Any) -> str:
    """An error or a list of them, where only text has a place."""
    return json.dumps(value, ensure_ascii=False, default=str)


def succeeded(record: RequestRecord) -> bool:
    """2xx and 3xx, as documented for IsRequestSuccess; 1xx is an upgrade that worked."""
    return 100 <= record.status < 400


def error(record: ErrorRecord) -> dict[str, Any]:
    """One entry of `lastError` or `errors`."""
    values = {
        "elapsed": record.elapsed,
        "source": record.source,
        "scope": record.scope,
        "path": record.path,
        "policyId": record.policy_id,
        "reason": record.reason,
        "message": record.message,
        "section": record.section,
        "detail": record.detail,
    }
    return {name: value for name, value in values.items() if value != ""}


def finished(record: RequestRecord) -> float:
    """When the request ended, Unix seconds, to the millisecond: the time of its log line."""
    return (record.start_ns + int(record.total_ms * 1e6)) // 1_000_000 / 1000
