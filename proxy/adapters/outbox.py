"""Whole messages leave together, at the end of the event loop's turn in which they were made.

A write to a socket wakes whoever reads it, and a wake-up costs more than all that a gateway does for a request. What
leaves together wakes a busy peer once.

Rule: one connection's bytes keep their order only if all of them go through here, or `flush` comes between.
"""

from __future__ import annotations

import asyncio


class Outbox:
    """`write` is as a transport's; the bytes are with the transport at the end of this turn, or after `flush`."""

    __slots__ = ("_loop", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[tuple[asyncio.WriteTransport, bytes]] = []

    def write(self, transport: asyncio.WriteTransport, data: bytes) -> None:
        waiting = self._waiting
        if not waiting:
            self._loop.call_soon(self.flush)
        waiting.append((transport, data))

    def flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for transport, data in waiting:
            transport.write(data)
