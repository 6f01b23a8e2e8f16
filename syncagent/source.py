"""Where the agent has its configuration from: a plane, or a folder in its place."""

from __future__ import annotations

from typing import Any, Protocol

from syncagent import feed as feeds
from syncagent.snapshot import Snapshot


class Plane(Protocol):
    """The calls of docs/configuration-feed.md; all raise CallFailed."""

    async def events(self, held: Snapshot | None) -> feeds.Feed: ...

    async def heartbeat(self, report: dict[str, Any]) -> None: ...

    async def traces(self, batch: list[tuple[str, str]]) -> None: ...

    async def counters(self, report: dict[str, Any]) -> dict[str, Any]: ...
