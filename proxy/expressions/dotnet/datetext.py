"""Dates and durations as text: standard and custom formats, parsing, invariant culture."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from typing import Any

from proxy.expressions.dotnet import primitives as p
from proxy.expressions.dotnet.datetime import (
    DAY,
    HOUR,
    MAX,
    MIN,
    MINUTE,
    OFFSET_MIN,
    SECOND,
    UNSPECIFIED,
    UTC,
    ZERO,
    DateTime,
    DateTimeOffset,
    TimeSpan,
    parts,
    span,
    ticks_of,
)  # fmt: skip
from proxy.expressions.dotnet.format import FORMATS
from proxy.expressions.dotnet.numbers import attempt
from proxy.expressions.dotnet.text import TEXTS
from proxy.expressions.runtime import DotNetError, argument_null, format_error, overflow
from proxy.expressions.table import members

_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MONTHS = tuple(calendar.month_name)
_BAD_FORMAT = "Input string was not in a correct format."
_STANDARD = {
    "d": "MM/dd/yyyy", "D": "dddd, dd MMMM yyyy", "f": "dddd, dd MMMM yyyy HH:mm", "F": "dddd, dd MMMM yyyy HH:mm:ss",
    "g": "MM/dd/yyyy HH:mm", "G": "MM/dd/yyyy HH:mm:ss", "m": "MMMM dd", "M": "MMMM dd", "y": "yyyy MMMM",
    "Y": "yyyy MMMM",
    "o": "yyyy'-'MM'-'dd'T'HH':'mm':'ss'.'fffffffK", "O": "yyyy'-'MM'-'dd'T'HH':'mm':'ss'.'fffffffK",
    "r": "ddd, dd MMM yyyy HH':'mm':'ss 'GMT'", "R": "ddd, dd MMM yyyy HH':'mm':'ss 'GMT'",
    "s": "yyyy'-'MM'-'dd'T'HH':'mm':'ss",
    "u": "yyyy'-'MM'-'dd HH':'mm':'ss'Z'", "t": "HH:mm", "T": "HH:mm:ss", "U": "dddd, dd MMMM yyyy HH:mm:ss",
}  # fmt: skip
_TOKENS = re.compile(r"'[^']*'|\"[^\"]*\"|\\.|%|d+|f{1,7}|F{1,7}|g+|h+|H+|K|m+|M+|s+|t+|y+|z+|.", re.S)


def _zone(offset: int, width: int) -> str:
    sign = "-" if offset < 0 else "+"
    hours, minutes = divmod(abs(offset) // MINUTE, 60)
    if width == 1:
        return f"{sign}{hours}"
    return f"{sign}{hours:02d}" + (f":{minutes:02d}" if width > 2 else "")


def format_date(value: Any, pattern: str | None) -> str:
    """A DateTime or DateTimeOffset by a standard or custom format."""
    is_offset = isinstance(value, DateTimeOffset)
    pattern = pattern or ("G zzz" if is_offset else "G")
    ticks = value.ticks
    if is_offset and pattern in ("r", "R", "u"):
        ticks = value.utc
    if pattern == "G zzz":
        pattern = "MM/dd/yyyy HH:mm:ss zzz"
    elif len(pattern) == 1:
        if pattern not in _STANDARD or (is_offset and pattern == "U"):
            format_error(_BAD_FORMAT)
        pattern = _STANDARD[pattern]
    at = parts(ticks)
    offset = value.offset if is_offset else 0
    made: list[str] = []
    for token in _TOKENS.findall(pattern):
        made.append(_show_token(token, at, ticks, offset, value))
        if token.startswith("F") and made[-1] == "" and len(made) > 1 and made[-2] == ".":
            made[-2] = ""
    return "".join(made)


def _show_token(token: str, at: Any, ticks: int, offset: int, value: Any) -> str:
    kind, width = token[0], len(token)
    if kind in "'\"":
        return token[1:-1]
    if kind == "\\":
        return token[1:]
    numbers = {"H": at.hour, "m": at.minute, "s": at.second, "h": at.hour % 12 or 12}
    if kind in numbers:
        return str(numbers[kind]).rjust(min(width, 2), "0")
    if kind == "y":
        return str(at.year % 100).rjust(width, "0") if width < 3 else str(at.year).rjust(width, "0")
    if kind == "M":
        name = _MONTHS[at.month]
        return str(at.month).rjust(width, "0") if width < 3 else name[:3] if width == 3 else name
    if kind == "d":
        name = _DAYS[(ticks // DAY + 1) % 7]
        return str(at.day).rjust(width, "0") if width < 3 else name[:3] if width == 3 else name
    if kind == "f":
        return f"{at.fraction:07d}"[:width]
    if kind == "F":
        return f"{at.fraction:07d}"[:width].rstrip("0")
    if kind == "t":
        return ("AM" if at.hour < 12 else "PM")[: min(width, 2)]
    if kind == "g":
        return "A.D."
    if kind == "z":
        return _zone(offset, width)
    if kind == "K":
        if isinstance(value, DateTimeOffset):
            return _zone(offset, 3)
        return "" if value.kind == UNSPECIFIED else "Z" if value.kind == UTC else "+00:00"
    return "" if kind == "%" else token


def format_span(value: TimeSpan, pattern: str | None = None) -> str:
    """[-][d.]hh:mm:ss[.fffffff] and the custom formats."""
    ticks = abs(value.ticks)
    days, hours, minutes, seconds = ticks // DAY, ticks // HOUR % 24, ticks // MINUTE % 60, ticks // SECOND % 60
    fraction = ticks % SECOND
    sign = "-" if value.ticks < 0 else ""
    if not pattern or pattern in ("c", "t", "T"):
        text = f"{days}." if days else ""
        return f"{sign}{text}{hours:02d}:{minutes:02d}:{seconds:02d}" + (f".{fraction:07d}" if fraction else "")
    if pattern == "g":
        text = f"{days}:" if days else ""
        tail = f".{fraction:07d}".rstrip("0") if fraction else ""
        return f"{sign}{text}{hours}:{minutes:02d}:{seconds:02d}{tail}"
    if pattern == "G":
        return f"{sign}{days}:{hours:02d}:{minutes:02d}:{seconds:02d}.{fraction:07d}"
    if len(pattern) == 1:
        format_error(_BAD_FORMAT)
    made = []
    for token in re.findall(r"'[^']*'|\"[^\"]*\"|\\.|%|d+|h+|m+|s+|f{1,7}|F{1,7}|.", pattern, re.S):
        numbers = {"d": days, "h": hours, "m": minutes, "s": seconds}
        if token[0] in "'\"":
            made.append(token[1:-1])
        elif token[0] == "\\":
            made.append(token[1:])
        elif token[0] in numbers:
            made.append(str(numbers[token[0]]).rjust(len(token), "0"))
        elif token[0] in "fF":
            digits = f"{fraction:07d}"[: len(token)]
            made.append(digits if token[0] == "f" else digits.rstrip("0"))
        elif token != "%":  # noqa: S105
            format_error(_BAD_FORMAT)
    return "".join(made)


_TIME = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?\s*(?P<half>[AaPp][Mm])?"
)
_ZONE = r"\s*(?P<zone>Z|z|GMT|UTC|[+-]\d{1,2}:?\d{0,2})?"
_NAMES = "|".join(name[:3] for name in _MONTHS if name)
_SHAPES = [
    re.compile(pattern, re.ASCII | re.IGNORECASE)
    for pattern in (
        rf"(?P<year>\d{{4}})[-/](?P<month>\d{{1,2}})(?:[-/](?P<day>\d{{1,2}}))?(?:(?:T|\s+){_TIME})?{_ZONE}",
        rf"(?P<month>\d{{1,2}})[-/](?P<day>\d{{1,2}})[-/](?P<year>\d{{4}}|\d{{2}})(?:\s+{_TIME})?{_ZONE}",
        rf"(?:[A-Za-z]{{3,9}},?\s+)?(?P<day>\d{{1,2}})[\s-](?P<name>{_NAMES})[a-z]*[\s-](?P<year>\d{{4}})(?:\s+{_TIME})?{_ZONE}",
        rf"(?:[A-Za-z]{{3,9}},?\s+)?(?P<name>{_NAMES})[a-z]*\s+(?P<day>\d{{1,2}}),?\s+(?P<year>\d{{4}})(?:\s+{_TIME})?{_ZONE}",
    )
]


def read_date(text: str) -> tuple[int, int | None] | None:
    """Ticks as written and the offset in ticks (None when none is written); None when it is no date."""
    shape = text.strip()
    for pattern in _SHAPES:
        match = pattern.fullmatch(shape)
        if match is None:
            continue
        found = match.groupdict()
        month = (
            int(found["month"])
            if found.get("month")
            else [n[:3].lower() for n in _MONTHS].index(found["name"][:3].lower())
        )
        year = int(found["year"])
        year += 0 if len(found["year"]) > 2 else 2000 if year < 50 else 1900
        hour = int(found["hour"] or 0)
        if found["half"]:
            hour = hour % 12 + (12 if found["half"].lower() == "pm" else 0)
        try:
            ticks = ticks_of(
                year, month, int(found["day"] or 1), hour, int(found["minute"] or 0), int(found["second"] or 0)
            )
        except DotNetError:
            return None
        ticks += int((found["fraction"] or "0").ljust(7, "0")[:7])
        return ticks, _read_zone(found["zone"])
    return None


def _read_zone(text: str | None) -> int | None:
    if text is None:
        return None
    if text[0] not in "+-":
        return 0
    digits = text[1:].replace(":", "")
    hours, minutes = (digits[:-2], digits[-2:]) if len(digits) > 2 else (digits, "0")
    amount = int(hours) * HOUR + int(minutes) * MINUTE
    return -amount if text[0] == "-" else amount


def parse_date(text: str | None) -> DateTime:
    if text is None:
        argument_null("s")
    found = read_date(text)
    if found is None:
        format_error(f"String '{text}' was not recognized as a valid DateTime.")
    ticks, offset = found
    return DateTime(ticks) if offset is None else DateTime(ticks - offset, 2)


def parse_offset(text: str | None) -> DateTimeOffset:
    if text is None:
        argument_null("input")
    found = read_date(text)
    if found is None:
        format_error(f"String '{text}' was not recognized as a valid DateTime.")
    return DateTimeOffset(found[0], found[1] or 0)


_SPAN = re.compile(
    r"\s*(-)?(?:(\d+)|(?:(\d+)\.)?(\d{1,9}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,7}))?)?|(\d+):(\d+):(\d+):(\d+)(?:\.(\d{1,7}))?)\s*",
    re.ASCII,
)


def parse_span(text: str | None) -> TimeSpan:
    """`25:00:00` is 25 days: an hour beyond 23 makes the first part days."""
    if text is None:
        argument_null("input")
    match = _SPAN.fullmatch(text)
    if match is None:
        format_error(f"String '{text}' was not recognized as a valid TimeSpan.")
    sign, only, days, hours, minutes, seconds, fraction, d4, h4, m4, s4, f4 = match.groups()
    if only is not None:
        return span((-1 if sign else 1) * int(only) * DAY)
    if d4 is not None:
        values = [int(d4), int(h4), int(m4), int(s4), int((f4 or "0").ljust(7, "0"))]
    else:
        values = [int(days or 0), int(hours), int(minutes), int(seconds or 0), int((fraction or "0").ljust(7, "0"))]
        if days is None and values[1] > 23 and fraction is None:
            values = [values[1], values[2], values[3], 0, 0]
    if values[1] > 23 or values[2] > 59 or values[3] > 59:
        overflow(
            f"The TimeSpan string '{text}' could not be parsed because "
            "at least one of the numeric components is out of range."
        )
    ticks = values[0] * DAY + values[1] * HOUR + values[2] * MINUTE + values[3] * SECOND + values[4]
    return span(-ticks if sign else ticks)


def _exact(parse: Callable[[str | None], Any]) -> Callable[..., Any]:
    """ParseExact: what parses and prints back the same by that format."""

    def run(text: str | None, pattern: str, provider: Any = None) -> Any:
        if text is None:
            argument_null("s")
        found = _by_pattern(text, pattern)
        if found is None:
            format_error(f"String '{text}' was not recognized as a valid DateTime.")
        ticks, offset = found
        if parse is parse_offset:
            return DateTimeOffset(ticks, offset or 0)
        return DateTime(ticks) if offset is None else DateTime(ticks - offset, 2)

    return run


def _by_pattern(text: str, pattern: str) -> tuple[int, int | None] | None:
    pattern = _STANDARD.get(pattern, pattern) if len(pattern) == 1 else pattern
    expression = ""
    groups: list[str] = []
    for token in _TOKENS.findall(pattern):
        kind, width = token[0], len(token)
        if kind in "yHhsmM" and not (kind == "M" and width > 2):
            expression += rf"(\d{{{width}}})" if width > 1 else r"(\d{1,2})"
            groups.append(kind)
        elif kind == "d" and width < 3:
            expression += rf"(\d{{{width}}})" if width > 1 else r"(\d{1,2})"
            groups.append("d")
        elif kind in "fF":
            expression += rf"(\d{{{width}}})" if kind == "f" else rf"(\d{{0,{width}}})"
            groups.append("f")
        elif kind == "M":
            expression += "([A-Za-z]+)"
            groups.append("name")
        elif kind == "d":
            expression += "[A-Za-z]+"
        elif kind == "t":
            expression += "([AaPp][Mm]?)"
            groups.append("t")
        elif kind in "zK":
            expression += r"(Z|[+-]\d{1,2}:?\d{0,2})" + ("?" if kind == "K" else "")
            groups.append("zone")
        elif kind in "'\"":
            expression += re.escape(token[1:-1])
        elif kind == "\\":
            expression += re.escape(token[1:])
        elif kind != "%":
            expression += re.escape(token)
    match = re.fullmatch(expression, text.strip(), re.ASCII)
    if match is None:
        return None
    found = dict(zip(groups, match.groups(), strict=True))
    hour = int(found.get("H") or found.get("h") or 0)
    if found.get("t"):
        hour = hour % 12 + (12 if found["t"].lower().startswith("p") else 0)
    month = int(found.get("M") or 1)
    if found.get("name"):
        names = [n[:3].lower() for n in _MONTHS]
        if found["name"][:3].lower() not in names[1:]:
            return None
        month = names.index(found["name"][:3].lower())
    year = int(found.get("y") or 1)
    year += 0 if len(found.get("y") or "0000") > 2 else 2000 if year < 50 else 1900
    try:
        ticks = ticks_of(
            year, month, int(found.get("d") or 1), hour, int(found.get("m") or 0), int(found.get("s") or 0)
        )
    except DotNetError:
        return None
    return ticks + int((found.get("f") or "0").ljust(7, "0")), _read_zone(found.get("zone"))


for _class, _show in ((DateTime, format_date), (DateTimeOffset, format_date), (TimeSpan, format_span)):
    FORMATS[_class] = _show
    TEXTS[_class] = lambda value, show=_show: show(value, None)  # type: ignore[misc]

_SHOW: dict[str, Any] = {
    "string ToString()": lambda value: TEXTS[type(value)](value),
    "string ToString(string format)": lambda value, pattern: FORMATS[type(value)](value, pattern),
}
members(
    p.DATETIME,
    {
        **_SHOW,
        "static DateTime Parse(string s)": parse_date,
        "static bool TryParse(string s, out DateTime result)": attempt(parse_date, MIN),
        "string ToShortDateString()": lambda d: format_date(d, "d"),
        "string ToLongDateString()": lambda d: format_date(d, "D"),
        "string ToShortTimeString()": lambda d: format_date(d, "t"),
        "string ToLongTimeString()": lambda d: format_date(d, "T"),
    },
)
members(
    p.OFFSET,
    {
        **_SHOW,
        "static DateTimeOffset Parse(string input)": parse_offset,
        "static bool TryParse(string input, out DateTimeOffset result)": attempt(parse_offset, OFFSET_MIN),
    },
)
members(
    p.TIMESPAN,
    {
        **_SHOW,
        "static TimeSpan Parse(string s)": parse_span,
        "static bool TryParse(string s, out TimeSpan result)": attempt(parse_span, ZERO),
    },
)
PARSE_EXACT = _exact
__all__ = ["MAX", "format_date", "format_span", "parse_date", "parse_offset", "parse_span", "read_date"]
