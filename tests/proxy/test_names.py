"""Names whose servers come and go."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from proxy.adapters import names
from proxy.adapters.names import LastingResolver, look_up

NONE = OSError(None, "no such name")
SILENCE = None


class Scripted:
    """Answers addresses, an error, or nothing for a long time."""

    def __init__(self) -> None:
        self.answer: Any = SILENCE
        self.names: list[str] = []  # that were asked for
        self.end = threading.Event()

    def __call__(self, host: str, port: int, family: socket.AddressFamily) -> Any:
        self.names.append(host)
        answer = self.answer
        if answer is SILENCE:
            self.end.wait(60)
            answer = self.answer
        if isinstance(answer, OSError):
            raise answer
        return [{"host": each} for each in answer.split()]


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    monkeypatch.setattr(names, "PATIENCE", 30.0)  # but for those who are to lose it
    it = Scripted()
    yield it
    it.answer = NONE
    it.end.set()


def lose_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "PATIENCE", 0.05)


async def first(resolver: LastingResolver, host: str = "b.example") -> str:
    return (await resolver.resolve(host))[0]["host"]


async def test_the_last_addresses_go_on(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = LastingResolver(0, scripted)
    scripted.answer = NONE
    with pytest.raises(OSError, match="no such name"):
        await resolver.resolve("b.example")
    found = []
    for scripted.answer in ("192.0.2.1", NONE, "192.0.2.2", NONE, SILENCE):
        if scripted.answer is SILENCE:
            lose_patience(monkeypatch)
        found.append(await first(resolver))
    assert found == ["192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.2", "192.0.2.2"]


async def test_a_late_answer_is_used_when_it_comes(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = LastingResolver(0, scripted)
    scripted.answer = "192.0.2.1"
    await resolver.resolve("b.example")
    lose_patience(monkeypatch)
    scripted.answer = SILENCE
    assert await asyncio.gather(*(first(resolver) for _ in range(20))) == ["192.0.2.1"] * 20
    assert len(scripted.names) == 2, "one question for all"
    scripted.answer = "192.0.2.2"
    scripted.end.set()
    async with asyncio.timeout(20):
        while await first(resolver) != "192.0.2.2":  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)


async def test_addresses_are_kept_for_their_time(scripted: Scripted) -> None:
    resolver = LastingResolver(60, scripted)
    scripted.answer = "192.0.2.1"
    for _ in range(10):
        assert await first(resolver) == "192.0.2.1"
    assert len(scripted.names) == 1


async def test_who_has_waited_once_does_not_wait_each_time(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(names, "monotonic", lambda: now)
    resolver = LastingResolver(10, scripted)
    scripted.answer = "192.0.2.1"
    await resolver.resolve("b.example")
    now, scripted.answer = 11.0, SILENCE
    lose_patience(monkeypatch)
    await resolver.resolve("b.example")
    monkeypatch.setattr(names, "PATIENCE", 30.0)
    async with asyncio.timeout(20):
        for _ in range(5):
            await resolver.resolve("b.example")


async def test_names_that_nobody_answers_do_not_keep_others_waiting(scripted: Scripted) -> None:
    resolver = LastingResolver(
        60, lambda host, port, family: (look_up if host == "localhost" else scripted)(host, port, family)
    )
    waiting = [asyncio.create_task(resolver.resolve(f"b{number}.example")) for number in range(50)]
    async with asyncio.timeout(20):
        while len(scripted.names) < 50:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)
    assert await asyncio.wait_for(first(resolver, "localhost"), 20) in ("127.0.0.1", "::1")
    for task in waiting:
        task.cancel()


async def test_questions_are_bounded(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "MOST_QUESTIONS", 3)
    resolver = LastingResolver(60, scripted)
    waiting = [asyncio.create_task(resolver.resolve(f"b{number}.example")) for number in range(3)]
    await asyncio.sleep(0.05)
    with pytest.raises(OSError, match="3 names are being resolved already"):
        await resolver.resolve("another.example")
    scripted.answer = NONE
    scripted.end.set()
    for task in waiting:
        with pytest.raises(OSError, match="no such name"):
            await task


async def test_addresses_take_turns(scripted: Scripted) -> None:
    resolver = LastingResolver(60, scripted)
    scripted.answer = "192.0.2.1 192.0.2.2 192.0.2.3"
    found = [[each["host"][-1] for each in await resolver.resolve("b.example")] for _ in range(4)]
    assert {tuple(each) for each in found} == {("1", "2", "3"), ("2", "3", "1"), ("3", "1", "2")}


def test_what_is_no_name() -> None:
    with pytest.raises(OSError, match="is no name of a host"):
        look_up("a" * 70 + ".example", 80, socket.AF_INET)
