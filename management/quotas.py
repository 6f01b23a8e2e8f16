"""Counters of `quota-by-key` policies, as the agents of gateways last told them, and what somebody set them to.

    {service}/quotas/{counter key}                     the key's counters in their present periods
    {service}/quotas/{counter key}/periods/{period}    one of them; a period is `{number}_{ISO 8601 duration}`

Rules
1. Each agent counts for its own sidecars. What is shown is the sum over all agents.
2. A value that is set goes to the agent that counted most, and zero to the others, with each agent's next call. Until
   it is confirmed, what the agent tells of this counter is not heard, so a value that was set is what is read. With it
   each agent hears what was set for all of them together, for sidecars that count in a server which all of them use.
3. A key that nobody counted has no counters; a period in which nobody counted has counted nothing.
4. An agent that begins anew gets its own counters back, so they outlive it and its sidecars.

https://learn.microsoft.com/azure/api-management/quota-by-key-policy
"""

from __future__ import annotations

import datetime
import math
import re
import time
from typing import Any

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from management.errors import ArmError, invalid
from management.schema import quotas
from management.store import Service
from management.transaction import Transaction
from management.vault import Vault

Item = dict[str, Any]

PREFIX = "quota-by-key/"  # before the counter key in a sidecar's name of a counter
FIRST = -62_135_596_800.0  # 0001-01-01, where periods begin unless a policy says otherwise
PERIOD = re.compile(
    r"(-?\d{1,12})_P(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,6})D)?(?:T(?:(\d{1,7})H)?(?:(\d{1,8})M)?(?:(\d{1,10})S)?)?"
)
YEAR, MONTH, DAY = 365 * 86_400, 30 * 86_400, 86_400
MOST = 10_000  # counters in one call
MOST_ANSWERED = 2_000
LONGEST_KEY = 2_048
LARGEST = 2**62
KEPT = 35 * DAY  # that a counter whose period has passed is kept
APART = 60.0  # seconds that an agent's clock and ours may differ
KEPT_ROWS = 1_000_000  # of a gateway
COLUMNS = ("key", "start", "period", "window", "calls", "bytes")
_INTEGERS = ("period", "window", "calls", "bytes")


def check(document: Any) -> dict[str, Any]:
    """`{"new", "counters", "confirmed"}` of an agent, see docs/configuration-feed.md. Raises ArmError."""
    if not isinstance(document, dict):
        raise invalid("quotas", "quotas must be an object.")
    counters, confirmed = document.get("counters", []), document.get("confirmed", [])
    if not isinstance(counters, list) or len(counters) > MOST or not all(map(_good, counters)):
        raise invalid("quotas.counters", f"quotas.counters must be a list of at most {MOST}: {', '.join(COLUMNS)}.")
    short = isinstance(confirmed, list) and len(confirmed) <= MOST
    if not short or not all(isinstance(each, str) and len(each) <= 64 for each in confirmed):
        raise invalid("quotas.confirmed", f"quotas.confirmed must be a list of at most {MOST} texts.")
    return document


def _good(row: Any) -> bool:
    if not isinstance(row, list) or len(row) != len(COLUMNS):
        return False
    named = dict(zip(COLUMNS, row, strict=True))
    return (
        isinstance(named["key"], str)
        and len(named["key"]) <= LONGEST_KEY
        and isinstance(named["start"], int | float)
        and -LARGEST < named["start"] < LARGEST
        and all(type(named[name]) is int and -LARGEST < named[name] < LARGEST for name in _INTEGERS)
        and named["period"] >= 0
        and abs(named["window"] * named["period"]) < LARGEST // 2  # databases multiply them, too
    )


def keep(
    connection: Connection, vault: Vault, service: Service, gateway: str, instance: str, told: dict[str, Any]
) -> list[Item]:
    """Store what an agent tells; the answer is what it has yet to set: `{"id", "counter"}`."""
    mine = (
        (quotas.c.service == service.number) & (quotas.c.gateway == gateway.lower()) & (quotas.c.instance == instance)
    )
    confirmed = told.get("confirmed", [])
    for start in range(0, len(confirmed), 500):
        part = quotas.c.asked.in_(confirmed[start : start + 500])
        connection.execute(update(quotas).where(mine, part).values(asked=""))
    waiting = {_name(row) for row in connection.execute(select(quotas).where(mine, quotas.c.asked != "")).mappings()}
    answer = _given_back(connection, vault, mine) if told.get("new") else []
    rows = []
    for row in told.get("counters", []):
        named = dict(zip(COLUMNS, row, strict=True))
        clear = named["key"]
        names = vault.names(clear)
        if any(_name({**named, "key": name}) in waiting for name in names):
            continue
        named["key"] = names[0]
        place = {"service": service.number, "gateway": gateway.lower(), "instance": instance}
        sealed = vault.seal(clear.encode("utf-8", "surrogatepass"), "/quotas")
        rows.append({**place, **named, "asked": "", "sealed": sealed})
    if rows:
        connection.execute(_replaced(connection), rows)
    for row in connection.execute(select(quotas).where(mine, quotas.c.asked != "").limit(MOST_ANSWERED)).mappings():
        answer.append({"id": row["asked"], "counter": _told(vault, row), "set": _set(row["asked"])})
    return answer


class Moments:
    """Nanoseconds since 1970, each later than the one before, also when the clock is set back."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> int:
        self._last = max(time.time_ns(), self._last + 1)
        return self._last


_moments = Moments()


def _asked(calls: int | None, size: int | None) -> str:
    """The id of what is set, which sorts by its time, and in which lies what is set for all agents together."""
    return ":".join([f"{_moments.next():016x}", *("" if each is None else str(each) for each in (calls, size))])


def _set(asked: str) -> list[int | None]:
    """Calls and bytes of all agents together; None is left as it is."""
    parts = asked.split(":")
    return [int(part) if part else None for part in parts[1:]] if len(parts) == 3 else [None, None]


def _replaced(connection: Connection) -> Any:
    """The statement that stores rows in place of those of the same counter."""
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    storing = dialect.insert(quotas)
    changes = {name: storing.excluded[name] for name in ("window", "calls", "bytes", "asked", "sealed")}
    return storing.on_conflict_do_update(index_elements=list(quotas.primary_key), set_=changes)


def _given_back(connection: Connection, vault: Vault, mine: Any) -> list[Item]:
    """What an agent that begins anew told before, as far as it still counts by its clock or ours; without an id nothing
    is confirmed."""
    found = connection.execute(select(quotas).where(mine, quotas.c.asked == "").limit(MOST_ANSWERED)).mappings()
    return [{"id": "", "counter": _told(vault, row)} for row in found if _present(row, APART)]


def _told(vault: Vault, row: Any) -> list[Any]:
    clear = vault.unseal(row["sealed"], "/quotas").decode("utf-8", "surrogatepass")
    return [clear, *(row[name] for name in COLUMNS[1:])]


def _name(row: Any) -> tuple[str, float, int]:
    return row["key"], float(row["start"]), row["period"]


def _window(now: float, start: float, period: int) -> int:
    return math.floor((now - start) / period) if period else 0


def _present(row: Any, apart: float = 0.0) -> bool:
    """Whether its period is the present one, or is so by a clock that differs by as much as `apart` seconds."""
    now = time.time()
    first, last = (_window(now + each, row["start"], row["period"]) for each in (-apart, apart))
    return bool(first <= row["window"] <= last)


def counters(tx: Transaction, key: str, period: str | None) -> list[Item]:
    """What ARM shows of a key, in one period or in all present ones. Raises ArmError."""
    groups: dict[str, list[Any]] = {}
    for row in _rows(tx, key):
        groups.setdefault(period_key(row["window"], row["period"]), []).append(row)
    if period is None:
        return [_shown(key, name, rows) for name, rows in sorted(groups.items())]
    number, seconds = read_period(period)
    rows = groups.get(period_key(number, seconds)) or [
        {"start": FIRST, "period": seconds, "window": number, "calls": 0, "bytes": 0}
    ]
    return [_shown(key, period, rows)]


def _rows(tx: Transaction, key: str) -> list[Any]:
    names = tx.vault.names(PREFIX + key)
    mine = select(quotas).where(quotas.c.service == tx.service.number, quotas.c.key.in_(names))
    found: dict[Any, Any] = {}
    for row in tx.connection.execute(mine).mappings():
        counter = tuple(row[name] for name in ("gateway", "instance", "start", "period"))
        if counter not in found or row["key"] == names[0]:  # while the store is sealed anew there may be both
            found[counter] = row
    return [row for row in found.values() if _present(row)]


def _shown(key: str, name: str, rows: list[Any]) -> Item:
    start, period, window = rows[0]["start"], rows[0]["period"], rows[0]["window"]
    began = start + window * period
    return {
        "counterKey": key,
        "periodKey": name,
        "periodStartTime": _time(began),
        "periodEndTime": _time(began + period if period else float("inf")),
        "value": {
            "callsCount": sum(row["calls"] for row in rows),
            "kbTransferred": sum(row["bytes"] for row in rows) / 1024,
        },
    }


def _time(seconds: float) -> str:
    last = 253_402_300_799.0
    at = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=math.floor(max(FIRST, min(seconds, last))))
    return f"{at.isoformat(timespec='seconds')}Z"


def period_key(number: int, seconds: int) -> str:
    days, rest = divmod(seconds, DAY)
    hours, rest = divmod(rest, 3_600)
    minutes, rest = divmod(rest, 60)
    time = "".join(f"{value}{unit}" for value, unit in ((hours, "H"), (minutes, "M"), (rest, "S")) if value)
    duration = (f"{days}D" if days else "") + (f"T{time}" if time else "") or "T0S"
    return f"{number}_P{duration}"


def read_period(text: str) -> tuple[int, int]:
    """(number of the period, seconds of one). Raises ArmError."""
    found = PERIOD.fullmatch(text)
    if found is None or text.endswith(("P", "T")):
        raise ArmError(404, "ResourceNotFound", "A period is told as 123_PT5M: its number and an ISO 8601 duration.")
    number, *parts = found.groups()
    units = (YEAR, MONTH, DAY, 3_600, 60, 1)
    return int(number), sum(int(each or 0) * unit for each, unit in zip(parts, units, strict=True))


def wanted(body: dict[str, Any]) -> dict[str, int]:
    """What a PATCH sets: calls, bytes, or both. Raises ArmError."""
    properties = body.get("properties", body)
    if not isinstance(properties, dict):
        raise invalid("properties", "properties must be an object.")
    found = {}
    for name, column, factor in (("callsCount", "calls", 1), ("kbTransferred", "bytes", 1024)):
        value = properties.get(name)
        if value is None:
            continue
        whole = isinstance(value, int) if column == "calls" else isinstance(value, int | float)
        if isinstance(value, bool) or not whole or not 0 <= value < 2**50:
            raise invalid(name, f"{name} must be a number that is not negative.")
        found[column] = int(value * factor)
    if not found:
        raise invalid("properties", "properties must have callsCount, kbTransferred, or both.")
    return found


def reset(tx: Transaction, key: str, period: str | None, values: dict[str, int]) -> list[Item]:
    """Set a key's counters, in one period or in all present ones. Raises ArmError."""
    one = read_period(period) if period is not None else None
    groups: dict[tuple[int, int], list[Any]] = {}
    for row in _rows(tx, key):
        groups.setdefault((row["window"], row["period"]), []).append(row)
    chosen = [rows for name, rows in groups.items() if one is None or name == one]
    if one is not None and not chosen and any(values.values()):
        raise ArmError(404, "ResourceNotFound", "No gateway counts this key in this period.")
    for rows in chosen:
        most = max(rows, key=lambda row: (row["calls"], row["bytes"]))
        # policies with one key and period may begin it at several times: only one of them gets the value
        asked = {
            alike: _asked(*(values[name] * alike if name in values else None for name in ("calls", "bytes")))
            for alike in (True, False)
        }
        for row in rows:
            mine = [
                quotas.c[name] == row[name] for name in ("service", "gateway", "instance", "key", "start", "period")
            ]
            given = {name: value if row is most else 0 for name, value in values.items()}
            tx.connection.execute(
                update(quotas).where(*mine).values(**given, asked=asked[row["start"] == most["start"]])
            )
    return counters(tx, key, period)


def trim(connection: Connection) -> None:
    """Forget counters whose period has long passed, and of a gateway that tells of too many those that end first."""
    ended = quotas.c.start + (quotas.c.window + 1) * quotas.c.period
    connection.execute(delete(quotas).where(quotas.c.period > 0, ended < time.time() - KEPT))
    place = (quotas.c.service, quotas.c.gateway)
    crowded = select(*place).group_by(*place).having(func.count() > KEPT_ROWS)
    for service, gateway in connection.execute(crowded).all():
        mine = (quotas.c.service == service) & (quotas.c.gateway == gateway)
        last = connection.scalar(select(ended).where(mine).order_by(ended.desc()).offset(KEPT_ROWS).limit(1))
        connection.execute(delete(quotas).where(mine, ended <= last))
