"""What a running expression is held by: .NET exceptions and the budget.

Rules
1. A `DotNetError` is a .NET exception: C# `catch` sees it, and its message is .NET's.
2. `BudgetExhausted` is not: no `catch` of a policy stops it.
3. The budget counts steps. One loop turn, one lambda call, one enumerated element is a step; so are 64 characters
   made. An evaluation is synchronous and never nested, so one budget serves the process.
4. Steps are handed out in slices, the first ones small, later ones by how long the last one took. Between slices the
   clocks are asked: an expression that holds the event loop gives way to other requests (proxy/expressions/slices.py),
   and one that used up its processor time ends. An expression without loops never gets that far.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, NoReturn, TypeVar

from proxy.expressions.slices import give_way

# Steps of one evaluation; an empty endless loop ends after about 0.1 s.
MAX_STEPS = 1_000_000
# Seconds of processor time of one evaluation, for steps that are dear; what was read of a body adds to it.
MAX_SECONDS = 0.2
SECONDS_PER_BODY_BYTE = 2 / 2**20
# What is done in one go: characters of a text, elements of a collection.
LONG, PIECE = 16_384, 256
# Seconds after which others may run.
HOLD = 0.002
# Steps of a slice: the first, the longest; and the seconds below which the next is longer, above which it is shorter.
FIRST_SLICE, LONGEST_SLICE = 16, 1024
QUICK, SLOW = 0.0002, 0.001
T = TypeVar("T")

# The largest single string, array or buffer that an expression may make, in characters or elements.
MAX_ALLOCATION = 16 * 1024 * 1024
# The widest padding, precision or alignment that a format string may ask for.
MAX_WIDTH = 1024 * 1024
# How deep lambdas and local functions may call each other.
MAX_DEPTH = 256


class DotNetError(Exception):
    """A .NET exception in flight. `kind` is the full type name, e.g. System.FormatException."""

    def __init__(self, kind: str, message: str, inner: DotNetError | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.inner = inner


class BudgetExhausted(Exception):
    """The expression ran too long or asked for too much memory; `message` says which."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Budget:
    """What is left of one evaluation.

    `left` are the steps of this slice; what follows is good from the first slice's end on, which `began` tells. `since`
    and `mark` are the times at which the event loop was taken and this slice began; `cpu` is the thread's processor
    time when the loop was taken again, 0.0 before; `spent` the time that was used until then.
    """

    __slots__ = ("began", "cpu", "depth", "left", "mark", "rest", "seconds", "since", "slice", "spent")

    def __init__(self) -> None:
        self.left = FIRST_SLICE
        self.depth = 0
        self.began = False
        self.rest = MAX_STEPS
        self.slice = FIRST_SLICE
        self.seconds = MAX_SECONDS
        self.since = self.mark = self.cpu = self.spent = 0.0

    def reset(self) -> None:
        self.left = FIRST_SLICE
        self.depth = 0
        self.began = False


budget = Budget()


def exhausted() -> None:
    """The slice is used up: hand out the next one, or end the evaluation."""
    now = time.perf_counter()
    if not budget.began:
        budget.began = True
        budget.rest, budget.slice, budget.seconds, budget.spent = MAX_STEPS, FIRST_SLICE, MAX_SECONDS, 0.0
        budget.since = budget.mark = now
        budget.cpu = 0.0
    took = now - budget.mark
    budget.mark = now
    if budget.left < -LONGEST_SLICE:  # something large was made: what is done with it may take long
        budget.slice = 1
    elif took > SLOW:
        budget.slice = max(budget.slice >> 2, 1)
    elif took < QUICK and budget.slice < LONGEST_SLICE:
        budget.slice <<= 1
    budget.rest -= budget.slice - budget.left - 1
    budget.left = budget.slice - 1
    if budget.rest < 0:
        raise BudgetExhausted(f"The expression was stopped: it took more than {MAX_STEPS} steps.")
    if now - budget.since > HOLD:
        _held()


def _held() -> None:
    """The event loop was held for long: end an evaluation that had its time, else let others run, which may evaluate
    expressions of their own meanwhile."""
    budget.spent += time.thread_time() - budget.cpu if budget.cpu else HOLD
    if budget.spent > budget.seconds:
        raise BudgetExhausted(f"The expression was stopped: it took more than {budget.seconds:.1f} s.")
    kept = budget.left, budget.depth, budget.rest, budget.slice, budget.seconds, budget.spent
    give_way()
    budget.left, budget.depth, budget.rest, budget.slice, budget.seconds, budget.spent = kept
    budget.began = True
    budget.since = budget.mark = time.perf_counter()
    budget.cpu = time.thread_time()


def grant(size: int) -> None:
    """Time for what can be done with a body of so many bytes."""
    budget.seconds = max(budget.seconds, MAX_SECONDS + size * SECONDS_PER_BODY_BYTE)


def tick() -> None:
    """One step."""
    budget.left -= 1
    if budget.left < 0:
        exhausted()


def stepped(value: T) -> T:
    """The value, and one step."""
    tick()
    return value


def allocate(size: int) -> None:
    """Charge `size` characters or elements before they are made."""
    if size > MAX_ALLOCATION:
        raise BudgetExhausted(f"The expression was stopped: it asked for more than {MAX_ALLOCATION} elements at once.")
    budget.left -= size >> 6
    if budget.left < 0:
        exhausted()


def allocate_elements(count: int) -> None:
    """Charge `count` elements of 8 bytes."""
    allocate(count * 8)


def spend(steps: int) -> None:
    """Charge work that is much dearer than a step."""
    budget.left -= steps
    if budget.left < 0:
        exhausted()


def stepwise(items: Collection[T]) -> Iterable[T]:
    """The items of what may be large, of which each 32 are a step."""
    return items if len(items) <= PIECE else _stepwise(items)


def _stepwise(items: Collection[T]) -> Iterator[T]:
    for index, item in enumerate(items):
        if not index & 31:
            tick()
        yield item


def in_pieces(convert: Callable[[str], str], text: str) -> str:
    """convert(text), of what can be converted piece by piece."""
    if len(text) <= LONG:
        return convert(text)
    made = []
    for start in range(0, len(text), LONG):
        tick()
        made.append(convert(text[start : start + LONG]))
    return "".join(made)


def enter() -> None:
    """A lambda or local function that may call another begins."""
    budget.left -= 1
    budget.depth += 1
    if budget.depth > MAX_DEPTH:
        raise BudgetExhausted(f"The expression was stopped: calls nest deeper than {MAX_DEPTH}.")
    if budget.left < 0:
        exhausted()


def leave() -> None:
    budget.depth -= 1


def set_cell(cell: list[Any], value: Any) -> Any:
    """Assignment to a shared variable, as an expression."""
    cell[0] = value
    return value


def null_reference() -> NoReturn:
    raise DotNetError("System.NullReferenceException", "Object reference not set to an instance of an object.")


def invalid_cast(source: str, target: str) -> NoReturn:
    raise DotNetError("System.InvalidCastException", f"Unable to cast object of type '{source}' to type '{target}'.")


def argument_null(name: str) -> NoReturn:
    raise DotNetError("System.ArgumentNullException", f"Value cannot be null. (Parameter '{name}')")


def argument(message: str, name: str = "") -> NoReturn:
    raise DotNetError("System.ArgumentException", f"{message} (Parameter '{name}')" if name else message)


def out_of_range(message: str, name: str = "") -> NoReturn:
    text = f"{message} (Parameter '{name}')" if name else message
    raise DotNetError("System.ArgumentOutOfRangeException", text)


def index_range() -> NoReturn:
    out_of_range("Index was out of range. Must be non-negative and less than the size of the collection.", "index")


def format_error(message: str) -> NoReturn:
    raise DotNetError("System.FormatException", message)


def overflow(message: str = "Arithmetic operation resulted in an overflow.") -> NoReturn:
    raise DotNetError("System.OverflowException", message)


def invalid_operation(message: str) -> NoReturn:
    raise DotNetError("System.InvalidOperationException", message)
