"""The plane's name while name servers come and go."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest

from syncagent import names
from syncagent.names import LastingResolver, look_up


async def test_the_last_addresses_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "PATIENCE", 30.0)
    silence, asked = threading.Event(), []
    answers: list[Any] = [OSError(None, "no such name")]

    def ask(host: str, port: int, family: socket.AddressFamily) -> Any:
        asked.append(host)
        answer = answers[-1]
        if answer is silence:
            silence.wait(60)
            raise OSError(None, "too late")
        if isinstance(answer, OSError):
            raise answer
        return [{"host": answer}]

    resolver = LastingResolver(ask)
    with pytest.raises(OSError, match="no such name"):
        await resolver.resolve("plane.example")
    found = []
    for each in ("192.0.2.1", OSError(None, "no such name"), "192.0.2.2", silence, silence):
        answers.append(each)
        if each is silence:
            monkeypatch.setattr(names, "PATIENCE", 0.05)
        found.append((await resolver.resolve("plane.example"))[0]["host"])
    assert found == ["192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.2", "192.0.2.2"]
    assert len(asked) == 5, "a question that is open is not asked again"
    silence.set()
    answers.append("192.0.2.3")
    async with asyncio.timeout(20):
        while (await resolver.resolve("plane.example"))[0]["host"] != "192.0.2.3":  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)


async def test_no_thread_left_is_told_and_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    resolver = LastingResolver(lambda *_: [{"host": "192.0.2.1"}])
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(OSError, match="can't start new thread"):
            await resolver.resolve("plane.example")
    assert await resolver.resolve("plane.example") == [{"host": "192.0.2.1"}]


async def test_the_system_is_asked() -> None:
    assert {each["host"] for each in look_up("localhost", 443, socket.AF_INET)} == {"127.0.0.1"}
    with pytest.raises(OSError, match="label"):
        await LastingResolver().resolve("a" * 70 + ".example")
