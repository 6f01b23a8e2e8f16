"""What a lane sends, and what its destination may say of it other than yes."""

from __future__ import annotations

from dataclasses import dataclass

from telemetry.spool import Stored


@dataclass(slots=True)
class Later(Exception):
    """The destination cannot take it now. `after` is its own wish in seconds; 0 leaves it to the back-off."""

    reason: str
    after: float = 0.0


@dataclass(slots=True)
class Refused(Exception):
    """The destination will never take it."""

    reason: str


@dataclass(slots=True)
class Partly(Exception):
    """The destination took some: it refused `refused` items for good, and `rest`, a payload of `rest_count` items, is
    to be tried again, after `after` seconds if it said so. All others are delivered."""

    reason: str
    refused: int
    rest: bytes = b""
    rest_count: int = 0
    after: float = 0.0


@dataclass(slots=True)
class Payload:
    """Encoded once, sent as it is. `count` is items: records, spans or data points; `key` is when it was put, in Unix
    nanoseconds, and its place. `data` or `stored` or both are there; `staged` is a file that has no name yet; `left`
    says that an earlier process put it."""

    key: int
    count: int
    data: bytes | None
    stored: Stored | None = None
    staged: Stored | None = None
    left: bool = False
