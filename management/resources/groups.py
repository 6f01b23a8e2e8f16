"""Groups of users. Three are built in; they cannot be changed or deleted."""

from __future__ import annotations

from typing import Any

from management.declare import Call, Change, Field, Properties, ResourceType
from management.errors import ArmError, invalid
from management.store import Row
from management.transaction import Transaction

BUILT_IN = ("administrators", "developers", "guests")


def prepare(change: Change) -> None:
    built_in = change.key.rsplit("/", 1)[1] in BUILT_IN
    if built_in and change.old is not None:
        raise ArmError(405, "MethodNotAllowed", "System group cannot be changed.")
    change.properties["builtIn"] = built_in
    if built_in:
        change.properties["type"] = "system"
    elif change.properties["type"] == "system" and change.former.get("type") != "system":
        raise invalid("type", "type must be custom or external: system groups are those that are built in.")


def leaving(call: Call) -> None:
    if call.row.body.get("builtIn"):
        raise ArmError(405, "MethodNotAllowed", "System group cannot be deleted.")


def groups_of(call: Call) -> list[dict[str, Any]]:
    """The groups of a user."""
    return [call.show(row) for row in rows_of_groups(call.tx, call.row)]


def rows_of_groups(tx: Transaction, user: Row) -> list[Row]:
    sources = [source for source, _, _ in tx.links_to(user.key) if source.startswith("/groups/")]
    rows = [tx.get(source.split("/users/", 1)[0]) for source in sorted(sources)]
    return [row for row in rows if row is not None]


def expanded(tx: Transaction, keys: list[str]) -> list[Properties]:
    """The groups with these keys as lists show them with expandGroups=true."""
    rows = [row for key in sorted(keys) if (row := tx.get(key)) is not None]
    return [{"id": tx.service.id + row.id, "name": row.name, **row.body} for row in rows]


TYPES = (
    ResourceType(
        path="groups",
        title="Group",
        name_limit=256,
        fields=(
            Field("displayName", required=True, longest=300),
            Field("description", longest=1000),
            Field("type", choices=("custom", "system", "external"), default="custom"),
            Field("externalId"),
        ),
        readonly=frozenset({"builtIn"}),
        prepare=prepare,
        leaving=leaving,
    ),
)
