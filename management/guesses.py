"""Who guesses too often, and how long it has to wait: failures of somebody within a window of time, bounded."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

MOST, WINDOW, KNOWN = 20, 60.0, 1000


class Guesses:
    """At most `most` failures within `window` seconds; the `known` who failed last are remembered."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        most: int = MOST,
        window: float = WINDOW,
        known: int = KNOWN,
    ) -> None:
        self._clock = clock
        self._most, self._window, self._known = most, window, known
        self._failures: dict[str, deque[float]] = {}

    def wait(self, who: str) -> int:
        """Seconds until `who` may try again; 0 for now."""
        found, now = self._failures.get(who, deque()), self._clock()
        while found and found[0] <= now - self._window:
            found.popleft()
        return 0 if len(found) < self._most else int(found[0] + self._window - now) + 1

    def failed(self, who: str) -> None:
        found = self._failures.pop(who, deque(maxlen=self._most))
        found.append(self._clock())
        self._failures[who] = found
        if len(self._failures) > self._known:
            del self._failures[next(iter(self._failures))]

    def forget(self, who: str) -> None:
        self._failures.pop(who, None)
