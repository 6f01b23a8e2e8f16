"""What a running expression is held by: .NET exceptions and the budget.

Rules
1. A `DotNetError` is a .NET exception: C# `catch` sees it, and its message is .NET's.
2. `BudgetExhausted` is not: no `catch` of a policy stops it.
3. The budget counts steps. One loop turn, one lambda call, one enumerated element is a step; so are 64 characters
   made. An evaluation is synchronous and never nested, so one budget serves the process.
"""

from __future__ import annotations

from typing import Any, NoReturn

# Steps of one evaluation; an empty endless loop ends after about 0.1 s.
MAX_STEPS = 1_000_000
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
    """What is left of one evaluation."""

    __slots__ = ("depth", "left")

    def __init__(self) -> None:
        self.left = MAX_STEPS
        self.depth = 0

    def reset(self) -> None:
        self.left = MAX_STEPS
        self.depth = 0


budget = Budget()


def exhausted() -> NoReturn:
    raise BudgetExhausted(f"The expression was stopped: it took more than {MAX_STEPS} steps.")


def tick() -> None:
    """One step."""
    budget.left -= 1
    if budget.left < 0:
        exhausted()


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
