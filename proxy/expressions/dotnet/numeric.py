"""Conversions and arithmetic between .NET numbers: wrap-around, truncation, overflow, IEEE division."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from typing import Any

from proxy.expressions.runtime import DotNetError, overflow
from proxy.expressions.types import BITS, SIGNED

# wide enough to be rounded only once, by `fit`
DECIMAL = Context(prec=90, traps=[DivisionByZero, InvalidOperation, Overflow])
DECIMAL_MAX = Decimal("79228162514264337593543950335")
_LARGEST = int(DECIMAL_MAX)
_ZERO = Decimal(0)


def fit(value: Decimal) -> Decimal:
    """As System.Decimal holds it: at most 28 places and 96 bits, half to even. Raises OverflowException."""
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    if len(digits) < 29 and -28 <= exponent <= 0:
        return value if value or not sign else value.copy_abs()
    places = min(-exponent, 28)
    while places >= 0:
        made = value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN, DECIMAL)
        if abs(int(made.scaleb(places, DECIMAL))) <= _LARGEST:
            return made if made else _ZERO
        places -= max(len(made.as_tuple().digits) - 29, 1)
    if exponent > 0 and abs(value) <= DECIMAL_MAX:
        return value.quantize(Decimal(1), context=DECIMAL)
    return overflow("Value was either too large or too small for a Decimal.")


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
    return _scaled(value, 15)


def single_to_decimal(value: float) -> Decimal:
    """float to decimal keeps 7 significant digits."""
    return _scaled(value, 7)


def _scaled(value: float, digits: int) -> Decimal:
    """Scales by a power of ten to that many digits, in double arithmetic as .NET does, and rounds half to even."""
    size = abs(value)
    exponent = math.frexp(size)[1] if math.isfinite(size) else 97
    if exponent > 96:
        overflow("Value was either too large or too small for a Decimal.")
    if exponent < -94 or not size:
        return _ZERO
    power = digits - 1 - (exponent * 19728 >> 16)
    if power >= 0:
        power = min(power, 28)
        size *= 10.0**power
    elif power != -1 or size >= 10.0**digits:
        size /= 10.0**-power
    else:
        power = 0
    if size < 10.0 ** (digits - 1) and power < 28:
        size *= 10
        power += 1
    whole = int(size)
    rest = size - whole
    if rest > 0.5 or (rest == 0.5 and whole & 1):
        whole += 1
    made = fit(Decimal(whole).scaleb(-power, DECIMAL)) if power > 0 else fit(Decimal(whole * 10**-power))
    made = shortest(made)
    return made.copy_negate() if value < 0 and made else made


def shortest(value: Decimal) -> Decimal:
    """Without zeros at the end of the fraction."""
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    cut = 0
    while cut < -exponent and len(digits) - cut > 1 and digits[-1 - cut] == 0:
        cut += 1
    return Decimal((sign, digits[: len(digits) - cut], exponent + cut)) if cut else value


def _double_to(name: str) -> Callable[[float], int]:
    """The integer towards zero. What does not fit is what 64-bit processors make of it, before .NET 9."""
    if name == "ulong":
        return lambda value: (
            0
            if value != value
            else (
                _whole64(value - 2.0**63) + (1 << 63) & 0xFFFFFFFFFFFFFFFF
                if value >= 2.0**63
                else _whole64(value) & 0xFFFFFFFFFFFFFFFF
            )
        )
    if name == "long":
        return _whole64
    if name == "uint":
        return lambda value: _whole64(value) & 0xFFFFFFFF
    if name == "int":
        return _whole32
    fold = wrapper(name)
    return lambda value: fold(_whole32(value))


def _whole32(value: float) -> int:
    return int(value) if -2147483649.0 < value < 2147483648.0 else -0x80000000


def _whole64(value: float) -> int:
    return int(value) if -(2.0**63) <= value < 2.0**63 else -0x8000000000000000


def decimal_to_double(value: Decimal) -> float:
    """The 96-bit number divided by a power of ten, as .NET does it: not always the nearest double."""
    _, _, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    return float(value) if exponent >= 0 else float(value.scaleb(-exponent, DECIMAL)) / 10.0**-exponent


def _decimal_to(name: str) -> Callable[[Decimal], int]:
    low, high = limits(name)
    words = {
        "int": "an Int32", "long": "an Int64", "byte": "an unsigned byte", "short": "an Int16",
        "sbyte": "a signed byte", "uint": "a UInt32", "ulong": "a UInt64", "ushort": "a UInt16",
    }  # fmt: skip

    def convert(value: Decimal) -> int:
        whole = int(value.to_integral_value(ROUND_DOWN))
        if not low <= whole <= high:
            overflow(f"Value was either too large or too small for {words[name]}.")
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
        return None if source == "float" else decimal_to_double if source == "decimal" else float
    if target == "float":
        if source == "decimal":
            return lambda value: single(decimal_to_double(value))
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
        return fit(operation(left, right))

    return apply


add_decimal = _decimal(DECIMAL.add)
subtract_decimal = _decimal(DECIMAL.subtract)
multiply_decimal = _decimal(DECIMAL.multiply)


def negate_decimal(value: Decimal) -> Decimal:
    """Without rounding to the digits of Python's context; there is no -0."""
    return value.copy_negate() if value else value


def divide_decimal(left: Decimal, right: Decimal) -> Decimal:
    if right == 0:
        raise DotNetError("System.DivideByZeroException", "Attempted to divide by zero.")
    exact = DECIMAL.divide(left, right)
    made = fit(exact)
    return made if made == exact else shortest(made)


def remainder_decimal(left: Decimal, right: Decimal) -> Decimal:
    if right == 0:
        raise DotNetError("System.DivideByZeroException", "Attempted to divide by zero.")
    return left if abs(left) < abs(right) else fit(DECIMAL.remainder(left, right))


def shift_left32(value: int, count: int) -> int:
    return wrap32(value << (count & 31))


def shift_left64(value: int, count: int) -> int:
    return wrap64(value << (count & 63))


def shift_right32(value: int, count: int) -> int:
    return value >> (count & 31)


def shift_right64(value: int, count: int) -> int:
    return value >> (count & 63)


WRAPPERS: dict[int, Callable[[int], int]] = {32: wrap32, 64: wrap64}
