"""What a sidecar tells its agent and hears from it, beside configurations: the ports of the stream (sync.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

# key, slice in milliseconds, slot = floor(unix time of the agent / slice), increment
Count = tuple[str, int, int, int]


class SharedCounters(Protocol):
    """Rate-limit counts to exchange; called in a thread."""

    stir: Callable[[], None] | None  # called, in any thread, when a count should not wait; None: nobody would hear it

    def part(self, groups: int) -> None:
        """The agent is gone, and so many counted apart from each other; 0: it is back."""
        ...

    def align(self, told: float, first: bool) -> None:
        """The agent's Unix time as a message tells it, the first one of a connection or a later one."""
        ...

    def drain(self) -> list[Count]:
        """What was counted here since the last call."""
        ...

    def merge(self, key: str, slice_ms: int, slot: int, increment: int) -> None:
        """What another sidecar counted."""
        ...


# key, start in Unix seconds, period in seconds, window, calls, bytes
QuotaCount = tuple[str, float, int, int, int, int]


class SharedQuotas(Protocol):
    """Quota counts to exchange: see proto/counter_sync.proto; called in threads."""

    stir: Callable[[], None] | None  # as that of counters

    def align(self, told: float, first: bool) -> None: ...

    def held(self) -> list[QuotaCount]: ...

    def report(self, again: bool) -> tuple[int, list[QuotaCount]] | None: ...

    def merge(self, totals: list[QuotaCount], answered: int) -> None: ...


class FinishedTraces(Protocol):
    """Traces that wait for the agent."""

    announce: Callable[[], None]  # called, in any thread, when there is one more

    def take(self) -> list[tuple[str, bytes]]:
        """(id, JSON) of all that wait; called in a thread."""
        ...


class WaitingFigures(Protocol):
    """What was counted of requests and waits for the agent, in numbered documents; called in threads."""

    source: str
    announce: Callable[[], None]  # called, in any thread, when there is one more

    def after(self, sequence: int) -> list[tuple[int, bytes]]: ...

    def taken(self, sequence: int) -> None: ...

    def __len__(self) -> int: ...
