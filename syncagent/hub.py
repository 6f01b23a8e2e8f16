"""Who holds what, and what to send next. Pure: no socket, no clock.

Rules
1. One offer at a time per sidecar; the next one starts from what it acknowledged, so versions between are skipped.
2. A version that was acknowledged is never sent again.
3. The way from an older version is remembered as ids only, for a bounded number of ids, and beyond the last versions
   only for as long as a known sidecar holds an older one; who comes from beyond it gets the whole.
4. A refused diff is answered with the whole; a refused whole is not repeated until there is another version.
5. No sidecar goes back: not to a lower version of its dataset, and not from a newer dataset to one that is only known
   from a backup the plane has not confirmed.
"""

from __future__ import annotations

import itertools
import uuid
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from syncagent.figures import Figures
from syncagent.quotas import Quotas
from syncagent.snapshot import Resource, Snapshot, diff
from syncagent.traces import Traces

MAX_REMEMBERED_IDS = 100_000
MAX_REMEMBERED_STEPS = 1_000
LAST_STEPS = 64  # for sidecars that the agent does not know yet
MAX_GONE = 64


class Version(NamedTuple):
    dataset: str
    number: int


class Issue(NamedTuple):
    """Something a sidecar found wrong with one resource; line and column are 1-based, 0 when unknown."""

    resource_id: str
    line: int
    column: int
    element: str
    message: str


class Offer(NamedTuple):
    """One diff on its way to a sidecar."""

    nonce: str
    target: Version
    base: int
    full: bool
    upserts: tuple[Resource, ...]
    removals: tuple[str, ...]


@dataclass(slots=True, eq=False)
class Sidecar:
    """One sidecar process as the agent knows it. `started` is Unix seconds; counts are since then."""

    id: str
    software_version: str
    held: Version | None
    connected: bool = True
    offer: Offer | None = None
    whole: bool = False
    refused: Version | None = None
    asks: bool = False  # it has told its status and is to be told where the agent stands
    requests: int = 0
    failures: int = 0
    started: float = 0.0
    issues: tuple[Issue, ...] = ()
    problems: tuple[str, ...] = ()  # of the process itself
    figures: tuple[str, int] | None = None  # (source, number) of figures that were taken and not yet confirmed


class Step(NamedTuple):
    """From `start` the resources `ids` were touched to reach the next step's start."""

    start: int
    ids: frozenset[str]


@dataclass(slots=True)
class Hub:
    """`revision` grows whenever something changed that a heartbeat tells; `confirmed_at` is when the source of the
    configuration last said that this is the newest, Unix seconds; `reached` is the newest revision that `current` is
    the content of: revisions that change nothing for this gateway are not sent on."""

    current: Snapshot | None = None
    confirmed: bool = False
    confirmed_at: float = 0.0
    reached: int = 0
    revision: int = 0
    sidecars: dict[str, Sidecar] = field(default_factory=dict)
    traces: Traces = field(default_factory=Traces)
    figures: Figures = field(default_factory=lambda: Figures(uuid.uuid4().hex))
    quotas: Quotas = field(default_factory=lambda: Quotas(uuid.uuid4().hex))
    _steps: deque[Step] = field(default_factory=deque)
    _remembered: int = 0
    _nonces: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def publish(self, snapshot: Snapshot) -> None:
        """Make `snapshot` the version that sidecars should hold; the same content again is nothing."""
        old, self.reached = self.current, snapshot.cursor
        if old is not None and old.content == snapshot.content:
            return
        self.current = snapshot
        if old is not None and old.dataset == snapshot.dataset and old.cursor < snapshot.cursor:
            self._remember(Step(old.cursor, diff(old, snapshot).ids))
            return
        self._steps.clear()
        self._remembered = 0
        if old is not None and (old.dataset, old.cursor) == (snapshot.dataset, snapshot.cursor):
            for sidecar in self.sidecars.values():
                sidecar.whole = True

    def connect(self, id: str, software_version: str, held: Version | None) -> Sidecar:
        """A sidecar said hello. A second stream with the same id takes the place of the first."""
        known = self.sidecars.get(id)
        if known is not None:
            known.connected = False
        sidecar = Sidecar(id, software_version, held)
        if known is not None and known.held == held:
            sidecar.issues, sidecar.refused = known.issues, known.refused
        self.sidecars[id] = sidecar
        self.revision += 1
        return sidecar

    def disconnect(self, sidecar: Sidecar) -> None:
        sidecar.connected, sidecar.offer = False, None
        self.revision += 1
        gone = [each for each in self.sidecars.values() if not each.connected]
        for each in gone[:-MAX_GONE]:
            del self.sidecars[each.id]

    def next(self, sidecar: Sidecar) -> Offer | None:
        """What to send now; None when there is nothing, or an answer is awaited."""
        if self.current is None or sidecar.offer is not None or not sidecar.connected:
            return None
        target, held = Version(self.current.dataset, self.current.cursor), sidecar.held
        if sidecar.refused == target or (held == target and not sidecar.whole) or self._would_go_back(held, target):
            return None
        ids = None if sidecar.whole else self._touched_since(held)
        nonce = str(next(self._nonces))
        if ids is None or held is None:
            offer = Offer(nonce, target, 0, True, tuple(self.current.resources.values()), ())
        else:
            found = {id: self.current.resources.get(id) for id in ids}
            upserts = tuple(resource for resource in found.values() if resource is not None)
            removals = tuple(id for id, resource in found.items() if resource is None)
            offer = Offer(nonce, target, held.number, False, upserts, removals)
        # The resources are needed for sending only: an awaited answer keeps no old body alive.
        sidecar.offer = offer._replace(upserts=(), removals=())
        return offer

    def complain(self, sidecar: Sidecar, problems: tuple[str, ...]) -> None:
        """What is wrong with the sidecar itself; empty: nothing any more."""
        if problems != sidecar.problems:
            sidecar.problems = problems
            self.revision += 1

    def acknowledge(self, sidecar: Sidecar, nonce: str, issues: tuple[Issue, ...]) -> None:
        offer = sidecar.offer
        if offer is None or offer.nonce != nonce:
            return
        sidecar.offer, sidecar.held, sidecar.issues = None, offer.target, issues
        sidecar.whole, sidecar.refused = False, None
        self.revision += 1

    def refuse(self, sidecar: Sidecar, nonce: str, held: Version | None, detail: str) -> None:
        offer = sidecar.offer
        if offer is None or offer.nonce != nonce:
            return
        sidecar.offer, sidecar.held, sidecar.whole = None, held, True
        if offer.full:
            sidecar.refused = offer.target
            sidecar.issues = (Issue("/", 0, 0, "", f"Version {offer.target.number} was refused: {detail}"),)
            self.revision += 1

    def _would_go_back(self, held: Version | None, target: Version) -> bool:
        if held is None:
            return False
        if held.dataset != target.dataset:
            return not self.confirmed
        return held.number > target.number

    def _touched_since(self, held: Version | None) -> frozenset[str] | None:
        """Ids touched between `held` and the current version; None when the way is not known."""
        if held is None or self.current is None or held.dataset != self.current.dataset:
            return None
        later = list(itertools.dropwhile(lambda step: step.start != held.number, self._steps))
        return frozenset().union(*(step.ids for step in later)) if later else None

    def _held(self) -> Iterator[Version]:
        """What known sidecars hold of the current dataset and may come on from, connected or not."""
        for sidecar in self.sidecars.values():
            held = sidecar.held
            if held is not None and self.current is not None and held.dataset == self.current.dataset:
                yield held

    def _remember(self, step: Step) -> None:
        self._steps.append(step)
        self._remembered += len(step.ids)
        oldest = min((each.number for each in self._held()), default=step.start)
        while len(self._steps) > MAX_REMEMBERED_STEPS or (self._remembered > MAX_REMEMBERED_IDS and self._steps):
            self._remembered -= len(self._steps.popleft().ids)
        while len(self._steps) > LAST_STEPS and self._steps[1].start <= oldest:
            self._remembered -= len(self._steps.popleft().ids)
