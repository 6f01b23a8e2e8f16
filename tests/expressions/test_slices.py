"""Stacks of their own for coroutines: what an asyncio task may rely on holds there, too."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Any

import pytest

from passerelle.cases.world import World
from proxy.errors import ExpressionFailed
from proxy.expressions import compile_expression, slices
from proxy.expressions.slices import GivingWay, can_wait, give_way, wait
from tests.cpu import cpu

WHERE: ContextVar[str] = ContextVar("where", default="nowhere")
ENDLESS = compile_expression('@{ while (true) { string.Format("{0:N2}", 1.5); } }')
SUM = compile_expression("@{ var s = 0; for (int i = 0; i < 50000; i++) { s += i % 7; } return s; }")


async def run(coroutine: Any) -> Any:
    return await GivingWay(coroutine)


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


async def test_results_and_errors_come_through() -> None:
    async def good() -> str:
        await asyncio.sleep(0)
        return await asyncio.wait_for(asyncio.sleep(0.001, "good"), 5)

    async def bad() -> None:
        await asyncio.sleep(0)
        raise ValueError("bad")

    assert await run(good()) == "good"
    with pytest.raises(ValueError, match="bad"):
        await run(bad())


async def test_a_timeout_inside_ends_what_is_awaited_inside() -> None:
    async def slow() -> str:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(10)
        except TimeoutError:
            return "late"
        return "never"

    assert await run(slow()) == "late"


async def test_cancelling_ends_an_expression_that_gave_way() -> None:
    async def evaluate() -> None:
        ENDLESS.evaluate(World().exchange())

    task = asyncio.create_task(run(evaluate()))
    await asyncio.sleep(0)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_expressions_that_run_by_turns_have_their_own_budgets() -> None:
    async def evaluate(expression: Any) -> Any:
        try:
            return expression.evaluate(World().exchange())
        except ExpressionFailed as failure:
            return failure.message

    answers = await asyncio.gather(*(run(evaluate(each)) for each in (SUM, ENDLESS, SUM, ENDLESS, SUM)))
    assert {answers[at] for at in (0, 2, 4)} == {sum(i % 7 for i in range(50000))}
    assert all("was stopped" in answers[at] for at in (1, 3))


async def test_stacks_are_used_again() -> None:
    async def one() -> int:
        await asyncio.sleep(0)
        return len(slices._IDLE.stacks)

    await run(one())
    kept = len(slices._IDLE.stacks)
    assert await run(one()) == kept - 1
    assert len(slices._IDLE.stacks) == kept


def test_elsewhere_giving_way_does_nothing() -> None:
    give_way()
    with cpu(2), pytest.raises(ExpressionFailed, match="was stopped"):
        ENDLESS.evaluate(World().exchange())


async def test_synchronous_code_waits_on_any_depth_of_stacks() -> None:
    async def answer(text: str) -> str:
        await asyncio.sleep(0)
        return text

    async def inner() -> str:
        assert can_wait()
        return wait(answer("inner")) + await answer(" too")

    async def outer() -> str:
        first = wait(answer("outer "))
        return first + await GivingWay(inner()) + wait(answer(" again"))

    assert not can_wait()
    assert await asyncio.gather(*(GivingWay(outer()) for _ in range(3))) == ["outer inner too again"] * 3


async def test_who_waits_in_synchronous_code_can_be_cancelled() -> None:
    ended: list[str] = []

    async def never() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("never")

    async def work() -> None:
        wait(never())

    async def run() -> None:
        await GivingWay(work())

    task = asyncio.create_task(run())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["never"]
