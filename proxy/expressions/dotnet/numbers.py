"""The numeric types, bool, Nullable, Math."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import Any

from proxy.expressions.dotnet import enums  # noqa: F401
from proxy.expressions.dotnet import primitives as p
from proxy.expressions.dotnet.collections import equal, hash_of
from proxy.expressions.dotnet.format import format_value
from proxy.expressions.dotnet.numeric import DECIMAL_MAX, fit, limits, single, wrap32
from proxy.expressions.dotnet.text import to_text
from proxy.expressions.dotnet.values import BOXES, HASHES
from proxy.expressions.runtime import DotNetError, argument, argument_null, format_error, out_of_range, overflow
from proxy.expressions.table import constant, define, members
from proxy.expressions.types import INTEGRAL, Native, Type, find, type_of_name

BAD_INPUT = "Input string was not in a correct format."
_INTEGER = re.compile(r"[ \t-\r]*([+-]?)([0-9]+)[ \t-\r\0]*", re.ASCII)
_REAL = re.compile(r"[ \t-\r]*([+-]?(?:[0-9][0-9,]*\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,5})?)[ \t-\r\0]*", re.ASCII)
_EXACT = re.compile(r"[ \t-\r]*([+-]?)((?:[0-9][0-9,]*\.?[0-9]*|\.[0-9]+))(?:[ \t-\r]*([+-]))?[ \t-\r\0]*", re.ASCII)
_WORDS = {
    "sbyte": "a signed byte", "byte": "an unsigned byte", "short": "an Int16", "ushort": "a UInt16",
    "int": "an Int32", "uint": "a UInt32", "long": "an Int64", "ulong": "a UInt64",
}  # fmt: skip


def parse_integer(name: str) -> Callable[[str | None], int]:
    low, high = limits(name)

    def parse(text: str | None) -> int:
        if text is None:
            argument_null("s")
        match = _INTEGER.fullmatch(text)
        if match is None:
            format_error(BAD_INPUT)
        digits = match[2].lstrip("0") or "0"
        value = int(digits) if len(digits) < 25 else high + 1
        value = -value if match[1] == "-" else value
        if not low <= value <= high:
            overflow(f"Value was either too large or too small for {_WORDS[name]}.")
        return value

    return parse


def parse_double(text: str | None) -> float:
    if text is None:
        argument_null("s")
    match = _REAL.fullmatch(text)
    if match is not None:
        return float(match[1].replace(",", ""))
    word = text.strip().lower()
    special = {
        "nan": math.nan,
        "infinity": math.inf,
        "+infinity": math.inf,
        "-infinity": -math.inf,
        "-nan": math.nan,
        "+nan": math.nan,
    }
    if word in special:
        return special[word]
    return format_error(BAD_INPUT)


def parse_decimal(text: str | None) -> Decimal:
    if text is None:
        argument_null("s")
    match = _EXACT.fullmatch(text)
    if match is None or (match[1] and match[3]) or len(text) > 4096:
        format_error(BAD_INPUT)
    given = Decimal(match[2].replace(",", ""))
    value = fit(given)
    if given and not value:
        value = Decimal("0." + "0" * 28)
    return value.copy_negate() if value and "-" in (match[1], match[3]) else value


def parse_bool(text: str | None) -> bool:
    if text is None:
        argument_null("value")
    word = text.strip(" \t\r\n\0").lower()
    if word not in ("true", "false"):
        format_error(f"String '{text}' was not recognized as a valid Boolean.")
    return word == "true"


def attempt(parse: Callable[[Any], Any], missing: Any) -> Callable[[Any], tuple[bool, Any]]:
    """TryParse from Parse."""

    def run(text: Any) -> tuple[bool, Any]:
        try:
            return True, parse(text)
        except DotNetError:
            return False, missing

    return run


def _compare(left: Any, right: Any) -> int:
    if left != left or right != right:  # NaN stands before all numbers
        return int(left == left) - int(right == right)
    return int(left > right) - int(left < right)


def _small_compare(left: int, right: int) -> int:
    return left - right


def _object_compare(name: str, compare: Callable[[Any, Any], int]) -> Callable[[Any, Any], int]:
    box = BOXES.get(name) or {"int": int, "double": float, "decimal": Decimal, "bool": bool}[name]

    def run(left: Any, right: Any) -> int:
        if right is None:
            return 1
        if type(right) is not box:
            argument(f"Object must be of type {type_of_name(name).full_name.removeprefix('System.')}.")
        return compare(left, right)

    return run


def _double_hash(value: float) -> int:
    bits = struct.unpack("<Q", struct.pack("<d", value))[0]
    if (bits - 1) & 0x7FFFFFFFFFFFFFFF >= 0x7FF0000000000000:
        bits &= 0x7FF0000000000000
    return wrap32((bits & 0xFFFFFFFF) ^ bits >> 32)


def _single_hash(value: float) -> int:
    bits = struct.unpack("<I", struct.pack("<f", value))[0]
    if (bits - 1) & 0x7FFFFFFF >= 0x7F800000:
        bits &= 0x7F800000
    return wrap32(bits)


def _long_hash(value: int) -> int:
    bits = value & 0xFFFFFFFFFFFFFFFF
    return wrap32((bits & 0xFFFFFFFF) ^ bits >> 32)


_HASHES: dict[str, Callable[[Any], int]] = {
    "double": _double_hash,
    "float": _single_hash,
    "long": _long_hash,
    "ulong": _long_hash,
    "bool": int,
    "decimal": lambda value: wrap32(hash(value)),
}
for _name in ("sbyte", "byte", "short", "ushort", "int", "uint"):
    _HASHES[_name] = wrap32
for _name, _function in _HASHES.items():
    HASHES[_name] = _function


def _same(left: Any, right: Any) -> bool:
    """Equals: NaN equals itself."""
    return bool(left == right or (left != left and right != right))


def _value_equals(box: Callable[[Any], Any] | None) -> Callable[[Any, Any], bool]:
    def run(left: Any, right: Any) -> bool:
        mine = box(left) if box else left
        return type(mine) is type(right) and _same(mine, right)

    return run


def _number(name: str, parse: Callable[[Any], Any], zero: Any, least: Any, most: Any) -> None:
    definition = find(name)
    assert definition is not None
    box = BOXES.get(name)

    compare = _small_compare if name in ("byte", "sbyte", "short", "ushort") else _compare

    def show(value: Any, pattern: str | None = None, _: Any = None) -> str:
        return format_value(box(value) if box else value, pattern)

    members(
        definition,
        {
            f"static {name} Parse(string s)": parse,
            f"static bool TryParse(string s, out {name} result)": attempt(parse, zero),
            f"static {name} MinValue": constant(least),
            f"static {name} MaxValue": constant(most),
            "string ToString()": show,
            "string ToString(string format)": show,
            "string ToString(IFormatProvider provider)": lambda value, _: show(value),
            "string ToString(string format, IFormatProvider provider)": show,
            f"static {name} Parse(string s, IFormatProvider provider)": lambda text, _: parse(text),
            f"int CompareTo({name} value)": compare,
            "int CompareTo(object value)": _object_compare(name, compare),
            f"bool Equals({name} obj)": _same,
            "bool Equals(object obj)": _value_equals(box),
            "int GetHashCode()": _HASHES[name],
        },
    )


for _name in INTEGRAL:
    _number(_name, parse_integer(_name), 0, *limits(_name))
_BIG = 1.7976931348623157e308
_number("double", parse_double, 0.0, -_BIG, _BIG)
_number("float", lambda text: single(parse_double(text)), 0.0, -3.4028234663852886e38, 3.4028234663852886e38)
_number("decimal", parse_decimal, Decimal(0), DECIMAL_MAX.copy_negate(), DECIMAL_MAX)
for _definition, _type, _least in ((p.DOUBLE, "double", 2.0**-1022), (p.SINGLE, "float", 2.0**-126)):
    members(
        _definition,
        {
            f"static {_type} NaN": constant(math.nan),
            f"static {_type} PositiveInfinity": constant(math.inf),
            f"static {_type} NegativeInfinity": constant(-math.inf),
            f"static {_type} Epsilon": constant(5e-324 if _type == "double" else 2.0**-149),
            f"static bool IsNaN({_type} d)": math.isnan,
            f"static bool IsInfinity({_type} d)": math.isinf,
            f"static bool IsPositiveInfinity({_type} d)": lambda value: value == math.inf,
            f"static bool IsNegativeInfinity({_type} d)": lambda value: value == -math.inf,
            f"static bool IsFinite({_type} d)": math.isfinite,
            f"static bool IsNegative({_type} d)": lambda value: math.copysign(1, value) < 0,
            f"static bool IsNormal({_type} d)": lambda value, least=_least: (
                math.isfinite(value) and abs(value) >= least
            ),
            f"static bool IsSubnormal({_type} d)": lambda value, least=_least: 0 < abs(value) < least,
        },
    )

members(
    p.BOOL,
    {
        "static bool Parse(string value)": parse_bool,
        "static bool TryParse(string value, out bool result)": attempt(parse_bool, False),
        "static string TrueString": constant("True"),
        "static string FalseString": constant("False"),
        "string ToString()": to_text,
        "string ToString(IFormatProvider provider)": lambda value, _: to_text(value),
        "bool Equals(bool obj)": lambda a, b: a == b,
        "bool Equals(object obj)": _value_equals(None),
        "int CompareTo(bool value)": _compare,
        "int CompareTo(object value)": _object_compare("bool", _compare),
        "int GetHashCode()": int,
    },
)


def _value(value: Any) -> Any:
    if value is None:
        raise DotNetError("System.InvalidOperationException", "Nullable object must have a value.")
    return value


def _value_or(kind: Type, value: Any) -> Any:
    from proxy.expressions.bind_creation import default_of

    return default_of(kind) if value is None else value


def _safe(function: Callable[..., Any]) -> Native:
    return Native(function, null_safe=True)


members(
    p.NULLABLE,
    {
        "T Value": _safe(_value),
        "bool HasValue": _safe(lambda value: value is not None),
        "T GetValueOrDefault()": Native(_value_or, types=True, null_safe=True),
        "T GetValueOrDefault(T defaultValue)": _safe(lambda value, other: other if value is None else value),
        "string ToString()": _safe(to_text),
        "bool Equals(object other)": _safe(equal),
        "int GetHashCode()": _safe(hash_of),
        "new(T value)": lambda value: value,
    },
)

# Math

MATH = define("Math", "System.Math", kind="static")
_MODES = {0: ROUND_HALF_EVEN, 1: ROUND_HALF_UP, 2: ROUND_DOWN, 3: ROUND_FLOOR, 4: ROUND_CEILING}


def _mode(mode: Any) -> str:
    if int(mode) not in _MODES:
        argument(f"The value '{int(mode)}' is not valid for this usage of the type MidpointRounding.", "mode")
    return _MODES[int(mode)]


def round_double(value: float, digits: int = 0, mode: Any = 0) -> float:
    """.NET scales by a power of ten and rounds the product."""
    if not 0 <= digits <= 15:
        out_of_range("Rounding digits must be between 0 and 15, inclusive.", "digits")
    _mode(mode)
    if not math.isfinite(value) or abs(value) >= 1e16:
        return value
    power = 10.0**digits
    scaled = value * power
    whole = Decimal(scaled).to_integral_value(_mode(mode))
    return math.copysign(float(whole) / power, value)


def _round_decimal(value: Decimal, digits: int = 0, mode: Any = 0) -> Decimal:
    if not 0 <= digits <= 28:
        out_of_range("Decimal can only round to between 0 and 28 digits of precision.", "decimals")
    if -value.as_tuple().exponent <= digits:  # type: ignore[operator]
        return value
    return _unsigned_zero(value.quantize(Decimal(1).scaleb(-digits), _mode(mode)))


def _unsigned_zero(value: Decimal) -> Decimal:
    """A decimal has no -0."""
    return value if value else value.copy_abs()


def whole_decimal(mode: str) -> Callable[[Decimal], Decimal]:
    return lambda value: _unsigned_zero(value.to_integral_value(mode))


def _power(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0 and exponent % 2 == 1 else math.inf
    except ValueError:
        return math.inf if base == 0 else math.nan


def _real(function: Callable[..., float], bad: float = math.nan) -> Callable[..., float]:
    def run(*values: float) -> float:
        try:
            return function(*values)
        except ValueError:
            return bad
        except OverflowError:
            return math.inf

    return run


def _log(value: float) -> float:
    return -math.inf if value == 0 else math.log(value)


def _log_of(value: float, base: float) -> float:
    if value != value or base != base:
        return math.nan
    if base == 1 or (value != 1 and (base == 0 or base == math.inf)):
        return math.nan
    one, two = _real(_log)(value), _real(_log)(base)
    return one / two if two == two and one == one else math.nan


def _whole(function: Callable[[float], int]) -> Callable[[float], float]:
    return lambda value: math.copysign(function(value), value) if math.isfinite(value) else value


def _absolute(name: str) -> Callable[[Any], Any]:
    low = limits(name)[0]

    def run(value: int) -> int:
        if value == low:
            overflow("Negating the minimum value of a twos complement number is invalid.")
        return abs(value)

    return run


def _sign(value: Any) -> int:
    if value != value:
        raise DotNetError("System.ArithmeticException", "Function does not accept floating point Not-a-Number values.")
    return int(value > 0) - int(value < 0)


def _most(left: Any, right: Any) -> Any:
    """Max: NaN wins, and 0 over -0."""
    if left == right == 0.0 and isinstance(left, float):
        return right if math.copysign(1, left) < 0 else left
    return left if left != left or left > right else right


def _least_of(left: Any, right: Any) -> Any:
    if left == right == 0.0 and isinstance(left, float):
        return left if math.copysign(1, left) < 0 else right
    return left if left != left or left < right else right


def _clamp(value: Any, low: Any, high: Any) -> Any:
    if low > high:
        argument(f"'{to_text(low)}' cannot be greater than {to_text(high)}.")
    return low if value < low else high if value > high else value


_table: dict[str, Any] = {
    "static double PI": constant(math.pi),
    "static double E": constant(math.e),
    "static double Pow(double x, double y)": _power,
    "static double Sqrt(double d)": _real(math.sqrt),
    "static double Log(double d)": _real(_log),
    "static double Log(double a, double newBase)": _log_of,
    "static double Log10(double d)": _real(lambda d: -math.inf if d == 0 else math.log10(d)),
    "static double Log2(double d)": _real(lambda d: -math.inf if d == 0 else math.log2(d)),
    "static double Exp(double d)": _real(math.exp),
    "static double Floor(double d)": _whole(math.floor),
    "static double Ceiling(double d)": _whole(math.ceil),
    "static double Truncate(double d)": _whole(math.trunc),
    "static decimal Floor(decimal d)": whole_decimal(ROUND_FLOOR),
    "static decimal Ceiling(decimal d)": whole_decimal(ROUND_CEILING),
    "static decimal Truncate(decimal d)": whole_decimal(ROUND_DOWN),
    "static double Round(double d)": round_double,
    "static double Round(double d, int digits)": round_double,
    "static double Round(double d, MidpointRounding mode)": lambda d, mode: round_double(d, 0, mode),
    "static double Round(double d, int digits, MidpointRounding mode)": round_double,
    "static decimal Round(decimal d)": _round_decimal,
    "static decimal Round(decimal d, int digits)": _round_decimal,
    "static decimal Round(decimal d, MidpointRounding mode)": lambda d, mode: _round_decimal(d, 0, mode),
    "static decimal Round(decimal d, int digits, MidpointRounding mode)": _round_decimal,
}
for _trig in ("Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Tanh"):
    _table[f"static double {_trig}(double d)"] = _real(getattr(math, _trig.lower()))
_table["static double Atan2(double y, double x)"] = math.atan2
for _name in (*INTEGRAL, "float", "double", "decimal"):
    _table[f"static {_name} Max({_name} val1, {_name} val2)"] = _most
    _table[f"static {_name} Min({_name} val1, {_name} val2)"] = _least_of
    if _name in ("sbyte", "short", "int", "long"):
        _table[f"static {_name} Abs({_name} value)"] = _absolute(_name)
    elif _name in ("float", "double", "decimal"):
        _table[f"static {_name} Abs({_name} value)"] = abs
    _table[f"static int Sign({_name} value)"] = _sign
    _table[f"static {_name} Clamp({_name} value, {_name} min, {_name} max)"] = _clamp
members(MATH, _table)
