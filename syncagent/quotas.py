"""Quota counters of the sidecars of this agent: their totals, and whom they have yet to be told. Pure.

The obligations towards sidecars are in proto/counter_sync.proto, those towards the plane in docs/configuration-feed.md.

Rules
1. The agent holds the totals: a sidecar that starts anew counts on from them, and so does an agent, from what its
   sidecars held or what the plane gives back.
2. A report is counted once, however often it comes.
3. A value that the plane sets replaces the total, at once and for all sidecars.
4. Windows are those of this agent's time. What was told of a window to come (by an agent whose clock was ahead) gives
   way to what is counted now.
5. At most `MOST` counters; the one that was least recently counted goes first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import NamedTuple

from syncagent.clock import steady_time

MOST = 200_000
MOST_SIDECARS = 1_024
BATCH = 5_000
NEAR = 5.0  # seconds that a sidecar may be ahead of us


class Name(NamedTuple):
    """A counter: windows of `period` seconds from `start` on."""

    key: str
    start: float
    period: int


class Total(NamedTuple):
    window: int
    calls: int
    bytes: int


Counted = tuple[Name, Total]


class Quotas:
    """`epoch` is another one in each process; `now` gives Unix seconds, the time that sidecars are told."""

    def __init__(self, epoch: str, most: int = MOST, now: Callable[[], float] | None = None) -> None:
        self.epoch = epoch
        self.now = now or steady_time()
        self._most = most
        self._totals: OrderedDict[Name, Total] = OrderedDict()
        self._untold: dict[object, dict[Name, None]] = {}  # per stream
        self._sequences: OrderedDict[str, int] = OrderedDict()  # per sidecar: its last report
        self._untold_plane: dict[Name, None] = {}
        self._unsaved: dict[Name, None] = {}
        self._confirmed: list[str] = []
        self._new = True

    # Sidecars

    def join(self, stream: object) -> None:
        self._untold[stream] = dict.fromkeys(self._totals)

    def leave(self, stream: object) -> None:
        self._untold.pop(stream, None)

    def hold(self, held: Iterable[Counted]) -> None:
        """What a sidecar knew of an earlier agent, or the plane of this one."""
        for name, other in held:
            mine = self._totals.get(name)
            if mine is None or other.window > mine.window:
                self._store(name, other)
            elif other.window == mine.window:
                self._store(name, Total(mine.window, max(mine.calls, other.calls), max(mine.bytes, other.bytes)))

    def report(self, sidecar: str, sequence: int, counts: Iterable[Counted]) -> None:
        """What a sidecar counted since its report before."""
        if self._sequences.get(sidecar) == sequence:
            return
        self._sequences[sidecar] = sequence
        self._sequences.move_to_end(sidecar)
        while len(self._sequences) > MOST_SIDECARS:
            self._sequences.popitem(last=False)
        for name, more in counts:
            mine = self._totals.get(name)
            if self._to_come(name, more):
                continue
            if mine is None or more.window > mine.window or self._to_come(name, mine):
                self._store(name, more)
            elif more.window == mine.window:
                self._store(name, Total(mine.window, mine.calls + more.calls, mine.bytes + more.bytes))

    def _to_come(self, name: Name, total: Total) -> bool:
        return total.window > ((self.now() + NEAR - name.start) // name.period if name.period else 0)

    def take(self, stream: object) -> list[Counted]:
        """The totals that `stream` has not been told yet; they count as told from now on."""
        untold = self._untold.get(stream)
        if not untold:
            return []
        self._untold[stream] = {}
        return [(name, self._totals[name]) for name in untold if name in self._totals]

    # The disk

    def unsaved(self) -> list[Counted]:
        """What changed since the last call."""
        unsaved, self._unsaved = self._unsaved, {}
        return [(name, self._totals[name]) for name in unsaved]

    def not_saved(self, counted: Iterable[Counted]) -> None:
        self._unsaved |= {name: None for name, _ in counted if name in self._totals}

    def all(self) -> list[Counted]:
        return list(self._totals.items())

    # The plane

    def __bool__(self) -> bool:
        """Whether the plane may have something to hear or to say."""
        return self._new or bool(self._totals) or bool(self._confirmed)

    @property
    def more(self) -> bool:
        """Whether the plane has still something to hear."""
        return bool(self._untold_plane)

    def for_plane(self) -> tuple[bool, list[Counted], list[str]]:
        """(whether this agent is new to the plane, counters it has not been told, ids of values that are set)."""
        names = list(self._untold_plane)[:BATCH]
        for name in names:
            del self._untold_plane[name]
        confirmed, self._confirmed = self._confirmed, []
        return self._new, [(name, self._totals[name]) for name in names if name in self._totals], confirmed

    def told_plane(self) -> None:
        self._new = False

    def not_told(self, counted: Iterable[Counted], confirmed: list[str]) -> None:
        """The call failed."""
        self._untold_plane |= {name: None for name, _ in counted}
        self._confirmed = confirmed + self._confirmed

    def obey(self, id: str, name: Name, total: Total) -> None:
        """Set a counter to what the plane says; without an id, what the plane gives back."""
        if not id:
            self.hold([(name, total)])
            return
        mine = self._totals.get(name)
        if mine is None or mine.window <= total.window:
            self._store(name, total)
        self._confirmed.append(id)

    def _store(self, name: Name, total: Total) -> None:
        self._totals[name] = total
        self._totals.move_to_end(name)
        self._untold_plane[name] = self._unsaved[name] = None
        for untold in self._untold.values():
            untold[name] = None
        while len(self._totals) > self._most:
            oldest, _ = self._totals.popitem(last=False)
            self._untold_plane.pop(oldest, None)
            self._unsaved.pop(oldest, None)
