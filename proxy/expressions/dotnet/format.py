"""Composite formatting and numeric format strings; `str.format` is never used on policy text."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal
from typing import Any

from proxy.expressions.dotnet.text import to_text
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
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)) or hasattr(value, "label"):
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
        return _custom(value, pattern)
    letter, digits = match[1], match[2]
    precision = int(digits) if digits else -1
    if precision > MAX_WIDTH:
        raise BudgetExhausted(f"The expression was stopped: a precision is larger than {MAX_WIDTH}.")
    allocate(max(precision, 0))
    if isinstance(value, float) and not math.isfinite(value):
        return to_text(value)
    kind = letter.upper()
    if kind in "DX":
        if not isinstance(value, int):
            format_error("Format specifier was invalid.")
        return _integer(value, letter, precision)
    exact = Decimal(value)
    if kind == "R":
        return to_text(value)
    if kind == "G":
        return _general(value, exact, letter, precision)
    # a double is rounded from its exact value, ties to even; the other types away from zero
    ties = ROUND_HALF_EVEN if isinstance(value, float) else ROUND_HALF_UP
    if kind == "E":
        return _exponent(exact, letter, 6 if precision < 0 else precision, 3, ties)
    if kind in "FN":
        text = _fixed(exact, 2 if precision < 0 else precision, grouped=kind == "N", ties=ties)
        # only the floating types keep the sign of what rounds to zero
        negative_zero = isinstance(value, float) and exact.is_signed() and text[0] != "-"
        return f"-{text}" if negative_zero else text
    if kind == "P":
        return f"{_fixed(_shown(value).scaleb(2, _WIDE), 2 if precision < 0 else precision, grouped=True)} %"
    if kind == "C":
        text = _fixed(exact.copy_abs(), 2 if precision < 0 else precision, grouped=True, ties=ties)
        return f"(¤{text})" if exact < 0 else f"¤{text}"
    return format_error("Format specifier was invalid.")


def _integer(value: int, letter: str, precision: int) -> str:
    if letter in "Dd":
        return ("-" if value < 0 else "") + str(abs(value)).rjust(max(precision, 0), "0")
    from proxy.expressions.dotnet.values import runtime_type
    from proxy.expressions.types import BITS

    bits = BITS.get(runtime_type(value).name, 32)
    text = format(value & ((1 << bits) - 1), "x" if letter == "x" else "X")
    return text.rjust(max(precision, 0), "0")


def _shown(value: Any) -> Decimal:
    """The digits that custom formats and percentages see: 15 of a double, 7 of a float, all of the rest."""
    if not isinstance(value, float):
        return Decimal(value)
    return Decimal(f"{value:.6e}" if type(value) is not float else f"{value:.14e}")


def _rounded(exact: Decimal, places: int, ties: str = ROUND_HALF_UP) -> Decimal:
    context = Context(prec=max(len(exact.as_tuple().digits) + abs(exact.adjusted()) + places + 5, 50), Emin=-999999)
    return exact.quantize(Decimal(1).scaleb(-places, context), ties, context)


def _group(whole: str) -> str:
    return f"{int(whole):,}" if len(whole) > 3 else whole


def _fixed(exact: Decimal, places: int, *, grouped: bool, ties: str = ROUND_HALF_UP) -> str:
    number = _rounded(exact, min(places, 400), ties)
    whole, _, fraction = format(number.copy_abs(), "f").partition(".")
    fraction = fraction.ljust(places, "0")
    text = (_group(whole) if grouped else whole) + (f".{fraction}" if places else "")
    return f"-{text}" if number < 0 else text


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
    return f"{'-' if exact < 0 else ''}{text}{mark}{'-' if power < 0 else '+'}{abs(power):0{width}d}"


def _general(value: Any, exact: Decimal, letter: str, precision: int) -> str:
    if precision <= 0:
        return to_text(value)
    if exact == 0:
        return "0"
    number = Context(prec=precision, rounding=ROUND_HALF_UP, Emin=-999999).plus(exact)
    power = number.adjusted()
    if power >= precision or power < -4:
        text = _exponent(exact, letter, precision - 1, 2)
        head, mark, tail = text.partition("E" if letter == "G" else "e")
        head = head.rstrip("0").rstrip(".") if "." in head else head
        return head + mark + tail
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


_MARKS = re.compile(r"'[^']*'|\"[^\"]*\"|\\.|[eE][+-]?0+|.", re.S)
_POWER = re.compile(r"[eE][+-]?0+")


def _places(marks: list[str], digit_places: list[int]) -> int:
    """How many digits after the point a custom format shows, plus those of % marks."""
    dot = marks.index(".") if "." in marks else len(marks)
    return sum(1 for index in digit_places if index > dot) + 2 * marks.count("%")


def _scientific(exact: Decimal, marks: list[str]) -> str:
    """A custom format with an exponent: as many digits before the point as there are places."""
    at = next(index for index, mark in enumerate(marks) if _POWER.fullmatch(mark))
    dot = marks.index(".") if "." in marks[:at] else at
    before = sum(1 for mark in marks[:dot] if mark in "0#")
    power = 0 if exact == 0 else exact.adjusted() - before + 1
    after = sum(1 for mark in marks[dot:at] if mark in "0#")
    mantissa = _rounded(exact.scaleb(-power, _WIDE), after)
    if mantissa and mantissa.adjusted() >= before:
        power += 1
        mantissa = _rounded(exact.scaleb(-power, _WIDE), after)
    mark = marks[at]
    sign = "-" if power < 0 else "+" if "+" in mark else ""
    shown = f"{mark[0]}{sign}{abs(power):0{mark.count('0')}d}"
    return _custom(mantissa, "".join(marks[:at])) + shown + "".join(_literal(m) for m in marks[at + 1 :])


def _custom(value: Any, pattern: str) -> str:
    """Custom numeric formats: 0 # . , % and literals; sections by sign."""
    if isinstance(value, float) and not math.isfinite(value):
        return to_text(value)
    exact = _shown(value)
    sections = pattern.split(";")
    section = sections[0]
    if exact < 0 and len(sections) > 1 and sections[1]:
        section, exact = sections[1], exact.copy_negate()
    elif exact == 0 and len(sections) > 2:
        section = sections[2]
    marks = _MARKS.findall(section)
    digit_places = [index for index, mark in enumerate(marks) if mark in ("0", "#")]
    if len(sections) > 2 and section is not sections[2] and not _rounded(exact, _places(marks, digit_places)):
        # what rounds to zero is shown as zero is
        section, exact = sections[2], Decimal(0)
        marks = _MARKS.findall(section)
        digit_places = [index for index, mark in enumerate(marks) if mark in ("0", "#")]
    if any(_POWER.fullmatch(mark) for mark in marks):
        return _scientific(exact, marks)
    if not digit_places:
        return ("-" if exact < 0 else "") + "".join(_literal(mark) for mark in marks if mark not in (".", ","))
    exact = exact.scaleb(2 * marks.count("%"), _WIDE)
    dot = marks.index(".") if "." in marks else len(marks)
    whole_marks = [index for index in digit_places if index < dot]
    fraction_marks = [index for index in digit_places if index > dot]
    grouped = any(marks[i] == "," and whole_marks and whole_marks[0] < i < whole_marks[-1] for i in range(dot))
    number = _rounded(exact, len(fraction_marks))
    negative = number < 0
    whole, _, fraction = format(number.copy_abs(), "f").partition(".")
    least = sum(1 for index in whole_marks if index >= next((i for i in whole_marks if marks[i] == "0"), dot))
    whole = whole.lstrip("0").rjust(least, "0")
    needed = max((k + 1 for k, index in enumerate(fraction_marks) if marks[index] == "0"), default=0)
    fraction = fraction.rstrip("0").ljust(needed, "0")
    if grouped and whole:
        padded = len(whole) - len(whole.lstrip("0"))
        whole = _group_digits(whole) if padded or len(whole) > 3 else whole
    before = marks[: digit_places[0]] if digit_places[0] < dot else []
    middle = "".join(
        _literal(m)
        for m in marks[(digit_places[0] if before or digit_places[0] == 0 else 0) : dot]
        if m not in ("0", "#", ",")
    )
    after = "".join(_literal(m) for m in marks[dot + 1 :] if m not in ("0", "#", ","))
    text = "".join(_literal(m) for m in before) + whole
    text += middle if dot == len(marks) else ""
    if dot < len(marks):
        text += middle + (f".{fraction}" if fraction else "")
    return ("-" if negative else "") + text + after


def _group_digits(whole: str) -> str:
    head = len(whole) % 3
    parts = [whole[:head]] if head else []
    parts += [whole[index : index + 3] for index in range(head, len(whole), 3)]
    return ",".join(parts)


def _literal(mark: str) -> str:
    if len(mark) > 1:
        return mark[1:] if mark[0] == "\\" else mark[1:-1]
    return mark
