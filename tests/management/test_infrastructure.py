"""What Azure runs around a service: empty lists, network status, gateways outside of services, saved configurations."""

from __future__ import annotations

from typing import Any

import pytest

from tests.management.agent import Agent
from tests.management.conftest import Plane

GROUP = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local/providers/Microsoft.ApiManagement"
BRANCH = {"branch": "master"}


@pytest.mark.parametrize("collection", ["privateEndpointConnections", "privateLinkResources", "workspaceLinks"])
async def test_what_there_is_none_of(plane: Plane, collection: str) -> None:
    assert (await plane.get(f"/{collection}"))["value"] == []
    assert (await plane.call("GET", f"/{collection}/x")).status == 404
    assert (await plane.call("PUT", f"/{collection}/x", {})).status in (400, 404)


async def test_the_network_status_is_that_of_agents(plane: Plane) -> None:
    assert await plane.get("/networkstatus") == [
        {"location": "local", "networkStatus": {"dnsServers": [], "connectivityStatus": []}}
    ]
    agent = await Agent.of(plane)
    headers = {"Authorization": f"GatewayKey {agent.token}"}
    document = {"instanceId": "pod-1", "dataset": "d", "cursor": 1, "sidecars": [], "issues": []}
    async with plane.session.post(f"{agent.url}/heartbeat", headers=headers, json=document) as response:
        assert response.status < 300
    ((status,),) = [each["networkStatus"]["connectivityStatus"] for each in await plane.get("/networkstatus")]
    assert (status["name"], status["status"], status["resourceType"]) == ("gw/pod-1", "success", "Gateway")
    assert (await plane.get("/locations/Lo cal/networkstatus"))["connectivityStatus"] == [status]
    assert (await plane.get("/locations/elsewhere/networkstatus"))["connectivityStatus"] == []


async def test_gateways_outside_of_services(plane: Plane) -> None:
    url = f"{plane.server.make_url('/')}".rstrip("/") + GROUP

    async def call(method: str, id: str, body: Any = None, match: str | None = "*") -> Any:
        return await plane.call(method, f"{url}/gateways{id}", body=body, match=match)

    assert (await call("GET", "")).body["value"] == []
    assert (await call("GET", "/g")).status == 404
    document = {"location": "here", "sku": {"name": "Standard", "capacity": 1}, "tags": {"a": "b"}, "properties": {}}
    made = await call("PUT", "/g", document)
    assert made.status == 201
    assert made.body["type"] == "Microsoft.ApiManagement/gateways"
    assert made.body["id"] == f"{GROUP}/gateways/g"
    assert (await call("GET", "/G")).body == made.body
    patched = await call("PATCH", "/g", {"tags": {"c": "d"}})
    assert (patched.status, patched.body["tags"]) == (200, {"a": "b", "c": "d"})
    assert [each["name"] for each in (await call("GET", "")).body["value"]] == ["g"]
    every = await plane.call("GET", f"{url.split('/resourceGroups')[0]}/providers/Microsoft.ApiManagement/gateways")
    assert [each["id"] for each in every.body["value"]] == [f"{GROUP}/gateways/g"]

    source = f"{plane.service}/workspaces/w"
    linked = await call("PUT", "/g/configConnections/c", {"properties": {"sourceId": source}})
    assert (linked.status, linked.body["properties"]["sourceId"]) == (201, source)
    assert linked.body["type"] == "Microsoft.ApiManagement/gateways/configConnections"
    link = await plane.get("/workspaceLinks/w")
    assert link["properties"] == {"workspaceId": source, "gateways": [{"id": f"{GROUP}/gateways/g"}]}
    assert (await call("DELETE", "/g/configConnections/c")).status == 202
    assert (await plane.get("/workspaceLinks"))["value"] == []

    ended = await call("DELETE", "/g")
    assert ended.status == 202
    assert (await plane.call("GET", ended.headers["Location"])).status == 204
    assert (await call("DELETE", "/g")).status == 204
    # they are no gateways of the service, nor services
    assert await plane.names("/gateways") == []
    assert (await plane.call("PUT", "/regionalGateways/x", {})).status in (400, 404)
    services = await plane.call("GET", f"{url.split('/resourceGroups')[0]}/providers/Microsoft.ApiManagement/service")
    assert [each["name"] for each in services.body["value"]] == ["passerelle"]


async def test_a_saved_configuration_is_deployed(plane: Plane) -> None:
    async def do(action: str, branch: str = "master") -> dict[str, Any]:
        reply = await plane.call("POST", f"/tenant/configuration/{action}", {"branch": branch})
        assert reply.status == 200, reply.body
        found: dict[str, Any] = reply.body["properties"]
        return found

    assert (await plane.get("/tenant/configuration/syncState"))["properties"]["isSynced"] is False
    assert "Save it first" in (await do("deploy"))["error"]["message"]
    await plane.api("shop")
    assert (await do("save"))["status"] == "Succeeded"
    state = (await plane.get("/tenant/configuration/syncState"))["properties"]
    assert (state["branch"], state["isSynced"], state["isExport"]) == ("master", True, True)
    await plane.delete("/apis/shop")
    await plane.api("other")
    assert (await plane.get("/tenant/configuration/syncState"))["properties"]["isSynced"] is False
    assert (await do("save", "later"))["status"] == "Succeeded"
    assert (await do("validate"))["status"] == "Succeeded"
    assert await plane.names("/apis") == ["other"]
    assert (await do("deploy"))["status"] == "Succeeded"
    assert await plane.names("/apis") == ["shop"]
    state = (await plane.get("/tenant/configuration/syncState"))["properties"]
    assert (state["branch"], state["isSynced"], state["isExport"]) == ("master", True, False)
    # what was saved later is not forgotten by going back
    assert await plane.names("/savedConfigurations") == ["later", "master"]
    assert (await do("deploy", "later"))["status"] == "Succeeded"
    assert await plane.names("/apis") == ["other"]
    assert (await plane.call("POST", "/tenant/configuration/save", {"branch": "../x"})).status == 400
    # and nobody else can say what was saved when
    for name in ("forged", "later"):
        assert (await plane.call("PUT", f"/savedConfigurations/{name}", {"revision": 1})).status == 405
    assert "Save it first" in (await do("deploy", "forged"))["error"]["message"]


async def test_keys_of_host_names_are_not_kept(plane: Plane) -> None:
    service = await plane.get()
    keys = {"encodedCertificate": "PEM", "certificatePassword": "hush"}
    properties = service["properties"] | {
        "hostnameConfigurations": [{"type": "Proxy", "hostName": "a.example.com", **keys}],
        "certificates": [{"storeName": "Root", **keys}],
    }
    reply = await plane.call("PUT", "", body={**service, "properties": properties})
    assert reply.status == 200
    assert "hush" not in str(reply.body) + str(await plane.get()) + str(plane.stored("/"))
    assert reply.body["properties"]["hostnameConfigurations"][0]["hostName"] == "a.example.com"
    assert reply.body["properties"]["createdAtUtc"] == service["properties"]["createdAtUtc"]
