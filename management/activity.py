"""What goes on now: the last hour by minute, API, gateway and error, and single requests. Ours, not Azure's.

    GET {service}/activity?minutes=60&apiId=&gatewayId=
    GET {service}/activity/requests?failed=true&apiId=&gatewayId=&reason=&$top=
    GET {service}/activity/requests/{requestId}

Rules
1. A status below 400 is a success, 4xx is the client's, and 5xx, like a client that went away (0), is a failure.
2. Times are milliseconds: `averageTime` of a request in all, and of it `averageBackendTime` and `averageClientTime`;
   the rest is the gateway's own.
3. A minute is in the last hour when any part of it is. One to come, of a gateway whose clock is ahead, is the present
   one: what is in the sums is in the minutes.
"""

from __future__ import annotations

import datetime
import re
import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import case, func, select

from management import figures, traces
from management.errors import invalid, not_found
from management.schema import minutes as table
from management.transaction import Transaction

Item = dict[str, Any]

LONGEST = figures.KEPT_MINUTES // 60  # minutes
SHOWN = 500  # items of a list
MOST_REQUESTS = 1_000
TRACE = re.compile(r"[0-9a-f]{32}")

ADDED = ("requests", "refused", "failed", "time", "backend_time", "client_time")
SUMS = (
    func.sum(table.c.requests).label("requests"),
    func.sum(case(((table.c.status >= 400) & (table.c.status < 500), table.c.requests), else_=0)).label("refused"),
    func.sum(case(((table.c.status >= 500) | (table.c.status < 100), table.c.requests), else_=0)).label("failed"),
    func.sum(table.c.time).label("time"),
    func.max(table.c.longest).label("longest"),
    func.sum(table.c.backend_time).label("backend_time"),
    func.sum(table.c.client_time).label("client_time"),
    func.max(table.c.start).label("last"),
)


def activity(tx: Transaction, query: Mapping[str, str], now: float | None = None) -> Item:
    """The last minutes of what the query asks for. Raises ArmError."""
    count = _minutes(query.get("minutes", "60"))
    until = time.time() if now is None else now
    since = (int(until) - count * 60) // 60 * 60
    mine = [table.c.service == tx.service.number, table.c.start >= since]
    if api := _api(tx, query):
        mine.append(table.c.api == api)
    if gateway := query.get("gatewayId", "").rsplit("/", 1)[-1].lower():
        mine.append(table.c.gateway == gateway)

    outcomes = (table.c.gateway, table.c.api, table.c.status, table.c.source, table.c.reason)
    # Two looks at what may be 200,000 rows; what they leave is few.
    told = _read(tx, mine, *outcomes)
    present = int(until) // 60 * 60
    minutes = [{**row, "start": min(row["start"], present)} for row in _read(tx, mine, table.c.start)]
    by_minute = {row["start"]: row for row in _added(minutes, "start")}
    failures = [row for row in told if row["status"] >= 400 or row["status"] < 100 or row["reason"]]
    return {
        "since": _time(since),
        "until": _time(until),
        "total": _shown(next(iter(_added(told)), {})),
        "minutes": [
            {"start": _time(start), **_counts(by_minute.get(start, {}))} for start in range(since, present + 60, 60)
        ],
        "apis": [{**_name_api(tx, row["api"]), **_shown(row)} for row in _added(told, "api")[:SHOWN]],
        "gateways": [{"gatewayId": row["gateway"], **_shown(row)} for row in _added(told, "gateway")[:SHOWN]],
        "errors": [
            {
                **_name_api(tx, row["api"]),
                "responseCode": row["status"],
                "source": row["source"],
                "reason": row["reason"],
                "requests": int(row["requests"]),
                "lastMinute": _time(row["last"]),
            }
            for row in _added(failures, "api", "status", "source", "reason")[:SHOWN]
        ],
    }


def _read(tx: Transaction, mine: list[Any], *columns: Any) -> list[Item]:
    statement = select(*columns, *SUMS).where(*mine).group_by(*columns)
    return [dict(row) for row in tx.connection.execute(statement).mappings()]


def _added(rows: list[Item], *names: str) -> list[Item]:
    """The sums by what has these names, the most requests first."""
    groups: dict[tuple[Any, ...], Item] = {}
    for row in rows:
        key = tuple(row[name] for name in names)
        held = groups.get(key)
        if held is None:
            groups[key] = dict(row)
            continue
        for name in ADDED:
            held[name] += row[name]
        for name in ("longest", "last"):
            held[name] = max(held[name], row[name])
    return sorted(groups.values(), key=lambda row: row["requests"], reverse=True)


def requests(tx: Transaction, query: Mapping[str, str]) -> list[Item]:
    """The newest single requests of what the query asks for. Raises ArmError."""
    text = query.get("failed", "").lower()
    if text not in ("", "true", "false"):
        raise invalid("failed", "failed must be true or false.")
    found = figures.last_requests(
        tx.connection,
        tx.vault,
        tx.service,
        gateway=query.get("gatewayId", "").rsplit("/", 1)[-1],
        api=_api(tx, query),
        failed={"true": True, "false": False}.get(text),
        most=None if query.get("reason") else MOST_REQUESTS,
    )
    if reason := query.get("reason"):
        found = [each for each in found if each.get("reason") == reason][:MOST_REQUESTS]
    return sorted((_request(tx, each) for each in found), key=lambda item: str(item["timestamp"]), reverse=True)


def request(tx: Transaction, id: str, traced: bool) -> Item:
    """One request, and if `traced` the trace of it that is kept. Raises ArmError."""
    found = figures.last_requests(tx.connection, tx.vault, tx.service, id=id, most=1)
    if not found:
        raise not_found("Request")
    name = id.replace("-", "").lower()
    trace = traces.find(tx, name, None) if traced and TRACE.fullmatch(name) else None
    return _request(tx, found[0]) | ({"trace": trace} if trace is not None else {})


def _request(tx: Transaction, told: Item) -> Item:
    names = ("source", "reason", "section", "scope", "path", "policy", "message", "detail")
    error = {name: told[name] for name in names if told.get(name)}
    item = {
        "requestId": told["id"],
        "timestamp": _time(told["start"]),
        "gatewayId": told["gateway"],
        **_name_api(tx, told["api"]),
        "operationId": told["operation"],
        "productId": told["product"],
        "subscriptionId": told["subscription"],
        "userId": told["user"],
        "method": told["method"],
        "url": told["url"],
        "ipAddress": told["ip"],
        "responseCode": told["status"],
        "requestSize": told["requestSize"],
        "responseSize": told["responseSize"],
        "cache": told["cache"],
        "totalTime": told["time"],
        "backendTime": told["backendTime"],
        "clientTime": told.get("clientTime"),
        "cacheTime": told.get("cacheTime"),
        "backendId": told.get("backend"),
        "backendMethod": told.get("backendMethod"),
        "backendUrl": told.get("backendUrl"),
        "backendResponseCode": told["backendStatus"] or None,
        "traceId": told.get("traceId"),
        "spanId": told.get("spanId"),
        "backendSpanId": told.get("backendSpanId"),
        "sampled": told.get("sampled"),
    }
    return {name: value for name, value in item.items() if value not in (None, "")} | (
        {"error": error} if error else {}
    )


def _counts(row: Mapping[str, Any]) -> Item:
    return {name: int(row.get(name) or 0) for name in ("requests", "refused", "failed")}


def _shown(row: Mapping[str, Any]) -> Item:
    counts = _counts(row)
    count = max(1, counts["requests"])
    return {
        **counts,
        "averageTime": float(row.get("time") or 0) / count,
        "longestTime": float(row.get("longest") or 0),
        "averageBackendTime": float(row.get("backend_time") or 0) / count,
        "averageClientTime": float(row.get("client_time") or 0) / count,
    }


def _api(tx: Transaction, query: Mapping[str, str]) -> str:
    """The name of the API that is asked for, as gateways tell it; "" for all."""
    name = query.get("apiId", "").rstrip("/").rsplit("/", 1)[-1]
    row = tx.get(f"/apis/{name}") if name else None
    return row.name if row is not None else name


def _name_api(tx: Transaction, name: str) -> Item:
    """Nothing for requests that met no API."""
    if not name:
        return {}
    row = tx.get(f"/apis/{name}")
    return {"apiId": f"/apis/{name}", "apiName": str(row.body.get("displayName") or name) if row else name}


def _minutes(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 4 or not 1 <= int(text) <= LONGEST:
        raise invalid("minutes", f"minutes must be a whole number from 1 to {LONGEST}.")
    return int(text)


def _time(seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
