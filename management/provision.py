"""Makes and unmakes services. A new one has what every APIM service is born with."""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from management.apply import Applier
from management.containers import containers_in, delete_container, insert_container
from management.errors import invalid
from management.paths import parse
from management.resources.service import DEFAULTS
from management.schema import services
from management.show import show
from management.store import Store
from management.transaction import Transaction, find_service

DEFAULT_SERVICE = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local"
    "/providers/Microsoft.ApiManagement/service/passerelle"
)
GLOBAL_POLICY = """<policies>
    <inbound></inbound>
    <backend>
        <forward-request />
    </backend>
    <outbound></outbound>
    <on-error></on-error>
</policies>"""
GROUPS = {
    "administrators": ("Administrators", "Administrators manage the service."),
    "developers": ("Developers", "Developers are the signed-in users of the developer portal."),
    "guests": ("Guests", "Guests are the visitors of the developer portal who have not signed in."),
}
GATEWAY_URL = "http://localhost:8080"


def ensure_default(store: Store, id: str) -> bool:
    """Make the service `id` if the store has none at all; True when it was made."""
    with store.writing() as connection:
        if connection.scalar(select(func.count()).where(services.c.key.like("%/service/%"))):
            return False
        _make(store, connection, id, {})
        return True


def create_service(store: Store, id: str, document: dict[str, Any]) -> dict[str, Any] | None:
    """The new service as ARM shows it; None when it is there already."""
    with store.reading() as connection:
        if find_service(connection, id):
            return None
    with store.writing() as connection:
        if find_service(connection, id):
            return None
        tx = _make(store, connection, id, document)
        row = tx.get("/")
        assert row is not None
        return show(tx, row, {})


def delete_service(store: Store, id: str) -> bool:
    """With everything in it; False when there was none."""
    with store.writing() as connection:
        service = find_service(connection, id, lock=True)
        if service is None:
            return False
        for workspace in containers_in(connection, service.id):
            delete_container(connection, workspace)
        delete_container(connection, service)
        return True


def _make(store: Store, connection: Connection, id: str, document: dict[str, Any]) -> Transaction:
    path = parse(id)
    name = id.rsplit("/", 1)[-1]
    if path is None or path.segments or not name.isascii() or not name.replace("-", "").isalnum() or len(name) > 50:
        raise invalid("serviceName", f"'{id[:300]}' is not the ARM id of a service.")
    service = insert_container(connection, path.service)
    tx = Transaction(connection, store.vault, service)
    write = Applier(tx)
    # an ARM PUT must bring its own location and publisher; the first service has ours
    wanted = document or DEFAULTS
    wanted = {**wanted, "properties": {**(wanted.get("properties") or {}), **_computed(path.service)}}
    write.put("/", wanted, trusted=True)
    for group, (title, description) in GROUPS.items():
        write.put(f"/groups/{group}", {"displayName": title, "description": description, "type": "system"})
    publisher = wanted["properties"]
    user = {"email": publisher["publisherEmail"], "firstName": "Administrator", "lastName": publisher["publisherName"]}
    write.put("/users/1", user)
    write.put("/groups/administrators/users/1", {})
    master = {"displayName": "Built-in all-access subscription", "scope": "/", "state": "active"}
    write.put("/subscriptions/master", {**master, "ownerId": "/users/1"})
    write.put("/policies/policy", {"format": "rawxml", "value": GLOBAL_POLICY})
    write.put("/loggers/azuremonitor", {"loggerType": "azureMonitor", "isBuffered": True})
    tx.finish()
    return tx


def _computed(id: str) -> dict[str, str]:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"serviceId": id, "gatewayUrl": GATEWAY_URL, "createdAtUtc": now}
