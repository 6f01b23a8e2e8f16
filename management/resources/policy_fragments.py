"""Policy fragments, which policies include."""

from __future__ import annotations

import re
from collections.abc import Mapping

from management import policy_check
from management.declare import Answer, Call, Change, Field, Properties, ResourceType
from management.errors import invalid
from management.policy_format import convert
from management.resources.policies import FORMATS
from management.store import Row
from management.transaction import Transaction


def prepare(change: Change) -> None:
    format = str(change.properties.get("format") or "xml").lower()
    if format not in FORMATS:
        raise invalid("format", f"Fragment format '{format[:40]}' is not supported. Use xml or rawxml.")
    change.properties["format"] = format
    change.links += policy_check.check(change.tx, change.properties["value"], "fragment")


def after(change: Change) -> None:
    if change.old and change.properties["value"] != change.former["value"]:
        policy_check.check_users(change.tx, change.key)


def wire(row: Row, properties: Properties) -> Properties:
    return {**properties, "format": "rawxml"}


def shape(tx: Transaction, row: Row, properties: Properties, query: Mapping[str, str]) -> Properties:
    wanted = query.get("format", "xml").lower()
    if wanted not in FORMATS:
        raise invalid("format", "format must be xml or rawxml.")
    return {**properties, "format": wanted, "value": convert(properties["value"], properties["format"], wanted)}


def list_references(call: Call) -> Answer:
    """The policies that include the fragment."""
    found = sorted(source for source, _, _ in call.tx.links_to(call.row.key))
    value = [{"id": call.tx.service.id + source} for source in found]
    return Answer(200, {"value": value, "count": len(value)})


TYPES = (
    ResourceType(
        path="policyFragments",
        title="Policy fragment",
        name=re.compile(r"\w+|\w[\w-]+\w"),
        fields=(Field("value", required=True), Field("description", longest=1000), Field("format")),
        can_patch=False,
        provisioned=True,
        prepare=prepare,
        after=after,
        shape=shape,
        wire=wire,
        actions={"listReferences": list_references},
    ),
)
