"""Gateways outside of a service, and what of a service they serve: Azure's gateways for workspaces.

    /subscriptions/{s}/resourceGroups/{g}/providers/Microsoft.ApiManagement/gateways/{name}/configConnections/{name}

They are stored and told, so that deployments which name them go through and can be read again; nothing runs for them
here. Self-hosted gateways are in `gateways.py`. In the store they stand in a container of their resource group, under
another name than those, see `paths.parse`.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection

from management.containers import insert_container
from management.declare import OBJECT, Call, Change, Field, Properties, ResourceType
from management.errors import ArmError
from management.paths import OUTSIDE
from management.store import Row, Store
from management.transaction import Transaction, find_outside, find_service

ENVELOPE = ("location", "sku", "tags", "properties")
SKUS = (("WorkspaceGatewayStandard", 4), ("WorkspaceGatewayPremium", 12))


def make_home(store: Store, id: str) -> None:
    """What holds the gateways of a resource group, unless it is there."""
    with store.writing() as connection:
        if find_service(connection, id) is None:
            home = Transaction(connection, store.vault, insert_container(connection, id))
            home.put(Row("/", "", "-", {}))
            home.finish()


def rows(connection: Connection, store: Store, scope: str) -> Iterator[tuple[Transaction, Row]]:
    """The gateways of a subscription or a resource group."""
    for home in find_outside(connection, scope):
        tx = Transaction(connection, store.vault, home)
        yield from ((tx, row) for row in tx.children(f"/{OUTSIDE.lower()}"))


def prepare(change: Change) -> None:
    _only_outside(change)
    document = {name: change.properties[name] for name in ENVELOPE if name in change.properties}
    inner = document.get("properties") or {}
    former = change.former.get("properties") or {}
    document["properties"] = inner | {"createdAtUtc": former.get("createdAtUtc") or _now()}
    change.properties = document


def prepare_connection(change: Change) -> None:
    _only_outside(change)


def shape(tx: Transaction, row: Row, properties: Properties, query: Mapping[str, str]) -> Properties:
    properties["properties"] |= {"provisioningState": "Succeeded", "targetProvisioningState": ""}
    return properties


def skus(call: Call) -> list[dict[str, Any]]:
    """The sizes that clients know."""
    return [
        {
            "resourceType": "Microsoft.ApiManagement/gateways",
            "sku": {"name": name},
            "capacity": {"minimum": 1, "maximum": most, "default": 1, "scaleType": "Manual"},
        }
        for name, most in SKUS
    ]


def workspace_links(call: Call) -> list[dict[str, Any]]:
    """Of a service: its workspaces that gateways serve."""
    service = call.tx.service.id
    found: dict[str, list[dict[str, str]]] = {}
    for home in find_outside(call.tx.connection, "/".join(service.lower().split("/")[:3])):
        for row in call.tx.inside(home).of_type(f"{OUTSIDE}/configConnections"):
            source = str(row.body["sourceId"])
            if source.lower().startswith(f"{service.lower()}/workspaces/"):
                gateway = f"{home.id}/gateways/{row.id.split('/')[2]}"
                found.setdefault(source.rsplit("/", 1)[1], []).append({"id": gateway})
    return [
        {
            "id": f"{service}/workspaceLinks/{name}",
            "type": "Microsoft.ApiManagement/service/workspaceLinks",
            "name": name,
            "properties": {"workspaceId": f"{service}/workspaces/{name}", "gateways": gateways},
        }
        for name, gateways in found.items()
    ]


def _only_outside(change: Change) -> None:
    if "/service/" in change.tx.service.id:
        raise ArmError(404, "InvalidResourceType", "Such gateways stand outside of services.")


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


TYPES = (
    ResourceType(
        path=OUTSIDE,
        title="Gateway",
        audience="none",
        whole=True,
        fields=(
            Field("location", required=True),
            Field("sku", OBJECT, required=True),
            Field("sku.name", required=True),
            Field("tags", OBJECT),
            Field("properties", OBJECT),
        ),
        needs_match=False,
        prepare=prepare,
        shape=shape,
        views={"skus": skus},
    ),
    ResourceType(
        path=f"{OUTSIDE}/configConnections",
        title="Configuration connection",
        audience="none",
        fields=(Field("sourceId", required=True),),
        readonly=frozenset({"defaultHostname"}),
        can_patch=False,
        provisioned=True,
        prepare=prepare_connection,
    ),
)
