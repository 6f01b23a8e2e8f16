"""ToString() of every value, invariant culture. Null is the empty string, as in concatenation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from proxy.expressions.dotnet.values import BOXES, Anonymous, Char, EnumValue, runtime_type
from proxy.expressions.types import Type

# ToString of other classes, filled in by the files that define them
TEXTS: dict[type, Callable[[Any], str]] = {}


def double_text(value: float) -> str:
    """Shortest text that reads back; exponents from 1E+17 and below 1E-05, as .NET prints."""
    if value != value:
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == int(value) and abs(value) < 1e15:
        text = str(int(value))
        return "-0" if value == 0 and math.copysign(1, value) < 0 else text
    return _shape(repr(value), 17)


def _shape(text: str, threshold: int) -> str:
    """Python's shortest digits in .NET's notation."""
    sign = "-" if text[0] == "-" else ""
    mantissa, _, exponent = text.lstrip("-").partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len((whole + fraction).lstrip("0")))
    digits = digits.rstrip("0") or "0"
    scientific = point - 1
    if scientific >= threshold or scientific < -4:
        shown = digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "")
        return f"{sign}{shown}E{'+' if scientific >= 0 else '-'}{abs(scientific):02d}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if point >= len(digits):
        return f"{sign}{digits}{'0' * (point - len(digits))}"
    return f"{sign}{digits[:point]}.{digits[point:]}"


def _inside(text: float, value: float) -> bool:
    """Whether a number is nearer to this 32-bit value than to its neighbours."""
    import struct

    bits = struct.unpack("<I", struct.pack("<f", abs(value)))[0]
    below, above = (struct.unpack("<f", struct.pack("<I", other))[0] for other in (bits - 1, min(bits + 1, 0x7F7FFFFF)))
    size, number = abs(value), abs(text)
    return bool((below + size) / 2 < number) and (number < (above + size) / 2 or above == size)


def single_text(value: float) -> str:
    """The shortest digits that read back as the same 32-bit value."""
    import struct

    if value != value or math.isinf(value) or value == 0:
        return double_text(value)
    for precision in range(1, 10):
        text = f"{value:.{precision}g}"
        try:
            back = struct.unpack("<f", struct.pack("<f", float(text)))[0]
        except OverflowError:
            continue
        if back == value and _inside(float(text), value):
            return _shape(repr(float(text)), 9)
    return double_text(value)


def decimal_text(value: Decimal) -> str:
    return format(value, "f")


def bool_text(value: bool) -> str:
    return "True" if value else "False"


def _instance(value: Any) -> str:
    kind = runtime_type(value)
    return kind.full_name


def _anonymous(value: Anonymous) -> str:
    inner = ", ".join(f"{name} = {to_text(item)}" for name, item in value.items)
    return f"{{ {inner} }}" if inner else "{ }"


def to_text(value: Any) -> str:
    """.NET's ToString(), "" for null."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]
    if value is None:
        return ""
    found = TEXTS.get(kind)
    if found is not None:
        return found(value)
    if isinstance(value, bool):
        return bool_text(value)
    if isinstance(value, EnumValue):
        return value.label
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, str):
        return str(value)
    return _instance(value)


def boxed_texts(items: Sequence[Any], kinds: Sequence[Type]) -> list[str]:
    """The texts of values that are held as their static types hold them: a float is still a float."""
    found = []
    for item, kind in zip(items, kinds, strict=True):
        box = BOXES.get(kind.name)
        found.append(to_text(box(item) if box else item))
    return found


def instance_text(value: Any) -> str:
    """ToString() called on a receiver that is known not to be null."""
    return to_text(value)


TEXTS[bool] = bool_text
TEXTS[int] = str
TEXTS[float] = double_text
TEXTS[Decimal] = decimal_text
TEXTS[Char] = str
TEXTS[Anonymous] = _anonymous


def _register_single() -> None:
    from proxy.expressions.dotnet.values import Single

    TEXTS[Single] = single_text


_register_single()
