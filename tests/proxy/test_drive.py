"""A drive is to its coroutine what a task is: each row runs in both, and must end the same way."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from proxy.adapters.drive import Bell, Drive

Work = Callable[["World"], Coroutine[Any, Any, None]]


class World:
    """What a row works with; `told` is what it did, in order."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.bell = Bell(self.loop)
        self.other = Bell(self.loop)
        self.event = asyncio.Event()
        self.told: list[Any] = []
        self.runner: Any = None

    def later(self, seconds: float, call: Callable[..., Any], *arguments: Any) -> None:
        self.loop.call_later(seconds, call, *arguments)


async def bells(world: World) -> None:
    for _ in range(3):
        world.loop.call_soon(world.bell.ring)
        await world.bell
        world.told.append("rang")


async def sleeping(world: World) -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0.005)
    world.told.append(await asyncio.sleep(0, "slept"))


async def gathering(world: World) -> None:
    async def one(number: int) -> int:
        await asyncio.sleep(0.001 * (3 - number))
        return number

    world.told.append(await asyncio.gather(*map(one, range(3))))
    world.told.append(await asyncio.create_task(one(7)))
    world.told.append(await asyncio.wait_for(one(8), 1))
    async with asyncio.TaskGroup() as group:
        made = group.create_task(one(9))
    world.told.append(made.result())


async def threads(world: World) -> None:
    world.told.append(await asyncio.to_thread(sum, (1, 2)))


async def events(world: World) -> None:
    lock = asyncio.Lock()
    world.later(0.002, world.event.set)
    async with lock:
        await world.event.wait()
    queue: asyncio.Queue[int] = asyncio.Queue()
    world.later(0.001, queue.put_nowait, 4)
    world.told.append(await queue.get())


async def timing_out(world: World) -> None:
    for waited in (world.bell, asyncio.sleep(9), world.event.wait()):
        try:
            async with asyncio.timeout(0.005):
                await waited
        except TimeoutError:
            world.told.append("late")
    task = asyncio.current_task()
    assert task is not None
    world.told.append(task.cancelling())


async def nested_timeouts(world: World) -> None:
    try:
        async with asyncio.timeout(0.002):
            try:
                async with asyncio.timeout(5):
                    await world.bell
            except TimeoutError:
                world.told.append("the inner one")
    except TimeoutError:
        world.told.append("the outer one")
    await asyncio.sleep(0)


async def a_group_that_fails(world: World) -> None:
    async def fails() -> None:
        raise KeyError("x")

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fails())
            await world.bell
    except* KeyError:
        world.told.append("failed")


async def failing(world: World) -> None:
    await asyncio.sleep(0)
    raise ValueError("mine")


async def a_future_that_fails(world: World) -> None:
    future = world.loop.create_future()
    world.loop.call_soon(future.set_exception, ValueError("its own"))
    await future


async def a_future_that_is_cancelled(world: World) -> None:
    future = world.loop.create_future()
    world.loop.call_soon(future.cancel)
    await future


async def cancelling_itself(world: World) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    world.told.append("still here")
    await asyncio.sleep(0)
    world.told.append("never")


async def cancelled_at_once(world: World) -> None:
    world.loop.call_soon(lambda: world.runner.cancel())
    await world.bell


async def cancelled_in_sleep(world: World) -> None:
    world.later(0.002, lambda: world.runner.cancel())
    try:
        await asyncio.sleep(9)
    finally:
        await asyncio.sleep(0)
        world.told.append("cleaned")


async def cancelled_in_zero_sleep(world: World) -> None:
    world.loop.call_soon(lambda: world.runner.cancel())
    for _ in range(5):
        await asyncio.sleep(0)


async def not_minding_to_be_cancelled(world: World) -> None:
    world.loop.call_soon(lambda: world.runner.cancel())
    try:
        await world.bell
    except asyncio.CancelledError:
        world.told.append("no")
    world.loop.call_soon(world.bell.ring)
    await world.bell
    world.told.append("done")


async def cancelled_when_it_goes_on_to_sleep(world: World) -> None:
    """The bell rings between the wish and its execution: it holds for the next wait."""

    def both() -> None:
        world.runner.cancel()
        world.bell.ring()

    world.loop.call_soon(both)
    try:
        await world.bell
        world.told.append("goes on")
        await asyncio.sleep(9)
    except asyncio.CancelledError:
        world.told.clear()  # a task does not go on before
        raise


async def a_timeout_that_is_just_met(world: World) -> None:
    """It was due, but what was waited for is there: nothing is left of it for the wait behind it."""

    def both() -> None:
        world.runner.cancel()
        world.bell.ring()
        world.runner.uncancel()

    if isinstance(world.runner, asyncio.Task):
        world.told.append("met")  # before 3.13 a task cannot take it back
        return
    world.loop.call_soon(both)
    await world.bell
    world.later(0.003, world.bell.ring)
    await world.bell
    world.told.append("met")


ROWS: dict[str, Work] = {
    work.__name__: work
    for work in (
        bells, sleeping, gathering, threads, events, timing_out, nested_timeouts, a_group_that_fails, failing,
        a_future_that_fails, a_future_that_is_cancelled, cancelling_itself, cancelled_at_once, cancelled_in_sleep,
        cancelled_in_zero_sleep, not_minding_to_be_cancelled, cancelled_when_it_goes_on_to_sleep,
        a_timeout_that_is_just_met,
    )
}  # fmt: skip


async def in_a_task(work: Work) -> tuple[list[Any], str]:
    world = World()
    task = world.runner = asyncio.create_task(work(world))
    await asyncio.wait([task], timeout=3)
    assert task.done()
    failure = asyncio.CancelledError() if task.cancelled() else task.exception()
    return world.told, repr(failure)


async def driven(work: Work) -> tuple[list[Any], str]:
    """A drive never runs inside a task, so it is begun where data would come."""
    loop = asyncio.get_running_loop()
    world, ended = World(), loop.create_future()
    drive = world.runner = Drive(loop, work(world), lambda failure: ended.set_result(repr(failure)))
    loop.call_soon(drive.step)
    async with asyncio.timeout(3):
        outcome: str = await ended
    assert drive.done()
    assert not drive.cancel()
    assert not world.bell.awaited
    return world.told, outcome


@pytest.mark.parametrize("name", ROWS)
async def test_a_drive_does_what_a_task_does(name: str) -> None:
    assert await driven(ROWS[name]) == await in_a_task(ROWS[name])


async def test_a_drive_begins_and_goes_on_at_once() -> None:
    loop = asyncio.get_running_loop()
    told: list[str | BaseException | None] = []
    bell = Bell(loop)

    async def work() -> None:
        told.append("begun")
        await bell
        told.append("rung")

    def begin() -> None:
        Drive(loop, work(), told.append).step()
        assert told == ["begun"]
        bell.ring()
        assert told == ["begun", "rung", None]
        bell.ring()

    loop.call_soon(begin)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(told) == 3


async def test_drives_and_tasks_do_not_get_in_each_others_way() -> None:
    """While one waits, another may run; each is the current task of its own code only."""
    loop = asyncio.get_running_loop()
    seen: list[bool] = []
    ended: list[BaseException | None] = []
    drives: list[Drive] = []

    async def work(number: int) -> None:
        for _ in range(3):
            await asyncio.sleep(0.001)
            seen.append(asyncio.current_task() is drives[number])  # type: ignore[comparison-overlap]

    def begin() -> None:
        drives.extend(Drive(loop, work(number), ended.append) for number in range(5))
        for drive in drives:
            drive.step()

    loop.call_soon(begin)
    me = asyncio.current_task()
    async with asyncio.timeout(3):
        while len(ended) < 5:
            await asyncio.sleep(0.001)
            assert asyncio.current_task() is me
    assert seen == [True] * 15
    assert ended == [None] * 5


@pytest.mark.parametrize("how", ["ends", "fails", "cancelled"])
async def test_nothing_is_left_of_a_drive(how: str) -> None:
    """Without the collector's help: what a request held, a connection of a backend perhaps, is free when it ends."""
    loop = asyncio.get_running_loop()
    bell = Bell(loop)

    class Held:
        pass

    async def work(held: Held) -> None:
        await bell
        if how == "fails":
            raise ValueError

    gc.disable()
    try:
        held = Held()
        gone = weakref.ref(held)
        drives = [Drive(loop, work(held), lambda _: None)]
        del held
        loop.call_soon(drives[0].step)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if how == "cancelled":
            drives[0].cancel()
        else:
            loop.call_soon(bell.ring)
        await asyncio.sleep(0.001)
        assert gone() is None
    finally:
        gc.enable()


async def test_a_bell_that_a_task_waits_for() -> None:
    bell = Bell(asyncio.get_running_loop())

    async def wait(times: int) -> int:
        for _ in range(times):
            await bell
        return times

    task = asyncio.create_task(wait(2))
    for _ in range(2):
        await asyncio.sleep(0.001)
        assert bell.awaited
        bell.ring()
    assert await task == 2
    task = asyncio.create_task(wait(1))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not bell.awaited
