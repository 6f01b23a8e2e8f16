"""What operators do at run time, and which of them are plain Python operators."""

from __future__ import annotations

import operator
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from proxy.expressions.dotnet import numeric as n
from proxy.expressions.dotnet.enums import enum_value
from proxy.expressions.runtime import PIECE, allocate, overflow
from proxy.expressions.types import BITS, Type

_BOXED = (bool, int, float, Decimal)


class Operation(NamedTuple):
    """`function` None means the Python operator of the same spelling, folded to `wrap` bits (signed) if not 0."""

    function: Callable[[Any, Any], Any] | None = None
    wrap: int = 0
    comparison: bool = False
    plain: Callable[[Any, Any], Any] | None = None


_PLAIN: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "&": operator.and_, "|": operator.or_, "^": operator.xor,
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge,
}  # fmt: skip
_COMPARISONS = ("==", "!=", "<", ">", "<=", ">=")


@lru_cache(512)
def numeric(op: str, kind: str) -> Operation | None:
    """The operation on two operands of the (promoted) type `kind`; None when C# has none."""
    if op in _COMPARISONS:
        return Operation(comparison=True, plain=_PLAIN[op])
    if kind in ("int", "long"):
        bits = BITS[kind]
        if op in ("+", "-", "*"):
            return Operation(wrap=bits, plain=_PLAIN[op])
        if op in ("&", "|", "^"):
            return Operation(plain=_PLAIN[op])
        wide = bits == 64
        functions: dict[str, Callable[[Any, Any], Any]] = {
            "/": n.divide_int64 if wide else n.divide_int32,
            "%": n.remainder_int,
            "<<": n.shift_left64 if wide else n.shift_left32,
            ">>": n.shift_right64 if wide else n.shift_right32,
        }
        return Operation(functions[op]) if op in functions else None
    if kind in ("uint", "ulong"):
        fold = n.wrapper(kind)
        mask = BITS[kind] - 1
        if op == "/":
            return Operation(n.divide_int)
        if op == "%":
            return Operation(n.remainder_int)
        if op == "<<":
            return Operation(lambda a, b: fold(a << (b & mask)))
        if op == ">>":
            return Operation(lambda a, b: a >> (b & mask))
        plain = _PLAIN[op]
        return Operation(lambda a, b: fold(plain(a, b)))
    if kind in ("double", "float"):
        chosen = {"/": n.divide_double, "%": n.remainder_double}.get(op)
        if op in ("&", "|", "^", "<<", ">>"):
            return None
        if kind == "float":
            inner = chosen or _PLAIN[op]
            return Operation(lambda a, b: n.single(inner(a, b)))
        return Operation(chosen) if chosen else Operation(plain=_PLAIN[op])
    decimals = {
        "+": n.add_decimal, "-": n.subtract_decimal, "*": n.multiply_decimal, "/": n.divide_decimal,
        "%": n.remainder_decimal,
    }  # fmt: skip
    return Operation(decimals[op]) if op in decimals else None


@lru_cache(256)
def lifted_comparison(op: str) -> Callable[[Any, Any], bool]:
    """Comparison of `T?`: null equals null, and is neither less nor greater than anything."""
    plain = _PLAIN[op]
    if op in ("==", "!="):
        return plain
    return lambda a, b: a is not None and b is not None and plain(a, b)


def lifted(operation: Operation) -> Callable[[Any, Any], Any]:
    """Arithmetic of `T?`: null in, null out."""
    inner = operation.function
    if inner is None:
        assert operation.plain is not None
        plain = operation.plain
        fold = {32: n.wrap32, 64: n.wrap64}.get(operation.wrap)
        inner = plain if fold is None else (lambda a, b: fold(plain(a, b)))
    return lambda a, b: None if a is None or b is None else inner(a, b)


def lifted_call(function: Callable[..., Any], op: str) -> Callable[[Any, Any], Any]:
    if op == "==":
        return lambda a, b: a is b if a is None or b is None else function(a, b)
    if op == "!=":
        return lambda a, b: a is not b if a is None or b is None else function(a, b)
    missing = False if op in _COMPARISONS else None
    return lambda a, b: missing if a is None or b is None else function(a, b)


def lifted_unary(op: str) -> Callable[[Any], Any]:
    signs: dict[str, Callable[[Any], Any]] = {"-": operator.neg, "~": operator.invert, "+": operator.pos}
    plain = signs[op]
    return lambda value: None if value is None else plain(value)


@lru_cache(64)
def checked(op: str, kind: str) -> Callable[[int, int], int]:
    """Arithmetic inside `checked`: what does not fit is an OverflowException."""
    low, high = n.limits(kind)
    plain = _PLAIN[op]

    def run(left: int, right: int) -> int:
        made: int = plain(left, right)
        return made if low <= made <= high else overflow()

    return run


@lru_cache(256)
def checked_cast(source: str, target: str) -> Callable[[Any], Any]:
    """A numeric cast inside `checked`."""
    low, high = (0, 0xFFFF) if target == "char" else n.limits(target)

    def run(value: Any) -> Any:
        number = ord(value) if source == "char" else value
        if number != number or not low - 1 < number < high + 1:
            overflow()
        return chr(int(number)) if target == "char" else int(number)

    return run


def complement(kind: str) -> Callable[[int], int]:
    fold = n.wrapper(kind)
    return lambda value: fold(~value)


@lru_cache(256)
def enum_operator(op: str, kind: Type, *, lifted: bool = False) -> Callable[[Any, Any], Any]:
    """An operator on enumerations and numbers whose result is of the type `kind`."""
    plain = _PLAIN[op]

    def run(a: Any, b: Any) -> Any:
        made = n.wrap32(plain(int(a), int(b)))
        return enum_value(kind, made) if kind.is_enum else made

    return run if not lifted else (lambda a, b: None if a is None or b is None else run(a, b))


def enum_complement(kind: Type) -> Callable[[Any], Any]:
    return lambda value: enum_value(kind, ~int(value))


def three_valued(op: str) -> Callable[[bool | None, bool | None], bool | None]:
    """& and | of bool?: false & null is false, true | null is true; ^ with null is null."""
    plain = _PLAIN[op]
    decisive = {"&": False, "|": True}.get(op)

    def run(a: bool | None, b: bool | None) -> bool | None:
        if a is None or b is None:
            return decisive if decisive is not None and decisive in (a, b) else None
        return bool(plain(a, b))

    return run


def combine(first: Callable[..., Any] | None, second: Callable[..., Any] | None) -> Callable[..., Any] | None:
    """Delegates added: both are called, the second gives the result."""
    if first is None or second is None:
        return first or second
    one, two = first, second

    def run(*given: Any) -> Any:
        one(*given)
        return two(*given)

    return run


def exact(op: str, kind: str) -> Callable[[int, int], int] | None:
    """The operation of integers of any size that `op` is before it is folded to its type, for constants."""
    if kind not in BITS:
        return None
    mask = max(BITS[kind], 32) - 1
    fold = n.wrapper(kind)
    operations: dict[str, Callable[[int, int], int]] = {
        "+": operator.add, "-": operator.sub, "*": operator.mul, "/": n.divide_int, "%": n.remainder_int,
        "&": operator.and_, "|": operator.or_, "^": operator.xor, ">>": lambda a, b: a >> (b & mask),
        "<<": lambda a, b: fold(a << (b & mask)),
    }  # fmt: skip
    return operations.get(op)


def or_empty(value: str | None) -> str:
    return "" if value is None else value


def same_reference(left: Any, right: Any) -> bool:
    """`==` on references. Strings compare by value: .NET interns literals, and that is what policies rely on."""
    if isinstance(left, str):
        return type(left) is type(right) and left == right
    # two boxes are never the same object
    return left is right and not isinstance(left, _BOXED)


def other_reference(left: Any, right: Any) -> bool:
    return not same_reference(left, right)


def concat(*parts: str) -> str:
    """Concatenation with the size of the result charged first."""
    size = 0
    for part in parts:
        size += len(part)
    allocate(size)
    return "".join(parts)


def compare_text(left: str, right: str) -> int:
    """Ordinal order by UTF-16 units."""
    if left == right:
        return 0
    start = 0
    while left[start : start + PIECE] == right[start : start + PIECE]:
        start += PIECE
    one, two = (text[start : start + PIECE].encode("utf-16-be", "surrogatepass") for text in (left, right))
    return -1 if one < two else 1
