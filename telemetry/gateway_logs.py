"""A request record in the words of the GatewayLogs category, for every place that logs one.

Field names and order are those of the self-hosted gateway's own output; what does not apply is left out. Columns:
https://learn.microsoft.com/azure/azure-monitor/reference/tables/apimanagementgatewaylogs
"""

from __future__ import annotations

from typing import Any

from telemetry.lines import timestamp
from telemetry.records import ErrorRecord, RequestRecord

EVENT = "GatewayLogs"


def fields(record: RequestRecord, region: str = "") -> dict[str, Any]:
    """Times are whole milliseconds."""
    backend = bool(record.backend_method or record.backend_url)
    values: dict[str, Any] = {
        "isRequestSuccess": succeeded(record),
        "totalTime": round(record.total_ms),
        "category": EVENT,
        "callerIpAddress": record.client_ip,
        "timeGenerated": timestamp(finished(record)),
        "region": region,
        "correlationId": record.correlation_id,
        "method": record.method,
        "url": record.url,
        "backendResponseCode": record.backend_status or "",
        "responseCode": record.status,
        "responseSize": record.response_size,
        "cache": record.cache or "none",
        "backendTime": round(record.backend_ms) if backend else "",
        "cacheTime": round(record.cache_ms) if record.cache_ms else "",
        "requestSize": record.request_size,
        "apiId": record.api_id,
        "operationId": record.operation_id,
        "productId": record.product_id,
        "userId": record.user_id,
        "apimSubscriptionId": record.subscription_id,
        "clientTime": round(record.client_ms),
        "clientProtocol": record.client_protocol,
        "backendProtocol": record.backend_protocol,
        "apiRevision": record.api_revision,
        "clientTlsVersion": record.client_tls_version,
        "backendId": record.backend_id,
        "backendMethod": record.backend_method,
        "backendUrl": record.backend_url,
        "lastError": error(record.last_error) if record.last_error else "",
        "errors": [error(each) for each in record.errors] or "",
        "traceRecords": [
            {"source": trace.source, "severity": trace.severity, "message": trace.message, **dict(trace.metadata)}
            for trace in record.traces
        ]
        or "",
    }
    return {name: value for name, value in values.items() if value != ""}


def succeeded(record: RequestRecord) -> bool:
    """2xx and 3xx, as documented for IsRequestSuccess; 1xx is an upgrade that worked."""
    return 100 <= record.status < 400


def error(record: ErrorRecord) -> dict[str, Any]:
    values = {
        "elapsed": record.elapsed,
        "source": record.source,
        "scope": record.scope,
        "path": record.path,
        "policyId": record.policy_id,
        "reason": record.reason,
        "message": record.message,
        "section": record.section,
    }
    return {name: value for name, value in values.items() if value != ""}


def finished(record: RequestRecord) -> float:
    """When the request ended, Unix seconds: the time of its log line."""
    return record.start_ns / 1e9 + record.total_ms / 1000
