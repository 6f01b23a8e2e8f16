"""Stacks of their own for coroutines: what an asyncio task may rely on holds there, too."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import pytest

from proxy.expressions.slices import GivingWay, give_way

WHERE: ContextVar[str] = ContextVar("where", default="nowhere")


async def test_context_variables_are_the_tasks() -> None:
    """Each task sees its own, also on a stack that another one used before, and keeps what was set there."""

    async def inside(name: str) -> str:
        seen = WHERE.get()
        WHERE.set(f"{name} was here")
        give_way()
        await asyncio.sleep(0)
        return f"{seen}, {WHERE.get()}"

    async def task(name: str) -> tuple[str, str]:
        WHERE.set(name)
        return await GivingWay(inside(name)), WHERE.get()

    for _ in range(2):
        told = await asyncio.gather(task("a"), task("b"))
        assert told == [("a, a was here", "a was here"), ("b, b was here", "b was here")]


async def test_others_run_meanwhile() -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    async def long() -> int:
        for _ in range(10):
            give_way()
        return ticks

    other = asyncio.create_task(tick())
    assert await GivingWay(long()) >= 9
    other.cancel()


async def test_cancellation_reaches_the_coroutine() -> None:
    ended = asyncio.Event()

    async def waits() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async def guarded() -> None:
        await GivingWay(waits())

    task = asyncio.create_task(guarded())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
