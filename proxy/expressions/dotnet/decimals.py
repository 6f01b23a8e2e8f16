"""The static members of decimal, and what is rarer in Math."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Any

from proxy.expressions.dotnet import primitives as p
from proxy.expressions.dotnet.numbers import MATH, _round_decimal, whole_decimal
from proxy.expressions.dotnet.numeric import (
    DECIMAL,
    add_decimal,
    converter,
    divide_decimal,
    divide_int,
    multiply_decimal,
    remainder_decimal,
    remainder_int,
    single_to_decimal,
    subtract_decimal,
    to_decimal,
    wrap32,
)
from proxy.expressions.dotnet.values import Array
from proxy.expressions.runtime import argument, out_of_range
from proxy.expressions.table import constant, members
from proxy.expressions.types import type_of_name

_TO = {
    "Int32": "int", "Int64": "long", "Double": "double", "Byte": "byte", "Int16": "short", "Single": "float",
    "SByte": "sbyte", "UInt16": "ushort", "UInt32": "uint", "UInt64": "ulong",
}  # fmt: skip


def _of_parts(low: int, middle: int, high: int, negative: bool, scale: int) -> Decimal:
    if scale > 28:
        out_of_range("Decimal's scale value must be between 0 and 28, inclusive.", "scale")
    number = (low & 0xFFFFFFFF) | (middle & 0xFFFFFFFF) << 32 | (high & 0xFFFFFFFF) << 64
    return Decimal((int(negative and number != 0), tuple(map(int, str(number))), -scale))


def _of_bits(bits: list[int]) -> Decimal:
    if len(bits) != 4:
        argument("Decimal byte array constructor requires an array of length four containing valid decimal bytes.")
    return _of_parts(bits[0], bits[1], bits[2], bits[3] < 0, bits[3] >> 16 & 0xFF)


def _bits(value: Decimal) -> Array:
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    number = int("".join(map(str, digits)))
    flags = wrap32(-exponent << 16 | sign << 31)
    return Array(type_of_name("int"), [*(wrap32(number >> shift & 0xFFFFFFFF) for shift in (0, 32, 64)), flags])


def _currency(value: Decimal) -> int:
    return int(value.scaleb(4, DECIMAL).to_integral_value(ROUND_HALF_EVEN))


members(
    p.DECIMAL,
    {
        "static decimal Round(decimal d)": _round_decimal,
        "static decimal Round(decimal d, int decimals)": _round_decimal,
        "static decimal Round(decimal d, MidpointRounding mode)": lambda d, mode: _round_decimal(d, 0, mode),
        "static decimal Round(decimal d, int decimals, MidpointRounding mode)": _round_decimal,
        "static decimal Truncate(decimal d)": whole_decimal(ROUND_DOWN),
        "static decimal Floor(decimal d)": whole_decimal(ROUND_FLOOR),
        "static decimal Ceiling(decimal d)": whole_decimal(ROUND_CEILING),
        "static decimal Negate(decimal d)": lambda d: d.copy_negate() if d else d,
        "static decimal Add(decimal a, decimal b)": add_decimal,
        "static decimal Subtract(decimal a, decimal b)": subtract_decimal,
        "static decimal Multiply(decimal a, decimal b)": multiply_decimal,
        "static decimal Divide(decimal a, decimal b)": divide_decimal,
        "static decimal Remainder(decimal a, decimal b)": remainder_decimal,
        "static int Compare(decimal a, decimal b)": lambda a, b: int(a > b) - int(a < b),
        "static decimal One": constant(Decimal(1)),
        "static decimal Zero": constant(Decimal(0)),
        "static decimal MinusOne": constant(Decimal(-1)),
        **{f"new({kind} value)": Decimal for kind in ("int", "uint", "long", "ulong")},
        "new(double value)": to_decimal,
        "new(float value)": single_to_decimal,
        "new(int[] bits)": _of_bits,
        "new(int lo, int mid, int hi, bool isNegative, byte scale)": _of_parts,
        "static int[] GetBits(decimal d)": _bits,
        "static bool Equals(decimal a, decimal b)": lambda a, b: a == b,
        "static decimal FromOACurrency(long cy)": lambda cy: Decimal(cy).scaleb(-4),
        "static long ToOACurrency(decimal value)": _currency,
        **{f"static {kind} To{name}(decimal d)": converter("decimal", kind) or float for name, kind in _TO.items()},
    },
)


def _cube_root(value: float) -> float:
    if not math.isfinite(value) or value == 0:
        return value
    return math.cbrt(value)


def _big(left: int, right: int) -> int:
    return left * right


def _div_rem(left: int, right: int) -> tuple[int, int]:
    return divide_int(left, right), remainder_int(left, right)


def _ieee(left: float, right: float) -> float:
    return math.remainder(left, right) if right and not math.isinf(left) else math.nan


def _neighbour(step: int) -> Any:
    """BitIncrement and BitDecrement."""
    return lambda value: math.nextafter(value, step * math.inf)


def _with_sign(value: float, sign: float) -> float:
    # the NaN of .NET is negative
    return math.copysign(value, -1.0 if sign != sign else sign)


def _log_bits(value: float) -> int:
    if value == 0:
        return -0x80000000
    return math.frexp(value)[1] - 1 if math.isfinite(value) else 0x7FFFFFFF


def _magnitude(sign: int) -> Any:
    def pick(left: float, right: float) -> float:
        one, two = abs(left) * sign, abs(right) * sign
        if one > two or left != left:
            return left
        if one == two:
            return right if (math.copysign(1, left) * sign) < 0 else left
        return right

    return pick


def _scale(value: float, power: int) -> float:
    try:
        return math.ldexp(value, power)
    except OverflowError:
        return math.copysign(math.inf, value)


def _fused(x: float, y: float, z: float) -> float:
    """x * y + z rounded once."""
    if not (math.isfinite(x) and math.isfinite(y) and math.isfinite(z)):
        return x * y + z
    exact = Fraction(x) * Fraction(y) + Fraction(z)
    return float(exact) if exact else x * y + z


def _atanh(value: float) -> float:
    if abs(value) == 1:
        return math.copysign(math.inf, value)
    return math.atanh(value) if abs(value) < 1 else math.nan


_table: dict[str, Any] = {
    "static double Cbrt(double d)": _cube_root,
    "static long BigMul(int a, int b)": _big,
    "static double IEEERemainder(double x, double y)": _ieee,
    "static double Acosh(double d)": lambda value: math.acosh(value) if value >= 1 else math.nan,
    "static double Asinh(double d)": math.asinh,
    "static double Atanh(double d)": _atanh,
    "static double BitIncrement(double x)": _neighbour(1),
    "static double BitDecrement(double x)": _neighbour(-1),
    "static double CopySign(double x, double y)": _with_sign,
    "static double ScaleB(double x, int n)": _scale,
    "static int ILogB(double x)": _log_bits,
    "static double FusedMultiplyAdd(double x, double y, double z)": _fused,
    "static double MaxMagnitude(double x, double y)": _magnitude(1),
    "static double MinMagnitude(double x, double y)": _magnitude(-1),
}
for _kind in ("int", "long"):
    _table[f"static {_kind} DivRem({_kind} a, {_kind} b, out {_kind} result)"] = _div_rem
members(MATH, _table)
