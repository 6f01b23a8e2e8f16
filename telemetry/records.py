"""The one thing the hot process hands to telemetry: a flat tuple per request.

Rules
1. Only what `marshal` can carry (str, bytes, int, float, bool, None, tuples of these), so that a batch crosses the pipe
   to the telemetry child for half a microsecond per record.
2. The hot process may make a plain tuple in the order of the fields (a `Row`, its errors, traces and metrics plain
   tuples too): it is made five times as quickly and needs no copy to cross the pipe. The child has names again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

Row = tuple[Any, ...]  # the values of a RequestRecord in its order


class ErrorRecord(NamedTuple):
    """One entry of `lastError` or `errors`. `elapsed` in milliseconds since the request was accepted; `detail` is why,
    in words for the operator that no client reads."""

    elapsed: int
    source: str
    reason: str
    message: str
    scope: str
    section: str
    path: str
    policy_id: str
    detail: str = ""


class TraceRecord(NamedTuple):
    """What one `trace` policy said. `severity` is verbose, information or error."""

    source: str
    severity: str
    message: str
    metadata: tuple[tuple[str, str], ...]


class MetricRecord(NamedTuple):
    """One value that a policy emitted; dimensions in the order they were written."""

    namespace: str
    name: str
    value: float
    dimensions: tuple[tuple[str, str], ...]


class CallRecord(NamedTuple):
    """One call of a backend or of another service. `start_ms` since the request was accepted; `status` 0 when there was
    no answer; `forwarded`: it was the request itself, and not a call that a policy makes."""

    start_ms: float
    duration_ms: float
    method: str
    url: str
    status: int
    span_id: str
    forwarded: bool


class Captured(NamedTuple):
    """What diagnostics of the configuration want of a request beside the record. Headers as they were, unmasked, and
    under the names that the diagnostics give them; bodies up to the bytes that any of them wants.

    `operation` is what the request belongs to in Application Insights, where that is not its W3C trace; `parent` is
    then the Request-Id that came in.
    """

    api_type: str = ""
    operation: str = ""
    parent: str = ""
    request_headers: tuple[tuple[str, str], ...] = ()
    request_body: bytes = b""
    response_headers: tuple[tuple[str, str], ...] = ()
    response_body: bytes = b""
    backend_request_headers: tuple[tuple[str, str], ...] = ()
    backend_request_body: bytes = b""
    backend_response_headers: tuple[tuple[str, str], ...] = ()
    backend_response_body: bytes = b""
    calls: tuple[CallRecord, ...] = ()


class EventRecord(NamedTuple):
    """What one `log-to-eventhub` policy said; a partition id and a key exclude each other, and both may be empty."""

    logger: str
    partition_id: str
    partition_key: str
    content: bytes


class RequestRecord(NamedTuple):
    """One finished request. Times named `_ms` are milliseconds, sizes are body bytes, `start_ns` is Unix nanoseconds.

    Names follow the ApiManagementGatewayLogs table
    (https://learn.microsoft.com/azure/azure-monitor/reference/tables/apimanagementgatewaylogs). An empty string or 0
    means "not applicable", e.g. `backend_status` 0 when no backend was called. `client_status` is what was sent;
    0 when the client went away before the response head.
    """

    start_ns: int
    total_ms: float
    backend_ms: float
    client_ms: float
    cache_ms: float
    correlation_id: str
    trace_id: str
    span_id: str
    parent_span_id: str
    backend_span_id: str
    sampled: bool
    method: str
    url: str
    route: str
    host: str
    client_protocol: str
    client_tls_version: str
    client_ip: str
    request_size: int
    status: int
    response_size: int
    backend_method: str
    backend_url: str
    backend_id: str
    backend_status: int
    backend_protocol: str
    cache: str
    api_id: str
    api_name: str
    api_revision: str
    operation_id: str
    operation_name: str
    product_id: str
    subscription_id: str
    user_id: str
    last_error: ErrorRecord | None
    errors: tuple[ErrorRecord, ...]
    traces: tuple[TraceRecord, ...]
    metrics: tuple[MetricRecord, ...] = ()
    captured: Captured | None = None


def places(*names: str) -> tuple[int, ...]:
    """Where in a row these fields are."""
    return tuple(RequestRecord._fields.index(name) for name in names)
