"""Request records as rows of the ApiManagementGatewayLogs table: one JSON object each, columns as its reference types
them. What does not apply is left out, which Log Analytics reads as null.

Encoded in two parts: the columns that requests of one operation share, made once, and the request's own.
https://learn.microsoft.com/azure/azure-monitor/reference/tables/apimanagementgatewaylogs
"""

from __future__ import annotations

from typing import Any

import orjson

from telemetry import gateway_logs
from telemetry.encode.wire import SharedParts
from telemetry.lines import timestamp
from telemetry.records import RequestRecord

OPERATION = "Microsoft.ApiManagement/GatewayLogs"
# Column -> type, in the words of a data collection rule: what a stream declares for these rows.
COLUMNS = {
    "TimeGenerated": "datetime",
    "OperationName": "string",
    "Category": "string",
    "Region": "string",
    "CorrelationId": "string",
    "IsRequestSuccess": "boolean",
    "TotalTime": "long",
    "CallerIpAddress": "string",
    "Method": "string",
    "Url": "string",
    "ClientProtocol": "string",
    "ClientTlsVersion": "string",
    "ResponseCode": "int",
    "RequestSize": "int",
    "ResponseSize": "int",
    "ClientTime": "long",
    "Cache": "string",
    "CacheTime": "long",
    "BackendMethod": "string",
    "BackendUrl": "string",
    "BackendProtocol": "string",
    "BackendId": "string",
    "BackendResponseCode": "int",
    "BackendTime": "long",
    "ApiId": "string",
    "ApiRevision": "string",
    "OperationId": "string",
    "ProductId": "string",
    "UserId": "string",
    "ApimSubscriptionId": "string",
    "LastErrorElapsed": "long",
    "LastErrorSource": "string",
    "LastErrorScope": "string",
    "LastErrorSection": "string",
    "LastErrorReason": "string",
    "LastErrorMessage": "string",
    "Errors": "dynamic",
    "TraceRecords": "dynamic",
}
SECTIONS = {"source": "Source", "scope": "Scope", "section": "Section", "reason": "Reason", "message": "Message"}
LONGEST = 2**31 - 1  # of an int column


class RowEncoder:
    """Keeps the shared parts between batches; one thread at a time."""

    def __init__(self) -> None:
        self._parts = SharedParts()

    def row(self, record: RequestRecord, region: str) -> bytes:
        """One JSON object."""
        key = (region, gateway_logs.shared_key(record))
        shared = self._parts.get(key, lambda: orjson.dumps(_shared(record, region))[:-1] + b",")
        return shared + orjson.dumps(_own(record))[1:]


def _shared(record: RequestRecord, region: str) -> dict[str, Any]:
    values = {
        "OperationName": OPERATION,
        "Category": gateway_logs.EVENT,
        "Region": region,
        "IsRequestSuccess": gateway_logs.succeeded(record),
        "Method": record.method,
        "ClientProtocol": record.client_protocol,
        "ClientTlsVersion": record.client_tls_version,
        "ResponseCode": record.status,
        "Cache": record.cache or "none",
        "BackendMethod": record.backend_method,
        "BackendProtocol": record.backend_protocol,
        "BackendId": record.backend_id,
        "BackendResponseCode": record.backend_status or "",
        "ApiId": record.api_id,
        "ApiRevision": record.api_revision,
        "OperationId": record.operation_id,
        "ProductId": record.product_id,
        "UserId": record.user_id,
        "ApimSubscriptionId": record.subscription_id,
    }
    return {name: value for name, value in values.items() if value != ""}


def _own(record: RequestRecord) -> dict[str, Any]:
    values: dict[str, Any] = {
        "TimeGenerated": f"{timestamp(gateway_logs.finished(record))}Z",
        "CorrelationId": record.correlation_id,
        "TotalTime": round(record.total_ms),
        "CallerIpAddress": record.client_ip,
        "Url": record.url,
        "RequestSize": min(record.request_size, LONGEST),
        "ResponseSize": min(record.response_size, LONGEST),
        "ClientTime": round(record.client_ms),
    }
    if record.cache_ms:
        values["CacheTime"] = round(record.cache_ms)
    if record.backend_method or record.backend_url:
        values["BackendUrl"] = record.backend_url
        values["BackendTime"] = round(record.backend_ms)
    if record.last_error:
        values["LastErrorElapsed"] = record.last_error.elapsed
        found = gateway_logs.error(record.last_error)
        values.update({f"LastError{word}": found[name] for name, word in SECTIONS.items() if name in found})
    if record.errors:
        values["Errors"] = [gateway_logs.error(each) for each in record.errors]
    if record.traces:
        values["TraceRecords"] = gateway_logs.traces(record)
    return values
