"""The one record of a finished request. Neither a subscription key nor a secret of the configuration gets into it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from urllib.parse import unquote_plus

from proxy.admission import Access, digest, without
from proxy.config.gateway import Gateway
from proxy.errors import LastError
from proxy.exchange import Exchange
from proxy.hiding import hider
from telemetry.records import ErrorRecord, Row, TraceRecord

LONGEST_DETAIL = 1000  # characters


def record(exchange: Exchange, gateway: Gateway | None, status: int, received: int, sent: int) -> Row:
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
        # under another API's name, or where no API is found
        if exchange.subscription is None and gateway is not None and url.query:
            url = replace(url, query=_without_keys(url.query, gateway.access))
    hide = hider(gateway.environment.secrets) if gateway is not None and gateway.environment.secrets else None
    backend_url, traces, capture = exchange.backend_url, exchange.traces, exchange.capture
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
        backend_url if hide is None else hide(backend_url),
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
        _error(last_error, hide) if last_error else None,
        tuple(_error(each, hide) for each in exchange.errors) if exchange.errors else (),
        tuple(_trace(each, hide) for each in traces) if traces else (),
        exchange.metrics,
        None if capture is None else capture.row() if hide is None else capture.row(hide),
    )


Hide = Callable[[str], str]


def _error(error: LastError, hide: Hide | None) -> ErrorRecord:
    message, detail = error.message, error.detail
    if hide is not None:
        message, detail = hide(message), hide(detail)
    return ErrorRecord(
        error.elapsed,
        error.source,
        error.reason,
        message,
        error.scope,
        error.section,
        error.path,
        error.policy_id,
        detail[:LONGEST_DETAIL],
    )


def _trace(told: tuple[str, str, str, dict[str, str]], hide: Hide | None) -> TraceRecord:
    source, severity, message, metadata = told
    pairs: Iterable[tuple[str, str]] = metadata.items()
    if hide is not None:
        message, pairs = hide(message), ((name, hide(value)) for name, value in pairs)
    return TraceRecord(source, severity, message, tuple(pairs))


def _without_keys(query: str, access: Access) -> str:
    """The query without parameters whose value is a subscription's key, whatever they are called."""
    keys = access.keys
    if not keys:
        return query
    parts = query.split("&")
    kept = [part for part in parts if _digest_of(part) not in keys]
    return query if len(kept) == len(parts) else "&".join(kept)


def _digest_of(part: str) -> bytes:
    value = part.partition("=")[2]
    return digest(unquote_plus(value) if "%" in value or "+" in value else value)
