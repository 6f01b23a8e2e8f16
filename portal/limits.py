"""How often somebody may do something: so many times within a window of time; bounded in who is remembered."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from aiohttp import web

from portal.page import SETTINGS

KNOWN = 10_000


class Limit:
    """At most `most` times within `window` seconds."""

    def __init__(self, most: int, window: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._window, self._clock = most, window, clock
        self._times: dict[str, deque[float]] = {}

    def wait(self, who: str) -> int:
        """Seconds until `who` may do it again; 0 for now."""
        found, now = self._times.get(who, deque()), self._clock()
        while found and found[0] <= now - self._window:
            found.popleft()
        return 0 if len(found) < self._most else int(found[0] + self._window - now) + 1

    def note(self, who: str) -> None:
        """`who` has done it."""
        found = self._times.pop(who, deque(maxlen=self._most))
        found.append(self._clock())
        self._times[who] = found
        if len(self._times) > KNOWN:
            del self._times[next(iter(self._times))]

    def check(self, request: web.Request) -> None:
        """May the client do it now? Raises HTTPTooManyRequests."""
        if seconds := self.wait(client(request)):
            raise web.HTTPTooManyRequests(
                text=f"Too many attempts: try again in {seconds} seconds.", headers={"Retry-After": str(seconds)}
            )

    def take(self, request: web.Request) -> None:
        """The client does it now. Raises HTTPTooManyRequests."""
        self.check(request)
        self.note(client(request))


def client(request: web.Request) -> str:
    """The address of a client: what the outermost of the proxies that the settings trust was called from."""
    proxies = request.app[SETTINGS].proxies
    told = [each.strip() for each in ",".join(request.headers.getall("X-Forwarded-For", [])).split(",") if each.strip()]
    return told[-proxies] if proxies and len(told) >= proxies else request.remote or ""
