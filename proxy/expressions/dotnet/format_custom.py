"""Custom numeric formats: 0 # . , % and literals; sections by sign. The steps are .NET's, in its order."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from proxy.expressions.runtime import spend

_NEVER = 1 << 30
LONG = 100  # characters of a pattern beyond which each is charged


class _Shape(NamedTuple):
    """What a section asks for: places before and after the point, and what is done to the value."""

    places: int
    point: int
    first: int
    last: int
    grouped: bool
    scientific: bool
    shift: int


def shown_digits(value: Any) -> Decimal:
    """The digits that custom formats see: 15 of a double, 7 of a float, all of the rest."""
    if not isinstance(value, float):
        return Decimal(value)
    return Decimal(f"{value:.6e}" if type(value) is not float else f"{value:.14e}")


def _marks(section: str) -> Iterator[tuple[str, str]]:
    """(kind, text): a mark by itself, "text" for literals, "e" for an exponent."""
    place = 0
    while place < len(section):
        char = section[place]
        place += 1
        if char in "'\"":
            stop = section.find(char, place)
            stop = len(section) if stop < 0 else stop
            yield "text", section[place:stop]
            place = stop + 1
        elif char == "\\":
            yield "text", section[place : place + 1]
            place += 1
        elif char in "eE":
            stop = place + (section[place : place + 1] in ("+", "-"))
            end = stop
            while section[end : end + 1] == "0":
                end += 1
            if end > stop:
                yield "e", section[place - 1 : end]
                place = end
            else:
                yield "text", char
        else:
            yield (char if char in "0#.,%‰" else "text"), char


def _sections(pattern: str) -> list[str]:
    made, start, place = [], 0, 0
    while place < len(pattern):
        char = pattern[place]
        if char in "'\"":
            stop = pattern.find(char, place + 1)
            place = len(pattern) if stop < 0 else stop
        elif char == "\\":
            place += 1
        elif char == ";":
            made.append(pattern[start:place])
            start = place + 1
        place += 1
    return [*made, pattern[start:]]


def _shape(section: str) -> _Shape:
    places, point, first, last, shift = 0, -1, _NEVER, 0, 0
    comma, commas, grouped, scientific = -1, 0, False, False
    for kind, _ in _marks(section):
        if kind in "0#":
            if kind == "0":
                first = min(first, places)
            places += 1
            if kind == "0":
                last = places
        elif kind == "." and point < 0:
            point = places
        elif kind == "," and places and point < 0:
            if comma == places:
                commas += 1
            else:
                grouped = grouped or comma >= 0
                comma, commas = places, 1
        elif kind in "%‰":
            shift += 2 if kind == "%" else 3
        elif kind == "e":
            scientific = True
    if point < 0:
        point = places
    if comma >= 0:
        if comma == point:
            shift -= commas * 3
        else:
            grouped = True
    least = point - first if first < point else 0
    most = point - last if last > point else 0
    return _Shape(places, point, least, most, grouped, scientific, shift)


def _digits(value: Decimal) -> tuple[str, int]:
    """Digits without zeros at their ends, and where the point stands; ("", 0) for zero."""
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits)).lstrip("0")
    scale = len(text) + exponent
    text = text.rstrip("0")
    return (text, scale) if text else ("", 0)


def _round(digits: str, scale: int, keep: int) -> tuple[str, int]:
    """The first `keep` digits, half away from zero."""
    if keep >= len(digits):
        return digits, scale
    if keep < 0:
        return "", 0
    up = digits[keep] >= "5"
    kept = digits[:keep]
    if up:
        raised = str(int(kept or "0") + 1)
        if len(raised) > len(kept):
            scale += 1
        kept = raised
    kept = kept.rstrip("0")
    return (kept, scale) if kept else ("", 0)


def custom(value: Any, pattern: str) -> str:
    """value.ToString(pattern) for a number that is finite."""
    if len(pattern) > LONG:
        spend(len(pattern) << 3)
    digits, scale = _digits(shown_digits(value))
    floating = isinstance(value, float)
    negative = math.copysign(1, value) < 0 if floating else value < 0
    sections = _sections(pattern)

    def choose(number: int) -> int:
        return number if number < len(sections) and sections[number] else 0

    chosen = choose(2 if not digits else 1 if negative else 0)
    while True:
        shape = _shape(sections[chosen])
        if not digits:
            negative = negative and floating
            scale = 0
            break
        scale += shape.shift
        digits, scale = _round(digits, scale, shape.places if shape.scientific else scale + shape.places - shape.point)
        if digits:
            break
        negative = negative and floating
        zero = choose(2)
        if zero == chosen:
            break
        chosen = zero
    text = _written(sections[chosen], shape, digits, scale)
    signed = negative and chosen == 0
    return f"-{text}" if signed and (scale != 0 or text) else text


def _written(section: str, shape: _Shape, digits: str, scale: int) -> str:
    place = shape.point if shape.scientific else max(scale, shape.point)
    adjust = 0 if shape.scientific else scale - shape.point
    commas: list[int] = []
    if shape.grouped:
        most = max(shape.first, place + min(adjust, 0))
        commas = list(range(3, most, 3))
    made: list[str] = []
    used = 0
    dotted = False
    counted = not shape.scientific  # only the first exponent is one

    def put(digit: str) -> None:
        made.append(digit)
        if commas and place > 1 and place == commas[-1] + 1:
            made.append(",")
            commas.pop()

    for kind, text in _marks(section):
        if kind in "#0.":
            while adjust > 0:
                put(digits[used] if used < len(digits) else "0")
                used += 1
                place -= 1
                adjust -= 1
        if kind in "#0":
            digit = ""
            if adjust < 0:
                adjust += 1
                digit = "0" if place <= shape.first else ""
            elif used < len(digits):
                digit = digits[used]
                used += 1
            elif place > shape.last:
                digit = "0"
            if digit:
                put(digit)
            place -= 1
        elif kind == ".":
            if place == 0 and not dotted and (shape.last < 0 or (shape.point < shape.places and used < len(digits))):
                made.append(".")
                dotted = True
        elif kind == "e" and counted:
            made.append(text)
        elif kind == "e":
            counted = True
            power = scale - shape.point if digits else 0
            sign = "-" if power < 0 else "+" if "+" in text else ""
            made.append(f"{text[0]}{sign}{abs(power):0{min(text.count('0'), 10)}d}")
        elif kind != ",":
            made.append(text)
    return "".join(made)
