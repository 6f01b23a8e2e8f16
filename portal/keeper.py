"""Keeps the catalogue of now.

Rules
1. It is kept in memory, and follows the plane's log of changes. The log is looked at once a second at most when
   somebody comes, and every `LOOK` seconds when nobody does, so that who comes then waits for little.
2. A visitor waits `PATIENCE` from the beginning of a look, and is then shown what there is. Only where there is nothing
   yet, visitors wait longer; the portal takes no calls before it has asked for it.
3. While the plane is away, what was kept is shown, and `Catalogues.away` says so.
4. All of it is read anew every `ANEW` seconds, and when the log does not reach back: the plane may have another past
   since it was restored. So it is when lists have changed while they were read page by page.
"""

from __future__ import annotations

import asyncio
import logging
import time

from portal.catalogue import Catalogue
from portal.plane import Plane, PlaneError, PlaneRefused
from portal.stock import News, Stock

CHECK = 1.0  # seconds between two looks at the log
LOOK = 5.0  # seconds between two looks when nobody comes
SOON = 1.0  # seconds, where there is nothing yet
ANEW = 600.0  # seconds
PATIENCE = 0.02  # seconds
REST = 5  # times as long as a reading took, before the next one

_log = logging.getLogger("portal")


class Catalogues:
    """The one catalogue of a portal, kept as the rules above say."""

    def __init__(self, plane: Plane) -> None:
        self.away = False
        self._plane = plane
        self._stock: Stock | None = None
        self._kept: Catalogue | None = None
        self._revision = 0
        self._edition = 0
        self._unsure = False
        self._checked = self._rests_until = self._read_at = self._began = 0.0
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
            await asyncio.sleep(SOON if self._kept is None else LOOK)

    async def _renew(self) -> None:
        started = time.monotonic()
        try:
            anew = started - self._read_at >= ANEW or (self._unsure and started >= self._rests_until)
            if self._stock is None or anew:
                await self._read()
            else:
                await self._follow(self._stock, started)
            self.away = False
        except PlaneError:
            self.away = True
            if self._kept is None:
                raise
        finally:
            self._checked = time.monotonic()

    async def _read(self) -> None:
        """All of it. What is changed meanwhile is in the log after the revision that is asked for first, and followed
        when it is looked at next."""
        started = time.monotonic()
        rows, _ = await self._plane.page("/revisions", 1, 1)
        self._edition, self._unsure = self._edition + 1, True
        stock = await Stock.read(self._plane, self._edition)
        self._kept = await stock.catalogue(self._kept)
        self._stock, self._revision = stock, max((_number(each) for each in rows), default=0)
        meanwhile = await self._plane.every("/changes", **{"from": str(self._revision)})
        self._unsure = (await News.of(meanwhile)).shifts
        self._read_at = time.monotonic()
        self._rests_until = self._read_at + REST * (self._read_at - started)

    async def _follow(self, stock: Stock, started: float) -> None:
        try:
            entries = await self._plane.every("/changes", **{"from": str(self._revision)})
        except PlaneRefused:  # the log does not reach back so far, or the plane has another past
            await self._read()
            return
        news = await News.of(entries)
        if news:
            if started < self._rests_until:
                return  # it is in the log when this has rested
            self._edition += 1
            await stock.follow(self._plane, news, self._edition)
            self._kept = await stock.catalogue(self._kept)
            ended = time.monotonic()
            self._rests_until = ended + REST * (ended - started)
        self._revision = max((_number(each) for each in entries), default=self._revision)


def _number(entry: dict[str, object]) -> int:
    """The revision that an entry of the log is."""
    value = entry.get("revision")
    return value if isinstance(value, int) else 0
