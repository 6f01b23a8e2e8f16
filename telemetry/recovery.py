"""What a child owes to the records before it: it reads the trails of the dead, and says on its own how far it has come.

Rules
1. What is left of the dead is sent before anything new, but not before the first new record comes (or `PATIENCE` has
   passed): only then the child has been told who it is and where telemetry goes.
2. Each taker of records has its own place on the trail: a record is safe for it once it is in its lanes, or in the sums
   on disk. So a kill makes no taker send again what only another had not finished.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping

from telemetry.records import RequestRecord, Row
from telemetry.trail import EVENTS, SLOTS, Left, Reader

logger = logging.getLogger(__name__)

PATIENCE = 5.0  # seconds
INTERVAL = 5.0  # seconds between looks
FIELDS = len(RequestRecord._fields)
ALL = 0  # slot: what is safe for all exporters, so that the sidecar may write over it
SUMS = 1  # slot of the metrics
FIRST = 2  # slot of the first exporter
EXPORTERS = SLOTS - FIRST
DONE = 2**63

Safe = tuple[int, ...]  # by slot, the number of the first record that is not


class Recovery:
    """Called by the child's one thread. `slots` are those of its exporters."""

    def __init__(self, settings: Mapping[str, str], instance: str, slots: list[int]) -> None:
        self._left = Left(settings, instance)
        self._slots = slots
        self._own: Reader | None = None
        self._owed = False  # records of the child before this one
        self._next = 0  # number of the next record in the pipe
        self._since = 0  # records since the last that was recovered
        self._claimed: list[Reader] = []
        self._events: list[Reader] = []
        self._unsettled: set[int] = set()  # slots that have not finished what was recovered
        self._look_at = 0.0
        self._patient_until = time.monotonic() + PATIENCE

    def follow(self, path: str, number: int) -> None:
        """The sidecar's trail, and the number of the next record in the pipe."""
        self._next = number
        try:
            self._own = Reader(path)
            self._owed = True
        except (OSError, ValueError) as failure:
            logger.warning(
                "Telemetry that a kill leaves cannot be recovered: %s: %s", path, failure, extra={"event": "NoTrail"}
            )

    def patient(self) -> bool:
        """Is it too early to recover without a new record?"""
        return time.monotonic() < self._patient_until

    def records(self) -> Iterator[tuple[Safe, list[tuple[int, Row]]]]:
        """What others left, and then what the child before this one had not made safe: numbered records, and for whom
        they are safe."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + INTERVAL
            for reader in self._left.claim():
                if reader.path.name.endswith(EVENTS):
                    self._events.append(reader)
                    continue
                self._claimed.append(reader)
                yield from self._recovered(reader, DONE)
        if self._owed and self._own is not None:
            self._owed = False
            yield from self._recovered(self._own, self._next)

    def said(self) -> Iterator[list[Row]]:
        """Events that the dead left; they are safe when the next ones are asked for."""
        while self._events:
            reader = self._events.pop(0)
            for events in reader.left(reader.safe(ALL), DONE):
                yield [row for _, row in events]
            reader.remove()

    def took(self, count: int) -> None:
        """New records, from the pipe: they are about to be given to all."""
        self._next += count
        self._since += count

    def settle(self, slot: int, waiting: int = 0) -> None:
        """All records that the taker was given are safe but for the last `waiting`."""
        if self._owed or (slot in self._unsettled and waiting > self._since):
            return  # what was recovered is not safe yet
        if self._unsettled:
            self._unsettled.discard(slot)
            for reader in self._claimed:
                reader.keep(slot, DONE)
            if not self._unsettled:
                for reader in self._claimed:
                    reader.remove()
                self._claimed.clear()
        if self._own is not None:
            self._own.keep(slot, self._next - waiting)
            if slot != SUMS:
                self._own.keep(ALL, min(map(self._own.safe, self._slots)))

    def _recovered(self, reader: Reader, before: int) -> Iterator[tuple[Safe, list[tuple[int, Row]]]]:
        safe = tuple(reader.safe(slot) for slot in range(SLOTS))
        count = 0
        for records in reader.left(min(safe[slot] for slot in (SUMS, *self._slots)), before):
            self._since = 0
            self._unsettled = {SUMS, *self._slots}
            count += len(records)
            yield safe, [(number, row if len(row) == FIELDS else _fitted(row)) for number, row in records]
        if not self._unsettled and reader is not self._own:
            self._claimed.remove(reader)
            reader.remove()
        if count:
            logger.info("%d records that a killed process left are sent.", count, extra={"event": "TelemetryRecovered"})


class Said:
    """The same for events, which have a trail of their own beside that of the records. Those of the dead are found by
    `Recovery`; this is for the sidecar that lives, whose last child may not."""

    def __init__(self) -> None:
        self._own: Reader | None = None
        self._next = 0

    def follow(self, path: str, number: int) -> Iterator[list[Row]]:
        """What the child before this one had not made safe; `number` is that of the next event in the pipe."""
        if not path or self._own is not None:
            return
        try:
            self._own = Reader(path)
        except (OSError, ValueError) as failure:
            logger.warning(
                "Events that a kill leaves cannot be recovered: %s: %s", path, failure, extra={"event": "NoTrail"}
            )
            return
        for events in self._own.left(self._own.safe(ALL), number):
            yield [row for _, row in events]

    def took(self, number: int) -> None:
        """All events before `number` have come."""
        self._next = number

    def settle(self) -> None:
        """Whatever has come is in some lane."""
        if self._own is not None:
            self._own.keep(ALL, self._next)


def _fitted(row: Row) -> Row:
    """A record of a version with fewer or more fields; new fields come last."""
    return tuple(RequestRecord(*row[:FIELDS]))
