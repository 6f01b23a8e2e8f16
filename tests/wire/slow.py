"""Slow clients: each kind alone against its deadline, and 1,000 of them beside a good one.

Figures are printed beside the goals. What is judged is generous, since other work may share the machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import statistics
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from tests.proxy.sidecar_harness import read_body
from tests.wire.gateway import Gateway

LARGE = b"x" * (2 * 1024 * 1024)
EACH = 250  # slow clients of each of four kinds
WATCHED = 20.0  # seconds that the good client asks for
GOAL_P99 = 0.050  # seconds
JUDGED_P99 = 0.250
MIB = 1024 * 1024
LINE = b"GET /ok HTTP/1.1\r\n"
ASKED = LINE + b"Host: gw.test\r\n\r\n"
BODY = b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n"


@dataclass(slots=True)
class Finding:
    id: str
    name: str
    goal: str
    measured: str
    holds: bool


async def _open(made: Gateway, window: int = 0) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    sock = socket.socket()
    if window:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", made.port))
    return await asyncio.open_connection(sock=sock, limit=4096 if window else 65536)


async def _until_closed(
    made: Gateway, first: bytes, drip: bytes, longest: float, answered: bool = False
) -> tuple[float, bytes]:
    """Seconds until the gateway closed (or refused), and what it said; one byte of `drip` per second."""
    reader, writer = await _open(made)
    writer.write(first)
    if answered:
        await reader.readuntil(b"\r\n\r\nok")
    began, received = time.monotonic(), b""
    try:
        for number in range(int(longest)):
            if drip and number:
                writer.write(drip[number - 1 : number])
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    while chunk := await reader.read(4096):
                        received += chunk
                    break
    except ConnectionError:
        pass
    finally:
        took = time.monotonic() - began
        writer.transport.abort()
    return took, received[:40]


async def deadlines(made: Gateway) -> list[Finding]:
    """S-01 to S-05 with the settings as they are by default, all at the same time: 80 s."""
    kinds = [
        ("S-01", "slow headers, 1 byte/s", LINE + b"Host: h\r\n", b"X-A: " + b"a" * 99, 10.0, False),
        ("S-02", "slow body, 1 byte/s", BODY, b"b" * 99, 10.0, False),
        ("S-03", "connect, then silence", b"", b"", 10.0, False),
        ("S-04", "request line, then silence", LINE, b"", 10.0, False),
        ("S-05", "idle after a request", ASKED, b"", 75.0, True),
        ("S-07", "half a request behind a whole one", ASKED + LINE, b"", 10.0, True),
    ]  # fmt: skip
    results = await asyncio.gather(
        *(_until_closed(made, first, drip, goal + 8, answered) for _, _, first, drip, goal, answered in kinds)
    )
    found = []
    for (id, name, _, _, goal, _), (took, said) in zip(kinds, results, strict=True):
        told = said.split(b"\r\n")[0].decode("latin-1")
        found.append(Finding(id, name, f"<= {goal:g} s", f"{took:.1f} s {told}", took <= goal + 3))
    return found


async def send_deadline(made: Gateway, seconds: float) -> Finding:
    """A client that stops in the middle of an answer; the gateway was told to wait `seconds`."""
    made.backend.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (8 * len(LARGE)) + 8 * LARGE
    reader, writer = await _open(made, window=4096)
    writer.write(b"GET /big HTTP/1.1\r\nHost: gw.test\r\n\r\n")
    await reader.read(100)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    began = time.monotonic()
    while made.backend.open and time.monotonic() - began < seconds + 8:  # noqa: ASYNC110 (of another process)
        await asyncio.sleep(0.25)
    took = time.monotonic() - began
    writer.transport.abort()
    holds = seconds - 1 <= took <= seconds + 5
    return Finding("S-08", "a client that stops reading", f"{seconds:g} s", f"{took:.1f} s", holds)


async def _slow_head(made: Gateway) -> None:
    _, writer = await _open(made)
    writer.write(b"GET /ok HTTP/1.1\r\nX-A: ")
    await _drip(writer)


async def _slow_body(made: Gateway) -> None:
    _, writer = await _open(made)
    writer.write(b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n")
    await _drip(writer)


async def _silent(made: Gateway) -> None:
    await _drip((await _open(made))[1], b"")


async def _slow_reader(made: Gateway) -> None:
    reader, writer = await _open(made, window=4096)
    writer.write(b"GET /big HTTP/1.1\r\nHost: gw.test\r\n\r\n")
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        while await reader.read(512):  # noqa: ASYNC110 (slow is what it is)
            await asyncio.sleep(1)
    writer.transport.abort()


async def _drip(writer: asyncio.StreamWriter, piece: bytes = b"a") -> None:
    with contextlib.suppress(ConnectionError):
        while not writer.is_closing():
            await asyncio.sleep(1)
            if piece:
                writer.write(piece)
                await writer.drain()


Kind = Callable[[Gateway], Coroutine[None, None, None]]


async def crowd(made: Gateway) -> list[Finding]:
    """1,000 slow clients beside a good one that asks 50 times per second."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            await read_body(head, reader)
            body = LARGE if b" /big " in head else b"ok"
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()

    made.backend.script = script
    quiet, memory = made.descriptors(), made.memory()
    alone = await _asked(made, 2.0)
    kinds: list[Kind] = [_slow_head, _slow_body, _silent, _slow_reader]
    clients = [asyncio.create_task(kind(made)) for _ in range(EACH) for kind in kinds]
    await asyncio.sleep(2)
    most, peak = made.descriptors() - quiet, made.memory()
    times = await _asked(made, WATCHED)
    peak, left = max(peak, made.memory()), made.descriptors() - quiet
    for each in clients:
        each.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    made.backend.script = None
    p99, before, usual = _p99(times) * 1000, _p99(alone) * 1000, statistics.median(times) * 1000
    grown = (peak - memory) / MIB
    return [
        Finding(
            "S-06",
            f"{4 * EACH} slow clients: p99 of a good one",
            f"< {GOAL_P99 * 1000:g} ms",
            f"{p99:.1f} ms, {usual:.1f} ms at the median (alone: p99 {before:.1f} ms)",
            p99 < JUDGED_P99 * 1000,
        ),
        Finding(
            "F36",
            "descriptors at the most (two for who is served), and after the deadlines",
            "slow heads, bodies and silent ones are gone",
            f"{most}, {left}",
            left < most - 2 * EACH,
        ),
        Finding("F36", "memory beside that at rest", "bounded", f"+{grown:.0f} MiB", grown < 256),
    ]


async def _asked(made: Gateway, seconds: float) -> list[float]:
    """How long each request of a good client took."""
    reader, writer = await _open(made)
    taken, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        writer.write(b"GET /ok HTTP/1.1\r\nHost: gw.test\r\n\r\n")
        answer = await reader.readuntil(b"\r\n\r\nok")
        taken.append(time.monotonic() - began)
        assert answer.startswith(b"HTTP/1.1 200"), answer
        await asyncio.sleep(0.02)
    writer.close()
    return taken


def _p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]
