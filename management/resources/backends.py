"""Backends. What they are called with (`credentials`) is secret, but for names and schemes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from management.declare import ARRAY, OBJECT, Answer, Call, Change, Field, Properties, ResourceType
from management.errors import invalid
from management.secret_fields import Secret
from management.store import Row
from management.transaction import Transaction
from management.wire import relative
from proxy.check import duration

# fabric: is the name of a Service Fabric service, which the cluster resolves
USER = re.compile(r"(?<=://)[^/?#@]*@")  # of a URL; not for messages
URL = re.compile(r"(?:https?|wss?|grpcs?)://[^\s]+|fabric:/[^\s]+|\{\{[^{}]+\}\}.*", re.IGNORECASE)


def prepare(change: Change) -> None:
    properties = change.properties
    if properties["type"] == "Pool":
        _check_pool(change)
        return
    for name in ("url", "protocol"):
        if not properties.get(name):
            raise invalid(name, f"{name} is required.")
    if not URL.fullmatch(properties["url"]):
        raise invalid("url", f"'{USER.sub('', properties['url'])[:200]}' is not an absolute URL.")
    rules = (properties.get("circuitBreaker") or {}).get("rules") or []
    if not isinstance(rules, list):
        raise invalid("circuitBreaker.rules", "circuitBreaker.rules must be of type array.")
    for number, rule in enumerate(rules):
        _check_rule(f"circuitBreaker.rules[{number}]", rule)


def _check_rule(place: str, rule: Any) -> None:
    """A rule that a gateway could not read, or that could never trip, is refused."""
    condition = rule.get("failureCondition") if isinstance(rule, dict) else None
    if not isinstance(condition, dict):
        raise invalid(f"{place}.failureCondition", "A rule must have a failureCondition.")
    place_of_condition = f"{place}.failureCondition"
    for name, most in (("count", None), ("percentage", 100)):
        _check_number(f"{place_of_condition}.{name}", condition.get(name), 1, most)
    if condition.get("count") is None and condition.get("percentage") is None:
        raise invalid(place_of_condition, "A failureCondition must have count or percentage.")
    for holder, name, where in ((condition, "interval", place_of_condition), (rule, "tripDuration", place)):
        _check_duration(f"{where}.{name}", holder.get(name))
    for name in ("statusCodeRanges", "errorReasons"):
        if not isinstance(condition.get(name) or [], list):
            raise invalid(f"{place_of_condition}.{name}", f"{name} must be of type array.")
    for number, each in enumerate(condition.get("statusCodeRanges") or ()):
        at = f"{place_of_condition}.statusCodeRanges[{number}]"
        low, high = (each.get("min"), each.get("max")) if isinstance(each, dict) else (None, None)
        for name, status in (("min", low), ("max", high)):
            _check_number(f"{at}.{name}", status, 200, 599)
        if low is None or high is None or low > high:
            raise invalid(at, "A range of status codes must have min and max, and min must not be larger.")


def _check_number(place: str, value: Any, least: int, most: int | None) -> None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and least <= value <= (most or value)):
        return
    raise invalid(
        place, f"{place} must be a whole number {f'from {least} to {most}' if most else f'of at least {least}'}."
    )


def _check_duration(place: str, text: Any) -> None:
    try:
        known = text is None or (isinstance(text, str) and duration(text) > 0)
    except ValueError:
        known = False
    if not known:
        raise invalid(place, f"{place} must be an ISO 8601 duration, such as PT1M30S.")


def _check_pool(change: Change) -> None:
    holders = [source for source, _, _ in change.tx.links_to(change.key) if source.startswith("/backends/")]
    if change.old is not None and change.old.body.get("type") != "Pool" and holders:
        raise invalid("type", f"The backend is in the pool {holders[0]}: a pool is made of single backends.")
    pool = change.properties.get("pool") or {}
    services = pool.get("services") if isinstance(pool, dict) else None
    if not isinstance(services, list) or not services:
        raise invalid("pool.services", "A pool must name its backends.")
    for each in services:
        id = relative(each.get("id"), change.tx.service.id) if isinstance(each, dict) else None
        row = change.tx.get(id) if isinstance(id, str) else None
        if row is None or row.type != "backends":
            raise invalid("pool.services", f"Backend '{str(id)[:300]}' could not be found.")
        if row.key == change.key or row.body.get("type") == "Pool":
            raise invalid("pool.services", f"Backend '{row.name}' is a pool: a pool is made of single backends.")
        each["id"] = row.id
        change.refer(row.key)


def shape(tx: Transaction, row: Row, properties: Properties, query: Mapping[str, str]) -> Properties:
    for each in (properties.get("pool") or {}).get("services") or ():
        each["id"] = tx.service.id + each["id"]
    return properties


def reconnect(call: Call) -> Answer:
    """In Azure, connections to a Service Fabric cluster are made anew; sidecars here hold none beyond a request."""
    return Answer(202)


TYPES = (
    ResourceType(
        path="backends",
        title="Backend",
        fields=(
            Field("type", choices=("Single", "Pool"), default="Single"),
            Field("url", longest=2000),
            Field("protocol", choices=("http", "soap")),
            Field("title", longest=300),
            Field("description", longest=2000),
            Field("resourceId", longest=2000),
            Field("credentials", OBJECT),
            Field("credentials.query", OBJECT),
            Field("credentials.header", OBJECT),
            Field("credentials.authorization", OBJECT),
            Field("properties", OBJECT),
            Field("proxy", OBJECT),
            Field("tls", OBJECT),
            Field("circuitBreaker", OBJECT),
            Field("pool", OBJECT),
            Field("pool.services", ARRAY),
        ),
        secrets=(
            Secret(
                "credentials",
                masked=True,
                open=frozenset({"scheme", "certificate", "certificateIds", "managedIdentity"}),
            ),
            Secret("proxy.password", masked=True),
        ),
        prepare=prepare,
        shape=shape,
        actions={"reconnect": reconnect},
    ),
)
