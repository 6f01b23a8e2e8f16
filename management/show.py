"""What a client reads of a stored resource: the ARM envelope around its properties."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from management import check_fields
from management.documents import copied
from management.paths import OUTSIDE
from management.resources import TYPES
from management.store import Row
from management.transaction import Transaction

PROVIDER = "Microsoft.ApiManagement"
NAMESPACE = f"{PROVIDER}/service"
WORKSPACE = f"{NAMESPACE}/workspaces"


def full_id(tx: Transaction, id: str) -> str:
    return tx.service.id if id == "/" else tx.service.id + id


def show(tx: Transaction, row: Row, query: Mapping[str, str]) -> dict[str, Any]:
    """The ARM document of `row`."""
    kind = TYPES[row.type]
    properties = shown_properties(tx, row, query)
    if row.key == "/":
        document = {"id": tx.service.id, "name": tx.service.id.rsplit("/", 1)[1], "type": NAMESPACE, "etag": row.etag}
        return document | properties
    if kind.path.startswith(OUTSIDE):
        id = f"{tx.service.id}/gateways{row.id[len(OUTSIDE) + 1 :]}"
        place = {"id": id, "type": f"{PROVIDER}/gateways{kind.path[len(OUTSIDE) :]}", "name": row.name}
        return place | {"etag": row.etag} | (properties if kind.whole else {"properties": properties})
    return {
        "id": full_id(tx, row.id),
        "type": f"{WORKSPACE if '/workspaces/' in tx.service.id else NAMESPACE}/{kind.path}",
        "name": row.name,
        "properties": properties,
    }


def shown_properties(tx: Transaction, row: Row, query: Mapping[str, str]) -> dict[str, Any]:
    kind = TYPES[row.type]
    if kind.association and kind.shape:
        return kind.shape(tx, row, {}, query)
    if kind.association:
        target = tx.get(f"/{kind.association}/{row.name}")
        if target is None and (outer := tx.outer()):
            target = outer.get(f"/{kind.association}/{row.name}")
        return shown_properties(tx, target, query) if target else {}
    properties = copied(row.body)
    for reference in kind.references:
        value = check_fields.read(properties, reference.field)
        if isinstance(value, str):
            check_fields.write(properties, reference.field, full_id(tx, value))
    if kind.provisioned:
        properties["provisioningState"] = "Succeeded"
    return kind.shape(tx, row, properties, query) if kind.shape else properties
