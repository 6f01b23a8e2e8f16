"""Records to test with."""

from __future__ import annotations

from typing import Any

from telemetry.batch import Batch, Kinds
from telemetry.records import ErrorRecord, RequestRecord, TraceRecord

START_NS = 1_705_649_994_292_000_000  # 2024-01-19T07:39:54.292Z
ERROR = ErrorRecord(
    elapsed=370,
    source="request-forwarder",
    reason="BackendConnectionFailure",
    message="connection refused",
    scope="api",
    section="backend",
    path="forward-request\\forward-request",
    policy_id="",
)
TRACE = TraceRecord("orders", "information", "looked up", (("tenant", "7"),))


def record(**changes: Any) -> RequestRecord:
    """A request that went well: GET /shop/orders/7 to a backend, 374 ms, of which 300 there and 14 with the client."""
    values: dict[str, Any] = {
        "start_ns": START_NS,
        "total_ms": 374.0,
        "backend_ms": 300.0,
        "client_ms": 14.0,
        "cache_ms": 0.0,
        "correlation_id": "c0ffee",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "span_id": "b7ad6b7169203331",
        "parent_span_id": "00f067aa0ba902b7",
        "backend_span_id": "1111111111111111",
        "sampled": True,
        "method": "GET",
        "url": "http://gw.example:8080/shop/orders/7?full=1",
        "route": "/shop/orders/{id}",
        "host": "gw.example",
        "client_protocol": "HTTP/1.1",
        "client_tls_version": "",
        "client_ip": "10.0.0.9",
        "request_size": 0,
        "status": 200,
        "response_size": 592,
        "backend_method": "GET",
        "backend_url": "http://orders.internal:9000/orders/7?full=1",
        "backend_id": "orders-pool",
        "backend_status": 200,
        "backend_protocol": "HTTP/1.1",
        "cache": "none",
        "api_id": "orders",
        "api_name": "Orders",
        "api_revision": "2",
        "operation_id": "get-order",
        "operation_name": "Get an order",
        "product_id": "starter",
        "subscription_id": "tom",
        "user_id": "1",
        "last_error": None,
        "errors": (),
        "traces": (),
    }
    return RequestRecord(**{**values, **changes})


def failed(**changes: Any) -> RequestRecord:
    """The backend refused the connection."""
    return record(**{"status": 500, "backend_status": 0, "last_error": ERROR, "errors": (ERROR,), **changes})


def batch(*records: RequestRecord) -> Batch:
    """As the child hands them on."""
    return Kinds().batch(records)
