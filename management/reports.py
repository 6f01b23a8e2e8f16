"""Reports: what gateways counted of requests, by API, operation, product, user, subscription, region, time, and the
last requests themselves. https://learn.microsoft.com/rest/api/apimanagement/reports

    {service}/reports/byApi?$filter=timestamp ge datetime'2026-01-02T00:00:00' and apiId eq '/apis/orders'

Rules
1. Counts are kept per quarter of an hour (UTC). A quarter is in a filter's time when any part of it is.
2. What was not called is listed with zeros, as long as the service has at most `LISTED` of its kind.
3. Nobody here knows where a client is: byGeo has one row, without a country.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, case, cast, func, select

from management import figures, filters
from management.errors import bad_request, invalid
from management.ordering import ordered
from management.schema import figures as table
from management.store import Row
from management.transaction import Transaction

Item = dict[str, Any]
Names = tuple[str, ...]

LISTED = 1_000
QUARTER = figures.QUARTER
LONGEST_INTERVAL = 366 * 86_400
DURATION = re.compile(r"P(?:(\d{1,4})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,8})S)?)?", re.IGNORECASE)
BOUND = re.compile(
    r"\s*timestamp\s+(g[et]|l[et])\s+(?:(?:datetime(?:offset)?)?'([\d:.TZtz+-]+)'|([\d:.TZtz+-]+))\s*", re.IGNORECASE
)
EQUAL = re.compile(r"\s*(\w+)\s+eq\s+'[^']+'\s*")
IDS = ("apiId", "operationId", "productId", "subscriptionId", "userId")


def _sum(name: str) -> Any:
    """Of whole numbers as a whole number, whatever the database makes of it."""
    column = table.c[name]
    total = func.sum(column)
    return (cast(total, BigInteger) if isinstance(column.type, BigInteger) else total).label(name)


_CALLED = table.c.backend_calls > 0
SUMS = (
    *map(_sum, (*figures.COUNTS, "time", "backend_calls", "backend_time")),
    func.min(table.c.shortest).label("shortest"),
    func.max(table.c.longest).label("longest"),
    func.min(case((_CALLED, table.c.backend_shortest))).label("backend_shortest"),
    func.max(table.c.backend_longest).label("backend_longest"),
)


class Span:
    """The time of a row in a filter: `timestamp ge X` is true when any part of it is not before X."""

    def __init__(self, start: float, seconds: float) -> None:
        self.start, self.end = start, start + seconds

    def __ge__(self, other: object) -> bool:
        return self.end > moment(other)

    __gt__ = __ge__

    def __le__(self, other: object) -> bool:
        return self.start <= moment(other)

    def __lt__(self, other: object) -> bool:
        return self.start < moment(other)

    def __eq__(self, other: object) -> bool:
        return self.start <= moment(other) < self.end

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]


class Always(Span):
    """The time of what was not called: in every filter."""

    def __init__(self) -> None:
        super().__init__(float("-inf"), float("inf"))

    def __le__(self, other: object) -> bool:
        return moment(other) is not None

    __lt__ = __le__
    __eq__ = __le__

    def __ge__(self, other: object) -> bool:
        return moment(other) is not None

    __gt__ = __ge__


class Id:
    """A resource in a filter: equal to its path, its full ARM id and its name, in any case."""

    def __init__(self, path: str) -> None:
        self.path = path.lower()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, str):
            return False
        below = re.sub(r"^/?subscriptions/[^/]+/resourcegroups/.*?/service/[^/]+", "", other).strip("/")
        return below in (self.path.strip("/"), self.path.rsplit("/", 1)[-1])

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]


@lru_cache(maxsize=64)
def _moment(text: str) -> float:
    try:
        found = datetime.datetime.fromisoformat(text.upper())
    except ValueError:
        raise bad_request("InvalidFilter", f"'{text[:40]}' is not a time such as 2026-01-02T03:04:05Z.") from None
    return (found if found.tzinfo else found.replace(tzinfo=datetime.UTC)).timestamp()


def moment(value: object) -> float:
    """Unix seconds of a time in a filter. Raises ArmError."""
    if not isinstance(value, str):
        raise bad_request(
            "InvalidFilter", "timestamp is compared with a time: timestamp ge datetime'2026-01-02T03:04'."
        )
    return _moment(value)


def report(tx: Transaction, name: str, query: Mapping[str, str]) -> list[Item] | None:
    """The items of a report; None when there is none of that name. Raises ArmError."""
    maker = {each.lower(): maker for each, maker in REPORTS.items()}.get(name.lower())
    if maker is None:
        return None
    text = query.get("$filter", "")
    if not text.strip():
        raise invalid("$filter", "$filter is required: timestamp ge datetime'...' and timestamp le datetime'...'.")
    items = maker(tx, text, filters.parse(text), query)
    return ordered(query["$orderby"], items) if query.get("$orderby") else items


def _rows(tx: Transaction, text: str, matches: filters.Predicate, interval: int = 0) -> list[Item]:
    """What the filter takes, added up by names and gateway, and, with an interval, by its periods."""
    bounds = _bounds(text)
    columns: list[Any] = [table.c[name] for name in (*figures.NAMES, "gateway")]
    if bounds is None:  # the filter needs each quarter
        columns.append(table.c.start)
    elif interval:
        columns.append((table.c.start - table.c.start % interval).label("start"))
    statement = select(*columns, *SUMS).where(table.c.service == tx.service.number).group_by(*columns)
    if bounds is not None:
        statement = statement.where(table.c.start > bounds[0], table.c.start <= bounds[1])
    regions: dict[str, str] = {}
    found = []
    for row in tx.connection.execute(statement).mappings():
        document = ids(row["api"], row["operation"], row["product"], row["subscription"], row["user"])
        marks: Item = {field: Id(path) for field, path in document.items()}
        marks["apiRegion"] = _region(tx, row["gateway"], regions)
        marks["timestamp"] = Always() if bounds is not None else Span(row["start"], QUARTER)
        if matches(marks):
            found.append({**row, **document})
    return found


def _bounds(text: str) -> tuple[float, float] | None:
    """Of the quarters' starts, when the filter is a time and other things, all of which must hold; else None."""
    if re.search(r"\b(or|not)\b", text, re.IGNORECASE):
        return None
    low, high = float(-(2**31)), float(2**31 - 1)
    for part in re.split(r"\band\b", text, flags=re.IGNORECASE):
        bound = BOUND.fullmatch(part)
        if bound is None:
            if "timestamp" in part.lower() or part.count("'") % 2:
                return None
            continue
        operator, at = bound[1].lower(), _moment((bound[2] or bound[3]).lower())
        if operator[0] == "g":
            low = max(low, at - QUARTER)
        else:
            high = min(high, at if operator == "le" else math.nextafter(at, -math.inf))
    return low, high


def ids(api: str, operation: str, product: str, subscription: str, user: str) -> dict[str, str]:
    """The paths that reports show, of names that apply."""
    return {
        **({"apiId": f"/apis/{api}"} if api else {}),
        **({"operationId": f"/apis/{api}/operations/{operation}"} if api and operation else {}),
        **({"productId": f"/products/{product}"} if product else {}),
        **({"subscriptionId": f"/subscriptions/{subscription}"} if subscription else {}),
        **({"userId": f"/users/{user}"} if user else {}),
    }


def _region(tx: Transaction, gateway: str, known: dict[str, str]) -> str:
    """Where a gateway says that it is; lower case, as filters compare."""
    if gateway not in known:
        row = tx.get(f"/gateways/{gateway}")
        place = row.body.get("locationData") if row else None
        known[gateway] = str(place.get("name", "")) if isinstance(place, dict) else ""
    return known[gateway].lower()


def totals(rows: list[Item]) -> Item:
    """The figures of a report record."""

    def total(name: str) -> Any:
        return sum(row[name] for row in rows)

    calls = total("success") + total("blocked") + total("failed") + total("other")
    backend = [row for row in rows if row["backend_calls"]]
    return {
        "callCountSuccess": total("success"),
        "callCountBlocked": total("blocked"),
        "callCountFailed": total("failed"),
        "callCountOther": total("other"),
        "callCountTotal": calls,
        "bandwidth": total("bytes"),
        "cacheHitCount": total("hits"),
        "cacheMissCount": total("misses"),
        "apiTimeAvg": total("time") / calls if calls else 0,
        "apiTimeMin": min((row["shortest"] for row in rows), default=0),
        "apiTimeMax": max((row["longest"] for row in rows), default=0),
        "serviceTimeAvg": total("backend_time") / total("backend_calls") if backend else 0,
        "serviceTimeMin": min((row["backend_shortest"] for row in backend), default=0),
        "serviceTimeMax": max((row["backend_longest"] for row in backend), default=0),
    }


def _by(
    fields: Names, type: str, describe: Callable[[Row], Item], needed: str
) -> Callable[[Transaction, str, filters.Predicate, Mapping[str, str]], list[Item]]:
    """A report with an item for each resource of `type`. `fields` are the ids that items show; `needed` parts them."""

    def make(tx: Transaction, text: str, matches: filters.Predicate, query: Mapping[str, str]) -> list[Item]:
        groups: dict[str, list[Item]] = {}
        for row in _rows(tx, text, matches):
            if needed in row:
                groups.setdefault(row[needed].lower(), []).append(row)
        items = []
        for key, rows in sorted(groups.items()):
            resource = tx.get(key)
            known = describe(resource) if resource else {}
            shown = {field: known.get(field, rows[-1].get(field)) for field in fields}
            items.append({"name": known.get("name", ""), **{k: v for k, v in shown.items() if v}, **totals(rows)})
        return items if _only_called(text, fields) else items + _uncalled(tx, type, describe, matches, {*groups})

    return make


def _only_called(text: str, fields: Names) -> bool:
    """Does the filter want an id that what was not called has none of, such as that of a user?"""
    if re.search(r"\b(or|not)\b", text, re.IGNORECASE):
        return False
    wanted = (EQUAL.fullmatch(part) for part in re.split(r"\band\b", text, flags=re.IGNORECASE))
    return any(each is not None and each[1] in IDS and each[1] not in fields for each in wanted)


def _uncalled(
    tx: Transaction, type: str, describe: Callable[[Row], Item], matches: filters.Predicate, called: set[str]
) -> list[Item]:
    if tx.count_of_type(type) > LISTED:
        return []
    items = []
    for row in tx.of_type(type):
        shown = describe(row)
        marks: Item = {field: Id(path) for field, path in shown.items() if field.endswith("Id")}
        if row.key not in called and ";rev=" not in row.key and matches({**marks, "timestamp": Always()}):
            items.append({**shown, **totals([])})
    return items


def _api(row: Row) -> Item:
    return {"name": row.body.get("displayName", row.name), "apiId": row.id}


def _operation(row: Row) -> Item:
    return {
        "name": row.body.get("displayName", row.name),
        "apiId": "/".join(row.id.split("/")[:3]),
        "operationId": row.id,
    }


def _product(row: Row) -> Item:
    return {"name": row.body.get("displayName", row.name), "productId": row.id}


def _user(row: Row) -> Item:
    name = f"{row.body.get('firstName', '')} {row.body.get('lastName', '')}".strip()
    return {"name": name, "userId": row.id}


def _subscription(row: Row) -> Item:
    shown = {"name": row.body.get("displayName") or "", "subscriptionId": row.id}
    owner, scope = row.body.get("ownerId"), str(row.body.get("scope", ""))
    if owner:
        shown["userId"] = owner
    if scope.lower().startswith("/products/"):
        shown["productId"] = scope
    return shown


def by_geo(tx: Transaction, text: str, matches: filters.Predicate, query: Mapping[str, str]) -> list[Item]:
    rows = _rows(tx, text, matches)
    return [{"country": "", "region": "", "zip": "", **totals(rows)}] if rows else []


def by_time(tx: Transaction, text: str, matches: filters.Predicate, query: Mapping[str, str]) -> list[Item]:
    interval = _interval(query.get("interval", ""))
    groups: dict[int, list[Item]] = {}
    for row in _rows(tx, text, matches, interval):
        groups.setdefault(row["start"] // interval * interval, []).append(row)
    return [
        {"timestamp": _time(start), "interval": query["interval"], **totals(rows)}
        for start, rows in sorted(groups.items())
    ]


def _interval(text: str) -> int:
    found = DURATION.fullmatch(text.strip())
    days, hours, minutes, seconds = (int(each or 0) for each in found.groups()) if found else (0, 0, 0, 0)
    interval = days * 86_400 + hours * 3_600 + minutes * 60 + seconds
    if not 0 < interval <= LONGEST_INTERVAL or interval % QUARTER:
        raise invalid("interval", "interval must be an ISO 8601 duration: a multiple of 15 minutes, at most 366 days.")
    return interval


def by_request(tx: Transaction, text: str, matches: filters.Predicate, query: Mapping[str, str]) -> list[Item]:
    regions: dict[str, str] = {}
    items = []
    for each in figures.last_requests(tx.connection, tx.vault, tx.service):
        paths = ids(*(each[name] for name in figures.NAMES))
        region = _region(tx, each["gateway"], regions)
        marks: Item = {field: Id(path) for field, path in paths.items()}
        if not matches({**marks, "apiRegion": region, "timestamp": Span(each["start"], 0.001)}):
            continue
        items.append(
            {
                **paths,
                "method": each["method"],
                "url": each["url"],
                "ipAddress": each["ip"],
                **({"backendResponseCode": str(each["backendStatus"])} if each["backendStatus"] else {}),
                "responseCode": each["status"],
                "responseSize": each["responseSize"],
                "timestamp": _time(each["start"], "milliseconds"),
                "cache": each["cache"],
                "apiTime": each["time"],
                "serviceTime": each["backendTime"],
                "apiRegion": region,
                "requestId": each["id"],
                "requestSize": each["requestSize"],
            }
        )
    items.reverse()  # of two at the same time, the one that came first
    return sorted(items, key=lambda item: str(item["timestamp"]))


def _time(seconds: float, form: str = "seconds") -> str:
    """Of one form in each report, so that texts sort as times do."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec=form).replace("+00:00", "Z")


REPORTS = {
    "byApi": _by(("apiId",), "apis", _api, "apiId"),
    "byOperation": _by(("apiId", "operationId"), "apis/operations", _operation, "operationId"),
    "byProduct": _by(("productId",), "products", _product, "productId"),
    "byUser": _by(("userId",), "users", _user, "userId"),
    "bySubscription": _by(("userId", "productId", "subscriptionId"), "subscriptions", _subscription, "subscriptionId"),
    "byGeo": by_geo,
    "byTime": by_time,
    "byRequest": by_request,
}
