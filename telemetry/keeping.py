"""Which lanes are kept on disk: those that name a folder, below `telemetry.spool.path`.

Rules
1. A disk that is full, read-only or not there costs a line in the log and nothing else: lanes go on in memory, and
   look again every `RETRY` seconds.
2. Workers share the limit of a destination evenly, and so do the lanes of one destination.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping

from telemetry.lane import Lane
from telemetry.settings import spool
from telemetry.spool import Desk, safe

logger = logging.getLogger(__name__)

RETRY = 10.0  # seconds
ADOPT = 5.0  # seconds between looks at what others left
EXPIRE = 600.0  # seconds


class Keeping:
    """The child's part of the disk. Called by its one thread."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        """Raises ValueError naming a setting."""
        self._settings = spool(settings)
        self._instance = settings.get("instance.id", "") or "sidecar"
        self._desk: Desk | None = None
        self._lanes: list[Lane] = []  # those that want a folder
        self._open_at = 0.0
        self._adopt_at = 0.0
        self._expire_at = 0.0
        self._told = False

    def attach(self, lanes: Iterable[Lane]) -> None:
        """Give each lane its folder that wants one and has none."""
        waiting = [lane for lane in lanes if lane.spool and not lane.attached]
        if not waiting or self._settings.path is None or time.monotonic() < self._open_at:
            return
        try:
            if self._desk is None:
                self._desk = Desk(self._settings.path, self._instance)
            for lane in waiting:
                lane.attach(self._desk.folder(lane.spool), self._settings.limit, self._settings.age)
                self._lanes.append(lane)
        except OSError as failure:
            self._open_at = time.monotonic() + RETRY
            self._report(failure)
        else:
            self._told = False

    def tick(self, lanes: Iterable[Lane]) -> None:
        self.attach(lanes)
        now = time.monotonic()
        if self._desk is None or now < self._adopt_at:
            return
        self._adopt_at = now + ADOPT
        try:
            for destination, left in self._desk.adopt().items():
                for lane in self._lanes:
                    if safe(lane.spool) == destination:
                        lane.inherit(sorted(left))
            if now >= self._expire_at:
                self._expire_at = now + EXPIRE
                oldest = time.time_ns() - int(self._settings.age * 1e9)
                self._desk.expire(oldest, [lane.spool for lane in self._lanes])
        except OSError as failure:
            self._report(failure)

    def close(self) -> None:
        if self._desk is not None:
            self._desk.close()
            self._desk = None

    def _report(self, failure: OSError) -> None:
        if not self._told:
            self._told = True
            logger.warning(
                "Telemetry is not kept on disk while its destination is away, only in memory: %s: %s. Make the folder "
                "writable for this user, name another with telemetry.spool.path, or turn it off with `none`.",
                self._settings.path,
                failure.strerror or failure,
                extra={"event": "TelemetrySpoolFailed"},
            )
