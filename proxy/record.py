"""The one record of a finished request; a subscription key never gets into it."""

from __future__ import annotations

from dataclasses import replace

from proxy.admission import without
from proxy.errors import LastError
from proxy.exchange import Exchange
from telemetry.records import ErrorRecord, RequestRecord, TraceRecord

LONGEST_DETAIL = 1000  # characters


def record(exchange: Exchange, status: int, received: int, sent: int) -> RequestRecord:
    """`status` is what the client got, 0 for nothing; `received` and `sent` are body bytes."""
    request, api, operation = exchange.request, exchange.api, exchange.operation
    now = exchange.ports.clock.monotonic()
    total_ms = (now - exchange.started) * 1000
    backend_ms = exchange.backend_ms
    url = request.original_url
    key_name = api.key_query if api else "subscription-key"
    if url.query and ("%" in url.query or key_name.lower() in url.query.lower()):
        url = replace(url, query=without(url.query, key_name))
    return RequestRecord(
        start_ns=int(exchange.timestamp.timestamp() * 1_000_000_000),
        total_ms=total_ms,
        backend_ms=backend_ms,
        client_ms=(now - exchange.responding) * 1000 if exchange.responding else 0.0,
        cache_ms=exchange.cache_ms,
        correlation_id=str(exchange.request_id),
        trace_id=exchange.trace_id,
        span_id=exchange.span_id,
        parent_span_id=exchange.parent_span_id,
        backend_span_id=exchange.backend_span_id if exchange.backend_url else "",
        sampled=exchange.trace_flags[-1:] in "13579bdf",
        method=request.method,
        url=str(url),
        route=f"/{api.path}{operation.url_template}" if api and operation else "",
        host=url.authority,
        client_protocol=f"HTTP/{request.http_version}",
        client_tls_version=request.tls_version,
        client_ip=request.client_ip,
        request_size=received,
        status=status,
        response_size=sent,
        backend_method=exchange.backend_method,
        backend_url=exchange.backend_url,
        backend_id=exchange.backend.id if exchange.backend else "",
        backend_status=exchange.backend_status,
        backend_protocol="HTTP/1.1" if exchange.backend_status else "",
        cache=exchange.cache,
        api_id=api.id if api else "",
        api_name=api.name if api else "",
        api_revision=api.revision if api else "",
        operation_id=operation.id if operation else "",
        operation_name=operation.name if operation else "",
        product_id=exchange.product.id if exchange.product else "",
        subscription_id=exchange.subscription.id if exchange.subscription else "",
        user_id=exchange.user.id if exchange.user else "",
        last_error=_error(exchange.last_error) if exchange.last_error else None,
        errors=tuple(_error(each) for each in exchange.errors),
        traces=tuple(
            TraceRecord(source, severity, message, tuple(metadata.items()))
            for source, severity, message, metadata in exchange.traces
        ),
        metrics=exchange.metrics,
    )


def _error(error: LastError) -> ErrorRecord:
    return ErrorRecord(
        error.elapsed,
        error.source,
        error.reason,
        error.message,
        error.scope,
        error.section,
        error.path,
        error.policy_id,
        error.detail[:LONGEST_DETAIL],
    )
