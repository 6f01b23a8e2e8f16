"""Long expressions give way: an expression deep inside synchronous code lets the event loop run other requests.

`GivingWay(coroutine)` is awaited in the coroutine's stead and runs it on a stack of its own, a greenlet. There
`give_way()` leaves the whole stack where it is, lets the event loop go round once, and goes on. Elsewhere it does
nothing. What the coroutine awaits passes through. Stacks are used again, since a new one costs twenty microseconds.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Coroutine, Generator
from functools import partial
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")
# Stacks kept for further coroutines, about 20 KB each.
MAX_IDLE = 64


class _Stack(greenlet):
    """Runs one coroutine after another. It hands the driver what the coroutine awaits, or None to be resumed in the
    next turn of the event loop; then, with `finished`, the result or a `failure`."""

    finished = False
    failure: BaseException | None = None

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        while True:
            self.finished = False
            resume, value, error = coroutine.send, None, None
            while True:
                try:
                    awaited = resume(value)
                except StopIteration as end:
                    value = end.value
                    break
                except BaseException as problem:
                    value, error = None, problem
                    break
                try:
                    value = self.leave(awaited)
                    resume = coroutine.send
                except BaseException as problem:  # what the driver throws belongs to the coroutine
                    value = problem
                    resume = coroutine.throw
            self.finished, self.failure = True, error
            del resume, error
            coroutine = self.leave(value)

    def leave(self, value: Any) -> Any:
        driver = self.parent
        assert driver is not None
        return driver.switch(value)


class _Idle(threading.local):
    def __init__(self) -> None:
        self.stacks: list[_Stack] = []


_IDLE = _Idle()


class GivingWay(Awaitable[T]):
    """A coroutine, run so that `give_way()` works in it."""

    __slots__ = ("_coroutine",)

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, T]:
        idle = _IDLE.stacks
        nested = type(getcurrent()) is _Stack  # its stack goes back to this one, so it is of no use to others
        stack = idle.pop() if idle and not nested else _Stack()
        stack.gr_context = getcurrent().gr_context  # context variables are the task's, on any stack
        awaited = stack.switch(self._coroutine)
        while not stack.finished:
            try:
                value = yield awaited
            except BaseException as problem:
                awaited = stack.throw(problem)
            else:
                awaited = stack.switch(value)
        error, stack.failure = stack.failure, None
        if len(idle) < MAX_IDLE and not nested:
            idle.append(stack)
        if error is not None:
            try:
                raise error
            finally:
                del error  # its traceback knows this frame
        return awaited  # type: ignore[no-any-return]


def can_wait() -> bool:
    """Whether this runs inside a GivingWay, so that `wait` works."""
    return type(getcurrent()) is _Stack


def wait(awaitable: Awaitable[T]) -> T:
    """What an awaitable comes to, in synchronous code inside a GivingWay."""
    stack = getcurrent()
    assert type(stack) is _Stack
    steps = awaitable.__await__()
    step = steps.__next__
    try:
        while True:
            awaited = step()
            try:
                stack.leave(awaited)
            except BaseException as problem:  # what ends the coroutine meanwhile belongs to what it waits for
                step = partial(steps.throw, problem)
            else:
                step = steps.__next__
    except StopIteration as end:
        result: T = end.value
        return result


def give_way() -> None:
    """Let the event loop go round, where this runs inside a GivingWay; raises what ends the coroutine meanwhile."""
    stack = getcurrent()
    if type(stack) is _Stack:
        stack.leave(None)
