"""What gateways counted of requests: batches of their agents, added up once, and kept for as long as reports reach.

A batch is `{"boot", "number", "rows", "minutes", "requests", "details"}`, see docs/configuration-feed.md. An agent
sends a batch until it was taken; its number says whether it was.
"""

from __future__ import annotations

import datetime
import json
import time
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, delete, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from management.errors import invalid
from management.schema import batches, figures, minutes, requests, services
from management.store import Service
from management.vault import Vault

QUARTER = 900  # seconds
KEPT = 93 * 86_400  # seconds
KEPT_ROWS = 500_000  # of a service; the oldest go first
KEPT_REQUESTS = 5_000  # of a service, the newest ones that went well, and as many that did not
KEPT_REQUESTS_SECONDS = 7 * 86_400
KEPT_MINUTES = 2 * 3_600  # seconds
KEPT_MINUTE_ROWS = 200_000  # of a service
AHEAD = 86_400  # seconds that a gateway's clock may be ahead
MOST_ROWS, MOST_REQUESTS = 20_000, 2_000
LONGEST_NAME = 512
LARGEST = 2**53
MOST_COUNTED = 2**42  # of one thing in one batch; who has counted more stays there: a sum of all rows fits 64 bits
LARGEST_STATUS = 1_000
INSTANCES = 1_000

NAMES = ("api", "operation", "product", "subscription", "user")
COUNTS = ("success", "blocked", "failed", "other", "bytes", "hits", "misses")
TIMES = ("time", "shortest", "longest")
BACKEND = ("backend_calls", "backend_time", "backend_shortest", "backend_longest")
COLUMNS = ("start", *NAMES, *COUNTS, *TIMES, *BACKEND)
REQUEST = (
    "start", *NAMES, "method", "url", "ip", "backendStatus", "status", "responseSize", "requestSize", "cache", "time",
    "backendTime", "id",
)  # fmt: skip
# what an agent of the release before does not tell
MINUTE_KEY = ("start", "api", "status", "source", "reason")
MINUTE = (*MINUTE_KEY, "requests", "time", "longest", "backend_time", "client_time")
DETAIL = (
    "clientTime", "cacheTime", "traceId", "spanId", "backendSpanId", "backendMethod", "backendUrl", "backend",
    "sampled", "source", "reason", "section", "scope", "path", "policy", "message", "detail",
)  # fmt: skip
_TEXTS = frozenset({*NAMES, "method", "url", "ip", "cache", "id", *DETAIL[2:8], *DETAIL[9:]})
_STATUSES = frozenset({"status", "backendStatus"})


def check(document: Any) -> dict[str, Any]:
    """A batch that this plane can add up. Raises ArmError."""
    if not isinstance(document, dict):
        raise invalid("figures", "figures must be an object.")
    boot, number = document.get("boot"), document.get("number")
    if not isinstance(boot, str) or not 0 < len(boot) <= 64 or type(number) is not int or not 0 < number < LARGEST:
        raise invalid("figures", "figures need a boot, a text of at most 64 characters, and a number from 1 on.")
    for name, columns, most in (
        ("rows", COLUMNS, MOST_ROWS),
        ("minutes", MINUTE, MOST_ROWS),
        ("requests", REQUEST, MOST_REQUESTS),
        ("details", DETAIL, MOST_REQUESTS),
    ):
        listed = document.get(name, [] if name in ("minutes", "details") else None)
        if not isinstance(listed, list) or len(listed) > most:
            raise invalid(f"figures.{name}", f"figures.{name} must be a list of at most {most}.")
        for row in listed:
            if row == [] and name == "details":
                continue  # of a request that a sidecar of the release before told
            if not isinstance(row, list) or len(row) != len(columns) or not all(map(_good, columns, row)):
                raise invalid(f"figures.{name}", f"Each of figures.{name} is a list: {', '.join(columns)}.")
    return document


def _good(column: str, value: Any) -> bool:
    if column in _TEXTS:
        return isinstance(value, str) and len(value) <= (LONGEST_NAME if column in NAMES else 4_096)
    most = LARGEST_STATUS if column in _STATUSES else MOST_COUNTED
    return isinstance(value, int | float) and 0 <= value < most


def keep(
    connection: Connection, vault: Vault, service: Service, gateway: str, instance: str, batch: dict[str, Any]
) -> None:
    """Add a batch up, unless it was before."""
    gateway = gateway.lower()
    if not _first_time(connection, service, gateway, instance, batch["boot"], batch["number"]):
        return
    now = time.time()
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in batch["rows"]]
    values = [
        {
            **row,
            **{name: int(row[name]) for name in (*COUNTS, "backend_calls")},
            "start": int(row["start"]) // QUARTER * QUARTER,
            "service": service.number,
            "gateway": gateway,
        }
        for row in rows
        if now - KEPT < row["start"] < now + AHEAD
    ]
    if values:
        connection.execute(_added(connection), values)
    _keep_minutes(connection, service, gateway, batch.get("minutes", []), now)
    found = list(map(_told, batch["requests"], _details(batch)))
    if found:
        sealed = [
            {
                "service": service.number,
                "received": int(now),
                "sealed": vault.seal(_text(each, gateway), "/requests"),
                "id": each["id"],
                "gateway": gateway,
                "api": each["api"],
                "failed": int(not 100 <= each["status"] < 400),
            }
            for each in found
        ]
        connection.execute(insert(requests), sealed)
        _trim_requests(connection, service.number, now)


def _details(batch: dict[str, Any]) -> list[list[Any]]:
    """One for each request, empty where there is none."""
    details: list[list[Any]] = batch.get("details", [])
    return details + [[]] * (len(batch["requests"]) - len(details))


def _told(request: list[Any], detail: list[Any]) -> dict[str, Any]:
    return {**dict(zip(REQUEST, request, strict=True)), **dict(zip(DETAIL, detail, strict=bool(detail)))}


def _keep_minutes(connection: Connection, service: Service, gateway: str, told: list[list[Any]], now: float) -> None:
    rows = [dict(zip(MINUTE, row, strict=True)) for row in told]
    values = [
        {
            **row,
            **{name: int(row[name]) for name in ("start", "status", "requests")},
            "service": service.number,
            "gateway": gateway,
        }
        for row in rows
        if now - KEPT_MINUTES < row["start"] < now + AHEAD
    ]
    if not values:
        return
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    adding = dialect.insert(minutes)
    new, old = adding.excluded, minutes.c
    changes = {name: _sum(old[name], new[name]) for name in ("requests", "time", "backend_time", "client_time")}
    changes["longest"] = case((new.longest > old.longest, new.longest), else_=old.longest)
    connection.execute(adding.on_conflict_do_update(index_elements=list(minutes.primary_key), set_=changes), values)
    _trim_minutes(connection, service.number, now)


def _first_time(connection: Connection, service: Service, gateway: str, instance: str, boot: str, number: int) -> bool:
    mine = (batches.c.service == service.number) & (batches.c.gateway == gateway)
    known = connection.execute(select(batches.c.boot, batches.c.number).where(mine, batches.c.instance == instance))
    former = known.first()
    if former is not None and former[0] == boot and number <= former[1]:
        return False
    values = {
        "service": service.number,
        "gateway": gateway,
        "instance": instance,
        "boot": boot,
        "number": number,
        "received": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
    }
    connection.execute(delete(batches).where(mine, batches.c.instance == instance))
    connection.execute(insert(batches).values(**values))
    if former is None:
        newest = select(batches.c.instance).where(mine).order_by(batches.c.received.desc()).limit(INSTANCES)
        connection.execute(delete(batches).where(mine, batches.c.instance.not_in(newest)))
    return True


def _added(connection: Connection) -> Any:
    """The statement that adds rows to those of the same key."""
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    adding = dialect.insert(figures)
    new, old = adding.excluded, figures.c
    both = new.backend_calls > 0, old.backend_calls > 0
    changes = {name: _sum(old[name], new[name]) for name in (*COUNTS, "time", "backend_calls", "backend_time")}
    changes["shortest"] = case((new.shortest < old.shortest, new.shortest), else_=old.shortest)
    changes["longest"] = case((new.longest > old.longest, new.longest), else_=old.longest)
    changes["backend_shortest"] = case(
        (both[0] & (~both[1] | (new.backend_shortest < old.backend_shortest)), new.backend_shortest),
        else_=old.backend_shortest,
    )
    changes["backend_longest"] = case(
        (new.backend_longest > old.backend_longest, new.backend_longest), else_=old.backend_longest
    )
    return adding.on_conflict_do_update(index_elements=list(figures.primary_key), set_=changes)


def _sum(old: ColumnElement[Any], new: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((old < MOST_COUNTED, old + new), else_=old)


def _text(request: dict[str, Any], gateway: str) -> bytes:
    return json.dumps({**request, "gateway": gateway}, ensure_ascii=False).encode("utf-8", "surrogatepass")


def last_requests(
    connection: Connection,
    vault: Vault,
    service: Service,
    *,
    id: str = "",
    gateway: str = "",
    api: str = "",
    failed: bool | None = None,
    most: int | None = None,
) -> list[dict[str, Any]]:
    """The newest first; of those alone that are asked for."""
    wanted = {"id": id, "gateway": gateway.lower(), "api": api}
    query = select(requests.c.sealed).where(requests.c.service == service.number).order_by(requests.c.number.desc())
    query = query.where(*(requests.c[name] == value for name, value in wanted.items() if value)).limit(most)
    if failed is not None:
        query = query.where(requests.c.failed == int(failed))
    return [
        json.loads(vault.unseal(sealed, "/requests").decode("utf-8", "surrogatepass"))
        for (sealed,) in connection.execute(query)
    ]


def trim(connection: Connection) -> None:
    """Forget what is older, or more, than what is kept."""
    now = time.time()
    connection.execute(delete(figures).where(figures.c.start < int(now) - KEPT))
    for (number,) in connection.execute(select(services.c.number)).all():
        mine = figures.c.service == number
        if int(connection.scalar(select(func.count()).select_from(figures).where(mine)) or 0) > KEPT_ROWS:
            newest = select(figures.c.start).where(mine).order_by(figures.c.start.desc())
            oldest_kept = connection.scalar(newest.offset(KEPT_ROWS).limit(1))
            connection.execute(delete(figures).where(mine, figures.c.start <= oldest_kept))
        _trim_requests(connection, number, now)
        _trim_minutes(connection, number, now)
        if int(connection.scalar(select(func.count()).select_from(minutes).where(minutes.c.service == number)) or 0) > (
            KEPT_MINUTE_ROWS
        ):  # more names than anybody looks at
            connection.execute(delete(minutes).where(minutes.c.service == number, minutes.c.start < int(now) - 600))


def _trim_minutes(connection: Connection, service: int, now: float) -> None:
    connection.execute(delete(minutes).where(minutes.c.service == service, minutes.c.start < int(now) - KEPT_MINUTES))


def _trim_requests(connection: Connection, service: int, now: float) -> None:
    for failed in (0, 1):
        mine = (requests.c.service == service) & (requests.c.failed == failed)
        last = connection.scalar(
            select(requests.c.number).where(mine).order_by(requests.c.number.desc()).offset(KEPT_REQUESTS).limit(1)
        )
        old = requests.c.received < int(now) - KEPT_REQUESTS_SECONDS
        connection.execute(delete(requests).where(mine, old if last is None else old | (requests.c.number <= last)))
