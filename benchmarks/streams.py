"""`python -m benchmarks.streams`: milliseconds that a gateway adds to what must pass at once.

| row | what is timed |
|---|---|
| server-sent events | from the backend's write to the client's read of each event |
| WebSocket frames | from the client's frame to its echo |
| 100 Continue | from the head of a request to the 100 for which its client waits |
| 103 Early Hints | from the backend's write to the client's read |
| chunked trailers | a request whose answer ends with a trailer field, and whether that field arrives |

The backend is asked directly too, and what it takes without a gateway is subtracted; direct and through the gateways
take turns. What does not arrive at all is said.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable

from benchmarks import results
from benchmarks.goals import OURS
from benchmarks.processes import NotReady
from benchmarks.stage import Proxy, Stage
from benchmarks.table import table

GOAL = 1.0  # ms
INTERVAL = 5  # milliseconds between events
WAIT = 5.0  # seconds for one answer
Times = list[float]  # milliseconds


class NotPassed(Exception):
    """The gateway swallows it; the message says what came in its place."""


class Line:
    """A connection, read as text comes. An asynchronous context."""

    def __init__(self, proxy: Proxy, path: str, *fields: str, method: str = "GET") -> None:
        self._proxy = proxy
        self._method = method
        self._path = path
        self._fields = fields

    async def __aenter__(self) -> Line:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._proxy.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.transport.abort()

    def ask(self) -> None:
        path = f"{self._proxy.path}/{self._path}"
        lines = [f"{self._method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self._proxy.port}", *self._fields]
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())

    async def until(self, end: bytes) -> bytes:
        try:
            return await asyncio.wait_for(self.reader.readuntil(end), WAIT)
        except (TimeoutError, asyncio.IncompleteReadError) as none:
            raise NotReady(f"{self._proxy.name}: nothing came for {self._path}") from none


async def events(proxy: Proxy, count: int) -> Times:
    found = []
    async with Line(proxy, f"events/{count}/{INTERVAL}") as line:
        line.ask()
        if b" 200 " not in (head := await line.until(b"\r\n\r\n")):
            raise NotReady(f"{proxy.name}: {head!r}")
        for _ in range(count):
            await line.until(b"data: ")
            at = int(await line.until(b"\n\n"))
            found.append((time.monotonic_ns() - at) / 1e6)
    return found


async def frames(proxy: Proxy, count: int) -> Times:
    found = []
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", key, "Sec-WebSocket-Version: 13")
    path = Proxy(proxy.name, proxy.process, proxy.port, "/socket" if proxy.name == OURS else proxy.path)
    async with Line(path, "echo", *upgrade) as line:
        line.ask()
        if b" 101 " not in (head := await line.until(b"\r\n\r\n")):
            raise NotPassed(f"no upgrade: {head.splitlines()[0].decode()}")
        for number in range(count):
            payload = number.to_bytes(8, "big") * 8
            mask = os.urandom(4)
            frame = b"\x82\xc0" + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
            began = time.monotonic_ns()
            line.writer.write(frame)
            answer = await asyncio.wait_for(line.reader.readexactly(66), WAIT)
            found.append((time.monotonic_ns() - began) / 1e6)
            if answer[2:] != payload:
                raise NotReady(f"{proxy.name} changed a frame: {answer!r}")
            await asyncio.sleep(INTERVAL / 1000)
    return found


async def hundred(proxy: Proxy, count: int) -> Times:
    found = []
    async with Line(proxy, "sink", "Content-Length: 2", "Expect: 100-continue", method="POST") as line:
        for _ in range(count):
            began = time.monotonic_ns()
            line.ask()
            first = await line.until(b"\r\n\r\n")
            if b" 100 " not in first:
                raise NotPassed(f"no 100: {first.splitlines()[0].decode()}")
            found.append((time.monotonic_ns() - began) / 1e6)
            line.writer.write(b"ok")
            await line.until(b"\r\n\r\n2")
            await asyncio.sleep(INTERVAL / 1000)
    return found


async def hints(proxy: Proxy, count: int) -> Times:
    found = []
    for _ in range(max(count // 20, 5)):
        async with Line(proxy, "hints") as line:
            line.ask()
            first = await line.until(b"\r\n\r\n")
            came = time.monotonic_ns()
            if b" 103 " not in first.splitlines()[0]:
                raise NotPassed("the 103 does not arrive")
            at = next(each for each in first.lower().splitlines() if each.startswith(b"x-at:"))
            found.append((came - int(at[5:])) / 1e6)
            await line.until(b"ok")
    return found


async def trailers(proxy: Proxy, count: int) -> Times:
    found = []
    async with Line(proxy, "trailers", "TE: trailers") as line:
        for _ in range(count):
            began = time.monotonic_ns()
            line.ask()
            head = await line.until(b"\r\n\r\n")
            if b"chunked" not in head.lower():
                raise NotPassed("the answer is not chunked any more")
            await line.until(b"\r\n0\r\n")
            rest = await line.until(b"\r\n")
            found.append((time.monotonic_ns() - began) / 1e6)
            if rest == b"\r\n":
                raise NotPassed("the trailer field does not arrive")
            await line.until(b"\r\n")
            await asyncio.sleep(INTERVAL / 1000)
    return found


KINDS: dict[str, Callable[[Proxy, int], Awaitable[Times]]] = {
    "server-sent events": events,
    "WebSocket frames (there and back)": frames,
    "100 Continue": hundred,
    "103 Early Hints": hints,
    "chunked trailers": trailers,
}


def percentile(times: Times, share: float) -> float:
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def measure(arguments: argparse.Namespace) -> str:
    rows = []
    async with Stage("streams") as stage:
        for kind, ask in KINDS.items():
            found: dict[str, Times] = {}
            refused: dict[str, str] = {}
            for number in range(arguments.rounds + 1):
                for proxy in [stage.origin, *stage.proxies]:
                    if proxy.name in refused:
                        continue
                    try:
                        times = await ask(proxy, arguments.count)
                    except NotPassed as why:
                        refused[proxy.name] = str(why)
                        continue
                    if number:  # the first round warms up
                        found.setdefault(proxy.name, []).extend(times)
            direct = found[stage.origin.name]
            for proxy in stage.proxies:
                rows.append(_row(kind, proxy.name, found.get(proxy.name), direct, refused.get(proxy.name, "")))
    heads = ["", "added p50 ms", "added p99 ms", "direct p50, p99 ms", "goal"]
    told = f"{results.machine()}; {arguments.rounds} rounds of {arguments.count}; telemetry off, no policies."
    return f"{table(heads, rows)}\n\nGoal: less than {GOAL:g} ms added (p50). {told}"


def _row(kind: str, name: str, times: Times | None, direct: Times, why: str) -> list[str]:
    bare = f"{statistics.median(direct):.2f}, {percentile(direct, 0.99):.2f}"
    ours = name == OURS
    if times is None:
        return [f"{kind}: {name}", why, "", bare, "missed" if ours else ""]
    middle = statistics.median(times) - statistics.median(direct)
    late = percentile(times, 0.99) - percentile(direct, 0.99)
    return [f"{kind}: {name}", f"{middle:.2f}", f"{late:.2f}", bare, ("met" if middle < GOAL else "missed") * ours]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streams", description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="events, frames ... of a round")
    parser.add_argument("--rounds", type=int, default=3)
    return results.command(parser, measure, "Streams")


if __name__ == "__main__":
    sys.exit(main())
