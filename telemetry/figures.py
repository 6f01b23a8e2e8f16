"""What the management plane hears of requests: sums per quarter of an hour for its reports, sums per minute and the
last requests for whoever looks what is going on.

    {"rows": [[start, api, operation, product, subscription, user,
               success, blocked, failed, other, bytes, cache hits, cache misses,
               time, shortest, longest, backend calls, backend time, shortest, longest], ...],
     "minutes": [[start, api, status, error's source, error's reason,
                  requests, time, longest, backend time, client time], ...],
     "requests": [[start, api, operation, product, subscription, user, method, url, client address, backend status,
                   status, response bytes, request bytes, cache, time, backend time, request id], ...],
     "details": [[client time, cache time, trace id, span id, backend span id, backend method, backend url, backend,
                  sampled, error's source, reason, section, scope, path, policy, message, detail], ...]}

`start` is Unix seconds, of the quarter or minute in a row; times are milliseconds; names are empty where none applies.
`details` tell of the same requests as `requests`, in the same order.

Rules
1. Everything is what came since the document before: whoever adds them all up has counted each request once.
2. A document holds at most `ROWS` rows; requests beyond are counted in a row of their API alone. It holds at most
   `MINUTES` rows of minutes; beyond, only statuses are told apart.
3. No query parameter whose name speaks of a secret has its value here.
4. Of requests it holds the last `REQUESTS` that went well and the last `REQUESTS` that did not, so that the many do
   not push out the few that somebody will look for.
"""

from __future__ import annotations

from collections import deque
from operator import itemgetter
from typing import Any

import orjson

from telemetry import redact
from telemetry.batch import Batch
from telemetry.records import RequestRecord, places
from telemetry.settings import Resource

QUARTER = 900  # seconds
QUARTER_NS = QUARTER * 10**9
MINUTE = 60  # seconds
MINUTE_NS = MINUTE * 10**9
ROWS = 3_000
MINUTES = 2_000
REQUESTS = 50
LONGEST_URL = 2_000  # characters
LONGEST_WORDS = 1_000  # characters of an error's message and detail
LONGEST_NAME = 200

Key = tuple[int, str, str, str, str, str]
MinuteKey = tuple[int, str, int, str, str]
_Known = tuple[object, dict[tuple[int, str, str], list[float]], dict[int, list[float]]]

SUCCESS, BLOCKED, FAILED, OTHER = range(4)
CACHED = {"hit": 5, "miss": 6}

_own = itemgetter(
    *places(
        "start_ns",
        "total_ms",
        "backend_ms",
        "client_ms",
        "request_size",
        "response_size",
        "subscription_id",
        "user_id",
    )
)


class Figures:
    """What was counted since the last `cut`. One thread uses it."""

    def __init__(self, most: int = ROWS, most_minutes: int = MINUTES) -> None:
        self._most, self._most_minutes = most, most_minutes
        self._rows: dict[Key, list[float]] = {}
        self._minutes: dict[MinuteKey, list[float]] = {}
        self._well: deque[RequestRecord] = deque(maxlen=REQUESTS)
        self._badly: deque[RequestRecord] = deque(maxlen=REQUESTS)

    def add(self, batch: Batch, resource: Resource) -> None:
        for kind, records in batch.by_kind().items():
            known: _Known | None = kind.made.get(self)
            if known is None or known[0] is not self._rows:
                known = kind.made[self] = (self._rows, {}, {})
            shared, rows, minutes = kind.record, known[1], known[2]
            (self._well if 100 <= shared.status < 400 else self._badly).extend(records[-REQUESTS:])
            counted, called = outcome(shared.status), kind.backend_origin
            cached = CACHED.get(shared.cache)
            begins = ends = 0  # of the minute that `minute` is the row of
            minute: list[float] = []
            for start_ns, time, backend, client, received, sent, subscription, user in map(_own, records):
                key = (start_ns // QUARTER_NS, subscription, user)
                row = rows.get(key)
                if row is None:
                    row = rows[key] = self._row(key, shared, time)
                row[counted] += 1
                row[4] += received + sent
                row[7] += time
                if time < row[8]:
                    row[8] = time
                elif time > row[9]:
                    row[9] = time
                if cached:
                    row[cached] += 1
                if called:
                    if not row[10]:
                        row[12] = row[13] = backend
                    elif backend < row[12]:
                        row[12] = backend
                    elif backend > row[13]:
                        row[13] = backend
                    row[10] += 1
                    row[11] += backend
                if not begins <= start_ns < ends:
                    start = start_ns // MINUTE_NS
                    begins, ends = start * MINUTE_NS, (start + 1) * MINUTE_NS
                    minute = minutes.get(start) or minutes.setdefault(start, self._minute(start, shared))
                minute[0] += 1
                minute[1] += time
                if time > minute[2]:
                    minute[2] = time
                minute[3] += backend
                minute[4] += client

    def cut(self) -> bytes | None:
        """The document of what was counted since the last call; None for nothing."""
        if not self._rows:
            return None
        last = sorted((*self._well, *self._badly), key=lambda record: record.start_ns)
        document = {
            "rows": [[quarter * QUARTER, *names, *row] for (quarter, *names), row in self._rows.items()],
            "minutes": [[start * MINUTE, *names, *row] for (start, *names), row in self._minutes.items()],
            "requests": [*map(_request, last)],
            "details": [*map(_detail, last)],
        }
        self._rows = {}  # another one: what kinds know of the old one is old
        self._minutes = {}
        self._well.clear()
        self._badly.clear()
        return orjson.dumps(document)

    def _row(self, own: tuple[int, str, str], shared: RequestRecord, time: float) -> list[float]:
        """The row of a request: its API's alone when there are too many. `time` is its first."""
        quarter, subscription, user = own
        key: Key = (quarter, shared.api_id, shared.operation_id, shared.product_id, subscription, user)
        row = self._rows.get(key)
        if row is None:
            if len(self._rows) >= self._most:
                key = (quarter, shared.api_id, "", "", "", "")
            row = self._rows.setdefault(key, [0, 0, 0, 0, 0, 0, 0, 0.0, time, time, 0, 0.0, 0.0, 0.0])
        return row

    def _minute(self, start: int, shared: RequestRecord) -> list[float]:
        """The row of a minute: its status alone when there are too many."""
        error = shared.last_error
        source, reason = (error.source[:LONGEST_NAME], error.reason[:LONGEST_NAME]) if error is not None else ("", "")
        key: MinuteKey = (start, shared.api_id, shared.status, source, reason)
        row = self._minutes.get(key)
        if row is None:
            if len(self._minutes) >= self._most_minutes:
                key = (start, "", shared.status, "", "")
            row = self._minutes.setdefault(key, [0, 0.0, 0.0, 0.0, 0.0])
        return row


def _request(record: RequestRecord) -> list[Any]:
    return [
        record.start_ns / 1e9,
        record.api_id,
        record.operation_id,
        record.product_id,
        record.subscription_id,
        record.user_id,
        record.method,
        redact.shown_url(record.url)[:LONGEST_URL],
        record.client_ip,
        record.backend_status,
        record.status,
        record.response_size,
        record.request_size,
        record.cache,
        record.total_ms,
        record.backend_ms,
        record.correlation_id,
    ]


def _detail(record: RequestRecord) -> list[Any]:
    error = record.last_error
    texts = (
        (error.source, error.reason, error.section, error.scope, error.path, error.policy_id) if error else ("",) * 6
    )
    words = (error.message, error.detail) if error else ("", "")
    return [
        record.client_ms,
        record.cache_ms,
        record.trace_id,
        record.span_id,
        record.backend_span_id,
        record.backend_method,
        redact.shown_url(record.backend_url)[:LONGEST_URL],
        record.backend_id,
        record.sampled,
        *(text[:LONGEST_NAME] for text in texts),
        *(text[:LONGEST_WORDS] for text in words),
    ]


def outcome(status: int) -> int:
    """Where a report counts a status: SUCCESS, BLOCKED, FAILED or OTHER, as the reference of reports has it."""
    if 0 < status <= 301 or status in (304, 307):
        return SUCCESS
    if status in (401, 403, 429):
        return BLOCKED
    if status == 400 or 500 <= status < 600:
        return FAILED
    return OTHER
