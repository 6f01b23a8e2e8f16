"""System.TimeZoneInfo on the IANA database; Windows names are translated. The local zone is UTC."""

from __future__ import annotations

import datetime as python
from collections.abc import Callable
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from proxy.expressions.dotnet.datetime import LOCAL, SECOND, UNSPECIFIED, UTC, DateTime, DateTimeOffset, TimeSpan
from proxy.expressions.dotnet.text import TEXTS
from proxy.expressions.dotnet.values import stands_for
from proxy.expressions.runtime import DotNetError, argument, argument_null
from proxy.expressions.table import attribute, constant, define, members

# Windows names that policies use: Unicode CLDR, windowsZones
WINDOWS = {
    "UTC": "UTC", "GMT Standard Time": "Europe/London", "Greenwich Standard Time": "Atlantic/Reykjavik",
    "W. Europe Standard Time": "Europe/Berlin", "Romance Standard Time": "Europe/Paris",
    "Central Europe Standard Time": "Europe/Budapest", "Central European Standard Time": "Europe/Warsaw",
    "E. Europe Standard Time": "Europe/Chisinau", "FLE Standard Time": "Europe/Kiev",
    "GTB Standard Time": "Europe/Bucharest", "Turkey Standard Time": "Europe/Istanbul",
    "Russian Standard Time": "Europe/Moscow", "Israel Standard Time": "Asia/Jerusalem",
    "South Africa Standard Time": "Africa/Johannesburg", "Egypt Standard Time": "Africa/Cairo",
    "Arab Standard Time": "Asia/Riyadh", "Arabian Standard Time": "Asia/Dubai", "Iran Standard Time": "Asia/Tehran",
    "Pakistan Standard Time": "Asia/Karachi", "India Standard Time": "Asia/Calcutta",
    "SE Asia Standard Time": "Asia/Bangkok", "Singapore Standard Time": "Asia/Singapore",
    "China Standard Time": "Asia/Shanghai", "Taipei Standard Time": "Asia/Taipei",
    "Tokyo Standard Time": "Asia/Tokyo", "Korea Standard Time": "Asia/Seoul",
    "W. Australia Standard Time": "Australia/Perth", "AUS Eastern Standard Time": "Australia/Sydney",
    "E. Australia Standard Time": "Australia/Brisbane", "Cen. Australia Standard Time": "Australia/Adelaide",
    "New Zealand Standard Time": "Pacific/Auckland", "Hawaiian Standard Time": "Pacific/Honolulu",
    "Alaskan Standard Time": "America/Anchorage", "Pacific Standard Time": "America/Los_Angeles",
    "Mountain Standard Time": "America/Denver", "US Mountain Standard Time": "America/Phoenix",
    "Central Standard Time": "America/Chicago", "Eastern Standard Time": "America/New_York",
    "Atlantic Standard Time": "America/Halifax", "Newfoundland Standard Time": "America/St_Johns",
    "E. South America Standard Time": "America/Sao_Paulo", "Argentina Standard Time": "America/Buenos_Aires",
    "SA Pacific Standard Time": "America/Bogota", "Central America Standard Time": "America/Guatemala",
}  # fmt: skip
_START = python.datetime(1, 1, 1)


class TimeZone:
    __slots__ = ("id", "rules")

    def __init__(self, name: str, rules: python.tzinfo) -> None:
        self.id = name
        self.rules = rules

    def offset(self, ticks: int, *, is_utc: bool) -> int:
        """Ticks between UTC and the zone's clock at a moment, or at a clock time of the zone.

        A clock time that comes twice, or never, is standard time.
        """
        at = _START + python.timedelta(microseconds=ticks // 10)
        try:
            if is_utc:
                return _ticks(at.replace(tzinfo=python.UTC).astimezone(self.rules).utcoffset())
            return min(self.offsets(ticks))
        except OverflowError:
            return 0

    def offsets(self, ticks: int) -> tuple[int, int]:
        """The offset at a clock time as its first and as its second coming."""
        at = (_START + python.timedelta(microseconds=ticks // 10)).replace(tzinfo=self.rules)
        return _ticks(at.utcoffset()), _ticks(at.replace(fold=1).utcoffset())

    def is_ambiguous(self, ticks: int) -> bool:
        first, second = self.offsets(ticks)
        return first > second

    def is_invalid(self, ticks: int) -> bool:
        first, second = self.offsets(ticks)
        return first < second

    def saves(self, ticks: int) -> bool:
        """Whether daylight saving holds at a clock time of the zone."""
        at = (_START + python.timedelta(microseconds=ticks // 10)).replace(tzinfo=self.rules)
        return bool(at.dst()) and not self.is_ambiguous(ticks)

    @property
    def ever_saves(self) -> bool:
        moments = (python.datetime(year, month, 15, tzinfo=self.rules) for year in _YEARS for month in (1, 4, 7, 10))
        return any(at.dst() for at in moments)

    @property
    def base(self) -> int:
        """The standard offset of today's rules."""
        for month in (1, 7):
            at = python.datetime(2024, month, 1, tzinfo=self.rules)
            if not at.dst():
                return int((at.utcoffset() or python.timedelta()).total_seconds()) * SECOND
        return 0


def _ticks(offset: python.timedelta | None) -> int:
    return int((offset or python.timedelta()).total_seconds()) * SECOND


_YEARS = range(1910, 2038)
stands_for(TimeZone, "TimeZoneInfo")
UTC_ZONE = TimeZone("UTC", python.UTC)
ZONE = define("TimeZoneInfo", "System.TimeZoneInfo")


@lru_cache(256)
def find_zone(name: str | None) -> TimeZone:
    if name is None:
        argument_null("id")
    if name in ("UTC", "Etc/UTC"):
        return UTC_ZONE
    try:
        return TimeZone(name, ZoneInfo(WINDOWS.get(name, name)))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise DotNetError(
            "System.TimeZoneNotFoundException", f"The time zone ID '{name}' was not found on the local computer."
        ) from None


def _to_utc(value: DateTime, zone: TimeZone | None = None) -> DateTime:
    if zone is None or value.kind == UTC or value.kind == LOCAL:
        if zone is not None and zone is not UTC_ZONE:
            _kind_mismatch()
        return DateTime(value.ticks, UTC)
    if zone.is_invalid(value.ticks):
        argument(
            "The supplied DateTime represents an invalid time.  For example, when the clock is adjusted forward, any "
            "time in the period that is skipped is invalid.",
            "dateTime",
        )
    return DateTime(value.ticks - zone.offset(value.ticks, is_utc=False), UTC)


def _kind_mismatch() -> None:
    argument(
        "The conversion could not be completed because the supplied DateTime did not have the Kind property set "
        "correctly.  For example, when the Kind property is DateTimeKind.Local, the source time zone must be "
        "TimeZoneInfo.Local.",
        "sourceTimeZone",
    )


def _shown(utc_ticks: int, zone: TimeZone) -> DateTime:
    return DateTime(utc_ticks + zone.offset(utc_ticks, is_utc=True), UTC if zone is UTC_ZONE else UNSPECIFIED)


def _from_utc(value: DateTime, zone: TimeZone) -> DateTime:
    if value.kind == LOCAL:
        _kind_mismatch()
    return _shown(value.ticks, zone)


def _convert(value: DateTime, source: TimeZone, target: TimeZone) -> DateTime:
    return _shown(_to_utc(value, source).ticks, target)


def _convert_offset(value: DateTimeOffset, zone: TimeZone) -> DateTimeOffset:
    offset = zone.offset(value.utc, is_utc=True)
    return DateTimeOffset(value.utc + offset, offset)


def _offset_of(zone: TimeZone, value: DateTime) -> TimeSpan:
    return TimeSpan(zone.offset(value.ticks, is_utc=value.kind != UNSPECIFIED))


def _name(zone: TimeZone) -> str:
    return "Coordinated Universal Time" if zone is UTC_ZONE else zone.id


def _same_rules(one: TimeZone, other: TimeZone) -> bool:
    if other is None:
        argument_null("other")
    return one.rules == other.rules or one.id == other.id


def _at_clock(test: Callable[[TimeZone, int], bool]) -> Callable[[TimeZone, Any], bool]:
    def run(zone: TimeZone, value: Any) -> bool:
        if isinstance(value, DateTimeOffset):
            return test(zone, value.utc + zone.offset(value.utc, is_utc=True))
        if value.kind == UNSPECIFIED:
            return test(zone, value.ticks)
        return test(zone, value.ticks + zone.offset(value.ticks, is_utc=True))

    return run


def _display(zone: TimeZone) -> str:
    if zone is UTC_ZONE:
        return "(UTC) Coordinated Universal Time"
    sign = "-" if zone.base < 0 else "+"
    minutes = abs(zone.base) // SECOND // 60
    return f"(UTC{sign}{minutes // 60:02d}:{minutes % 60:02d}) {zone.id}"


TEXTS[TimeZone] = _display


def _by_id(value: Any, *names: str) -> Any:
    if isinstance(value, DateTimeOffset):
        return _convert_offset(value, find_zone(names[0]))
    if len(names) == 2:
        return _convert(value, find_zone(names[0]), find_zone(names[1]))
    return _shown(value.ticks, find_zone(names[0]))


_OLD = define("TimeZone", "System.TimeZone")


class LocalZone:
    """System.TimeZone: the gateway's local time, which is UTC."""

    __slots__ = ()


stands_for(LocalZone, "TimeZone")
members(
    _OLD,
    {
        "static TimeZone CurrentTimeZone": constant(LocalZone()),
        "string StandardName": lambda zone: "UTC",
        "string DaylightName": lambda zone: "UTC",
        "DateTime ToUniversalTime(DateTime time)": lambda zone, d: d._replace(kind=UTC),
        "DateTime ToLocalTime(DateTime time)": lambda zone, d: d._replace(kind=LOCAL),
        "TimeSpan GetUtcOffset(DateTime time)": lambda zone, d: TimeSpan(0),
        "bool IsDaylightSavingTime(DateTime time)": lambda zone, d: False,
    },
)
members(
    ZONE,
    {
        "static TimeZoneInfo Utc": constant(UTC_ZONE),
        "static TimeZoneInfo Local": constant(UTC_ZONE),
        "static TimeZoneInfo FindSystemTimeZoneById(string id)": find_zone,
        "static DateTime ConvertTimeToUtc(DateTime dateTime)": _to_utc,
        "static DateTime ConvertTimeToUtc(DateTime dateTime, TimeZoneInfo sourceTimeZone)": _to_utc,
        "static DateTime ConvertTimeFromUtc(DateTime dateTime, TimeZoneInfo destinationTimeZone)": _from_utc,
        "static DateTime ConvertTime(DateTime dateTime, TimeZoneInfo destinationTimeZone)": lambda d, z: _shown(
            d.ticks, z
        ),
        "static DateTime ConvertTime(DateTime dateTime, TimeZoneInfo source, TimeZoneInfo destination)": _convert,
        "static DateTimeOffset ConvertTime(DateTimeOffset dateTimeOffset, TimeZoneInfo destination)": _convert_offset,
        "static DateTime ConvertTimeBySystemTimeZoneId(DateTime dateTime, string destinationTimeZoneId)": _by_id,
        "static DateTime ConvertTimeBySystemTimeZoneId(DateTime dateTime, string sourceId, string destinationId)": (
            _by_id
        ),
        "static DateTimeOffset ConvertTimeBySystemTimeZoneId(DateTimeOffset time, string destinationId)": _by_id,
        "string Id": attribute("id"),
        "string DisplayName": _display,
        "string StandardName": _name,
        "string DaylightName": _name,
        "TimeSpan BaseUtcOffset": lambda zone: TimeSpan(zone.base),
        "bool SupportsDaylightSavingTime": attribute("ever_saves"),
        "bool IsDaylightSavingTime(DateTime dateTime)": _at_clock(TimeZone.saves),
        "bool IsDaylightSavingTime(DateTimeOffset dateTimeOffset)": _at_clock(TimeZone.saves),
        "bool IsAmbiguousTime(DateTime dateTime)": _at_clock(TimeZone.is_ambiguous),
        "bool IsAmbiguousTime(DateTimeOffset dateTimeOffset)": _at_clock(TimeZone.is_ambiguous),
        "bool IsInvalidTime(DateTime dateTime)": lambda zone, d: d.kind == UNSPECIFIED and zone.is_invalid(d.ticks),
        "bool HasSameRules(TimeZoneInfo other)": _same_rules,
        "static void ClearCachedData()": lambda: None,
        "TimeSpan GetUtcOffset(DateTime dateTime)": _offset_of,
        "TimeSpan GetUtcOffset(DateTimeOffset dateTimeOffset)": lambda zone, d: TimeSpan(
            zone.offset(d.utc, is_utc=True)
        ),
        "string ToString()": _display,
        "bool Equals(TimeZoneInfo other)": lambda a, b: b is not None and a.id == b.id,
    },
)
