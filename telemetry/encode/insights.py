"""What Application Insights is told of a request: envelopes of its ingestion service, as JSON.

    RequestData            one per request
    RemoteDependencyData   one per call of a backend, and of another service that a policy called
    ExceptionData          one per error of the request; one for a 4xx or 5xx that no error explains
    MessageData            one per message of the trace policy that is as severe as the diagnostic's verbosity
    MetricData             of what emit-metric said: see telemetry/exporters/application_insights.py

Names, custom dimensions and measurements are those of the gateway we replace:
https://learn.microsoft.com/azure/api-management/api-management-howto-app-insights#what-data-is-added-to-application-insights
Lengths beyond which the service would refuse or cut an item are cut here:
https://learn.microsoft.com/azure/azure-monitor/app/data-model-complete
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from telemetry import masking
from telemetry.diagnostics import Capture, Diagnostic
from telemetry.metrics import origin
from telemetry.records import CallRecord, Captured, ErrorRecord, MetricRecord, RequestRecord, TraceRecord
from telemetry.sampling import failed, operation
from telemetry.settings import Resource

SDK = "passerelle:1"
SEVERITIES = {"verbose": 0, "information": 1, "error": 3}
NO_ADDRESS = "0.0.0.0"  # noqa: S104 - "not told": without any the service takes the sender's
LONGEST_NAME, LONGEST_URL, LONGEST_VALUE, LONGEST_KEY, LONGEST_MESSAGE = 1024, 2048, 8192, 150, 32768
NOTHING = Captured()

KNOWN = 4096
_Texts = dict[str, str]


class _Common(NamedTuple):
    """`operation` is the operation's name where the diagnostic does not say Url; empty without an API."""

    tags: _Texts
    properties: _Texts
    operation: str


class InsightsEncoder:
    """For one instrumentation key; `service` is the name of the API Management service. One thread uses it."""

    def __init__(self, key: str, service: str = "") -> None:
        self._key = key
        self._service = service
        self._known: dict[tuple[str, ...], _Common] = {}
        self._resource: Resource | None = None

    def envelopes(
        self, record: RequestRecord, diagnostic: Diagnostic, resource: Resource, percentage: float = 100.0
    ) -> list[bytes]:
        """One after the other; the request itself first. `percentage`: see telemetry/sampling.py."""
        captured = record.captured or NOTHING
        belongs = operation(record)
        hierarchical = bool(captured.operation) and diagnostic.correlation == "Legacy"
        own = f"|{belongs}.{record.span_id}." if hierarchical else record.span_id
        common = self._common(record, resource, captured.api_type)
        name = common.operation if diagnostic.operation_name == "Name" else ""
        tags = {
            **common.tags,
            "ai.operation.id": belongs,
            "ai.operation.name": name or f"{record.method} {_path(record.url)}"[:LONGEST_NAME],
            "ai.location.ip": record.client_ip if diagnostic.log_client_ip and record.client_ip else NO_ADDRESS,
        }
        below = {**tags, "ai.operation.parentId": own}
        parent = captured.parent if captured.operation else record.parent_span_id
        if parent:
            tags["ai.operation.parentId"] = parent
        properties = {**common.properties, "Request Id": record.correlation_id}

        def envelope(kind: str, name: str, at_ns: int, held: dict[str, str], data: dict[str, Any]) -> bytes:
            made = {
                "ver": 1,
                "name": f"Microsoft.ApplicationInsights.{name}",
                "time": moment(at_ns),
                "iKey": self._key,
                "tags": held,
                "data": {"baseType": kind, "baseData": data},
            }
            if percentage < 100:
                made["sampleRate"] = percentage
            return orjson.dumps(made)

        start, end = record.start_ns, record.start_ns + int(record.total_ms * 1e6)
        items = [
            envelope("RequestData", "Request", start, tags, _request(record, diagnostic, captured, own, properties))
        ]
        for call in captured.calls or _calls(record):
            at = start + int(call.start_ms * 1e6)
            own_id = f"|{belongs}.{call.span_id}." if hierarchical else call.span_id
            data = _dependency(call, diagnostic, captured, own_id, properties)
            items.append(envelope("RemoteDependencyData", "RemoteDependency", at, below, data))
        if record.errors or record.last_error or failed(record):
            for error in record.errors or (record.last_error,):
                at = start + error.elapsed * 1_000_000 if error else end
                data = _exception(error, record.status, properties)
                items.append(envelope("ExceptionData", "Exception", at, below, data))
        for trace in record.traces:
            if SEVERITIES.get(trace.severity, 0) >= SEVERITIES.get(diagnostic.verbosity, 1):
                items.append(envelope("MessageData", "Message", end, below, _message(trace, properties)))
        return items

    def metric(
        self,
        emitted: MetricRecord,
        values: tuple[int, float, float, float],
        began_ns: int,
        interval_ms: int,
        resource: Resource,
    ) -> bytes:
        """`values` are number, sum, least and greatest of what came in the interval."""
        count, total, low, high = values
        point = {
            "name": emitted.name[:LONGEST_NAME],
            "kind": "Aggregation",
            "value": total,
            "count": count,
            "min": low,
            "max": high,
        }
        if emitted.namespace:
            point["ns"] = emitted.namespace[:LONGEST_NAME]
        properties = {_key(name): value for name, value in emitted.dimensions if value}
        properties.update(self._of_service(resource))
        properties["_MS.AggregationIntervalMs"] = str(interval_ms)
        return orjson.dumps(
            {
                "ver": 1,
                "name": "Microsoft.ApplicationInsights.Metric",
                "time": moment(began_ns),
                "iKey": self._key,
                "tags": {"ai.internal.sdkVersion": SDK, **_role(self._service, resource)},
                "data": {
                    "baseType": "MetricData",
                    "baseData": {"ver": 2, "metrics": [point], "properties": properties},
                },
            }
        )

    def _common(self, record: RequestRecord, resource: Resource, api_type: str) -> _Common:
        """What many requests have in common, made once."""
        key = (
            record.api_id,
            api_type,
            record.api_revision,
            record.operation_id,
            record.product_id,
            record.subscription_id,
            record.method,
            record.cache,
            record.host,
        )
        if resource is not self._resource:
            self._resource = resource
            self._known.clear()
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= KNOWN:
                self._known.clear()
            properties = {
                "API Name": record.api_id,
                "API Type": api_type,
                "API Revision": record.api_revision,
                "Operation Name": record.operation_id,
                "Product Name": record.product_id,
                "Subscription Name": record.subscription_id,
                "HTTP Method": record.method,
                "Cache": (record.cache or "none").capitalize(),
                "Service Name": record.host,
                **self._of_service(resource),
            }
            tags = {"ai.internal.sdkVersion": SDK, **_role(record.host or self._service, resource)}
            found = self._known[key] = _Common(tags, _given(properties), _named(record))
        return found

    def _of_service(self, resource: Resource) -> _Texts:
        return _given({"Service ID": self._service, "Service Type": "API Management", "Region": resource.region})


def _role(host: str, resource: Resource) -> _Texts:
    role = f"{host} {resource.region}".strip()
    return _given({"ai.cloud.role": role, "ai.cloud.roleInstance": resource.instance_id or resource.gateway_id})


def _given(values: Mapping[str, str]) -> _Texts:
    return {name: value for name, value in values.items() if value}


def _named(record: RequestRecord) -> str:
    """An operation's name as the gateway we replace writes it: `echo;rev=1 - get`."""
    if not record.api_id:
        return ""
    name = f"{record.api_id};rev={record.api_revision or '1'}"
    return (f"{name} - {record.operation_id}" if record.operation_id else name)[:LONGEST_NAME]


def _request(
    record: RequestRecord, diagnostic: Diagnostic, captured: Captured, own: str, properties: _Texts
) -> dict[str, Any]:
    seen = _seen(
        diagnostic.request,
        captured.request_headers,
        captured.request_body,
        diagnostic.response,
        captured.response_headers,
        captured.response_body,
    )
    return {
        "ver": 2,
        "id": own,
        "name": f"{record.method} {_path(record.url)}"[:LONGEST_NAME],
        "duration": duration(record.total_ms),
        "success": 0 < record.status < 400,
        "responseCode": str(record.status),
        "url": masking.url(record.url, diagnostic.request.masked_query)[:LONGEST_URL],
        "properties": {**properties, **seen} if seen else properties,
        "measurements": {
            "Request Size": record.request_size,
            "Response Size": record.response_size,
            "Client Time (in ms)": record.client_ms,
        },
    }


def _calls(record: RequestRecord) -> tuple[CallRecord, ...]:
    """The call of the backend, as far as the record alone tells."""
    if not record.backend_url:
        return ()
    before = max(0.0, record.total_ms - record.backend_ms - record.client_ms)
    return (
        CallRecord(
            before,
            record.backend_ms,
            record.backend_method,
            record.backend_url,
            record.backend_status,
            record.backend_span_id,
            True,
        ),
    )


def _dependency(
    call: CallRecord, diagnostic: Diagnostic, captured: Captured, own: str, properties: _Texts
) -> dict[str, Any]:
    url = masking.url(call.url, diagnostic.backend_request.masked_query)
    seen = (
        _seen(
            diagnostic.backend_request,
            captured.backend_request_headers,
            captured.backend_request_body,
            diagnostic.backend_response,
            captured.backend_response_headers,
            captured.backend_response_body,
        )
        if call.forwarded
        else {}
    )
    return {
        "ver": 2,
        "id": own,
        "name": f"{call.method} {_path(call.url)}"[:LONGEST_NAME],
        "type": "Backend" if call.forwarded else "HTTP",
        "target": _target(call.url)[:LONGEST_NAME],
        "data": url[:LONGEST_VALUE],
        "resultCode": str(call.status),
        "duration": duration(call.duration_ms),
        "success": 0 < call.status < 400,
        "properties": {**properties, **seen} if seen else properties,
    }


def _exception(error: ErrorRecord | None, status: int, properties: _Texts) -> dict[str, Any]:
    if error is None:
        kind, message, facts = f"HTTP {status}", f"The response has the status {status}.", {}
    else:
        kind, message = error.reason or "Error", error.message or error.reason or "Error"
        facts = _given(
            {
                "Error Source": error.source,
                "Error Section": error.section,
                "Error Scope": error.scope,
                "Error Path": error.path,
                "Policy Id": error.policy_id,
                "Error Detail": error.detail[:LONGEST_VALUE],
            }
        )
    return {
        "ver": 2,
        "exceptions": [
            {"id": 1, "typeName": kind[:LONGEST_NAME], "message": message[:LONGEST_MESSAGE], "hasFullStack": False}
        ],
        "severityLevel": 3,
        "problemId": (f"{kind} at {error.source}" if error and error.source else kind)[:LONGEST_NAME],
        "properties": {**properties, **facts},
    }


def _message(trace: TraceRecord, properties: _Texts) -> dict[str, Any]:
    own = {_key(name): value[:LONGEST_VALUE] for name, value in trace.metadata if name}
    return {
        "ver": 2,
        "message": trace.message[:LONGEST_MESSAGE] or " ",
        "severityLevel": SEVERITIES.get(trace.severity, 0),
        "properties": {**own, **properties, "Source": trace.source},
    }


def _seen(
    request: Capture,
    request_headers: Iterable[tuple[str, str]],
    request_body: bytes,
    response: Capture,
    response_headers: Iterable[tuple[str, str]],
    response_body: bytes,
) -> _Texts:
    """Headers and bodies of a call, under the names that they have among the custom dimensions."""
    found: _Texts = {}
    for title, capture, headers, content in (
        ("Request", request, request_headers, request_body),
        ("Response", response, response_headers, response_body),
    ):
        for name, value in masking.headers(headers, capture):
            found[_key(f"{title}-{name}")] = value[:LONGEST_VALUE]
        if capture.body and content:
            found[f"{title}-Body"] = masking.body(content, capture)
    return found


def _key(name: str) -> str:
    return name[:LONGEST_KEY]


def _path(url: str) -> str:
    start = url.find("/", url.find("://") + 3)
    return url[start:].partition("?")[0] if start >= 0 else "/"


def _target(url: str) -> str:
    """`host`, or `host:port` where the port is not the scheme's own."""
    scheme, host, port = origin(url)
    host = f"[{host}]" if ":" in host else host
    return host if port == (443 if scheme in ("https", "wss") else 80) else f"{host}:{port}"


def moment(ns: int) -> str:
    """Unix nanoseconds as `2024-01-19T07:39:54.292000Z`."""
    return f"{_second(ns // 1_000_000_000)}.{ns % 1_000_000_000 // 1000:06d}Z"


@lru_cache(maxsize=16)
def _second(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat()[:19]


def duration(ms: float) -> str:
    """Milliseconds as `d.hh:mm:ss.ffffff`."""
    seconds, micros = divmod(round(ms * 1000), 1_000_000)
    if seconds < 60:
        return f"0.00:00:{seconds:02d}.{micros:06d}"
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days}.{hours:02d}:{minutes:02d}:{seconds:02d}.{micros:06d}"
