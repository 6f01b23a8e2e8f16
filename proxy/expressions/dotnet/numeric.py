"""Conversions and arithmetic between .NET numbers: wrap-around, truncation, overflow, IEEE division."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from decimal import ROUND_DOWN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from typing import Any

from proxy.expressions.runtime import DotNetError, overflow
from proxy.expressions.types import BITS, SIGNED

# 28 to 29 significant digits, as System.Decimal
DECIMAL = Context(prec=29, traps=[DivisionByZero, InvalidOperation, Overflow])
DECIMAL_MAX = Decimal("79228162514264337593543950335")


def wrap32(value: int) -> int:
    return ((value + 0x80000000) & 0xFFFFFFFF) - 0x80000000


def wrap64(value: int) -> int:
    return ((value + 0x8000000000000000) & 0xFFFFFFFFFFFFFFFF) - 0x8000000000000000


def wrapper(name: str) -> Callable[[int], int]:
    """The function that folds an integer into the width of the type `name`."""
    bits = BITS[name]
    mask = (1 << bits) - 1
    if name not in SIGNED:
        return lambda value: value & mask
    half = 1 << (bits - 1)
    return lambda value: ((value + half) & mask) - half


def limits(name: str) -> tuple[int, int]:
    bits = BITS[name]
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if name in SIGNED else (0, (1 << bits) - 1)


def single(value: float) -> float:
    """Rounded to 32-bit precision."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def to_decimal(value: float) -> Decimal:
    """double to decimal keeps 15 significant digits."""
    if not math.isfinite(value) or abs(value) > 7.9e28:
        overflow("Value was either too large or too small for a Decimal.")
    return +Decimal(f"{value:.15g}")


def single_to_decimal(value: float) -> Decimal:
    """float to decimal keeps 7 significant digits."""
    return to_decimal(float(f"{value:.7g}"))


def _double_to(name: str) -> Callable[[float], int]:
    low, high = limits(name)
    if BITS[name] < 32:  # by way of int
        whole, fold = _double_to("int"), wrapper(name)
        return lambda value: fold(whole(value))

    def convert(value: float) -> int:
        if value != value:  # NaN has no integer; the hardware's answer is 0 on the saturating platforms
            return 0
        if value >= high:
            return high
        if value <= low:
            return low
        return int(value)

    return convert


def _decimal_to(name: str) -> Callable[[Decimal], int]:
    low, high = limits(name)
    words = {"int": "an Int32", "long": "an Int64", "byte": "an unsigned byte", "short": "an Int16"}

    def convert(value: Decimal) -> int:
        whole = int(value.to_integral_value(ROUND_DOWN))
        if not low <= whole <= high:
            overflow(f"Value was either too large or too small for {words.get(name, 'the type')}.")
        return whole

    return convert


def converter(source: str, target: str) -> Callable[[Any], Any] | None:
    """The function from one numeric type to another, unchecked as in C#; None when the value stays as it is."""
    if source == target:
        return None
    if source == "char":
        inner = converter("ushort", target)
        return ord if inner is None else lambda value: inner(ord(value))
    if target == "char":
        whole = converter(source, "ushort")
        return (lambda value: chr(value)) if whole is None else (lambda value: chr(whole(value)))
    if target in BITS:
        if source in BITS:
            low, high = limits(target)
            source_low, source_high = limits(source)
            return None if low <= source_low and source_high <= high else wrapper(target)
        return _decimal_to(target) if source == "decimal" else _double_to(target)
    if target == "double":
        return None if source == "float" else float
    if target == "float":
        return (lambda value: single(value)) if source == "double" else (lambda value: single(float(value)))
    if source == "float":
        return single_to_decimal
    return to_decimal if source == "double" else Decimal


def divide_int(left: int, right: int) -> int:
    """Integer division truncates toward zero."""
    if right == 0:
        raise DotNetError("System.DivideByZeroException", "Attempted to divide by zero.")
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def divide_int32(left: int, right: int) -> int:
    if right == -1 and left == -0x80000000:
        overflow()
    return divide_int(left, right)


def divide_int64(left: int, right: int) -> int:
    if right == -1 and left == -0x8000000000000000:
        overflow()
    return divide_int(left, right)


def remainder_int(left: int, right: int) -> int:
    """The sign follows the dividend."""
    if right == 0:
        raise DotNetError("System.DivideByZeroException", "Attempted to divide by zero.")
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


def divide_double(left: float, right: float) -> float:
    if right == 0.0:
        if left == 0.0 or left != left:
            return math.nan
        return math.copysign(math.inf, left) * math.copysign(1.0, right)
    return left / right


def remainder_double(left: float, right: float) -> float:
    if right == 0.0 or math.isinf(left):
        return math.nan
    return math.fmod(left, right)


def _decimal(operation: Callable[[Decimal, Decimal], Decimal]) -> Callable[[Decimal, Decimal], Decimal]:
    def apply(left: Decimal, right: Decimal) -> Decimal:
        result = operation(left, right)
        if abs(result) > DECIMAL_MAX:
            overflow("Value was either too large or too small for a Decimal.")
        return result

    return apply


add_decimal = _decimal(DECIMAL.add)
subtract_decimal = _decimal(DECIMAL.subtract)
multiply_decimal = _decimal(DECIMAL.multiply)


def divide_decimal(left: Decimal, right: Decimal) -> Decimal:
    if right == 0:
        raise DotNetError("System.DivideByZeroException", "Attempted to divide by zero.")
    result = DECIMAL.divide(left, right)
    if result.as_tuple().exponent < -28:  # type: ignore[operator]
        result = result.quantize(Decimal(1).scaleb(-28), context=DECIMAL)
    return result


def remainder_decimal(left: Decimal, right: Decimal) -> Decimal:
    if right == 0:
        raise DotNetError("System.DivideByZeroException", "Attempted to divide by zero.")
    return DECIMAL.remainder(left, right)


def shift_left32(value: int, count: int) -> int:
    return wrap32(value << (count & 31))


def shift_left64(value: int, count: int) -> int:
    return wrap64(value << (count & 63))


def shift_right32(value: int, count: int) -> int:
    return value >> (count & 31)


def shift_right64(value: int, count: int) -> int:
    return value >> (count & 63)


WRAPPERS: dict[int, Callable[[int], int]] = {32: wrap32, 64: wrap64}
