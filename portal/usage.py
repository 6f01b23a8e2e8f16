"""What a visitor used: the plane's reports about one user, and the drawing of them. Bars are drawn here, in percent."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from portal.plane import Plane

SPANS = {"1": ("24 hours", "PT1H"), "7": ("7 days", "P1D"), "30": ("30 days", "P1D"), "90": ("90 days", "P1D")}
MOST = 20  # lines of a table
DAY = datetime.timedelta(days=1)
COUNTS = ("callCountSuccess", "callCountBlocked", "callCountFailed", "callCountOther")


@dataclass(frozen=True)
class Bar:
    """`pieces` are (class, top, height); all numbers are percent of the drawing."""

    left: float
    width: float
    pieces: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True)
class Line:
    """A row of a table: `name` is what was counted; times in milliseconds, size in bytes."""

    name: str
    calls: int
    well: int
    refused: int
    failed: int
    time: float
    size: int

    @property
    def share(self) -> str:
        """Of the calls that went well."""
        return f"{100 * self.well / self.calls:.1f} %" if self.calls else "-"


@dataclass(frozen=True)
class Usage:
    days: str
    total: Line
    steps: tuple[Line, ...]
    bars: tuple[Bar, ...]
    most: int
    subscriptions: tuple[Line, ...]
    apis: tuple[Line, ...]


def span_of(days: str) -> str:
    return days if days in SPANS else "7"


async def read(plane: Plane, user: str, days: str, now: datetime.datetime) -> Usage:
    """`user` is the path at the plane, such as /users/ann. Raises PlaneError."""
    since = now - int(days) * DAY
    interval = SPANS[days][1]
    since = since.replace(minute=0, second=0, microsecond=0)
    since = since + datetime.timedelta(hours=1) if days == "1" else (since + DAY).replace(hour=0)
    stamps = f"timestamp ge datetime'{since:%Y-%m-%dT%H:%M:%S}' and timestamp le datetime'{now:%Y-%m-%dT%H:%M:%S}'"
    about = {"$filter": f"{stamps} and userId eq '{user}'"}
    by_time, by_subscription, by_api = await asyncio.gather(
        plane.every("/reports/byTime", **about, interval=interval),
        plane.page("/reports/bySubscription", 1, MOST, **about, **{"$orderby": "callCountTotal desc"}),
        plane.page("/reports/byApi", 1, MOST, **about, **{"$orderby": "callCountTotal desc"}),
    )
    step = datetime.timedelta(hours=1) if days == "1" else DAY
    known = {str(each.get("timestamp") or "")[:13]: each for each in by_time}
    steps = []
    for number in range(400):
        at = since + number * step
        if at > now:
            break
        name = f"{at:%H:%M}" if days == "1" else f"{at:%d %b}"
        steps.append(_line(name, known.get(f"{at:%Y-%m-%dT%H}", {})))
    return Usage(
        days,
        _sum(steps),
        tuple(steps),
        bars(steps),
        max((one.calls for one in steps), default=0),
        _lines(by_subscription[0]),
        _lines(by_api[0]),
    )


def bars(steps: list[Line]) -> tuple[Bar, ...]:
    most = max((one.calls for one in steps), default=0)
    width = 100 / max(1, len(steps))
    drawn = []
    for number, one in enumerate(steps):
        top, pieces = 100.0, []
        for name, count in (("well", one.well), ("refused", one.refused), ("failed", one.failed)):
            if count:
                height = 100 * count / most
                top -= height
                pieces.append((name, round(top, 2), round(height, 2)))
        drawn.append(Bar(round(number * width + width * 0.1, 2), round(width * 0.8, 2), tuple(pieces)))
    return tuple(drawn)


def _lines(rows: list[dict[str, Any]]) -> tuple[Line, ...]:
    lines = (_line(str(each.get("name") or "unknown"), each) for each in rows)
    return tuple(sorted((one for one in lines if one.calls), key=lambda one: -one.calls))


def _line(name: str, row: Mapping[str, Any]) -> Line:
    well, refused, failed, other = (int(row.get(each) or 0) for each in COUNTS)
    return Line(
        name,
        well + refused + failed + other,
        well,
        refused,
        failed + other,
        float(row.get("apiTimeAvg") or 0),
        int(row.get("bandwidth") or 0),
    )


def _sum(lines: list[Line]) -> Line:
    calls = sum(one.calls for one in lines)
    time = sum(one.time * one.calls for one in lines) / calls if calls else 0.0
    return Line(
        "",
        calls,
        sum(one.well for one in lines),
        sum(one.refused for one in lines),
        sum(one.failed for one in lines),
        time,
        sum(one.size for one in lines),
    )
