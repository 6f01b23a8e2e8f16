"""Rate-limit counts on their way from one sidecar to the others. Pure.

Nobody waits for them and nothing is stored: what one sidecar reports is added to what each other one has yet to be
sent. A sidecar that reads too slowly loses the oldest counts, not the agent its memory.
"""

from __future__ import annotations

from typing import NamedTuple

MAX_PENDING = 50_000


class Slot(NamedTuple):
    """A counter in one slice of time: `slot` is floor(unix time / slice)."""

    key: str
    slice_ms: int
    slot: int


class Relay:
    """What each connected stream has yet to be told."""

    def __init__(self) -> None:
        self._pending: dict[object, dict[Slot, int]] = {}
        self._groups: dict[object, str] = {}

    def join(self, stream: object, group: str = "") -> None:
        """Streams of one group hear of each other without the relay."""
        self._pending[stream] = {}
        self._groups[stream] = group

    @property
    def groups(self) -> int:
        """How many count apart from each other."""
        named = {group for group in self._groups.values() if group}
        return len(named) + sum(not group for group in self._groups.values())

    def leave(self, stream: object) -> None:
        self._pending.pop(stream, None)
        self._groups.pop(stream, None)

    def report(self, stream: object, counts: list[tuple[Slot, int]]) -> None:
        """`stream` counted; the others shall know."""
        group = self._groups.get(stream, "")
        for other, pending in self._pending.items():
            if other is stream or (group and self._groups[other] == group):
                continue
            for slot, increment in counts:
                pending[slot] = pending.get(slot, 0) + increment
            while len(pending) > MAX_PENDING:
                del pending[next(iter(pending))]

    def take(self, stream: object) -> dict[Slot, int]:
        """What `stream` has not been told yet; it counts as told from now on."""
        pending = self._pending.get(stream, {})
        if pending:
            self._pending[stream] = {}
        return pending
