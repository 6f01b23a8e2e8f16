"""What Azure runs around a service: private endpoints, gateways of workspaces, networks.

There are none of the first two here, so their lists are empty and nothing can be put into them. The network status is
that of the agents of gateways, the only ones who connect to a plane. Names are looked up anew for each connection, so
that changes of a network need no update; and there is no older platform to migrate from.
"""

from __future__ import annotations

import datetime
from typing import Any

from management import heartbeats
from management.declare import Action, Answer, Call, ResourceType

# an agent tells of itself every minute
SILENT = datetime.timedelta(minutes=3)


def network_status(call: Call) -> list[dict[str, Any]]:
    """The status in each location; the service has one."""
    return [{"location": call.row.body["location"], "networkStatus": _status(call)}]


def network_status_at(call: Call, location: str) -> dict[str, Any]:
    """In another location there is nothing that could be connected."""
    here = _plain(call.row.body["location"]) == _plain(location)
    return _status(call) if here else {"dnsServers": [], "connectivityStatus": []}


def outbound_dependencies(call: Call) -> dict[str, Any]:
    """A service depends on nothing in Azure."""
    return {"value": []}


def nothing_to_do(call: Call) -> Answer:
    return Answer(200, call.show(call.row))


def _status(call: Call) -> dict[str, Any]:
    now = datetime.datetime.now(datetime.UTC)
    found = []
    for gateway in call.tx.children("/gateways"):
        for each in heartbeats.instances(call.tx, gateway.name):
            received = each["lastHeartbeat"]
            silent = now - datetime.datetime.fromisoformat(received) > SILENT
            found.append(
                {
                    "name": f"{gateway.name}/{each['id']}",
                    "status": "failure" if silent else "success",
                    "error": "No heartbeat for some minutes." if silent else "",
                    "lastUpdated": received,
                    "lastStatusChange": each["startedAt"] or received,
                    "resourceType": "Gateway",
                    "isOptional": False,
                }
            )
    return {"dnsServers": [], "connectivityStatus": found}


def _plain(location: Any) -> str:
    """Azure's locations are "West US" to people and "westus" to programs."""
    return str(location).replace(" ", "").lower()


ACTIONS: dict[str, Action] = {"applynetworkconfigurationupdates": nothing_to_do, "migrateToStv2": nothing_to_do}

TYPES = tuple(
    ResourceType(path=path, title=title, audience="none", closed=True, can_patch=False, needs_match=False)
    for path, title in (
        ("privateEndpointConnections", "Private endpoint connection"),
        ("privateLinkResources", "Private link resource"),
    )
)
