"""ParseExact and TryParseExact of DateTime and DateTimeOffset, and the lesser conversions of DateTime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from proxy.expressions.dotnet import primitives as p
from proxy.expressions.dotnet.collections import iterate
from proxy.expressions.dotnet.datetext import PARSE_EXACT, parse_date, parse_offset
from proxy.expressions.dotnet.datetime import DAY, FILE_TIME, MIN, OFFSET_MIN, UTC, DateTime
from proxy.expressions.runtime import DotNetError, format_error
from proxy.expressions.table import members

_OLE = 599_264_352_000_000_000


def _any_of(parse: Callable[..., Any]) -> Callable[..., Any]:
    def run(text: str | None, patterns: Any, provider: Any, style: Any) -> Any:
        for pattern in iterate(patterns):
            try:
                return parse(text, pattern)
            except DotNetError as error:
                if error.kind != "System.FormatException":
                    raise
        return format_error(f"String '{text}' was not recognized as a valid DateTime.")

    return run


def _attempt(parse: Callable[..., Any], missing: Any) -> Callable[..., tuple[bool, Any]]:
    def run(text: str | None, pattern: Any, provider: Any, style: Any) -> tuple[bool, Any]:
        try:
            return True, parse(text, pattern)
        except DotNetError:
            return False, missing

    return run


for _name, _definition, _parse, _missing in (
    ("DateTime", p.DATETIME, PARSE_EXACT(parse_date), MIN),
    ("DateTimeOffset", p.OFFSET, PARSE_EXACT(parse_offset), OFFSET_MIN),
):
    _tail = "object provider, DateTimeStyles style"
    members(
        _definition,
        {
            f"static {_name} ParseExact(string s, string format, object provider)": _parse,
            f"static {_name} ParseExact(string s, string format, {_tail})": lambda s, f, c, m, run=_parse: run(s, f),
            f"static {_name} ParseExact(string s, string[] formats, {_tail})": _any_of(_parse),
            f"static bool TryParseExact(string s, string format, {_tail}, out {_name} result)": _attempt(
                _parse, _missing
            ),
        },
    )


def _binary(value: DateTime) -> int:
    number = value.ticks | value.kind << 62
    return number - (1 << 64) if number >= 1 << 63 else number


def _ole(value: DateTime) -> float:
    return (value.ticks - _OLE) // 10_000 / (DAY // 10_000)


members(
    p.DATETIME,
    {
        "long ToFileTimeUtc()": lambda d: d.ticks - FILE_TIME,
        "long ToFileTime()": lambda d: d.ticks - FILE_TIME,
        "double ToOADate()": _ole,
        "long ToBinary()": _binary,
        "static DateTime FromFileTimeUtc(long fileTime)": lambda ticks: DateTime(ticks + FILE_TIME, UTC),
    },
)
