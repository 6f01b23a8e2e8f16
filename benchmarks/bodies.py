"""`python -m benchmarks.bodies`: what a body of 100 MB takes, either way: memory, time, CPU; beside nginx and Envoy.

Memory is the most that the gateway (with descendants) held resident while the body passed, less what it held before,
after a smaller body has passed as a warm-up; the clients are slow in one row, so that a gateway that does not wait for
them shows it. Rounds are interleaved, figures are medians, memory the largest of all rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks import results
from benchmarks.goals import OURS
from benchmarks.processes import MEGABYTE, NotReady, descendants, peak, reset_peak, usage
from benchmarks.stage import Proxy, Stage
from benchmarks.table import table

PIECE = 1 << 18
EXTRA_GOAL, SHARE_GOAL = 2.0, 0.7  # MB; of nginx's throughput


def family(proxy: Proxy) -> list[int]:
    return [proxy.process.pid, *descendants(proxy.process.pid)] if proxy.process is not None else []


def _connected(proxy: Proxy, head: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", proxy.port), timeout=60)
    connection.sendall(f"{head}Host: 127.0.0.1:{proxy.port}\r\n\r\n".encode())
    return connection


def download(proxy: Proxy, size: int, pause: float) -> None:
    """Reads all of it, with a pause after each piece. Raises NotReady for another answer."""
    buffer, text, left = bytearray(PIECE), b"", -1
    with _connected(proxy, f"GET {proxy.path}/bytes/{size} HTTP/1.1\r\n") as connection:
        while left:
            count = connection.recv_into(buffer)
            if not count:
                raise NotReady(f"{proxy.name} closed with {left} bytes to come: {text[:200]!r}")
            if left < 0:
                text += bytes(buffer[:count])
                head, found, rest = text.partition(b"\r\n\r\n")
                if not found:
                    continue
                if b" 200 " not in head:
                    raise NotReady(f"{proxy.name}: {head[:300]!r}")
                left = size - len(rest)
            else:
                left -= count
            if pause:
                time.sleep(pause)


def upload(proxy: Proxy, size: int, pause: float) -> None:
    piece = b"x" * PIECE
    head = f"POST {proxy.path}/sink HTTP/1.1\r\nContent-Length: {size}\r\nContent-Type: application/octet-stream\r\n"
    with _connected(proxy, head) as connection:
        left = size
        while left > 0:
            connection.sendall(piece[:left] if left < PIECE else piece)
            left -= PIECE
            if pause:
                time.sleep(pause)
        text = b""
        while not text.endswith(str(size).encode()):
            data = connection.recv(65536)
            text += data
            if not data or (b"\r\n\r\n" in text and b" 200 " not in text[:20]):
                raise NotReady(f"{proxy.name}: {text[:300]!r}")


@dataclass
class Cell:
    """Seconds and CPU seconds of each round; MB beyond what was held before."""

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    extra: list[float] = field(default_factory=list)


def carry(proxy: Proxy, work: Callable[[Proxy, int, float], None], size: int, pause: float, cell: Cell) -> None:
    pids = family(proxy)
    for pid in pids:
        reset_peak(pid)
    before = {pid: usage(pid) for pid in pids}
    began = time.perf_counter()
    work(proxy, size, pause)
    cell.seconds.append(time.perf_counter() - began)
    cell.cpu.append(sum(usage(pid).cpu - before[pid].cpu for pid in pids))
    cell.extra.append(sum(max(peak(pid) - before[pid].resident, 0) for pid in pids) / MEGABYTE)


KINDS: dict[str, tuple[Callable[[Proxy, int, float], None], float]] = {
    "download": (download, 0.0),
    "upload": (upload, 0.0),
    "download, slow client": (download, 0.002),
}


async def measure(arguments: argparse.Namespace) -> str:
    size = arguments.megabytes * 1_000_000
    cells: dict[tuple[str, str], Cell] = {}
    async with Stage("streams") as stage:
        for kind, (work, pause) in KINDS.items():
            for proxy in stage.proxies:  # warm
                await asyncio.to_thread(work, proxy, size // 5, 0.0)
            for number in range(arguments.rounds):
                turn = number % len(stage.proxies)
                for proxy in stage.proxies[turn:] + stage.proxies[:turn]:
                    cell = cells.setdefault((kind, proxy.name), Cell())
                    await asyncio.to_thread(carry, proxy, work, size, pause, cell)
    rows = []
    for (kind, name), cell in cells.items():
        seconds = statistics.median(cell.seconds)
        nginx = cells.get((kind, "nginx"))
        rows.append(
            [
                f"{kind}: {name}",
                f"{max(cell.extra):.1f}",
                f"{size / seconds / 1e6:.0f}",
                f"{statistics.median(nginx.seconds) / seconds:.2f}" if nginx else "nginx is not here",
                f"{statistics.median(cell.cpu) * 1000:.0f}",
                _verdict(name, cell, nginx) if "slow" not in kind else "",
            ]
        )
    heads = [f"{arguments.megabytes} MB", "extra memory MB", "MB/s", "x nginx", "CPU ms", "goal"]
    goal = f"Goal: at most {EXTRA_GOAL:g} MB of extra memory, at least {SHARE_GOAL:g} of nginx's throughput."
    told = f"{results.machine()}; {arguments.rounds} interleaved rounds on loopback, telemetry off."
    return f"{table(heads, rows)}\n\n{goal} {told}"


def _verdict(name: str, cell: Cell, nginx: Cell | None) -> str:
    if name != OURS or nginx is None:
        return ""
    share = statistics.median(nginx.seconds) / statistics.median(cell.seconds)
    return "met" if max(cell.extra) <= EXTRA_GOAL and share >= SHARE_GOAL else "missed"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bodies", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    return results.command(parser, measure, "Large bodies")


if __name__ == "__main__":
    sys.exit(main())
