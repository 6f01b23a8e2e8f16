"""Requests as spans and log records in one pass, since the two have ids, URLs and callers in common.

What a kind decides is made once, by `spans.py` and `logs.py`; here is what is left of each request: ids, times, sizes,
addresses. This loop is most of what telemetry costs, so it is written flat, and what is nearly always the same length,
or one of a few numbers, is looked up with everything that stands before it (see `wire.py`). What can be anything, such
as the size of a response, is not: a large table costs more than the work, since it is never in the processor's cache.

Field numbers are those of opentelemetry/proto/trace/v1/trace.proto and logs/v1/logs.proto in
https://github.com/open-telemetry/opentelemetry-proto
"""

from __future__ import annotations

import os
import struct
from operator import itemgetter
from typing import NamedTuple

from telemetry.batch import Batch, Kind, origin_of
from telemetry.encode import logs, spans
from telemetry.encode.wire import TABLE, Nested, Number, Text, attributes, varint
from telemetry.lines import timestamp
from telemetry.records import places

SAMPLED = 1
NOT_REMOTE = 0x100  # the flag bit that says the next one is known
REMOTE = 0x200  # the parent is in another process

_own = itemgetter(
    *places(
        "start_ns",
        "total_ms",
        "backend_ms",
        "client_ms",
        "cache_ms",
        "trace_id",
        "span_id",
        "parent_span_id",
        "backend_span_id",
        "url",
        "backend_url",
        "client_ip",
        "request_size",
        "response_size",
        "correlation_id",
        "subscription_id",
        "user_id",
        "last_error",
        "errors",
        "traces",
    )
)
# Of a span: trace id, span id, start, end, flags; and with a parent's id.
_ROOT = struct.Struct("<2s16s2s8sBQBQ2sI").pack
_CHILD = struct.Struct("<2s16s2s8sBQBQ2sI2s8s").pack
_TRACE_ID, _SPAN_ID, _PARENT_ID, _START, _END, _FLAGS = b"\x0a\x10", b"\x12\x08", b"\x22\x08", 0x39, 0x41, b"\x85\x01"
# Of a log record: time, time of observation; trace id, span id, flags.
_TIMES = struct.Struct("<BQBQ").pack
_CONTEXT = struct.Struct("<2s16s2s8sBI").pack
SMALL = [bytes((number,)) for number in range(128)]
_MILLISECONDS = [b".%03d" % number for number in range(1000)]


class Shared(NamedTuple):
    """The parts of a kind. `server` is None when it is not sampled, `client` when no backend was called; `at` is where
    in the URL the path begins; a log's body is `verb`, URL and `status`; `called` says whether there is a backend's
    time even without its URL."""

    server: bytes | None
    client: bytes | None
    log: bytes
    at: int
    verb: bytes
    status: bytes
    called: bool
    flags: int


class RequestEncoder:
    """Keeps pieces between batches; one thread at a time. What is not wanted is not made."""

    def __init__(self, spans: bool = True, logs: bool = True) -> None:
        self._want_spans = spans
        self._want_logs = logs
        self._region = ""
        self._made = object()  # the key of kinds' parts that have this region
        self._span = _SpanPieces()
        self._log = _LogPieces()
        self._callers = Callers()

    def encode(self, batch: Batch, region: str, now_ns: int) -> tuple[list[bytes], list[bytes]]:
        """Spans and log records for an `export_request`, each after a piece of its own with its length. `now_ns` is
        the time of observation, Unix ns. Records that are not sampled have no spans."""
        if region != self._region:
            self._region, self._made = region, object()
        made_key, want_spans, want_logs = self._made, self._want_spans, self._want_logs
        span, log = self._span, self._log
        fromhex, join, urandom = bytes.fromhex, b"".join, os.urandom
        item, body_head, text_head = log.item, log.body, log.text
        span_path, span_query, span_address, span_correlation = span.path, span.query, span.address, span.correlation
        span_full, span_received, span_sent = span.full, span.received, span.sent
        log_total, log_client, log_cache, log_backend = log.total, log.client, log.cache, log.backend
        log_received, log_sent, callers, log_address = log.received, log.sent, self._callers, log.address
        log_correlation, log_url, log_backend_url, log_when = log.correlation, log.url, log.backend_url, log.when
        spans_found: list[bytes] = []
        logs_found: list[bytes] = []
        add_span, add_log = spans_found.append, logs_found.append
        second, second_text = -1, b""
        for record, kind in zip(batch, batch.kinds, strict=True):
            shared = kind.made.get(made_key)
            if shared is None:
                shared = kind.made[made_key] = _shared(kind, region)
            server, client, log_part, at, verb, status, called, flags = shared
            (
                start, total_ms, backend_ms, client_ms, cache_ms, trace_text, span_text, parent_text, call_text,
                url_text, backend_text, address_text, received, sent, correlation_text, subscription, user, error,
                errors, traces,
            ) = _own(record)  # fmt: skip
            try:
                trace_id, span_id, parent_id = fromhex(trace_text), fromhex(span_text), fromhex(parent_text)
                call_id, url, backend_url = fromhex(call_text), url_text.encode(), backend_text.encode()
                correlation, address = correlation_text.encode(), address_text.encode()
            except ValueError:  # an id that is none, or a text that is none
                trace_id, span_id, parent_id = hex_id(trace_text), hex_id(span_text), hex_id(parent_text)
                call_id, url, backend_url = hex_id(call_text), utf8(url_text), utf8(backend_text)
                correlation, address = utf8(correlation_text), utf8(address_text)
            span_caller, log_caller = callers[subscription, user]
            size = SMALL[sent] if 0 <= sent < 128 else varint(sent)
            end = start + int(total_ms * 1e6)
            if want_logs:
                if len(trace_id) == 16 and len(span_id) == 8:
                    context = _CONTEXT(b"\x4a\x10", trace_id, b"\x52\x08", span_id, 0x45, flags)
                else:
                    context = b""
                seconds, rest = divmod(end, 1_000_000_000)
                if seconds != second:
                    second, second_text = seconds, log_when + timestamp(seconds)[:19].encode()
                length = len(verb) + len(url) + len(status)
                text = text_head[length]
                data = join(
                    (
                        log_part, _TIMES(0x09, end, 0x59, now_ns), context,
                        body_head[len(text) + length], text, verb, url, status, log_caller,
                        log_address[len(address)], address,
                        log_total[round(total_ms)], log_client[round(client_ms)],
                        log_cache[round(cache_ms)] if cache_ms else b"",
                        log_backend[round(backend_ms)] if called or backend_url else b"",
                        log_received[received], log_sent[len(size)], size,
                        second_text, _MILLISECONDS[rest // 1_000_000],
                        log_correlation[len(correlation)], correlation,
                        log_url[len(url)], url, log_backend_url[len(backend_url)], backend_url,
                    )
                )  # fmt: skip
                if error is not None or errors or traces:
                    data += logs.said(record)
                add_log(item[len(data)])
                add_log(data)
            if server is None or not want_spans:
                continue
            # The proxy leaves ids empty when it takes no part in tracing; a span needs one all the same.
            if len(trace_id) != 16:
                trace_id = urandom(16)
            if len(span_id) != 8:
                span_id = urandom(8)
            if len(parent_id) == 8:
                head = _CHILD(
                    _TRACE_ID, trace_id, _SPAN_ID, span_id, _START, start, _END, end,
                    _FLAGS, SAMPLED | NOT_REMOTE | REMOTE, _PARENT_ID, parent_id,
                )  # fmt: skip
            else:
                head = _ROOT(
                    _TRACE_ID, trace_id, _SPAN_ID, span_id, _START, start, _END, end, _FLAGS, SAMPLED | NOT_REMOTE
                )
            path, _, query = url[at:].partition(b"?")
            data = join(
                (
                    server, head, span_caller, span_address[len(address)], address, span_path[len(path)], path,
                    span_query[len(query)], query,
                    span_correlation[len(correlation)], correlation, span_received[received],
                    span_sent[len(size)], size,
                )
            )  # fmt: skip
            if error is not None or errors or traces:
                data += spans.encoded_events(record, end)
            add_span(item[len(data)])
            add_span(data)
            if client is not None:
                if len(call_id) != 8:
                    call_id = urandom(8)
                # The record has no offset of the backend call: what is neither backend nor client time is taken to
                # come before it.
                before = total_ms - backend_ms - client_ms
                if before > 0:
                    start += int(before * 1e6)
                head = _CHILD(
                    _TRACE_ID, trace_id, _SPAN_ID, call_id, _START, start, _END, start + int(backend_ms * 1e6),
                    _FLAGS, SAMPLED | NOT_REMOTE, _PARENT_ID, span_id,
                )  # fmt: skip
                data = join((client, head, span_full[len(backend_url)], backend_url))
                add_span(item[len(data)])
                add_span(data)
        return spans_found, logs_found


class Callers(dict[tuple[str, str], tuple[bytes, bytes]]):
    """The attributes of a subscription and its user, in a span and in a log record. One too many is not kept, so that
    a thousand callers are quick even among a million others."""

    def __missing__(self, key: tuple[str, str]) -> tuple[bytes, bytes]:
        subscription, user = key
        made = (
            attributes(spans.ATTRIBUTES, (("apim.subscription.id", subscription), ("apim.user.id", user))),
            attributes(logs.ATTRIBUTES, (("apimSubscriptionId", subscription), ("userId", user))),
        )
        if len(self) < TABLE:
            self[key] = made
        return made


class _SpanPieces:
    """What stands before the own attributes of spans."""

    def __init__(self) -> None:
        self.path = Text(spans.ATTRIBUTES, "url.path")
        self.query = Text(spans.ATTRIBUTES, "url.query")
        self.correlation = Text(spans.ATTRIBUTES, "apim.correlation.id")
        self.full = Text(spans.ATTRIBUTES, "url.full")
        self.received = Number(spans.ATTRIBUTES, "http.request.body.size")
        self.sent = Number(spans.ATTRIBUTES, "http.response.body.size").heads
        self.address = Text(spans.ATTRIBUTES, "client.address")


class _LogPieces:
    """What stands before the own attributes of log records, and before whatever is nested."""

    def __init__(self) -> None:
        self.total = Number(logs.ATTRIBUTES, "totalTime")
        self.backend = Number(logs.ATTRIBUTES, "backendTime")
        self.client = Number(logs.ATTRIBUTES, "clientTime")
        self.cache = Number(logs.ATTRIBUTES, "cacheTime", zero=False)
        self.received = Number(logs.ATTRIBUTES, "requestSize")
        self.sent = Number(logs.ATTRIBUTES, "responseSize").heads
        self.address = Text(logs.ATTRIBUTES, "callerIpAddress")
        self.when = Text(logs.ATTRIBUTES, "timeGenerated")[len(timestamp(0))]
        self.correlation = Text(logs.ATTRIBUTES, "correlationId")
        self.url = Text(logs.ATTRIBUTES, "url")
        self.backend_url = Text(logs.ATTRIBUTES, "backendUrl")
        self.body = Nested(5)
        self.text = Nested(1)
        self.item = Nested(2)


def hex_id(text: str) -> bytes:
    """An id from hexadecimal; empty when the text is none."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _shared(kind: Kind, region: str) -> Shared:
    record = kind.record
    return Shared(
        spans.server(kind).encoded() if record.sampled else None,
        spans.client(kind).encoded() if record.sampled and kind.backend_origin else None,
        logs.shared(record, region),
        len(utf8(origin_of(kind.origin))),
        utf8(f"{record.method} "),
        f" {record.status}".encode(),
        bool(record.backend_method),
        int(record.sampled),
    )
