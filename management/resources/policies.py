"""Policy documents of the service, of products, APIs and operations. One document each, named "policy"."""

from __future__ import annotations

import re
from collections.abc import Mapping

from management import policy_check
from management.declare import Change, Field, Properties, ResourceType
from management.errors import invalid
from management.policy_format import convert
from management.store import Row
from management.transaction import Transaction

FORMATS = ("xml", "rawxml")
PATHS = tuple(path for path in policy_check.SCOPES if path.endswith("policies"))


def prepare(change: Change) -> None:
    format = str(change.properties.get("format") or "xml").lower()
    if format not in FORMATS:
        raise invalid(
            "format", f"Policy format '{format[:40]}' is not supported. Use xml or rawxml with an inline value."
        )
    value = change.properties["value"]
    change.properties = {"format": format, "value": value}
    change.links += policy_check.check(change.tx, value, policy_check.SCOPES[change.type.path])


def wire(row: Row, properties: Properties) -> Properties:
    return {"format": "rawxml", "value": properties["value"]}


def shape(tx: Transaction, row: Row, properties: Properties, query: Mapping[str, str]) -> Properties:
    wanted = query.get("format", "xml").lower()
    if wanted not in FORMATS:
        raise invalid("format", "format must be xml or rawxml.")
    return {"format": wanted, "value": convert(properties["value"], properties["format"], wanted)}


TYPES = tuple(
    ResourceType(
        path=path,
        title="Policy",
        audience="api" if path.startswith("apis/") else "all",
        name=re.compile("policy", re.IGNORECASE),
        fields=(Field("value", required=True), Field("format")),
        can_patch=False,
        prepare=prepare,
        shape=shape,
        wire=wire,
    )
    for path in PATHS
)
