"""Names whose servers come and go."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver

from proxy.adapters import names
from proxy.adapters.names import LastingResolver


class Scripted(AbstractResolver):
    """Answers an address, an error, or nothing for a long time."""

    def __init__(self) -> None:
        self.answer: Any = None

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> Any:
        if self.answer is None:
            await asyncio.sleep(60)
        if isinstance(self.answer, OSError):
            raise self.answer
        return [{"host": self.answer}]

    async def close(self) -> None:
        pass


async def test_the_last_addresses_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "PATIENCE", 0.05)
    inner = Scripted()
    resolver = LastingResolver(inner)
    inner.answer = OSError(None, "no such name")
    with pytest.raises(OSError, match="no such name"):
        await resolver.resolve("b.example")
    found = []
    for inner.answer in ("192.0.2.1", OSError(None, "no such name"), None, "192.0.2.2", None):
        found.append((await resolver.resolve("b.example"))[0]["host"])
    assert found == ["192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.2"]
