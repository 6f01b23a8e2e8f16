"""What this process counted, until the agent has it: JSON documents of `telemetry/figures.py`, numbered.

A document leaves when the agent has taken it. While the agent is away the newest ones are kept, within bounds; what
has to go is logged. Thread-safe: the event loop adds, the stream's threads send.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections import deque
from collections.abc import Callable

log = logging.getLogger("proxy.figures")

MOST = 1_000
MOST_BYTES = 8 * 1024 * 1024


class WaitingFigures:
    """`source` is another one in each process, so that numbers of different processes do not meet."""

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self.source = uuid.uuid4().hex
        self.announce: Callable[[], None] = lambda: None
        self._most, self._most_bytes = most, most_bytes
        self._lock = threading.Lock()
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._bytes = 0
        self._last = 0

    def add(self, document: bytes) -> None:
        dropped = 0
        with self._lock:
            self._last += 1
            self._waiting.append((self._last, document))
            self._bytes += len(document)
            while len(self._waiting) > self._most or self._bytes > self._most_bytes:
                self._bytes -= len(self._waiting.popleft()[1])
                dropped += 1
        if dropped:
            log.warning("the agent has been away for long: reports will miss some of this process's requests")
        self.announce()

    def after(self, sequence: int) -> list[tuple[int, bytes]]:
        """What waits and has a later number."""
        with self._lock:
            return [each for each in self._waiting if each[0] > sequence]

    def taken(self, sequence: int) -> None:
        """The agent has everything up to this number."""
        with self._lock:
            while self._waiting and self._waiting[0][0] <= sequence:
                self._bytes -= len(self._waiting.popleft()[1])

    def __len__(self) -> int:
        return len(self._waiting)
