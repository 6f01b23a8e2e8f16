"""Long expressions give way: an expression deep inside synchronous code lets the event loop run other requests.

`GivingWay(coroutine)` is awaited in the coroutine's stead and runs it on a stack of its own, a greenlet. There
`give_way()` leaves the whole stack where it is, lets the event loop go round once, and goes on. Elsewhere it does
nothing. What the coroutine awaits passes through.
"""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Generator
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")


class _Stack(greenlet):
    """The stack of one coroutine. It hands the driver what the coroutine awaits, or None to be resumed in a turn of the
    event loop, and ends with the coroutine's result."""

    __slots__ = ()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        driver = self.parent
        assert driver is not None
        leave = driver.switch
        resume, value = coroutine.send, None
        while True:
            try:
                awaited = resume(value)
            except StopIteration as end:
                return end.value
            try:
                value = leave(awaited)
                resume = coroutine.send
            except BaseException as problem:  # what the driver throws belongs to the coroutine
                value = problem
                resume = coroutine.throw


class GivingWay(Awaitable[T]):
    """A coroutine, run so that `give_way()` works in it."""

    __slots__ = ("_coroutine",)

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, T]:
        stack = _Stack()
        awaited = stack.switch(self._coroutine)
        while not stack.dead:
            try:
                value = yield awaited
            except BaseException as problem:
                awaited = stack.throw(problem)
            else:
                awaited = stack.switch(value)
        return awaited  # type: ignore[no-any-return]


def give_way() -> None:
    """Let the event loop go round, where this runs inside a GivingWay; raises what ends the coroutine meanwhile."""
    stack = getcurrent()
    if type(stack) is _Stack and stack.parent is not None:
        stack.parent.switch(None)
