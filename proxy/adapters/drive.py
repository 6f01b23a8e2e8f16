"""Running a request's coroutine in the stack of whoever has what it waits for.

A task is woken through the event loop: one more turn for every answer of a backend. `Drive` is what a task is to a
coroutine, but goes on at once when a `Bell` rings, and begins at once too. What the coroutine awaits beside bells are
futures, as in any task; `asyncio.current_task()` is the drive, so that timeouts work in it.

Rules
1. Who rings a bell is a callback of the event loop (data came, a timer is due), never code inside a task.
2. A bell rings once per wait; what rings while nobody waits is lost, so the waiter looks before it waits.
3. In a real task a bell wakes it as a future would.
4. A drive has no context of its own: what it sets in a context variable, whoever runs next would see. Requests that are
   traced, the only ones for which that is done, are therefore served in tasks.
"""

from __future__ import annotations

import asyncio
from asyncio.tasks import _enter_task, _leave_task
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any


class Bell:
    """Something one coroutine waits for: `await bell`, until `ring()`. Used again and again by its owner."""

    __slots__ = ("_asyncio_future_blocking", "_callback", "_context", "_drive", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._asyncio_future_blocking = False
        self._drive: Drive | None = None
        self._callback: Callable[[Any], object] | None = None
        self._context: Context | None = None

    def __await__(self) -> Generator[Bell, None, None]:
        self._asyncio_future_blocking = True
        yield self

    @property
    def awaited(self) -> bool:
        return self._drive is not None or self._callback is not None

    def ring(self) -> None:
        """Let the waiter go on: a drive now, a task in the loop's next turn."""
        drive = self._drive
        if drive is not None:
            self._drive = None
            drive.step()
        elif self._callback is not None:
            self._loop.call_soon(self._wake, context=self._context)

    # what a task asks of a future

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def add_done_callback(self, callback: Callable[[Any], object], *, context: Context | None = None) -> None:
        self._callback, self._context = callback, context

    def remove_done_callback(self, callback: Callable[[Any], object]) -> int:
        self._callback = None
        return 1

    def cancel(self, msg: Any = None) -> bool:
        """A task that is to be cancelled is woken, and then throws by itself, since this says that it could not."""
        self.ring()
        return False

    def result(self) -> None:
        return None

    def _wake(self) -> None:
        callback, self._callback = self._callback, None
        if callback is not None:
            callback(self)


class Drive:
    """A coroutine on its way. `ended` is called once with its failure, or None; CancelledError is one."""

    __slots__ = (
        "_cancels",
        "_coroutine",
        "_ended",
        "_loop",
        "_must_cancel",
        "_waits_for",
        "running",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Coroutine[Any, Any, None],
        ended: Callable[[BaseException | None], None],
    ) -> None:
        self._loop = loop
        self._coroutine = coroutine
        self._ended = ended
        self._waits_for: Any = None
        self._cancels = 0
        self._must_cancel = False
        self.running = True

    def step(self, error: BaseException | None = None) -> None:
        """Run until the next wait or the end."""
        loop, failure = self._loop, None
        self._waits_for = None
        _enter_task(loop, self)  # type: ignore[arg-type]
        try:
            if error is None:
                awaited = self._coroutine.send(None)
            else:
                awaited = self._coroutine.throw(error)
        except StopIteration:
            self.running = False
        except BaseException as problem:
            self.running = False
            failure = problem
        finally:
            _leave_task(loop, self)  # type: ignore[arg-type]
            del error  # its traceback knows this frame
        if not self.running:
            try:
                self._ended(failure)
            finally:
                del failure
            return
        if type(awaited) is Bell:
            awaited._asyncio_future_blocking = False
            awaited._drive = self
            self._waits_for = awaited
        elif awaited is None:
            loop.call_soon(self._next)
        else:
            awaited._asyncio_future_blocking = False
            self._waits_for = awaited
            awaited.add_done_callback(self._woken)
        if self._must_cancel:
            self._must_cancel = False
            self._interrupt()

    def _next(self) -> None:
        if self._must_cancel:
            self._must_cancel = False
            self.step(asyncio.CancelledError())
        else:
            self.step()

    def _woken(self, future: Any) -> None:
        if self._waits_for is future:  # a failure or cancellation comes out where it is awaited
            self.step()

    def _interrupt(self) -> None:
        waits_for = self._waits_for
        if type(waits_for) is Bell:
            self._must_cancel = True
            self._loop.call_soon(self._throw)
        elif waits_for is None or not waits_for.cancel():
            self._must_cancel = True

    def _throw(self) -> None:
        """Cancel what waits for a bell, unless that was taken back, or done, since it was asked for."""
        if not (self._must_cancel and self.running):
            return
        self._must_cancel = False
        waits_for = self._waits_for
        if type(waits_for) is Bell:
            waits_for._drive = None
            self.step(asyncio.CancelledError())
        else:
            self._interrupt()

    # what asyncio asks of a task

    def cancel(self, msg: Any = None) -> bool:
        if not self.running:
            return False
        self._cancels += 1
        self._interrupt()
        return True

    def cancelling(self) -> int:
        return self._cancels

    def uncancel(self) -> int:
        self._cancels = max(self._cancels - 1, 0)
        if not self._cancels:
            self._must_cancel = False
        return self._cancels

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def done(self) -> bool:
        return not self.running
