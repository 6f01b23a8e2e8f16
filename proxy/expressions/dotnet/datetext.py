"""Dates and durations as text: standard and custom formats, parsing, invariant culture."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from proxy.expressions.dotnet import primitives as p
from proxy.expressions.dotnet.date_reading import read
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
    from_python,
    parts,
    ticks_of,
)  # fmt: skip
from proxy.expressions.dotnet.format import FORMATS
from proxy.expressions.dotnet.numbers import attempt
from proxy.expressions.dotnet.text import TEXTS
from proxy.expressions.runtime import DotNetError, argument_null, format_error, overflow
from proxy.expressions.table import members, with_exchange

if TYPE_CHECKING:
    from proxy.exchange import Exchange

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
_TOKENS = re.compile(r"'[^']*'|\"[^\"]*\"|\\.|%|d+|f+|F+|g+|h+|H+|K|m+|M+|s+|t+|y+|z+|.", re.S)


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
    tokens = _TOKENS.findall(pattern)
    for index, token in enumerate(tokens):
        if token == "%" and tokens[index + 1 : index + 2] in ([], ["%"]):  # noqa: S105
            format_error(_BAD_FORMAT)
        made.append(_show_token(_checked(token), at, ticks, offset, value))
        if token.startswith("F") and made[-1] == "" and len(made) > 1 and made[-2] == ".":
            made[-2] = ""
    return "".join(made)


def _checked(token: str) -> str:
    """A token as it is. Raises FormatException for what is none."""
    if token in ("'", '"'):
        format_error(f"Cannot find a matching quote character for the character '{token}'.")
    if token == "\\" or (token[0] in "fF" and len(token) > 7):  # noqa: S105
        format_error(_BAD_FORMAT)
    return token


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
    for token in _SPAN_TOKENS.findall(pattern):
        numbers = {"d": (days, 8), "h": (hours, 2), "m": (minutes, 2), "s": (seconds, 2)}
        kind, width = token[0], len(token)
        if token in ("'", '"'):
            format_error(f"Cannot find a matching quote character for the character '{token}'.")
        if kind in "'\"":
            made.append(token[1:-1])
        elif kind == "\\" and width > 1:
            made.append(token[1:])
        elif kind in numbers and width <= numbers[kind][1]:
            made.append(str(numbers[kind][0]).rjust(width, "0"))
        elif kind in "fF" and width <= 7:
            digits = f"{fraction:07d}"[:width]
            made.append(digits if kind == "f" else digits.rstrip("0"))
        elif token != "%":  # noqa: S105
            format_error(_BAD_FORMAT)
    return "".join(made)


_SPAN_TOKENS = re.compile(r"'[^']*'|\"[^\"]*\"|\\.|%|d+|h+|m+|s+|f+|F+|.", re.S)


def read_date(text: str) -> tuple[int, int | None] | None:
    """Ticks as written and the offset in ticks (None when none is written); None when it is no date."""
    try:
        return read(text)
    except DotNetError:
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


def parse_date(text: str | None, today: int | None = None) -> DateTime:
    """DateTime.Parse: a time with an offset becomes local time, which is UTC."""
    if text is None:
        argument_null("s")
    ticks, offset = read(text, today)
    if offset is None:
        return DateTime(ticks)
    ticks -= offset
    return DateTime(ticks + DAY if ticks < 0 else ticks - DAY if ticks > MAX.ticks else ticks, 2)


def parse_offset(text: str | None, today: int | None = None) -> DateTimeOffset:
    if text is None:
        argument_null("input")
    ticks, offset = read(text, today)
    if not 0 <= ticks - (offset or 0) <= MAX.ticks:
        format_error(f"The UTC representation of the date '{text}' falls outside the year range 1-9999.")
    return DateTimeOffset(ticks, offset or 0)


_SPANS = (
    (re.compile(r"(\d+)", re.ASCII), "d"),
    (re.compile(r"(\d+):(\d+)", re.ASCII), "hm"),
    (re.compile(r"(\d+)\.(\d+):(\d+)", re.ASCII), "dhm"),
    (re.compile(r"(\d+):(\d+):(\d+)", re.ASCII), "hms"),
    (re.compile(r"(\d+)\.(\d+):(\d+):(\d+)", re.ASCII), "dhms"),
    (re.compile(r"(\d+):(\d+):(\d+)\.(\d+)", re.ASCII), "hmsf"),
    (re.compile(r"(\d+):(\d+):(\d+):(\d+)", re.ASCII), "dhms"),
    (re.compile(r"(\d+)[.:](\d+):(\d+):(\d+)\.(\d+)", re.ASCII), "dhmsf"),
)


def parse_span(text: str | None) -> TimeSpan:
    """`25:00:00` is 25 days: an hour beyond 23 makes the first of three parts days."""
    if text is None:
        argument_null("input")
    shape = text.strip()
    sign, shape = (-1, shape[1:]) if shape[:1] == "-" else (1, shape)
    for pattern, names in _SPANS if len(shape) < 100 else ():
        match = pattern.fullmatch(shape)
        if match is None:
            continue
        found = dict(zip(names, match.groups(), strict=True))
        if names == "hms" and int(found["h"]) > 23:
            found = dict(zip("dhm", match.groups(), strict=True))
        values = {name: int(found.get(name, "0")) for name in "dhms"}
        fraction = found.get("f", "")
        days = values["d"]
        if values["h"] > 23 or values["m"] > 59 or values["s"] > 59 or len(fraction) > 7 or days > 10_675_199:
            _too_large(text)
        ticks = days * DAY + values["h"] * HOUR + values["m"] * MINUTE + values["s"] * SECOND
        ticks = sign * (ticks + int(fraction.ljust(7, "0")))
        if not -(2**63) <= ticks < 2**63:
            _too_large(text)
        return TimeSpan(ticks)
    return format_error(f"String '{text}' was not recognized as a valid TimeSpan.")


def _too_large(text: str) -> NoReturn:
    overflow(
        f"The TimeSpan string '{text}' could not be parsed because at least one of the numeric components is out of "
        "range or contains too many digits."
    )


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


def _shown(value: Any, pattern: str | None = None, _: Any = None) -> str:
    return FORMATS[type(value)](value, pattern or "")


_SHOW: dict[str, Any] = {
    "string ToString()": _shown,
    "string ToString(string format)": _shown,
    "string ToString(IFormatProvider provider)": lambda value, _: _shown(value),
    "string ToString(string format, IFormatProvider provider)": _shown,
}


def _today(exchange: Exchange) -> int:
    ticks = from_python(exchange.ports.clock.utcnow()).ticks
    return ticks - ticks % DAY


def _parsing(parse: Callable[[str | None, int | None], Any]) -> Any:
    return with_exchange(lambda exchange, text, _=None: parse(text, _today(exchange)))


def _trying(parse: Callable[[str | None, int | None], Any], missing: Any) -> Any:
    return with_exchange(lambda exchange, text: attempt(lambda t: parse(t, _today(exchange)), missing)(text))


members(
    p.DATETIME,
    {
        **_SHOW,
        "static DateTime Parse(string s)": _parsing(parse_date),
        "static DateTime Parse(string s, IFormatProvider provider)": _parsing(parse_date),
        "static bool TryParse(string s, out DateTime result)": _trying(parse_date, MIN),
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
        "static DateTimeOffset Parse(string input)": _parsing(parse_offset),
        "static DateTimeOffset Parse(string input, IFormatProvider formatProvider)": _parsing(parse_offset),
        "static bool TryParse(string input, out DateTimeOffset result)": _trying(parse_offset, OFFSET_MIN),
    },
)
members(
    p.TIMESPAN,
    {
        **_SHOW,
        "static TimeSpan Parse(string s)": parse_span,
        "static TimeSpan Parse(string input, IFormatProvider formatProvider)": lambda text, _: parse_span(text),
        "static bool TryParse(string s, out TimeSpan result)": attempt(parse_span, ZERO),
        "static bool TryParse(string input, IFormatProvider formatProvider, out TimeSpan result)": (
            lambda text, _: attempt(parse_span, ZERO)(text)
        ),
    },
)
PARSE_EXACT = _exact
__all__ = ["MAX", "format_date", "format_span", "parse_date", "parse_offset", "parse_span", "read_date"]
