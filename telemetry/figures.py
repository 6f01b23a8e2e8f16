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
from collections.abc import Iterable
from typing import Any

import orjson

from telemetry.records import RequestRecord
from telemetry.settings import Resource

QUARTER = 900  # seconds
ROWS = 3_000
REQUESTS = 50
LONGEST_URL = 2_000  # characters

Key = tuple[int, str, str, str, str, str]

SUCCESS, BLOCKED, FAILED, OTHER = range(4)


class Figures:
    """What was counted since the last `cut`. One thread uses it."""

    def __init__(self, most: int = ROWS) -> None:
        self._most = most
        self._rows: dict[Key, list[float]] = {}
        self._requests: deque[list[Any]] = deque(maxlen=REQUESTS)

    def add(self, records: Iterable[RequestRecord], resource: Resource) -> None:
        for record in records:
            seconds = record.start_ns / 1e9
            names = (record.api_id, record.operation_id, record.product_id, record.subscription_id, record.user_id)
            self._count((int(seconds // QUARTER) * QUARTER, *names), record)
            self._requests.append(
                [
                    seconds,
                    *names,
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
            )

    def cut(self) -> bytes | None:
        """The document of what was counted since the last call; None for nothing."""
        if not self._rows:
            return None
        rows, requests = [[*key, *row] for key, row in self._rows.items()], list(self._requests)
        self._rows.clear()
        self._requests.clear()
        return orjson.dumps({"rows": rows, "requests": requests})

    def _count(self, key: Key, record: RequestRecord) -> None:
        row = self._rows.get(key)
        if row is None:
            if len(self._rows) >= self._most:
                key = (key[0], key[1], "", "", "", "")
                row = self._rows.get(key)
            if row is None:
                time = record.total_ms
                row = self._rows[key] = [0, 0, 0, 0, 0, 0, 0, 0.0, time, time, 0, 0.0, 0.0, 0.0]
        time = record.total_ms
        row[outcome(record.status)] += 1
        row[4] += record.request_size + record.response_size
        if record.cache == "hit":
            row[5] += 1
        elif record.cache == "miss":
            row[6] += 1
        row[7] += time
        row[8] = min(row[8], time)
        row[9] = max(row[9], time)
        if record.backend_url:
            backend = record.backend_ms
            row[12] = min(row[12], backend) if row[10] else backend
            row[13] = max(row[13], backend)
            row[10] += 1
            row[11] += backend


def outcome(status: int) -> int:
    """Where a report counts a status: SUCCESS, BLOCKED, FAILED or OTHER, as the reference of reports has it."""
    if 0 < status <= 301 or status in (304, 307):
        return SUCCESS
    if status in (401, 403, 429):
        return BLOCKED
    if status == 400 or 500 <= status < 600:
        return FAILED
    return OTHER
