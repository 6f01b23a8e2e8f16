"""What the reports of the management plane are made of: sums per quarter of an hour and the last few requests.

    {"rows": [[start, api, operation, product, subscription, user,
               success, blocked, failed, other, bytes, cache hits, cache misses,
               time, shortest, longest, backend calls, backend time, shortest, longest], ...],
     "requests": [[start, api, operation, product, subscription, user, method, url, client address, backend status,
                   status, response bytes, request bytes, cache, time, backend time, request id], ...]}

`start` is Unix seconds, of the quarter in a row; times are milliseconds; names are empty where none applies.

Rules
1. Everything is what came since the document before: whoever adds them all up has counted each request once.
2. A document holds at most `ROWS` rows; requests beyond are counted in a row of their API alone. Of requests it holds
   the last `REQUESTS`.
"""

from __future__ import annotations

from collections import deque
from operator import itemgetter
from typing import Any

import orjson

from telemetry.batch import Batch
from telemetry.records import RequestRecord, places
from telemetry.settings import Resource

QUARTER = 900  # seconds
QUARTER_NS = QUARTER * 10**9
ROWS = 3_000
REQUESTS = 50
LONGEST_URL = 2_000  # characters

Key = tuple[int, str, str, str, str, str]
_Known = tuple[object, dict[tuple[int, str, str], list[float]]]

SUCCESS, BLOCKED, FAILED, OTHER = range(4)
CACHED = {"hit": 5, "miss": 6}

_own = itemgetter(
    *places("start_ns", "total_ms", "backend_ms", "request_size", "response_size", "subscription_id", "user_id")
)


class Figures:
    """What was counted since the last `cut`. One thread uses it."""

    def __init__(self, most: int = ROWS) -> None:
        self._most = most
        self._rows: dict[Key, list[float]] = {}
        self._requests: deque[RequestRecord] = deque(maxlen=REQUESTS)

    def add(self, batch: Batch, resource: Resource) -> None:
        self._requests.extend(batch[-REQUESTS:])
        for kind, records in batch.by_kind().items():
            known: _Known | None = kind.made.get(self)
            if known is None or known[0] is not self._rows:
                known = kind.made[self] = (self._rows, {})
            shared, rows = kind.record, known[1]
            counted, called = outcome(shared.status), kind.backend_origin
            cached = CACHED.get(shared.cache)
            for start_ns, time, backend, received, sent, subscription, user in map(_own, records):
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

    def cut(self) -> bytes | None:
        """The document of what was counted since the last call; None for nothing."""
        if not self._rows:
            return None
        rows = [[quarter * QUARTER, *names, *row] for (quarter, *names), row in self._rows.items()]
        requests = list(map(_request, self._requests))
        self._rows = {}  # another one: what kinds know of the old one is old
        self._requests.clear()
        return orjson.dumps({"rows": rows, "requests": requests})

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


def _request(record: RequestRecord) -> list[Any]:
    return [
        record.start_ns / 1e9,
        record.api_id,
        record.operation_id,
        record.product_id,
        record.subscription_id,
        record.user_id,
        record.method,
        record.url[:LONGEST_URL],
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


def outcome(status: int) -> int:
    """Where a report counts a status: SUCCESS, BLOCKED, FAILED or OTHER, as the reference of reports has it."""
    if 0 < status <= 301 or status in (304, 307):
        return SUCCESS
    if status in (401, 403, 429):
        return BLOCKED
    if status == 400 or 500 <= status < 600:
        return FAILED
    return OTHER
