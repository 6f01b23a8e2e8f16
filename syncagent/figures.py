"""What sidecars counted of requests, on its way to the plane. Pure.

Documents of sidecars (their shape is in docs/configuration-feed.md) are added up, so that hours without a plane cost
little memory, and leave in numbered batches. A batch stays the same until the plane has taken it: whoever sees a number
twice has seen the same batch twice.

Bounds: `ROWS` rows, beyond which only APIs are told apart, twice that in all; the last `REQUESTS` requests; documents
of `SOURCES` processes. What does not fit is counted in `lost`. `MINUTES` rows of minutes, the oldest go first: they are
for who looks now, and count nothing that the other rows do not.
"""

from __future__ import annotations

import json
from collections import OrderedDict, deque
from itertools import zip_longest
from typing import Any

ROWS = 50_000
REQUESTS = 1_000
MINUTES = 20_000
SOURCES = 1_024
BATCH_ROWS = 5_000
BATCH_REQUESTS = 250
KEY = 6  # columns that say what was counted; the others are added up
COLUMNS = 20
MINUTE_KEY = 5
MINUTE_COLUMNS = 10
MINUTE_LONGEST = 2  # behind the key
# the columns behind the key
SHORTEST, LONGEST, BACKEND_CALLS, BACKEND_SHORTEST, BACKEND_LONGEST = 8, 9, 10, 12, 13
SUMS = (0, 1, 2, 3, 4, 5, 6, 7, 10, 11)

Key = tuple[Any, ...]


class Figures:
    """`boot` tells batches of this process from those of earlier ones; `lost` counts requests."""

    def __init__(self, boot: str, most: int = ROWS) -> None:
        self.boot = boot
        self.lost = 0
        self._most = most
        self._rows: dict[Key, list[float]] = {}
        self._minutes: dict[Key, list[float]] = {}
        self._requests: deque[tuple[Any, Any]] = deque(maxlen=REQUESTS)  # with what else is known of each
        self._taken: OrderedDict[str, int] = OrderedDict()
        self._batch: dict[str, Any] | None = None
        self._number = 0

    def take(self, source: str, sequence: int, document: bytes) -> None:
        """Add up a document, unless this number of `source` was there before. Raises ValueError when it is none."""
        if sequence <= self._taken.get(source, 0):
            return
        self._taken[source] = sequence
        self._taken.move_to_end(source)
        while len(self._taken) > SOURCES:
            self._taken.popitem(last=False)
        found = json.loads(document)
        for row in found["rows"]:
            if len(row) != COLUMNS:
                raise ValueError(f"a row has {len(row)} columns")
            self._add(tuple(row[:KEY]), row[KEY:])
        for row in found.get("minutes", ()):
            if len(row) != MINUTE_COLUMNS:
                raise ValueError(f"a minute has {len(row)} columns")
            self._add_minute(tuple(row[:MINUTE_KEY]), row[MINUTE_KEY:])
        details = found.get("details", ())  # a sidecar of the release before has none
        self._requests.extend(zip_longest(found["requests"], details[: len(found["requests"])], fillvalue=()))

    def batch(self) -> dict[str, Any] | None:
        """What to send now; None when nothing waits."""
        if self._batch is None and (self._rows or self._minutes or self._requests):
            keys = list(self._rows)[:BATCH_ROWS]
            rows = [[*key, *self._rows.pop(key)] for key in keys]
            minutes = [[*key, *self._minutes.pop(key)] for key in list(self._minutes)[:BATCH_ROWS]]
            last = [self._requests.popleft() for _ in range(min(BATCH_REQUESTS, len(self._requests)))]
            self._number += 1
            self._batch = {
                "boot": self.boot,
                "number": self._number,
                "rows": rows,
                "minutes": minutes,
                "requests": [request for request, _ in last],
                "details": [detail for _, detail in last],
            }
        return self._batch

    def taken(self) -> None:
        """The plane has the batch."""
        self._batch = None

    def __bool__(self) -> bool:
        return bool(self._batch or self._rows or self._minutes or self._requests)

    def _add(self, key: Key, values: list[float]) -> None:
        if key not in self._rows and len(self._rows) >= self._most:
            key = (key[0], key[1], "", "", "", "")
        mine = self._rows.get(key)
        if mine is None:
            if len(self._rows) >= 2 * self._most:
                self.lost += int(sum(values[:4]))
                return
            self._rows[key] = list(values)
            return
        _merge(mine, values)

    def _add_minute(self, key: Key, values: list[float]) -> None:
        mine = self._minutes.get(key)
        if mine is None:
            self._minutes[key] = list(values)
            if len(self._minutes) > MINUTES:
                del self._minutes[next(iter(self._minutes))]
            return
        for at, value in enumerate(values):
            mine[at] = max(mine[at], value) if at == MINUTE_LONGEST else mine[at] + value


def _merge(mine: list[float], values: list[float]) -> None:
    mine[SHORTEST] = min(mine[SHORTEST], values[SHORTEST])
    mine[LONGEST] = max(mine[LONGEST], values[LONGEST])
    if values[BACKEND_CALLS]:
        known = mine[BACKEND_CALLS]
        mine[BACKEND_SHORTEST] = (
            min(mine[BACKEND_SHORTEST], values[BACKEND_SHORTEST]) if known else values[BACKEND_SHORTEST]
        )
        mine[BACKEND_LONGEST] = max(mine[BACKEND_LONGEST], values[BACKEND_LONGEST])
    for at in SUMS:
        mine[at] += values[at]
