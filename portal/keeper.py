"""Keeps the catalogue of now.

Rules
1. It is kept in memory, and follows the plane's log of changes, which is looked at once a second whether somebody comes
   or not. What is shown together was there together: when what the log names has been asked for, the log is looked at
   again, until it names nothing more, `TURNS` times at most.
2. A visitor waits `PATIENCE` from the beginning of a look, and is then shown what there is. Only where there is nothing
   yet, visitors wait longer; the portal takes no calls before it has asked for it.
3. While the plane is away, what was kept is shown, and `Catalogues.away` says so.
4. All of it is read anew every `ANEW` seconds, when the log does not reach back or is of another past (the plane was
   restored), and when lists have changed while they were read page by page.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass

from portal.catalogue import Catalogue
from portal.model import Resource
from portal.plane import Plane, PlaneError, PlaneRefused
from portal.stock import News, Stock

CHECK = 1.0  # seconds between two looks at the log
LOOK = 1.0  # the same when nobody comes
ANEW = 600.0  # seconds
PATIENCE = 0.02  # seconds
REST = 5  # times as long as a reading took, before the next one
LONGEST_REST = 2.0  # seconds before what the log names is asked for, after it was the last time
TURNS = 5

_log = logging.getLogger("portal")


@dataclass(frozen=True)
class Mark:
    """A place in the log: a revision, and when it was made, by which a plane that was restored is known."""

    revision: int = 0
    made: str = ""

    def after(self, entries: Iterable[Resource]) -> Mark:
        """The newest of these revisions, or the same place when there are none."""
        told = [Mark(number, str(each.get("time") or "")) for each in entries if (number := _number(each))]
        return max(told, key=lambda one: one.revision, default=self)


class Catalogues:
    """The one catalogue of a portal, kept as the rules above say."""

    def __init__(self, plane: Plane) -> None:
        self.away = False
        self._plane = plane
        self._stock: Stock | None = None
        self._kept: Catalogue | None = None
        self._mark = Mark()
        self._edition = 0
        self._checked = self._rests_until = self._anew_at = self._began = 0.0
        self._renewal: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None

    async def current(self) -> Catalogue:
        """Raises PlaneError when there is nothing yet, and the plane does not give it."""
        if self._kept is None or time.monotonic() - self._checked >= CHECK:
            renewal = self._renewing()
            if self._kept is None:
                await asyncio.shield(renewal)
            elif (left := self._began + PATIENCE - time.monotonic()) > 0:
                done, _ = await asyncio.wait({renewal}, timeout=left)
                for each in done:
                    each.exception()  # it is told by `away`
        assert self._kept is not None, "a renewal that succeeds leaves something"
        return self._kept

    def open(self) -> None:
        """From now on it is kept, whether somebody comes or not."""
        self._looking = asyncio.create_task(self._look_on())

    async def ready(self, seconds: float) -> None:
        """Wait until there is something, or it is known that there is nothing; so long at most."""
        done, _ = await asyncio.wait({self._renewing()}, timeout=seconds)
        for each in done:
            each.exception()  # visitors are told

    async def close(self) -> None:
        tasks = [each for each in (self._looking, self._renewal) if each is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _renewing(self) -> asyncio.Task[None]:
        if self._renewal is None or self._renewal.done():
            self._renewal, self._began = asyncio.create_task(self._renew()), time.monotonic()
        return self._renewal

    async def _look_on(self) -> None:
        while True:
            try:
                await asyncio.shield(self._renewing())
            except PlaneError:
                pass  # visitors are told
            except Exception:
                _log.exception("the catalogue could not be read")
            await asyncio.sleep(LOOK)

    async def _renew(self) -> None:
        started = time.monotonic()
        try:
            if self._stock is None or started >= self._anew_at:
                await self._read()
            else:
                await self._follow(self._stock, started)
            self.away = False
        except PlaneError:
            self.away = True
            if self._kept is None:
                raise
        except Exception:  # what there is may not fit together any more
            self._anew_at = time.monotonic() + REST * (time.monotonic() - started)
            raise
        finally:
            self._checked = time.monotonic()

    async def _read(self) -> None:
        """All of it, and then what was changed meanwhile."""
        started = time.monotonic()
        rows, _ = await self._plane.page("/revisions", 1, 1)
        mark = Mark().after(rows)
        self._edition += 1
        stock = await Stock.read(self._plane, self._edition)
        try:
            mark, shifted = await self._keep_up(stock, mark, await self._told_after(mark))
        except PlaneRefused:  # there was more than the log tells at once
            shifted = True
        self._kept = await stock.catalogue(self._kept)
        self._stock, self._mark = stock, mark
        ended = time.monotonic()
        self._anew_at = ended + (REST * (ended - started) if shifted else ANEW)

    async def _follow(self, stock: Stock, started: float) -> None:
        try:
            entries = await self._told_after(self._mark)
        except PlaneRefused:  # the log does not reach back so far, or the plane has another past
            await self._read()
            return
        if not await News.of(entries):
            self._mark = self._mark.after(entries)
        elif started >= self._rests_until:  # before, it is in the log when this has rested
            self._edition += 1
            mark, _ = await self._keep_up(stock, self._mark, entries)
            self._kept = await stock.catalogue(self._kept)
            self._mark, ended = mark, time.monotonic()
            self._rests_until = ended + min(REST * (ended - started), LONGEST_REST)

    async def _keep_up(self, stock: Stock, mark: Mark, entries: list[Resource]) -> tuple[Mark, bool]:
        """Take what these entries after `mark` name, and those that come meanwhile. How far that is in the log; whether
        lists may have changed while they were read."""
        shifted = False
        for _ in range(TURNS):
            mark, news = mark.after(entries), await News.of(entries)
            if not news:
                break
            shifted = shifted or news.shifts
            await stock.follow(self._plane, news, self._edition)
            entries = await self._told_after(mark)
        return mark, shifted

    async def _told_after(self, mark: Mark) -> list[Resource]:
        """Raises PlaneRefused where the log does not reach back so far, or tells of another past."""
        made = {"made": mark.made} if mark.made else {}
        return [*await self._plane.every("/changes", **{"from": str(mark.revision)}, **made)]


def _number(entry: Resource) -> int:
    """The revision that an entry of the log is."""
    value = entry.get("revision")
    return value if isinstance(value, int) else 0
