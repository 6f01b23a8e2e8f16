"""One destination's bounded queue and its sender thread: what is slow or broken there stays there.

Rules
1. `put` never waits: when the queue is full the oldest payload is dropped and its items are counted.
2. A payload is sent until it is delivered, refused for good, or pushed out by newer ones; retries back off 1 s .. 60 s
   with jitter, or as the destination asks.
3. At the end `finish` gives what is left one more try within the deadline; what remains is counted as dropped.
"""

from __future__ import annotations

import collections
import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

logger = logging.getLogger(__name__)

BACKOFF = (1.0, 60.0)  # seconds: first and longest
MAX_BYTES = 16 * 1024 * 1024
SEND_TIMEOUT = 10.0  # seconds for one try


@dataclass(slots=True)
class Later(Exception):
    """The destination cannot take it now. `after` is its own wish in seconds; 0 leaves it to the back-off."""

    reason: str
    after: float = 0.0


@dataclass(slots=True)
class Refused(Exception):
    """The destination will never take it."""

    reason: str


@dataclass(slots=True)
class Partly(Exception):
    """The destination took some: it refused `refused` items for good, and `rest`, a payload of `rest_count` items, is
    to be tried again, after `after` seconds if it said so. All others are delivered."""

    reason: str
    refused: int
    rest: bytes = b""
    rest_count: int = 0
    after: float = 0.0


@dataclass(slots=True, frozen=True)
class Payload:
    """Encoded once, sent as it is. `count` is items: records, spans or data points."""

    data: bytes
    count: int


Send = Callable[[bytes, float], None]


class Lane:
    """`send(data, timeout)` returns when delivered; raises Later or Refused. Counters are in items."""

    def __init__(
        self, name: str, send: Send, *, spool: str = "", max_bytes: int = MAX_BYTES, max_payloads: int = 10_000
    ) -> None:
        self.name = name
        self.spool = spool
        self.exported = 0
        self.dropped: collections.Counter[str] = collections.Counter()
        self._send = send
        self._max_bytes = max_bytes
        self._max_payloads = max_payloads
        self._bytes = 0
        self._items = 0
        self._payloads: collections.deque[Payload] = collections.deque()
        self._changed = threading.Condition()
        self._deadline: float | None = None  # set while closing
        self._failing = False
        self._thread = threading.Thread(target=self._run, name=f"lane-{name}", daemon=True)
        self._thread.start()

    @property
    def queued(self) -> int:
        return self._items

    def put(self, data: bytes, count: int) -> None:
        with self._changed:
            if self._deadline is not None:
                self.dropped["shutdown"] += count
                return
            self._payloads.append(Payload(data, count))
            self._bytes += len(data)
            self._items += count
            while len(self._payloads) > 1 and (
                self._bytes > self._max_bytes or len(self._payloads) > self._max_payloads
            ):
                oldest = self._payloads.popleft()
                self._forget(oldest)
                self.dropped["queue-full"] += oldest.count
            self._changed.notify()

    def finish(self, deadline: float) -> None:
        """Take nothing more and try what is left until `deadline`, monotonic seconds."""
        with self._changed:
            self._deadline = deadline
            self._changed.notify()

    def join(self, deadline: float) -> None:
        """Wait for the end, until `deadline` at the latest."""
        self._thread.join(max(0.0, deadline - time.monotonic()))

    def _forget(self, payload: Payload) -> None:
        self._bytes -= len(payload.data)
        self._items -= payload.count

    def _run(self) -> None:
        backoff = BACKOFF[0]
        while (payload := self._next()) is not None:
            try:
                self._send(payload.data, self._timeout())
            except Later as later:
                self._report(later.reason)
                wait = later.after or backoff * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, not a secret
                backoff = min(backoff * 2, BACKOFF[1])
                if not self._give_back(payload, min(wait, BACKOFF[1])):
                    return
                continue
            except Refused as refused:
                self._report(refused.reason)
                self.dropped["refused"] += payload.count
            except Exception as failure:
                # A bug of ours or of a library: this payload is lost, the lane is not.
                self._report(f"{type(failure).__name__}: {failure}")
                self.dropped["error"] += payload.count
            else:
                self.exported += payload.count
                backoff = BACKOFF[0]
                self._recovered()

    def _next(self) -> Payload | None:
        """The oldest payload; None at the end."""
        with self._changed:
            while not self._payloads:
                if self._deadline is not None:
                    return None
                self._changed.wait()
            payload = self._payloads.popleft()
            self._forget(payload)
            return payload

    def _give_back(self, payload: Payload, wait: float) -> bool:
        """Put it in front again unless there is no room, then wait; False when the lane ends."""
        with self._changed:
            if self._deadline is not None:
                self.dropped["shutdown"] += payload.count + self._items
                self._payloads.clear()
                self._items = self._bytes = 0
                return False
            if self._bytes + len(payload.data) > self._max_bytes or len(self._payloads) >= self._max_payloads:
                self.dropped["queue-full"] += payload.count
            else:
                self._payloads.appendleft(payload)
                self._bytes += len(payload.data)
                self._items += payload.count
            self._changed.wait_for(lambda: self._deadline is not None, wait)
            return True

    def _timeout(self) -> float:
        deadline = self._deadline
        return SEND_TIMEOUT if deadline is None else max(0.05, min(SEND_TIMEOUT, deadline - time.monotonic()))

    def _report(self, reason: str) -> None:
        """Say it when it begins, not every time."""
        if not self._failing:
            self._failing = True
            logger.warning(
                "Telemetry cannot reach %s: %s. It is kept in memory, oldest dropped first.",
                self.name,
                reason,
                extra={"event": "TelemetryExportFailed"},
            )

    def _recovered(self) -> None:
        if self._failing:
            self._failing = False
            logger.info("Telemetry reaches %s again.", self.name, extra={"event": "TelemetryExportRecovered"})
