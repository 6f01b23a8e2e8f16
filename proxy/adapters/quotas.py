"""Quotas: calls and bytes by name in fixed windows, shared by the sidecars of one agent.

Rules
1. They live in memory and outlive configurations. With an agent they outlive the process: the agent holds the totals,
   see proto/counter_sync.proto. Without one, each process counts for itself.
2. What is read is the last total of the agent and what was counted on this host since. Nobody waits for the agent, so
   a quota may be passed by what other hosts count in some hundredths of a second.
3. Time is the wall clock of the start and steady from there: setting the clock later begins no new window. Beside an
   agent it is the agent's, so that its sidecars are in the same window; to less than `NEAR` seconds, so one has begun
   for all as soon as it has for one. A total of a window further to come is none of the present.
4. Keys are bounded: a window that has passed is forgotten by the way, and above the bound the least recently used key,
   which is logged, since its quota begins anew.
5. One lock, held for microseconds, since the counter stream lives in a thread.
6. Sidecars on one host hear each other before every look (siblings.py), and so know more than the last total of the
   agent says: within a window the larger one counts, unless the agent's went back, since the plane has set it.
"""

from __future__ import annotations

import logging
import math
import secrets
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from proxy.adapters.clock import Ahead, steady_time
from proxy.adapters.siblings import Siblings
from proxy.ports import QuotaWant, Usage

log = logging.getLogger("proxy.quotas")

MAX_KEYS = 200_000
NEAR = 2.0  # seconds
APART = 10.0  # seconds that the agent's clock and ours may differ before it is told
LONGEST_SHARED = 1_024  # characters of a key; longer ones count in this process only

_TOLD = struct.Struct("=dqqqq")  # to siblings, before the key: start, period, window, calls, bytes

# One message of the counter stream: key, start, period, window, calls, bytes.
QuotaCount = tuple[str, float, int, int, int, int]


@dataclass(slots=True)
class _Count:
    window: int
    calls: int = 0
    bytes: int = 0


_Name = tuple[str, float, int]
_Counts = dict[_Name, _Count]


class LocalQuotas:
    """`now` gives Unix seconds."""

    def __init__(
        self, now: Callable[[], float] | None = None, max_keys: int = MAX_KEYS, siblings: Siblings | None = None
    ) -> None:
        self._now = now or steady_time()
        self._max_keys = max_keys
        self._lock = threading.Lock()
        self._counts: OrderedDict[_Name, _Count] = OrderedDict()
        # what the agent does not know yet, or has not said that it knows; `None` until there is an agent. Beside
        # siblings it is kept from the beginning, apart from what they counted.
        self._fresh: _Counts | None = None if siblings is None else {}
        self._reported: _Counts = {}
        self._ahead, self._told_apart = Ahead(), False
        self._late = 0.0  # seconds that the agent's time is ahead, as it was when windows last moved
        self._sequence = secrets.randbits(48)
        self.stir: Callable[[], None] | None = None  # called when other hosts should hear what was counted
        self._siblings = siblings
        self._totals: _Counts = {}  # the agent's last word, where there are siblings
        self._hear()

    def __len__(self) -> int:
        return len(self._counts)

    def now(self) -> float:
        return self._now() + self._late

    def align(self, told: float, first: bool) -> None:
        """The agent tells its time. A difference that is small moves no window to and fro."""
        with self._lock:
            now = self._now()
            ahead = self._ahead.hear(told, now, first)
            if abs(ahead - self._late) > NEAR / 2:
                self._late = ahead
        if abs(ahead) <= APART:
            self._told_apart = False
        elif not self._told_apart:
            self._told_apart = True
            log.warning(
                "the agent's clock is %.0f s %s this one; limits go by the agent's",
                abs(ahead), "ahead of" if ahead > 0 else "behind", extra={"event": "ClocksApart"},
            )  # fmt: skip

    def usage(self, key: str, start: float, period: int) -> Usage:
        siblings = self._siblings
        with self._lock:
            if siblings is not None and siblings.told():
                self._hear()
            return self._usage(self.now(), (key, start, period))

    def add(self, key: str, start: float, period: int, calls: int, size: int) -> None:
        with self._lock:
            self._add(self.now(), (key, start, period), calls, size)

    def claim(self, wants: Sequence[QuotaWant]) -> list[Usage]:
        siblings = self._siblings
        with self._lock:
            if siblings is not None and siblings.told():
                self._hear()
            now = self.now()
            usages = [self._usage(now, want[:3]) for want in wants]
            for want, usage in zip(wants, usages, strict=True):
                if want.exceeded(usage):
                    return usages
            for want in wants:
                if want.increment:
                    self._add(now, want[:3], want.increment, 0)
        return usages

    def _usage(self, now: float, name: _Name) -> Usage:
        _, start, period = name
        count = self._counts.get(name)
        if period:
            window = math.floor((now - start) / period)
            if count is not None and count.window > window and _current(count.window, now, start, period):
                window = count.window
            renews_after: float | None = start + (window + 1) * period - now
        else:
            window, renews_after = 0, None
        if count is None or count.window != window:
            return Usage(0, 0, renews_after)
        return Usage(count.calls, count.bytes, renews_after)

    def _add(self, now: float, name: _Name, calls: int, size: int) -> None:
        key, start, period = name
        window = math.floor((now - start) / period) if period else 0
        counts, fresh, siblings = self._counts, self._fresh, self._siblings
        known = name in counts
        if known and (begun := counts[name].window) > window and _current(begun, now, start, period):
            window = begun
        _count(counts, name, window, calls, size)
        if known:
            counts.move_to_end(name)
        if fresh is not None and len(key) <= LONGEST_SHARED and len(fresh) < self._max_keys:
            _count(fresh, name, window, calls, size)
            if self.stir is not None:
                self.stir()
        if siblings is not None:
            siblings.tell(_TOLD.pack(start, period, window, calls, size) + key.encode("utf-8", "surrogatepass"))
        if not known:
            self._forget()

    def hear(self) -> None:
        """Not to fall behind where nobody asks."""
        with self._lock:
            self._hear()

    def _hear(self) -> None:
        for record in self._siblings.news() if self._siblings is not None else ():
            start, period, window, calls, size = _TOLD.unpack_from(record)
            key = record[_TOLD.size :].decode("utf-8", "surrogatepass")
            if _current(window, self.now(), start, period):
                _count(self._counts, (key, start, period), window, calls, size)
                self._counts.move_to_end((key, start, period))
                self._forget()

    def held(self) -> list[QuotaCount]:
        """The totals without what is still to be reported: for an agent that may not know them."""
        with self._lock:
            if self._siblings is not None:  # what is known beyond that is for them to report
                return [_told(*each) for each in self._totals.items() if _shared(each[0])]
            if self._fresh is None:  # the first agent: all of it is to be reported
                return []
            return [_told(name, self._less(name, count)) for name, count in self._counts.items() if _shared(name)]

    def report(self, again: bool) -> tuple[int, list[QuotaCount]] | None:
        """(sequence, what was counted since the last report); None while one is unanswered, unless `again`, or when
        there is nothing."""
        with self._lock:
            fresh = self._begin()
            if self._reported:
                return (self._sequence, [_told(*each) for each in self._reported.items()]) if again else None
            if not fresh:
                return None
            self._reported, self._fresh = fresh, {}
            self._sequence += 1
            return self._sequence, [_told(*each) for each in self._reported.items()]

    def merge(self, totals: Iterable[QuotaCount], answered: int) -> None:
        """The agent's totals; `answered` is the last report that they include."""
        with self._lock:
            self._hear()  # before the totals, which include it
            fresh, now = self._begin(), self.now()
            if answered == self._sequence:
                self._reported = {}
            for key, start, period, window, calls, size in totals:
                name = (key, start, period)
                count = _Count(window, calls, size)
                ahead = self._beyond(name, count)
                mine = self._counts.get(name)
                if not _current(window, now, start, period) and (
                    window > _window(now, start, period) or (mine is not None and mine.window > window)
                ):
                    continue
                for more in (self._reported.get(name), fresh.get(name)):
                    if more is not None and more.window > count.window:
                        count = _Count(more.window, more.calls, more.bytes)
                    elif more is not None and more.window == count.window:
                        count.calls += more.calls
                        count.bytes += more.bytes
                if ahead is not None and ahead.window == count.window:
                    count.calls, count.bytes = max(count.calls, ahead.calls), max(count.bytes, ahead.bytes)
                self._counts[name] = count
            if self._counts:
                self._forget()

    def _beyond(self, name: _Name, total: _Count) -> _Count | None:
        """What is known of a counter beyond the agent's new total; None where nothing may be."""
        if self._siblings is None:
            return None
        last = self._totals.get(name)
        if len(self._totals) >= self._max_keys:
            self._totals.clear()
        self._totals[name] = _Count(total.window, total.calls, total.bytes)
        if last is not None and last.window == total.window and (total.calls < last.calls or total.bytes < last.bytes):
            return None
        return self._counts.get(name)

    def _begin(self) -> _Counts:
        """There is an agent: what was counted before is to be reported."""
        if self._fresh is None:
            self._fresh = {
                name: _Count(each.window, each.calls, each.bytes)
                for name, each in self._counts.items()
                if _shared(name)
            }
        return self._fresh

    def _less(self, name: _Name, count: _Count) -> _Count:
        rest = _Count(count.window, count.calls, count.bytes)
        for more in (self._reported.get(name), (self._fresh or {}).get(name)):
            if more is not None and more.window == rest.window:
                rest.calls -= more.calls
                rest.bytes -= more.bytes
        return rest

    def _forget(self) -> None:
        """Drop up to two passed windows from the old end, and whatever is above the bound."""
        now = self.now()
        for _ in range(2):
            name = next(iter(self._counts))
            passed = not _current(self._counts[name].window, now, name[1], name[2])
            if not passed and len(self._counts) <= self._max_keys:
                return
            if not passed:
                log.warning("more than %d quota keys: %s begins anew", self._max_keys, name[0])
            del self._counts[name]
            if not self._counts:
                return


def _shared(name: _Name) -> bool:
    return len(name[0]) <= LONGEST_SHARED


def _count(counts: _Counts, name: _Name, window: int, calls: int, size: int) -> None:
    count = counts.get(name)
    if count is None or count.window != window:
        count = counts[name] = _Count(window)
    count.calls += calls
    count.bytes += size


def _told(name: _Name, count: _Count) -> QuotaCount:
    return (*name, count.window, count.calls, count.bytes)


def _current(window: int, now: float, start: float, period: int) -> bool:
    """Whether that is the present one, or one that has begun by another clock."""
    return _window(now, start, period) <= window <= _window(now + NEAR, start, period)


def _window(now: float, start: float, period: int) -> int:
    return math.floor((now - start) / period) if period else 0
