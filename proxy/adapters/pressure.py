"""Short of memory or of descriptors: refuse some requests early rather than be killed, or fail all of them, later.

Memory is what the kernel will end us for: that of our cgroup (version 2 or 1) without the pages it can take back,
against the cgroup's limit. With `proxy.memory.megabytes` it is that of this process alone, for hosts without cgroups.

Rules
1. From `proxy.memory.shed.percent` on, no more requests are served at a time than there is memory for if each needs
   what a policy that reads bodies can need, and the others get 503 with Retry-After. From halfway between there and the
   limit on, or when there is none for a second one, bodies on their way in are given up too. One is always served: what
   does not fall by itself must not become an outage.
2. A policy that reads bodies claims the memory for one before it is taken in; what there is no room for gets 503 too.
3. Looking costs a few reads of the kernel's files, ten times a second; a hundred times once half of the memory is in
   use, since a burst of large bodies fills the rest in less than the time between two looks. A request compares one
   number.
4. Half of the descriptors, less a reserve, are for clients: each may need one towards a backend. Who comes beyond that
   gets 503 and is closed; meanwhile answers close their connections, and idle ones are closed, so that room comes back.

HTTP/2 has the same rules; besides, the windows of its connections are not opened again while bodies are given up. What
comes back from backends is bounded by rule 1 alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import resource
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.adapters.reply import error_reply
from proxy.errors import Overloaded
from proxy.lifecycle import Sidecar
from proxy.settings import integer
from telemetry.memory import give_back

if TYPE_CHECKING:
    from proxy.server import Server

log = logging.getLogger("proxy.pressure")

NEED = 16 << 20  # bytes that a request may take: a body of 2 MiB as pieces, bytes and text, changed, and its answer
EVERY, OFTEN = 0.1, 0.01  # seconds
HALF = 0.5  # of the limit: from here on it is looked at often
RELIEF = 0.03  # of the limit: so far below, all are served again
TRIM_EVERY = 50  # looks
RESERVE = 96  # descriptors for files, sockets of our own, and clients that are turned away
UNLIMITED = 1 << 50  # bytes; what version 1 says for "none" is beyond
CGROUPS = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
WAIT = 0.5  # seconds that a connection which there is no room for may take to say what it wants ...
WAITING = 48  # ... and how many of those there may be; further ones are answered at once
_PAGE = os.sysconf("SC_PAGE_SIZE")


def most_connections() -> int:
    """How many clients may be connected at a time; raises the limit of descriptors as far as this user may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return sys.maxsize if hard == resource.RLIM_INFINITY else max((hard - RESERVE) // 2, 1)


@dataclass(slots=True, frozen=True)
class Group:
    """A memory cgroup: its limit in bytes, and the files that say what is used, and what of it are idle pages."""

    limit: int
    usage: Path
    stat: Path
    idle: str

    def used(self) -> int:
        """Bytes. Raises OSError, ValueError."""
        idle = 0
        for line in self.stat.read_text().splitlines():
            name, _, value = line.partition(" ")
            if name == self.idle:
                idle = int(value)
                break
        return max(int(self.usage.read_text()) - idle, 0)


def own_group(root: Path = CGROUPS, own: Path = OWN) -> Group | None:
    """The nearest cgroup above this process that has a limit; None without one."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return None
    found: list[Group] = []
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0":
            names = (root, "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            names = (root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        found += _limited(path, *names)
    return min(found, key=lambda group: group.limit, default=None)


def _limited(path: str, top: Path, limit: str, usage: str, idle: str) -> list[Group]:
    """Groups with a limit, from the process's own up to the top. In a container its own is often mounted as the top."""
    here = top / path.strip("/")
    places = [here, *here.parents] if here.is_relative_to(top) else []
    groups = []
    for place in dict.fromkeys([*(each for each in places if each.is_relative_to(top)), top]):
        try:
            most = int((place / limit).read_text())
        except (OSError, ValueError):  # "max", or nothing there
            continue
        if most < UNLIMITED:
            groups.append(Group(most, place / usage, place / "memory.stat", idle))
    return groups


class Farewell:
    """A client that there is no room for: its first request gets 503, or it does at once when too many wait for that.
    Called when it has said something, when it has not for a while, and when it is gone; the first time counts."""

    def __init__(self, house: Server, transport: asyncio.Transport) -> None:
        self._house, self._transport, self._said = house, transport, False
        house.turned_away += 1
        if house.turned_away > WAITING:
            self()
        else:
            asyncio.get_running_loop().call_later(WAIT, self)

    def __call__(self) -> None:
        if self._said:
            return
        self._said = True
        self._house.turned_away -= 1
        transport = self._transport
        if transport.is_closing():
            return
        if transport.get_extra_info("ssl_object") is None:
            with contextlib.suppress(OSError):  # what is there unread would reset the connection, answer and all
                os.read(transport.get_extra_info("socket").fileno(), 64 * 1024)
        transport.write(error_reply(Overloaded("too many clients are connected")))
        transport.close()


def own_memory() -> int:
    """Bytes of this process that are its own."""
    resident, shared = Path("/proc/self/statm").read_text().split()[1:3]
    return (int(resident) - int(shared)) * _PAGE


class MemoryWatch:
    """Tells the sidecar how many requests it may serve at a time."""

    def __init__(self, sidecar: Sidecar, values: Mapping[str, str]) -> None:
        """Raises SettingError."""
        self._sidecar = sidecar
        self._share = integer(values, "proxy.memory.shed.percent", 90, 0, 99) / 100
        megabytes = integer(values, "proxy.memory.megabytes", 0, 0, 1 << 20)
        self._group = None if megabytes or not self._share else own_group()
        self.limit = megabytes << 20 if megabytes else self._group.limit if self._group is not None else 0
        self._looks = 0

    async def run(self) -> None:
        """Until cancelled; ends at once when there is nothing to watch."""
        while self.limit and self._share:
            try:
                used = self._group.used() if self._group is not None else own_memory()
            except (OSError, ValueError):
                used = 0  # a group that went away limits nothing
            share = used / self.limit
            await self.judge(share)
            await asyncio.sleep(EVERY if share < HALF else OFTEN)

    async def judge(self, share: float) -> None:
        sidecar = self._sidecar
        sidecar.room = int(max(self._share - share, 0) * self.limit)
        strained = sidecar.most < sys.maxsize
        if share < self._share - (RELIEF if strained else 0):
            if strained:
                sidecar.most, sidecar.strained = sys.maxsize, False
                log.warning(
                    "memory is at %.0f %%: all requests are served again", share * 100, extra={"event": "Relief"}
                )
            self._looks = 0
            return
        room = int((1 - share) * self.limit)
        sidecar.most = max(room // NEED, 1)
        sidecar.strained = share >= (1 + self._share) / 2 or room < NEED
        if not strained:
            log.warning(
                "memory is at %.0f %% of %d MiB: at most %d requests are served at a time, others get 503",
                share * 100, self.limit >> 20, sidecar.most, extra={"event": "MemoryPressure"},
            )  # fmt: skip
        if not self._looks:
            gc.collect()
        if self._looks % TRIM_EVERY == 0:
            await asyncio.to_thread(give_back)
        self._looks += 1
