"""The one record of a finished request; a subscription key never gets into it."""

from __future__ import annotations

from dataclasses import replace

from proxy.admission import without
from proxy.errors import LastError
from proxy.exchange import Exchange
from telemetry.records import ErrorRecord, Row, TraceRecord

LONGEST_DETAIL = 1000  # characters


def record(exchange: Exchange, status: int, received: int, sent: int) -> Row:
    """The values of a RequestRecord, in its order. `status` is what the client got, 0 for nothing; `received` and
    `sent` are body bytes."""
    request, api, operation, backend = exchange.request, exchange.api, exchange.operation, exchange.backend
    now, responding = exchange.ports.clock.monotonic(), exchange.responding
    total_ms = (now - exchange.started) * 1000
    backend_status = exchange.backend_status
    url, last_error = request.original_url, exchange.last_error
    if url.query:
        key_name = api.key_query if api else "subscription-key"
        if "%" in url.query or key_name.lower() in url.query.lower():
            url = replace(url, query=without(url.query, key_name))
    authority = url.authority
    text = f"{url.scheme}://{authority}{url.path}"
    return (
        int(exchange.timestamp.timestamp() * 1_000_000_000),
        total_ms,
        exchange.backend_ms,
        max((now - responding) * 1000 - exchange.awaited_ms, 0.0) if responding else 0.0,
        exchange.cache_ms,
        exchange.activity_id,
        exchange.trace_id,
        exchange.span_id,
        exchange.parent_span_id,
        exchange.backend_span_id if exchange.backend_url else "",
        exchange.trace_flags[-1:] in "13579bdf",
        request.method,
        f"{text}?{url.query}" if url.query else text,
        f"/{api.path}{operation.url_template}" if api and operation else "",
        authority,
        f"HTTP/{request.http_version}",
        request.tls_version,
        request.client_ip,
        received,
        status,
        sent,
        exchange.backend_method,
        exchange.backend_url,
        backend.id if backend else "",
        backend_status,
        f"HTTP/{exchange.backend_http_version}" if backend_status else "",
        exchange.cache,
        api.id if api else "",
        api.name if api else "",
        api.revision if api else "",
        operation.id if operation else "",
        operation.name if operation else "",
        exchange.product.id if exchange.product else "",
        exchange.subscription.id if exchange.subscription else "",
        exchange.user.id if exchange.user else "",
        _error(last_error) if last_error else None,
        tuple(map(_error, exchange.errors)),
        tuple(
            TraceRecord(source, severity, message, tuple(metadata.items()))
            for source, severity, message, metadata in exchange.traces
        )
        if exchange.traces
        else (),
        exchange.metrics,
        exchange.capture.row() if exchange.capture is not None else None,
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
