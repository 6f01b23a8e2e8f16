"""Literal attribute values as authors write them: text to Python values. A ValueError finishes "Attribute 'x' ..."."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable
from typing import Any, TypeVar

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}$")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$")

Number = TypeVar("Number", int, float)


def text(source: str) -> str:
    return source


def integer(text: str) -> int:
    if not _INTEGER.match(text.strip()):
        raise ValueError(f"must be a whole number, and {text!r} is none.")
    return int(text)


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
