"""DateTime, DateTimeOffset, TimeSpan: 100 ns ticks since 0001-01-01. The gateway's local time zone is UTC."""

from __future__ import annotations

import calendar
import datetime as python
from typing import TYPE_CHECKING, Any, NamedTuple

from proxy.expressions.dotnet import primitives as p
from proxy.expressions.dotnet.enums import enum_value
from proxy.expressions.dotnet.numeric import wrap32
from proxy.expressions.dotnet.values import HASHES, stands_for
from proxy.expressions.runtime import argument, out_of_range, overflow
from proxy.expressions.table import attribute, constant, members, with_exchange
from proxy.expressions.types import type_of_name

if TYPE_CHECKING:
    from proxy.exchange import Exchange

SECOND = 10_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
EPOCH = 621_355_968_000_000_000
MAX_TICKS = 3_155_378_975_999_999_999
UNSPECIFIED, UTC, LOCAL = 0, 1, 2
_DAYS = type_of_name("DayOfWeek")
_KINDS = type_of_name("DateTimeKind")


class TimeSpan(NamedTuple):
    ticks: int


class DateTime(NamedTuple):
    """`kind`: 0 unspecified, 1 UTC, 2 local. Equality and order look at ticks only."""

    ticks: int
    kind: int = UNSPECIFIED


class DateTimeOffset(NamedTuple):
    """`ticks` is the clock time shown; `offset` its distance from UTC in ticks."""

    ticks: int
    offset: int = 0

    @property
    def utc(self) -> int:
        return self.ticks - self.offset


for _class in (TimeSpan, DateTime, DateTimeOffset):
    stands_for(_class, _class.__name__)
def _hash(ticks: int) -> int:
    bits = ticks & 0xFFFFFFFFFFFFFFFF
    return wrap32((bits ^ bits >> 32) & 0xFFFFFFFF)


HASHES["DateTime"] = HASHES["TimeSpan"] = lambda value: _hash(value.ticks)
HASHES["DateTimeOffset"] = lambda value: _hash(value.utc)
MIN, MAX = DateTime(0), DateTime(MAX_TICKS)
OFFSET_MIN, OFFSET_MAX = DateTimeOffset(0), DateTimeOffset(MAX_TICKS)
ZERO = TimeSpan(0)


class Parts(NamedTuple):
    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    fraction: int  # ticks below the second


def parts(ticks: int) -> Parts:
    days, rest = divmod(ticks, DAY)
    date = python.date.fromordinal(days + 1)
    hour, rest = divmod(rest, HOUR)
    minute, rest = divmod(rest, MINUTE)
    second, fraction = divmod(rest, SECOND)
    return Parts(date.year, date.month, date.day, hour, minute, second, fraction)


def ticks_of(
    year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0, millisecond: int = 0
) -> int:
    try:
        date = python.date(year, month, day)
    except ValueError:
        out_of_range("Year, Month, and Day parameters describe an un-representable DateTime.")
    if not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60 and 0 <= millisecond < 1000):
        out_of_range("Hour, Minute, and Second parameters describe an un-representable DateTime.")
    return (date.toordinal() - 1) * DAY + hour * HOUR + minute * MINUTE + second * SECOND + millisecond * 10_000


def from_python(value: python.datetime) -> DateTime:
    """An aware datetime becomes UTC."""
    if value.tzinfo is not None:
        value = value.astimezone(python.UTC).replace(tzinfo=None)
    delta = value - python.datetime(1, 1, 1)
    return DateTime((delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds * 10, UTC)


def checked(ticks: int) -> int:
    if not 0 <= ticks <= MAX_TICKS:
        out_of_range("The added or subtracted value results in an un-representable DateTime.", "value")
    return ticks


def _scaled(value: float, unit: int) -> int:
    if value != value:
        argument("TimeSpan does not accept floating point Not-a-Number values.")
    ticks = value * (unit / 10_000)
    if abs(ticks) > 9.3e14:
        overflow("TimeSpan overflowed because the duration is too long.")
    # .NET Framework and .NET before 7 round to the millisecond
    return int(ticks + (0.5 if value >= 0 else -0.5)) * 10_000


def _add_unit(unit: int) -> Any:
    return lambda date, value: date._replace(ticks=checked(date.ticks + _scaled(value, unit)))


def _add_months(date: Any, months: int) -> Any:
    at = parts(date.ticks)
    index = at.year * 12 + at.month - 1 + months
    year, month = index // 12, index % 12 + 1
    if not 1 <= year <= 9999:
        out_of_range("The added or subtracted value results in an un-representable DateTime.", "months")
    day = min(at.day, calendar.monthrange(year, month)[1])
    return date._replace(ticks=ticks_of(year, month, day) + date.ticks % DAY)


def _now(exchange: Exchange) -> DateTime:
    return from_python(exchange.ports.clock.utcnow())


def _order(left: Any, right: Any) -> int:
    return int(left > right) - int(left < right)


def _shared(name: str) -> dict[str, Any]:
    """What DateTime and DateTimeOffset have in common."""
    part = {"Year": 0, "Month": 1, "Day": 2, "Hour": 3, "Minute": 4, "Second": 5}
    table: dict[str, Any] = {f"int {label}": (lambda d, i=index: parts(d.ticks)[i]) for label, index in part.items()}
    table |= {
        "int Millisecond": lambda d: d.ticks // 10_000 % 1000,
        "long Ticks": attribute("ticks"),
        "DayOfWeek DayOfWeek": lambda d: enum_value(_DAYS, (d.ticks // DAY + 1) % 7),
        "int DayOfYear": lambda d: parts(d.ticks) and python.date.fromordinal(d.ticks // DAY + 1).timetuple().tm_yday,
        "TimeSpan TimeOfDay": lambda d: TimeSpan(d.ticks % DAY),
        f"{name} AddDays(double value)": _add_unit(DAY),
        f"{name} AddHours(double value)": _add_unit(HOUR),
        f"{name} AddMinutes(double value)": _add_unit(MINUTE),
        f"{name} AddSeconds(double value)": _add_unit(SECOND),
        f"{name} AddMilliseconds(double value)": _add_unit(10_000),
        f"{name} AddTicks(long value)": lambda d, ticks: d._replace(ticks=checked(d.ticks + ticks)),
        f"{name} AddMonths(int months)": _add_months,
        f"{name} AddYears(int value)": lambda d, years: _add_months(d, years * 12),
        f"{name} Add(TimeSpan value)": lambda d, span: d._replace(ticks=checked(d.ticks + span.ticks)),
        f"{name} Subtract(TimeSpan value)": lambda d, span: d._replace(ticks=checked(d.ticks - span.ticks)),
        f"static {name} op_Addition({name} a, TimeSpan b)": lambda d, span: d._replace(
            ticks=checked(d.ticks + span.ticks)
        ),
        f"static {name} op_Subtraction({name} a, TimeSpan b)": lambda d, span: d._replace(
            ticks=checked(d.ticks - span.ticks)
        ),
    }
    return table


def comparisons(name: str, key: Any) -> dict[str, Any]:
    """Operators and methods that compare by `key`."""
    return {
        f"static bool op_Equality({name} a, {name} b)": lambda a, b: key(a) == key(b),
        f"static bool op_Inequality({name} a, {name} b)": lambda a, b: key(a) != key(b),
        f"static bool op_LessThan({name} a, {name} b)": lambda a, b: key(a) < key(b),
        f"static bool op_GreaterThan({name} a, {name} b)": lambda a, b: key(a) > key(b),
        f"static bool op_LessThanOrEqual({name} a, {name} b)": lambda a, b: key(a) <= key(b),
        f"static bool op_GreaterThanOrEqual({name} a, {name} b)": lambda a, b: key(a) >= key(b),
        f"int CompareTo({name} other)": lambda a, b: _order(key(a), key(b)),
        f"bool Equals({name} other)": lambda a, b: key(a) == key(b),
        f"static int Compare({name} a, {name} b)": lambda a, b: _order(key(a), key(b)),
    }


def _ticks(value: Any) -> int:
    return int(value.ticks)


members(
    p.DATETIME,
    {
        "new()": lambda: MIN,
        "new(long ticks)": lambda ticks: DateTime(checked(ticks)),
        "new(long ticks, DateTimeKind kind)": lambda ticks, kind: DateTime(checked(ticks), int(kind)),
        "new(int year, int month, int day)": lambda *a: DateTime(ticks_of(*a)),
        "new(int year, int month, int day, int hour, int minute, int second)": lambda *a: DateTime(ticks_of(*a)),
        "new(int year, int month, int day, int hour, int minute, int second, int ms)": lambda *a: DateTime(
            ticks_of(*a)
        ),
        "new(int year, int month, int day, int hour, int minute, int second, DateTimeKind kind)": (
            lambda *a: DateTime(ticks_of(*a[:6]), int(a[6]))
        ),
        "new(int year, int month, int day, int hour, int minute, int second, int ms, DateTimeKind kind)": (
            lambda *a: DateTime(ticks_of(*a[:7]), int(a[7]))
        ),
        "static DateTime UtcNow": with_exchange(_now),
        "static DateTime Now": with_exchange(lambda exchange: _now(exchange)._replace(kind=LOCAL)),
        "static DateTime Today": with_exchange(lambda x: DateTime((t := _now(x).ticks) - t % DAY, LOCAL)),
        "static DateTime MinValue": constant(MIN),
        "static DateTime MaxValue": constant(MAX),
        "static DateTime UnixEpoch": constant(DateTime(EPOCH, UTC)),
        "static int DaysInMonth(int year, int month)": lambda y, m: calendar.monthrange(y, m)[1],
        "static bool IsLeapYear(int year)": calendar.isleap,
        "static DateTime SpecifyKind(DateTime value, DateTimeKind kind)": lambda d, kind: d._replace(kind=int(kind)),
        "DateTime Date": lambda d: d._replace(ticks=d.ticks - d.ticks % DAY),
        "DateTimeKind Kind": lambda d: enum_value(_KINDS, d.kind),
        "TimeSpan Subtract(DateTime value)": lambda a, b: TimeSpan(a.ticks - b.ticks),
        "static TimeSpan op_Subtraction(DateTime a, DateTime b)": lambda a, b: TimeSpan(a.ticks - b.ticks),
        "DateTime ToUniversalTime()": lambda d: d._replace(kind=UTC),
        "DateTime ToLocalTime()": lambda d: d._replace(kind=LOCAL),
        "bool IsDaylightSavingTime()": lambda d: False,
        **_shared("DateTime"),
        **comparisons("DateTime", _ticks),
        "implicit DateTimeOffset(DateTime value)": lambda d: DateTimeOffset(d.ticks),
    },
)


def _offset(ticks: int, offset: TimeSpan) -> DateTimeOffset:
    if abs(offset.ticks) > 14 * HOUR:
        out_of_range("Offset must be within plus or minus 14 hours.", "offset")
    return DateTimeOffset(ticks, offset.ticks)


def _from_unix(unit: int) -> Any:
    return lambda value: DateTimeOffset(checked(EPOCH + value * unit))


def _local(value: DateTimeOffset) -> DateTime:
    return DateTime(value.ticks)


members(
    p.OFFSET,
    {
        "new()": lambda: OFFSET_MIN,
        "new(DateTime dateTime)": lambda d: DateTimeOffset(d.ticks),
        "new(DateTime dateTime, TimeSpan offset)": lambda d, span: _offset(d.ticks, span),
        "new(long ticks, TimeSpan offset)": _offset,
        "new(int year, int month, int day, int hour, int minute, int second, TimeSpan offset)": (
            lambda *a: _offset(ticks_of(*a[:6]), a[6])
        ),
        "new(int year, int month, int day, int hour, int minute, int second, int ms, TimeSpan offset)": (
            lambda *a: _offset(ticks_of(*a[:7]), a[7])
        ),
        "static DateTimeOffset UtcNow": with_exchange(lambda x: DateTimeOffset(_now(x).ticks)),
        "static DateTimeOffset Now": with_exchange(lambda x: DateTimeOffset(_now(x).ticks)),
        "static DateTimeOffset MinValue": constant(OFFSET_MIN),
        "static DateTimeOffset MaxValue": constant(OFFSET_MAX),
        "static DateTimeOffset UnixEpoch": constant(DateTimeOffset(EPOCH)),
        "static DateTimeOffset FromUnixTimeSeconds(long seconds)": _from_unix(SECOND),
        "static DateTimeOffset FromUnixTimeMilliseconds(long milliseconds)": _from_unix(10_000),
        "long ToUnixTimeSeconds()": lambda d: d.utc // SECOND - EPOCH // SECOND,
        "long ToUnixTimeMilliseconds()": lambda d: d.utc // 10_000 - EPOCH // 10_000,
        "DateTime UtcDateTime": lambda d: DateTime(d.utc, UTC),
        "DateTime LocalDateTime": lambda d: DateTime(d.utc, LOCAL),
        "DateTime DateTime": _local,
        "DateTime Date": lambda d: DateTime(d.ticks - d.ticks % DAY),
        "TimeSpan Offset": lambda d: TimeSpan(d.offset),
        "long UtcTicks": attribute("utc"),
        "DateTimeOffset ToUniversalTime()": lambda d: DateTimeOffset(d.utc),
        "DateTimeOffset ToLocalTime()": lambda d: DateTimeOffset(d.utc),
        "DateTimeOffset ToOffset(TimeSpan offset)": lambda d, span: _offset(checked(d.utc + span.ticks), span),
        "TimeSpan Subtract(DateTimeOffset value)": lambda a, b: TimeSpan(a.utc - b.utc),
        "static TimeSpan op_Subtraction(DateTimeOffset a, DateTimeOffset b)": lambda a, b: TimeSpan(a.utc - b.utc),
        **_shared("DateTimeOffset"),
        **comparisons("DateTimeOffset", lambda d: d.utc),
    },
)


def span(ticks: int) -> TimeSpan:
    if not -(2**63) <= ticks < 2**63:
        overflow("TimeSpan overflowed because the duration is too long.")
    return TimeSpan(ticks)


def _from(unit: int) -> Any:
    return lambda value: span(_scaled(value, unit))


def _part(unit: int, modulus: int) -> Any:
    def run(value: TimeSpan) -> int:
        whole = abs(value.ticks) // unit % modulus
        return -whole if value.ticks < 0 else whole

    return run


_UNITS = {"Days": DAY, "Hours": HOUR, "Minutes": MINUTE, "Seconds": SECOND, "Milliseconds": 10_000}
_MODULI = {"Days": 1 << 62, "Hours": 24, "Minutes": 60, "Seconds": 60, "Milliseconds": 1000}
members(
    p.TIMESPAN,
    {
        "new(long ticks)": span,
        "new(int hours, int minutes, int seconds)": lambda h, m, s: span(h * HOUR + m * MINUTE + s * SECOND),
        "new(int days, int hours, int minutes, int seconds)": (
            lambda d, h, m, s: span(d * DAY + h * HOUR + m * MINUTE + s * SECOND)
        ),
        "new(int days, int hours, int minutes, int seconds, int ms)": (
            lambda d, h, m, s, ms: span(d * DAY + h * HOUR + m * MINUTE + s * SECOND + ms * 10_000)
        ),
        "static TimeSpan Zero": constant(ZERO),
        "static TimeSpan MinValue": constant(TimeSpan(-(2**63))),
        "static TimeSpan MaxValue": constant(TimeSpan(2**63 - 1)),
        "static long TicksPerDay": constant(DAY),
        "static long TicksPerHour": constant(HOUR),
        "static long TicksPerMinute": constant(MINUTE),
        "static long TicksPerSecond": constant(SECOND),
        "static long TicksPerMillisecond": constant(10_000),
        **{f"static TimeSpan From{name}(double value)": _from(unit) for name, unit in _UNITS.items()},
        "static TimeSpan FromTicks(long value)": span,
        **{f"int {name}": _part(unit, _MODULI[name]) for name, unit in _UNITS.items()},
        **{f"double Total{name}": (lambda v, u=unit: v.ticks / u) for name, unit in _UNITS.items()},
        "long Ticks": attribute("ticks"),
        "TimeSpan Add(TimeSpan ts)": lambda a, b: span(a.ticks + b.ticks),
        "TimeSpan Subtract(TimeSpan ts)": lambda a, b: span(a.ticks - b.ticks),
        "TimeSpan Duration()": lambda a: span(abs(a.ticks)),
        "TimeSpan Negate()": lambda a: span(-a.ticks),
        "static TimeSpan op_Addition(TimeSpan a, TimeSpan b)": lambda a, b: span(a.ticks + b.ticks),
        "static TimeSpan op_Subtraction(TimeSpan a, TimeSpan b)": lambda a, b: span(a.ticks - b.ticks),
        "static TimeSpan op_UnaryNegation(TimeSpan a)": lambda a: span(-a.ticks),
        **comparisons("TimeSpan", _ticks),
    },
)
