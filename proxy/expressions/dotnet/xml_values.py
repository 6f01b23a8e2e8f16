"""Text to values and back as XmlConvert does it: the casts of XElement and XAttribute."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from proxy.expressions.dotnet.datetext import parse_date, parse_offset
from proxy.expressions.dotnet.datetime import UTC, DateTime, DateTimeOffset, TimeSpan
from proxy.expressions.dotnet.format import format_value
from proxy.expressions.dotnet.guid import parse_guid
from proxy.expressions.dotnet.numbers import parse_decimal, parse_double, parse_integer
from proxy.expressions.runtime import argument_null, format_error

_SECOND = 10_000_000


def time_text(value: Any) -> str:
    """2024-01-02T03:04:05.678Z, or P1DT2H3M for a TimeSpan."""
    if isinstance(value, TimeSpan):
        return _duration(value.ticks)
    fraction = format_value(value, "FFFFFFF")
    text = str(format_value(value, "yyyy-MM-ddTHH:mm:ss")) + (f".{fraction}" if fraction else "")
    if isinstance(value, DateTimeOffset):
        zone = format_value(value, "zzz")
        return text + ("Z" if zone == "+00:00" else str(zone))
    return text + ("Z" if value.kind == UTC else "")


def _duration(ticks: int) -> str:
    sign, rest = ("-", -ticks) if ticks < 0 else ("", ticks)
    seconds, fraction = divmod(rest, _SECOND)
    days, seconds = divmod(seconds, 86_400)
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    text = f"{days}D" if days else ""
    clock = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
    if seconds or fraction:
        clock += str(seconds) + (f".{fraction:07d}".rstrip("0") if fraction else "") + "S"
    if clock:
        text += f"T{clock}"
    return f"{sign}P{text or 'T0S'}"


def _bool(text: str) -> bool:
    word = text.strip(" \t\r\n").lower()
    if word in ("true", "1"):
        return True
    if word in ("false", "0"):
        return False
    return bool(format_error(f"The string '{text.lower()}' is not a valid Boolean value."))


def _date(text: str) -> Any:
    word = text.strip(" \t\r\n")
    found = parse_date(word)
    return found._replace(kind=UTC) if word.endswith("Z") else found


def _double(text: str) -> float:
    word = text.strip(" \t\r\n")
    return {"INF": float("inf"), "-INF": float("-inf")}.get(word) or parse_double(word)


_DURATION = re.compile(
    r"(-)?P(?=[\dT])(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d+))?S)?)?",
    re.ASCII,
)


def _span(text: str) -> TimeSpan:
    """P1DT2H3M4.5S; a year is 365 days, a month 30."""
    match = _DURATION.fullmatch(text.strip(" \t\r\n"))
    if match is None:
        format_error(f"The string '{text}' is not a valid TimeSpan value.")
    years, months, days, hours, minutes, seconds = (int(part or 0) for part in match.groups()[1:7])
    whole = ((years * 365 + months * 30 + days) * 24 + hours) * 60 + minutes
    ticks = (whole * 60 + seconds) * _SECOND + int(((match[8] or "") + "0000000")[:7])
    return TimeSpan(-ticks if match[1] else ticks)


def _unsigned(name: str) -> Callable[[str], int]:
    parse = parse_integer(name)

    def read(text: str) -> int:
        return int(format_error("Input string was not in a correct format.")) if "-" in text else parse(text)

    return read


READERS: dict[str, Callable[[str], Any]] = {
    "bool": _bool,
    "double": _double,
    "float": _double,
    "decimal": parse_decimal,
    "DateTime": _date,
    "DateTimeOffset": lambda text: parse_offset(text.strip(" \t\r\n")),
    "Guid": parse_guid,
    "TimeSpan": _span,
    **{name: parse_integer(name) for name in ("int", "long")},
    **{name: _unsigned(name) for name in ("uint", "ulong")},
}


def cast(kind: str, parameter: str, *, nullable: bool) -> Callable[[Any], Any]:
    """`(kind)element`: its value read; null throws unless `nullable`."""
    read = READERS[kind]

    def run(item: Any) -> Any:
        if item is None:
            return None if nullable else argument_null(parameter)
        return read(item.value)

    return run


__all__ = ["READERS", "DateTime", "cast", "time_text"]
