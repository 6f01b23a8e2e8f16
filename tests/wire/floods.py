"""HTTP/2 floods and stalls, one after the other, with a good client beside each: it must not notice.

Figures are printed beside the goals; what is judged is generous, since other work may share the machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from tests.proxy.http2_peer import Peer, request
from tests.wire.gateway import Gateway
from tests.wire.slow import Finding

MIB = 1024 * 1024
MOST_MEMORY = 48 * MIB  # that one flood may leave behind
ENDED_WITHIN = 15.0  # seconds
JUDGED_SLOWEST = 4.0  # seconds of the good client; the goal is one
HEAD_DEADLINE, IDLE = 10.0, 75.0

Flood = Callable[[Peer], bytes]


def _head(peer: Peer, stream: int, end: bool = False) -> bytes:
    return peer.head(stream, request("/held", "POST", authority="gw.test"), end=end).serialize()


def _rapid_reset(peer: Peer) -> bytes:
    streams = range(1, 20_000, 2)
    return b"".join(_head(peer, each) + RstStreamFrame(each, error_code=8).serialize() for each in streams)


def _made_resets(peer: Peer) -> bytes:
    """CVE-2025-8671: have the gateway reset them."""
    bad = [*request("/held", authority="gw.test"), ("connection", "close")]
    return b"".join(peer.head(each, bad).serialize() for each in range(1, 4000, 2))


def _continuations(peer: Peer) -> bytes:
    begin = HeadersFrame(1, peer.encoder.encode(request("/ok", authority="gw.test"))).serialize()
    part = ContinuationFrame(1, b"\x00\x01a\x7f" + b"b" * 127).serialize()
    return begin + part * 20_000


FLOODS: list[tuple[str, str, Flood]] = [
    ("F-01", "rapid reset, 10,000 streams (CVE-2023-44487)", _rapid_reset),
    ("F-02", "resets that we are made to send (CVE-2025-8671)", _made_resets),
    ("F-03", "CONTINUATION without end, 20,000 frames (CVE-2024-27316)", _continuations),
    ("F-04", "20,000 SETTINGS (CVE-2019-9515)", lambda peer: SettingsFrame(0, {4: 70_000}).serialize() * 20_000),
    ("F-05", "50,000 PINGs (CVE-2019-9512)", lambda peer: PingFrame(0, b"12345678").serialize() * 50_000),
    (
        "F-06",
        "50,000 empty DATA frames (CVE-2019-9518)",
        lambda peer: _head(peer, 1) + DataFrame(1, b"").serialize() * 50_000,
    ),
    ("F-07", "50,000 small windows", lambda peer: WindowUpdateFrame(0, 1).serialize() * 50_000),
]


async def floods(made: Gateway) -> list[Finding]:
    """Each ends its connection, and leaves no memory behind."""
    found = []
    for id, name, flood in FLOODS:
        before = made.memory()
        peer = await _open(made)
        sent = await asyncio.to_thread(flood, peer)
        slowest, (took, code) = await _beside(made, _until_ended(peer, sent))
        grown = max(made.memory() - before, 0)
        holds = took < ENDED_WITHIN and grown < MOST_MEMORY and slowest < JUDGED_SLOWEST
        measured = (
            f"{code} after {took:.1f} s; {grown / MIB:.0f} MiB more; the good client's slowest {slowest * 1e3:.0f} ms"
        )
        found.append(Finding(id, name, "ended; a good client below 1 s", measured, holds))
    return found


async def stalls(made: Gateway, send: float) -> list[Finding]:
    """Windows of 0, streams and heads without end; `send` is the deadline for a client that takes nothing."""
    return [
        await window_of_nothing(made, send),
        await _many_streams(made),
        *await asyncio.gather(_endless_bodies(made), _silence(made)),
    ]


async def _until_ended(peer: Peer, sent: bytes) -> tuple[float, str]:
    began = time.monotonic()
    told = ""
    peer.write(sent)
    with contextlib.suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(ENDED_WITHIN):
            while (frame := await peer.read()) is not None:
                if isinstance(frame, GoAwayFrame):
                    told = f"GOAWAY {frame.error_code}"
    peer.writer.transport.abort()
    return time.monotonic() - began, told or "closed"


async def _beside(made: Gateway, attack: Awaitable[tuple[float, str]]) -> tuple[float, tuple[float, str]]:
    """The slowest answer of a good client meanwhile, and what came of the attack."""
    slowest, done = 0.0, False

    async def good() -> None:
        nonlocal slowest
        while not done:
            began = time.monotonic()
            reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
            writer.write(b"GET /ok HTTP/1.1\r\nHost: gw.test\r\nConnection: close\r\n\r\n")
            answer = await reader.read()
            writer.close()
            slowest = max(slowest, time.monotonic() - began if b" 200 " in answer[:20] else 99.0)
            await asyncio.sleep(0.02)

    client = asyncio.create_task(good())
    try:
        outcome = await attack
    finally:
        done = True
        await client
    return slowest, outcome


async def window_of_nothing(made: Gateway, send: float) -> Finding:
    """50 streams whose answers cannot be sent."""
    peer = await _open(made, window=0)
    for stream in range(1, 101, 2):
        peer.write(peer.head(stream, request("/ok", authority="gw.test")))
    began, ended = time.monotonic(), 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(send + ENDED_WITHIN):
            while ended < 50 and (frame := await peer.read()) is not None:
                ended += isinstance(frame, RstStreamFrame)
    took = time.monotonic() - began
    peer.writer.transport.abort()
    return Finding("F-11", "50 answers into a window of 0", f"reset after {send:.0f} s", f"{ended} after {took:.1f} s",
                   ended == 50 and took >= send - 1)  # fmt: skip


async def _many_streams(made: Gateway) -> Finding:
    """150 streams that do not end: as many as were offered are served."""
    peer = await _open(made)
    for stream in range(1, 301, 2):
        peer.write(_head(peer, stream))
    refused = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(2):
            while (frame := await peer.read()) is not None:
                refused += isinstance(frame, RstStreamFrame) and frame.error_code == 7
    offered = peer.settings.get(3, 0)
    peer.writer.transport.abort()
    holds = offered == 100 and refused == 50
    return Finding("F-12", "150 open streams", "100 offered, 50 refused", f"{offered}, {refused}", holds)


async def _endless_bodies(made: Gateway) -> Finding:
    """A byte a second: its answer comes by the deadline of slow bodies."""
    peer = await _open(made)
    peer.write(_head(peer, 1))
    began, status = time.monotonic(), ""
    for _ in range(30):
        peer.write(DataFrame(1, b"x"))
        with contextlib.suppress(TimeoutError):
            head = await peer.until(HeadersFrame, stream=1, seconds=1.0)
            status = head.fields[":status"] if head is not None else "closed"
            break
    took = time.monotonic() - began
    peer.writer.transport.abort()
    return Finding("F-13", "a body of 1 byte/s", "408 within 10 s", f"{status} after {took:.1f} s", status == "408")


async def _silence(made: Gateway) -> Finding:
    """A head that is begun and not ended."""
    peer = await _open(made)
    peer.write(HeadersFrame(1, peer.encoder.encode(request("/ok", authority="gw.test"))))
    began = time.monotonic()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(HEAD_DEADLINE + ENDED_WITHIN):
            while await peer.read() is not None:
                pass
    took = time.monotonic() - began
    peer.writer.transport.abort()
    holds = peer.closed and took < HEAD_DEADLINE + 5
    return Finding("F-14", "a head without end", "closed after 10 s", f"after {took:.1f} s", holds)


async def _open(made: Gateway, **settings: int) -> Peer:
    peer = Peer(*await asyncio.open_connection("127.0.0.1", made.port))
    peer.greet(**settings)
    peer.write(PingFrame(0, b"12345678"))
    assert await peer.until(PingFrame) is not None  # settings are exchanged: their answer comes into no head
    return peer
