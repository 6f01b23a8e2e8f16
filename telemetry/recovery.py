"""What a child owes to the records before it: it reads the trails of the dead, and says on its own how far it has come.

Rules
1. What is left of the dead is sent before anything new, but not before the first new record comes (or `PATIENCE` has
   passed): only then the child has been told who it is and where telemetry goes.
2. A record is safe once every exporter has put it into its lanes: `waiting` is how many of the last ones have not been.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping

from telemetry.frames import EVENT_FIELDS
from telemetry.records import RequestRecord, Row
from telemetry.trail import Left, Reader

logger = logging.getLogger(__name__)

PATIENCE = 5.0  # seconds
INTERVAL = 5.0  # seconds between looks
FIELDS = len(RequestRecord._fields)


class Recovery:
    """Called by the child's one thread."""

    def __init__(self, settings: Mapping[str, str], instance: str) -> None:
        self._left = Left(settings, instance)
        self._own: Reader | None = None
        self._owed = False  # records of the child before this one
        self._next = 0  # number of the next record in the pipe
        self._since = 0  # records since the last that was recovered
        self._claimed: list[Reader] = []
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

    def rows(self) -> Iterator[list[Row]]:
        """What others left, and then what the child before this one had not made safe."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + INTERVAL
            for reader in self._left.claim():
                yield from self._recovered(reader, None)
                self._claimed.append(reader)
        if self._owed and self._own is not None:
            self._owed = False
            yield from self._recovered(self._own, self._next)

    def took(self, count: int) -> None:
        """New records, from the pipe."""
        self._next += count
        self._since += count

    def settle(self, waiting: int) -> None:
        if waiting > self._since or self._owed:
            return  # what was recovered is not safe yet
        for reader in self._claimed:
            reader.remove()
        self._claimed.clear()
        if self._own is not None:
            self._own.keep(self._next - waiting)

    def _recovered(self, reader: Reader, before: int | None) -> Iterator[list[Row]]:
        count = 0
        for rows in reader.left(before):
            self._since = 0
            count += len(rows)
            yield [row if len(row) in (FIELDS, EVENT_FIELDS) else _fitted(row) for row in rows]
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
        yield from self._own.left(number)

    def took(self, number: int) -> None:
        """All events before `number` have come."""
        self._next = number

    def settle(self) -> None:
        """Whatever has come is in some lane."""
        if self._own is not None:
            self._own.keep(self._next)


def _fitted(row: Row) -> Row:
    """A record of a version with fewer or more fields; new fields come last."""
    return tuple(RequestRecord(*row[:FIELDS]))
