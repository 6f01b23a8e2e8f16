"""Composite formatting and numeric format strings; `str.format` is never used on policy text."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal
from typing import Any

from proxy.expressions.dotnet.enums import format_enum
from proxy.expressions.dotnet.format_custom import custom
from proxy.expressions.dotnet.numeric import shortest
from proxy.expressions.dotnet.text import to_text
from proxy.expressions.dotnet.values import EnumValue
from proxy.expressions.runtime import MAX_WIDTH, BudgetExhausted, allocate, argument_null, format_error

# formatters of values with format strings of their own: dates, Guid
FORMATS: dict[type, Callable[[Any, str], str]] = {}
_WIDE = Context(prec=400)
_BAD = "Input string was not in a correct format."


def format_value(value: Any, pattern: str | None) -> str:
    """value.ToString(pattern)."""
    if value is None:
        return ""
    if not pattern:
        return to_text(value)
    found = FORMATS.get(type(value))
    if found is not None:
        return found(value, pattern)
    if isinstance(value, EnumValue):
        return format_enum(value, pattern)
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return to_text(value)
    return format_number(value, pattern)


def _pad(text: str, width: int) -> str:
    if abs(width) > MAX_WIDTH:
        raise BudgetExhausted(f"The expression was stopped: an alignment is wider than {MAX_WIDTH}.")
    allocate(abs(width))
    return text.rjust(width) if width >= 0 else text.ljust(-width)


def format_hole(value: Any, width: int, pattern: str | None) -> str:
    """One `{value,width:pattern}`."""
    text = format_value(value, pattern)
    return _pad(text, width) if width else text


_HOLE = re.compile(r"\{(\d{1,7})\s*(?:,\s*(-?\d{1,10})\s*)?(?::([^{}]*))?\}")


def composite(pattern: str | None, arguments: Sequence[Any] | None) -> str:
    """string.Format."""
    if pattern is None:
        argument_null("format")
    if arguments is None:
        argument_null("args")
    parts: list[str] = []
    place = 0
    size = 0
    while place < len(pattern):
        char = pattern[place]
        if char in "{}" and pattern[place : place + 2] == char * 2:
            parts.append(char)
            place += 2
            continue
        if char == "}":
            format_error(_BAD)
        if char == "{":
            match = _HOLE.match(pattern, place)
            if match is None:
                format_error(_BAD)
            index = int(match[1])
            if index >= len(arguments):
                format_error(
                    "Index (zero based) must be greater than or equal to zero "
                    "and less than the size of the argument list."
                )
            text = format_hole(arguments[index], int(match[2] or 0), match[3])
            size += len(text)
            allocate(size)
            parts.append(text)
            place = match.end()
            continue
        stop = place
        while stop < len(pattern) and pattern[stop] not in "{}":
            stop += 1
        parts.append(pattern[place:stop])
        place = stop
    return "".join(parts)


_STANDARD = re.compile(r"([A-Za-z])(\d{0,10})")


def format_number(value: Any, pattern: str) -> str:
    match = _STANDARD.fullmatch(pattern)
    if match is None:
        return custom(value, pattern) if _finite(value) else to_text(value)
    letter, digits = match[1], match[2]
    precision = int(digits) if digits else -1
    if precision > MAX_WIDTH:
        raise BudgetExhausted(f"The expression was stopped: a precision is larger than {MAX_WIDTH}.")
    allocate(max(precision, 0))
    if not _finite(value):
        return to_text(value)
    kind = letter.upper()
    if kind in "DX":
        if not isinstance(value, int):
            format_error("Format specifier was invalid.")
        return _integer(value, letter, precision)
    exact = Decimal(value)
    if kind == "R":
        return to_text(value) if isinstance(value, float) else format_error("Format specifier was invalid.")
    if kind == "G":
        return _general(value, exact, letter, precision)
    # a double is rounded from its exact value, ties to even; the other types away from zero
    ties = ROUND_HALF_EVEN if isinstance(value, float) else ROUND_HALF_UP
    places = (6 if kind == "E" else 2) if precision < 0 else precision
    if kind == "E":
        text = _exponent(exact.copy_abs(), letter, places, 3, ties)
    elif kind in "FNCP":
        shown = exact.copy_abs().scaleb(2, _WIDE) if kind == "P" else exact.copy_abs()
        text = _fixed(shown, places, grouped=kind != "F", ties=ties)
    else:
        return format_error("Format specifier was invalid.")
    # only the floating types keep the sign of what rounds to zero
    negative = exact.is_signed() and (isinstance(value, float) or any(digit in text for digit in "123456789"))
    if kind == "C":
        return f"(¤{text})" if negative else f"¤{text}"
    return f"{'-' if negative else ''}{text}{' %' if kind == 'P' else ''}"


def _finite(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _integer(value: int, letter: str, precision: int) -> str:
    if letter in "Dd":
        return ("-" if value < 0 else "") + str(abs(value)).rjust(max(precision, 0), "0")
    from proxy.expressions.dotnet.values import runtime_type
    from proxy.expressions.types import BITS

    bits = BITS.get(runtime_type(value).name, 32)
    text = format(value & ((1 << bits) - 1), "x" if letter == "x" else "X")
    return text.rjust(max(precision, 0), "0")


def _rounded(exact: Decimal, places: int, ties: str = ROUND_HALF_UP) -> Decimal:
    context = Context(prec=max(len(exact.as_tuple().digits) + abs(exact.adjusted()) + places + 5, 50), Emin=-999999)
    return exact.quantize(Decimal(1).scaleb(-places, context), ties, context)


def _group(whole: str) -> str:
    return f"{int(whole):,}" if len(whole) > 3 else whole


def _fixed(exact: Decimal, places: int, *, grouped: bool, ties: str = ROUND_HALF_UP) -> str:
    number = _rounded(exact, min(places, 400), ties)
    whole, _, fraction = format(number.copy_abs(), "f").partition(".")
    fraction = fraction.ljust(places, "0")
    return (_group(whole) if grouped else whole) + (f".{fraction}" if places else "")


def _exponent(exact: Decimal, letter: str, places: int, width: int, ties: str = ROUND_HALF_UP) -> str:
    if exact == 0:
        digits, power = "0" * (min(places, 400) + 1), 0
    else:
        context = Context(prec=min(places, 400) + 1, rounding=ties, Emin=-999999)
        number = context.plus(exact)
        digits = "".join(map(str, number.as_tuple().digits)).ljust(places + 1, "0")[: places + 1]
        power = number.adjusted()
    mark = "e" if letter.islower() else "E"
    text = digits[0] + (f".{digits[1:].ljust(places, '0')}" if places else "")
    return f"{text}{mark}{'-' if power < 0 else '+'}{abs(power):0{width}d}"


def _general(value: Any, exact: Decimal, letter: str, precision: int) -> str:
    if precision <= 0:
        if isinstance(value, Decimal) and precision == 0:
            return to_text(shortest(value))
        return to_text(value) if letter == "G" else to_text(value).replace("E", "e")
    if exact == 0:
        return "-0" if exact.is_signed() and isinstance(value, float) else "0"
    number = Context(prec=precision, rounding=ROUND_HALF_UP, Emin=-999999).plus(exact)
    power = number.adjusted()
    if power >= precision or power < -4:
        text = ("-" if exact < 0 else "") + _exponent(exact, letter, precision - 1, 2)
        head, mark, tail = text.partition("E" if letter == "G" else "e")
        head = head.rstrip("0").rstrip(".") if "." in head else head
        return head + mark + tail
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
