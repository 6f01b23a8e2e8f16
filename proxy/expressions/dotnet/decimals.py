"""The static members of decimal, and what is rarer in Math."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Decimal
from typing import Any

from proxy.expressions.dotnet import primitives as p
from proxy.expressions.dotnet.numbers import MATH, _round_decimal, whole_decimal
from proxy.expressions.dotnet.numeric import (
    add_decimal,
    converter,
    divide_decimal,
    divide_int,
    multiply_decimal,
    remainder_decimal,
    remainder_int,
    subtract_decimal,
)
from proxy.expressions.table import constant, members

_TO = {"Int32": "int", "Int64": "long", "Double": "double", "Byte": "byte", "Int16": "short", "Single": "float"}
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
        **{f"static {kind} To{name}(decimal d)": converter("decimal", kind) or float for name, kind in _TO.items()},
    },
)


def _cube_root(value: float) -> float:
    if not math.isfinite(value) or value == 0:
        return value
    root = math.copysign(abs(value) ** (1 / 3), value)
    nearest = float(round(root))
    return nearest if nearest**3 == value else root


def _big(left: int, right: int) -> int:
    return left * right


def _div_rem(left: int, right: int) -> tuple[int, int]:
    return divide_int(left, right), remainder_int(left, right)


def _ieee(left: float, right: float) -> float:
    return math.remainder(left, right) if right else math.nan


_table: dict[str, Any] = {
    "static double Cbrt(double d)": _cube_root,
    "static long BigMul(int a, int b)": _big,
    "static double IEEERemainder(double x, double y)": _ieee,
}
for _kind in ("int", "long"):
    _table[f"static {_kind} DivRem({_kind} a, {_kind} b, out {_kind} result)"] = _div_rem
members(MATH, _table)
