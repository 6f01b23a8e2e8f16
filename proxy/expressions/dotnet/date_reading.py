"""Reads dates as people write them, as DateTime.Parse does under the invariant culture.

Rules: numbers before names stand as month/day/year, or year/month/day when the first has three digits or more; a name
is a month or the right day of the week; two-digit years up to 29 are of this century; a time has a colon or AM or PM; a
zone is Z, GMT or an offset of at most 14 hours. Without a year or date, today's counts.
"""

from __future__ import annotations

import calendar
import re
from typing import NamedTuple, NoReturn

from proxy.expressions.dotnet.datetime import DAY, HOUR, MINUTE, SECOND, parts, ticks_of
from proxy.expressions.runtime import DotNetError, format_error

_ISO = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,7}))?)?(Z|[+-]\d{2}:\d{2})?", re.ASCII
)
_TIME = re.compile(
    r"(?<![\d.:])T?(\d{1,2})(?:\s*:\s*(\d{1,2})(?:\s*:\s*(\d{1,2})(?:\.(\d+))?)?(?:\s*([AaPp])[Mm]?\b)?|\s*([AaPp])[Mm]\b)"
    r"\s*(Z\b|GMT\b|[+-]\s*\d{1,2}(?::?\d{2})?(?![\d:]))?",
    re.ASCII | re.IGNORECASE,
)
_TOKEN = re.compile(r"(\d+)|([^\W\d_]+\.?)|([/.,-])|\s+|(.)", re.S)
_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_name) if name}
_MONTHS |= {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {name.lower(): number for number, name in enumerate(calendar.day_name)}
_DAYS |= {name.lower(): number for number, name in enumerate(calendar.day_abbr)}
# what the invariant culture calls a date of two-digit years
_LAST_SHORT_YEAR = 29
_LONGEST = 200


class Read(NamedTuple):
    """Ticks as written, and the offset from UTC in ticks, None when none is written."""

    ticks: int
    offset: int | None


def _refuse(text: str, why: str = "") -> NoReturn:
    format_error(f"String '{text}' was not recognized as a valid DateTime{why}.")


def read(text: str, today: int | None = None) -> Read:
    """`today` is midnight of the current day in ticks. Raises FormatException."""
    found = _ISO.fullmatch(text)
    if found is not None:
        year, month, day, hour, minute, second, fraction, zone = found.groups()
        if int(hour or 0) < 24 and int(minute or 0) < 60 and int(second or 0) < 60:
            return _finished(text, int(year), int(month), int(day), _clock(hour, minute, second, fraction), zone)
    return _free(text, today)


def _clock(hour: str | None, minute: str | None, second: str | None, fraction: str | None) -> int:
    return (
        int(hour or 0) * HOUR
        + int(minute or 0) * MINUTE
        + int(second or 0) * SECOND
        + (int(float(f"0.{fraction}") * SECOND + 0.5) if fraction else 0)
    )


def _finished(text: str, year: int, month: int, day: int, clock: int, zone: str | None) -> Read:
    try:
        ticks = ticks_of(year, month, day) + clock
    except DotNetError:
        _refuse(text)
    return Read(ticks, _zone(text, zone))


def _zone(text: str, zone: str | None) -> int | None:
    if not zone:
        return None
    if zone[0] not in "+-":
        return 0
    digits = re.sub(r"\D", "", zone)
    hours, minutes = (digits[:-2], digits[-2:]) if len(digits) > 2 else (digits, "0")
    amount = int(hours) * HOUR + int(minutes) * MINUTE
    if int(minutes) > 59:
        _refuse(text)
    if amount > 14 * HOUR:
        format_error(f"The time zone offset of string '{text}' must be within plus or minus 14 hours.")
    return -amount if zone[0] == "-" else amount


def _free(text: str, today: int | None) -> Read:
    shape = text.strip()
    if not shape or len(shape) > _LONGEST:
        _refuse(text)
    _known_words(text)
    clock, zone, has_time, glued = 0, None, False, False
    time = _TIME.search(shape)
    if time is not None:
        hour, minute, second, fraction, half, other, zone = time.groups()
        half = half or other
        hours = int(hour)
        if half:
            if not 0 <= hours <= 12:
                _refuse(text)
            hours = hours % 12 + (12 if half.lower() == "p" else 0)
        if hours > 23 or int(minute or 0) > 59 or int(second or 0) > 59:
            format_error(
                f"The DateTime represented by the string '{text}' is not supported in calendar "
                "'System.Globalization.GregorianCalendar'."
            )
        before, after = shape[: time.start()], shape[time.end() :]
        if re.search(r"\d", before) and re.search(r"\d", after):
            _refuse(text)
        glued = before[-1:] in ("T", "t")
        clock, has_time = _clock(str(hours), minute, second, fraction), True
        shape = f"{before.rstrip(' T')} {after}".strip()
    elif shape[-1:] in "Zz":
        shape, zone = shape[:-1], "Z"
    numbers: list[str] = []
    month = weekday = 0
    at = -1  # how many numbers stand before the month's name
    for number, word, mark, other in _TOKEN.findall(shape):
        if number:
            numbers.append(number)
        elif word:
            name = word.rstrip(".").lower()
            if name in _MONTHS and not month:
                month, at = _MONTHS[name], len(numbers)
            elif name in _DAYS and not weekday:
                weekday = _DAYS[name] + 1
            elif name not in ("t",):
                _refuse(text)
        elif other or (mark and not (numbers or month or weekday)):
            _refuse(text)
    if not numbers and not month and not weekday and has_time and today is not None:
        return Read(today + clock, _zone(text, zone))
    # T may follow a day only
    if glued and (month or len(numbers) != 3 or not (len(numbers[0]) > 2 or len(numbers[1]) > 2)):
        _refuse(text)
    year, month, day = _date(text, numbers, month, at, today)
    made = _finished(text, year, month, day, clock, zone)
    if weekday and (made.ticks // DAY) % 7 + 1 != weekday:
        _refuse(text, " because the day of week was incorrect")
    return made


def _known_words(text: str) -> None:
    for word in re.finditer(r"[^\W\d_]+", text):
        name = word[0].lower()
        known = name in _MONTHS or name in _DAYS or name in ("am", "pm", "a", "p", "t", "z", "gmt")
        if not known:
            if ":" in text[: word.start()]:
                _refuse(text)
            format_error(
                f"The string '{text}' was not recognized as a valid DateTime. "
                f"There is an unknown word starting at index '{word.start()}'."
            )


def _year(text: str, digits: str) -> int:
    if len(digits) > 4:
        _refuse(text)
    number = int(digits)
    if len(digits) > 2:
        return number
    return number + (2000 if number <= _LAST_SHORT_YEAR else 1900)


def _date(text: str, numbers: list[str], month: int, at: int, today: int | None) -> tuple[int, int, int]:
    this_year = parts(today).year if today is not None else 0
    long = [len(number) > 2 for number in numbers]
    if month:
        if len(numbers) == 2:
            first, second = numbers
            # a year is known by its length, or because it is no day; else it stands last
            if long[0] or (not long[1] and int(first) > 31):
                return _year(text, first), month, int(second)
            return _year(text, second), month, int(first)
        if len(numbers) == 1:
            if long[0] or at == 1:
                return _year(text, numbers[0]), month, 1
            if this_year:
                return this_year, month, int(numbers[0])
        _refuse(text)
    if len(numbers) == 3:
        if long[0]:
            return _year(text, numbers[0]), int(numbers[1]), int(numbers[2])
        if long[1]:
            return _year(text, numbers[1]), int(numbers[0]), int(numbers[2])
        return _year(text, numbers[2]), int(numbers[0]), int(numbers[1])
    if len(numbers) == 2:
        if long[0]:
            return _year(text, numbers[0]), int(numbers[1]), 1
        if long[1]:
            return _year(text, numbers[1]), int(numbers[0]), 1
        if this_year:
            return this_year, int(numbers[0]), int(numbers[1])
    return _refuse(text)
