"""Literal attribute values as authors write them: text to Python values. A ValueError finishes "Attribute 'x' ..."."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable
from typing import Any, TypeVar

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}$")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$")

_DAY = 86_400
_DURATION = re.compile(
    r"P(?:(\d{1,4})Y)?(?:(\d{1,5})M)?(?:(\d{1,6})D)?(?:T(?:(\d{1,7})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?"
)

Number = TypeVar("Number", int, float)


def text(source: str) -> str:
    return source


def integer(text: str) -> int:
    if not _INTEGER.match(text.strip()):
        raise ValueError(f"must be a whole number, and {text!r} is none.")
    return int(text)


def seconds(text: str) -> int:
    """Seconds, or a duration of XML Schema such as P1DT12H; its months have 30 days and its years 365, as in .NET."""
    found = _DURATION.fullmatch(text.strip())
    if found is None or not any(found.groups()):
        return integer(text)
    counts = zip(found.groups(default="0"), (365 * _DAY, 30 * _DAY, _DAY, 3600, 60, 1), strict=True)
    return sum(int(count) * unit for count, unit in counts)


def number(text: str) -> float:
    if not _NUMBER.match(text.strip()):
        raise ValueError(f"must be a number, and {text!r} is none.")
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"must be a number that fits, and {text!r} does not.")
    return value


def boolean(text: str) -> bool:
    word = text.strip().lower()
    if word not in ("true", "false"):
        raise ValueError(f"must be true or false, and {text!r} is neither.")
    return word == "true"


def base64_bytes(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        raise ValueError("must be Base64, and this is not.") from None


def one_of(options: tuple[str, ...]) -> Callable[[str], str]:
    exact = {option.lower(): option for option in options}

    def choose(text: str) -> str:
        option = exact.get(text.strip().lower())
        if option is None:
            raise ValueError(f"must be one of {', '.join(options)}, and {text!r} is not.")
        return option

    return choose


def bounded(convert: Callable[[Any], Number], minimum: float | None, maximum: float | None) -> Callable[[Any], Number]:
    if minimum is None and maximum is None:
        return convert

    def check(source: Any) -> Number:
        value = convert(source)
        if (minimum is not None and value < minimum) or (maximum is not None and value > maximum):
            span = f"at least {minimum}" if maximum is None else f"between {minimum or 0} and {maximum}"
            raise ValueError(f"must be {span}, and {value} is not.")
        return value

    return check
