"""Request records on standard output, next to the sidecar's own events: `telemetry.logs.std` none, text or json.

Only the lane waits for whoever reads it, and at the end of the process not for one that takes nothing.
"""

from __future__ import annotations

import logging
import os
import select
import sys
from collections.abc import Callable, Mapping, Sequence

from telemetry.batch import Batch
from telemetry.lane import Lane, Later, Refused
from telemetry.log import FORMATS, LEVELS, choice, colored
from telemetry.metrics import Metric
from telemetry.request_lines import RequestLines
from telemetry.settings import Resource

# A pipe takes this much in one piece, so lines of several writers do not mix.
ATOMIC = 4096
PATIENCE = 0.4  # seconds, at the end


class LocalLog:
    """Lines as the self-hosted gateway writes them."""

    def __init__(self, shape: str, color: bool, descriptor: int) -> None:
        self._lines = RequestLines(shape, color)
        self._descriptor = descriptor
        self.lanes = (Lane("standard output", self._write),)

    def records(self, batch: Batch, resource: Resource) -> None:
        text = "\n".join([*self._lines.lines(batch, resource.region), ""])
        self.lanes[0].put(text.encode("utf-8", "replace"), len(batch))

    def metrics(self, metrics: Sequence[Metric], resource: Resource) -> None:
        """Metrics are not logged."""

    def tick(self, resource: Resource) -> None:
        """Lines do not wait."""

    def _write(self, data: bytes, timeout: float) -> None:
        start = 0
        while start < len(data):
            end = len(data)
            if end - start > ATOMIC:
                at = data.rfind(b"\n", start, start + ATOMIC)
                end = (at if at >= 0 else data.index(b"\n", start)) + 1
            piece = memoryview(data)[start:end]
            try:
                while piece:
                    self._wait_for_room()
                    piece = piece[os.write(self._descriptor, piece) :]
            except OSError as failure:
                raise Refused(str(failure)) from failure
            start = end

    def _wait_for_room(self) -> None:
        """Raises Later at the end: what others share may not be made non-blocking, so it is asked first."""
        room = select.poll()
        room.register(self._descriptor, select.POLLOUT)
        while not room.poll(PATIENCE * 1000):
            if self.lanes[0].finishing:
                raise Later("nobody reads it")


def from_settings(settings: Mapping[str, str], read: Callable[[], list[Metric]]) -> LocalLog | None:
    shape = choice(settings, "telemetry.logs.std", FORMATS, "text")
    level = choice(settings, "telemetry.logs.std.level", tuple(LEVELS), "info")
    if shape == "none" or LEVELS[level] > logging.INFO:
        return None
    return LocalLog(shape, colored(settings, sys.stdout), sys.stdout.fileno())
