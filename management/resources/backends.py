"""Backends. What they are called with (`credentials`) is secret, but for names and schemes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from management.declare import ARRAY, OBJECT, Answer, Call, Change, Field, Properties, ResourceType
from management.errors import invalid
from management.secret_fields import Secret
from management.store import Row
from management.transaction import Transaction
from management.wire import relative

# fabric: is the name of a Service Fabric service, which the cluster resolves
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
        raise invalid("url", f"'{properties['url'][:200]}' is not an absolute URL.")


def _check_pool(change: Change) -> None:
    pool = change.properties.get("pool") or {}
    services = pool.get("services") if isinstance(pool, dict) else None
    if not isinstance(services, list) or not services:
        raise invalid("pool.services", "A pool must name its backends.")
    for each in services:
        id = relative(each.get("id"), change.tx.service.id) if isinstance(each, dict) else None
        row = change.tx.get(id) if isinstance(id, str) else None
        if row is None or row.type != "backends":
            raise invalid("pool.services", f"Backend '{str(id)[:300]}' could not be found.")
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
