"""Request records as rows of the ApiManagementGatewayLogs table: one JSON object each, columns as its reference types
them. What does not apply is left out, which Log Analytics reads as null.

Encoded in two parts: the columns that requests of one kind share, made once, and the request's own.
https://learn.microsoft.com/azure/azure-monitor/reference/tables/apimanagementgatewaylogs
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from telemetry import gateway_logs, masking
from telemetry.batch import Kind
from telemetry.diagnostics import Diagnostic
from telemetry.lines import timestamp
from telemetry.records import Captured, RequestRecord

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
    "RequestHeaders": "dynamic",
    "RequestBody": "string",
    "ResponseHeaders": "dynamic",
    "ResponseBody": "string",
    "BackendRequestHeaders": "dynamic",
    "BackendRequestBody": "string",
    "BackendResponseHeaders": "dynamic",
    "BackendResponseBody": "string",
}
SECTIONS = {"source": "Source", "scope": "Scope", "section": "Section", "reason": "Reason", "message": "Message"}
SEVERITIES = {"verbose": 0, "information": 1, "error": 2}
PLAIN = Diagnostic("", "", verbosity="verbose")  # where the configuration has none
LONGEST = 2**31 - 1  # of an int column


def row(record: RequestRecord, kind: Kind, region: str, diagnostic: Diagnostic | None = None) -> bytes:
    """One JSON object. A diagnostic says what of the messages is in it, and what is masked."""
    key = ("row", region)
    shared = kind.made.get(key)
    if shared is None:
        shared = kind.made[key] = orjson.dumps(_shared(kind.record, region))[:-1] + b","
    made: bytes = shared + orjson.dumps(_own(record, diagnostic or PLAIN))[1:]
    return made


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
    }
    return {name: value for name, value in values.items() if value != ""}


def _own(record: RequestRecord, diagnostic: Diagnostic) -> dict[str, Any]:
    values: dict[str, Any] = {
        "TimeGenerated": f"{timestamp(gateway_logs.finished(record))}Z",
        "CorrelationId": record.correlation_id,
        "TotalTime": round(record.total_ms),
        "CallerIpAddress": record.client_ip,
        "Url": masking.url(record.url, diagnostic.request.masked_query),
        "RequestSize": min(record.request_size, LONGEST),
        "ResponseSize": min(record.response_size, LONGEST),
        "ClientTime": round(record.client_ms),
    }
    if record.user_id:
        values["UserId"] = record.user_id
    if record.subscription_id:
        values["ApimSubscriptionId"] = record.subscription_id
    if record.cache_ms:
        values["CacheTime"] = round(record.cache_ms)
    if record.backend_method or record.backend_url:
        values["BackendUrl"] = masking.url(record.backend_url, diagnostic.backend_request.masked_query)
        values["BackendTime"] = round(record.backend_ms)
    if record.last_error:
        values["LastErrorElapsed"] = record.last_error.elapsed
        found = gateway_logs.error(record.last_error)
        values.update({f"LastError{word}": found[name] for name, word in SECTIONS.items() if name in found})
    if record.errors:
        values["Errors"] = [gateway_logs.error(each) for each in record.errors]
    if record.traces:
        least = SEVERITIES.get(diagnostic.verbosity, 0)
        if told := [each for each in gateway_logs.traces(record) if SEVERITIES.get(each["severity"], 0) >= least]:
            values["TraceRecords"] = told
    if record.captured is not None:
        values.update(_messages(record.captured, diagnostic))
    return values


def _messages(captured: Captured, diagnostic: Diagnostic) -> Iterator[tuple[str, Any]]:
    for prefix, capture, headers, content in (
        ("Request", diagnostic.request, captured.request_headers, captured.request_body),
        ("Response", diagnostic.response, captured.response_headers, captured.response_body),
        (
            "BackendRequest",
            diagnostic.backend_request,
            captured.backend_request_headers,
            captured.backend_request_body,
        ),
        (
            "BackendResponse",
            diagnostic.backend_response,
            captured.backend_response_headers,
            captured.backend_response_body,
        ),
    ):
        if shown := masking.headers(headers, capture):
            yield f"{prefix}Headers", dict(shown)
        if capture.body and content:
            yield f"{prefix}Body", masking.body(content, capture)
