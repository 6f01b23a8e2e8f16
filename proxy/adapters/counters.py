"""Sliding-window counters in this process, made so that what other sidecars counted can be merged in.

Rules
1. A window is made of slices of time: slot = floor(unix time / slice). The time is steady, the same for all who share
   memory (shared_memory.py); to the agent and back slots are told in the agent's time (proto/counter_sync.proto). So
   counts of several sidecars add up slot by slot, and setting a clock moves no window.
2. A window is the last `SLICES` slices, the present one included: a count leaves at the end of the period at the latest
   and at most one slice before, so that waiting as long as Retry-After says is always enough.
3. Keys are bounded: the least recently used goes first. A key whose window has passed is forgotten by the way.
4. What others counted in a time to come, by theirs, they counted just now: clocks differ. Nobody is refused until then.
5. Nothing waits. One lock, held for microseconds, since the counter stream lives in a thread.
   `drain` hands out what was counted here since the last drain; `merge` takes what others counted.
6. Sidecars on one host hear each other before every look (siblings.py); what they tell goes to nobody through `drain`.
7. What counts towards a limit that is half used, or not known here, should be told to other hosts at once: `stir`.
8. While the agent is gone each host counts for itself: up to the whole limit, or (`share`) as if all others counted as
   much as this one, so that together they keep it when the load is even.
"""

from __future__ import annotations

import math
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from proxy.adapters.clock import Ahead, steady_time
from proxy.adapters.siblings import Siblings
from proxy.ports import Reading, Want

SLICES = 120  # of a steady load of three times a limit at most 2.5 % more pass in a period than it allows
MAX_KEYS = 200_000
_TOLD = struct.Struct("=qqq")  # to siblings, before the key: slice in milliseconds, slot, increment


# One message of the counter stream: key, slice in milliseconds, slot, increment.
Increment = tuple[str, int, int, int]


@dataclass(slots=True)
class _Window:
    """Counts by slot; `total` is their sum, `swept` the slot in which passed ones were last dropped, `oldest` the
    first slot that has one."""

    slice_ms: int
    counts: dict[int, int] = field(default_factory=dict)
    total: int = 0
    swept: int = 0
    oldest: int = 0

    def add(self, slot: int, increment: int) -> None:
        counts = self.counts
        if slot in counts:
            counts[slot] += increment
        else:
            counts[slot] = increment
            if slot < self.oldest or len(counts) == 1:
                self.oldest = slot
        self.total += increment

    def read(self, now_ms: float) -> Reading:
        """`reset_after`: seconds until the oldest count has left the window."""
        present = int(now_ms // self.slice_ms)
        counts = self.counts
        if present != self.swept:
            self.swept = present
            for slot in [slot for slot in counts if not present - SLICES < slot <= present + 1]:
                self.total -= counts.pop(slot)
            self.oldest = min(counts, default=0)
        if not counts:
            return Reading(0, 0.0)
        return Reading(self.total, max((self.oldest + SLICES) * self.slice_ms - now_ms, 0.0) / 1000)


class LocalCounters:
    """`now` gives Unix seconds. Thread-safe."""

    def __init__(
        self,
        now: Callable[[], float] | None = None,
        max_keys: int = MAX_KEYS,
        report: bool = False,
        siblings: Siblings | None = None,
        share: bool = False,
    ) -> None:
        self.stir: Callable[[], None] | None = None
        self._share, self._weight = share, 1
        self._now = now or steady_time()
        self._max_keys = max_keys
        self._report = report
        self._lock = threading.Lock()
        self._windows: OrderedDict[tuple[str, int], _Window] = OrderedDict()
        self._pending: dict[tuple[str, int, int], int] = {}
        self._ahead = Ahead()  # the agent's time
        self._siblings = siblings
        self._hear()

    def __len__(self) -> int:
        return len(self._windows)

    def peek(self, key: str, period: float) -> Reading:
        siblings = self._siblings
        with self._lock:
            if siblings is not None and siblings.told():
                self._hear()
            return self._window(key, slice_of(period)).read(self._now() * 1000)

    def add(self, key: str, period: float, increment: int = 1) -> Reading:
        slice_ms, siblings = slice_of(period), self._siblings
        with self._lock:
            if siblings is not None and siblings.told():
                self._hear()
            window = self._window(key, slice_ms)
            now_ms = self._now() * 1000
            self._add(key, window, int(now_ms // slice_ms), increment)
            return window.read(now_ms)

    def take(self, key: str, period: float, limit: int, increment: int = 1) -> Reading:
        slice_ms, siblings = slice_of(period), self._siblings
        with self._lock:
            if siblings is not None and siblings.told():
                self._hear()
            window = self._windows.get((key, slice_ms))
            if window is None:
                window = self._window(key, slice_ms)
            else:
                self._windows.move_to_end((key, slice_ms))
            now_ms = self._now() * 1000
            reading = window.read(now_ms)
            if reading.count < limit:
                self._add(key, window, int(now_ms // slice_ms), increment, 2 * reading.count >= limit)
            return reading

    def claim(self, wants: Sequence[Want]) -> list[Reading]:
        siblings = self._siblings
        with self._lock:
            if siblings is not None and siblings.told():
                self._hear()
            now_ms = self._now() * 1000
            windows = [self._window(want.key, slice_of(want.period)) for want in wants]
            readings = [window.read(now_ms) for window in windows]
            if all(reading.count + want.room <= want.limit for reading, want in zip(readings, wants, strict=True)):
                for want, window in zip(wants, windows, strict=True):
                    if want.increment:
                        self._add(want.key, window, int(now_ms // window.slice_ms), want.increment)
            return readings

    def _add(self, key: str, window: _Window, slot: int, increment: int, hot: bool = True) -> None:
        slice_ms, siblings = window.slice_ms, self._siblings
        if self._report:
            name, pending = (key, slice_ms, slot), self._pending
            if name in pending:
                pending[name] += increment
            elif len(pending) < self._max_keys:
                pending[name] = increment
            if hot and self.stir is not None:
                self.stir()
        increment *= self._weight
        window.add(slot, increment)
        if siblings is not None:
            siblings.tell(_TOLD.pack(slice_ms, slot, increment) + key.encode("utf-8", "surrogatepass"))

    def merge(self, key: str, slice_ms: int, slot: int, increment: int) -> None:
        """Add what another sidecar counted, by the agent's time; what has left the window is ignored."""
        with self._lock:
            self._merge(key, slice_ms, slot - self._shift(slice_ms), increment)

    def align(self, told: float, first: bool) -> None:
        """The agent tells its time."""
        with self._lock:
            self._ahead.hear(told, self._now(), first)

    def _shift(self, slice_ms: int) -> int:
        """Slots from our time to the agent's."""
        return round(self._ahead.value * 1000 / slice_ms)

    def drain(self) -> list[Increment]:
        """What was counted here since the last call. The first call begins the reporting."""
        with self._lock:
            self._report = True
            pending, self._pending = self._pending, {}
        return [
            (key, slice_ms, slot + self._shift(slice_ms), count)
            for (key, slice_ms, slot), count in pending.items()
            if count
        ]

    def hear(self) -> None:
        """Not to fall behind where nobody asks."""
        with self._lock:
            self._hear()

    def part(self, groups: int) -> None:
        """The agent is gone, and so many counted apart from each other; 0: it is back."""
        self._weight = max(groups, 1) if self._share else 1

    def _hear(self) -> None:
        for record in self._siblings.news() if self._siblings is not None else ():
            slice_ms, slot, increment = _TOLD.unpack_from(record)
            self._merge(record[_TOLD.size :].decode("utf-8", "surrogatepass"), slice_ms, slot, increment)

    def _merge(self, key: str, slice_ms: int, slot: int, increment: int) -> None:
        present = int(self._now() * 1000 // slice_ms)
        if slot > present - SLICES:
            self._window(key, slice_ms).add(min(slot, present), increment)

    def _window(self, key: str, slice_ms: int) -> _Window:
        name = (key, slice_ms)
        window = self._windows.get(name)
        if window is not None:
            self._windows.move_to_end(name)
            return window
        window = self._windows[name] = _Window(slice_ms)
        self._forget()
        return window

    def _forget(self) -> None:
        """Drop up to two passed windows from the old end, and whatever is above the bound."""
        now_ms = self._now() * 1000
        for _ in range(2):
            oldest = next(iter(self._windows))
            window = self._windows[oldest]
            last = max(window.counts, default=-1)
            passed = last >= 0 and last + SLICES < now_ms // window.slice_ms
            if len(self._windows) <= self._max_keys and not passed:
                break
            del self._windows[oldest]


@lru_cache(maxsize=4096)
def slice_of(period: float) -> int:
    """The slice of a window of `period` seconds, in milliseconds."""
    return max(1, math.floor(period * 1000 / SLICES))
