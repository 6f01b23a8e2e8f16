"""What is particular to resource types, beyond what the Azure client's test walks through."""

from __future__ import annotations

import base64
import datetime
import json
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from sqlalchemy import select

from management import schema
from tests.management.conftest import POLICY, Plane

OPERATION = {"displayName": "Get", "method": "GET", "urlTemplate": "/"}
HEADER = '<set-header name="x" exists-action="override"><value>{}</value></set-header>'


async def refused(plane: Plane, id: str, properties: dict[str, Any] | None, method: str = "PUT", **more: Any) -> str:
    """The target of the first finding of a 400."""
    reply = await plane.call(method, id, properties, **more)
    assert reply.status == 400, reply.body
    assert reply.error()["code"] == "ValidationError"
    return str(reply.error()["details"][0]["target"])


def openapi(*operations: str) -> str:
    paths = {
        f"/{name}": {"get": {"operationId": name, "responses": {"200": {"description": "ok"}}}} for name in operations
    }
    return json.dumps({"openapi": "3.0.1", "info": {"title": "T", "version": "1"}, "paths": paths})


async def imported(plane: Plane, *operations: str, **more: Any) -> None:
    await plane.put("/apis/a", {"path": "a", "format": "openapi+json", "value": openapi(*operations), **more})


# APIs


async def test_reimport_keeps_policies_and_drops_the_unmatched(plane: Plane) -> None:
    await imported(plane, "one", "two")
    await plane.put("/apis/a/operations/one/policies/policy", {"format": "rawxml", "value": POLICY.format("")})
    await plane.put("/apis/a/operations/mine", OPERATION)
    await imported(plane, "one", "three")
    assert await plane.names("/apis/a/operations") == ["one", "three"]
    assert await plane.names("/apis/a/operations/one/policies") == ["policy"]


async def test_an_import_is_one_revision(plane: Plane) -> None:
    await imported(plane, "one", "two", "three")
    tags = {
        (await plane.call("GET", f"/apis/a{each}")).headers["ETag"]
        for each in ("", "/operations/one", "/operations/two")
    }
    assert len(tags) == 1


@pytest.mark.parametrize(
    ("format", "value", "target"),
    [
        ("odata", "<Edmx />", "value"),
        ("wsdl", "<x/>", "value"),
        ("grpc", "message A {}", "value"),
        ("raml", "x", "format"),
        ("openapi+json", "", "value"),
        ("openapi+json", '{"openapi": "4.0.0"}', "#/openapi"),
        ("swagger-json", "{", "value"),
    ],
)
async def test_imports_that_are_refused(plane: Plane, format: str, value: str, target: str) -> None:
    assert await refused(plane, "/apis/a", {"path": "a", "format": format, "value": value}) == target
    assert await plane.names("/apis") == []


async def test_a_path_belongs_to_one_api(plane: Plane) -> None:
    await plane.api("a", path="/shop/")
    assert (await plane.get("/apis/a"))["properties"]["path"] == "shop"
    assert await refused(plane, "/apis/b", {"displayName": "b", "path": "Shop"}) == "path"
    await plane.api("a", path="shop", description="itself")
    await plane.delete("/apis/a")
    await plane.api("b", path="shop")


async def test_versions_share_a_path(plane: Plane) -> None:
    await plane.put("/apiVersionSets/s", {"displayName": "S", "versioningScheme": "segment"})
    await plane.put("/apiVersionSets/t", {"displayName": "T", "versioningScheme": "Query", "versionQueryName": "v"})
    await plane.api("v0", path="p", apiVersionSetId="/apiVersionSets/s")
    await plane.api("v1", path="p", apiVersion="v1", apiVersionSetId="/apiVersionSets/s")
    same = {"displayName": "x", "path": "p", "apiVersion": "v1", "apiVersionSetId": "/apiVersionSets/s"}
    assert await refused(plane, "/apis/x", same) == "path"
    assert await refused(plane, "/apis/x", {**same, "apiVersionSetId": "/apiVersionSets/t"}) == "path"
    assert (
        await refused(plane, "/apis/x", {**same, "path": "q", "apiVersionSetId": "/apiVersionSets/none"})
        == "apiVersionSetId"
    )
    assert await refused(plane, "/apiVersionSets/s", None, "DELETE") == "id"
    expanded = await plane.get("/apis", query={"expandApiVersionSet": "true"})
    assert expanded["value"][0]["properties"]["apiVersionSet"]["versioningScheme"] == "Segment"


async def test_an_inline_version_set_is_made(plane: Plane) -> None:
    version_set = {"name": "Mine", "versioningScheme": "Header", "versionHeaderName": "v"}
    api = await plane.api("a", apiVersion="v1", apiVersionSet=version_set)
    assert api["properties"]["apiVersionSetId"] == f"{plane.service}/apiVersionSets/a"
    assert (await plane.get("/apiVersionSets/a"))["properties"]["displayName"] == "Mine"


async def test_a_new_revision_is_a_copy(plane: Plane) -> None:
    await imported(plane, "one")
    await plane.put("/apis/a/operations/one/policies/policy", {"format": "rawxml", "value": POLICY.format("")})
    await plane.put("/apis/a;rev=2", {"sourceApiId": f"{plane.service}/apis/a;rev=1"})
    assert await plane.names("/apis/a;rev=2/operations/one/policies") == ["policy"]
    await plane.delete("/apis/a;rev=2/operations/one")
    assert await plane.names("/apis/a;rev=1/operations") == ["one"]
    assert await refused(plane, "/apis/a", None, "DELETE") == "id"
    await plane.delete("/apis/a", query={"deleteRevisions": "true"})
    assert await plane.names("/apis") == []


async def test_a_new_revision_is_as_open_as_its_source(plane: Plane) -> None:
    await plane.api("a", subscriptionRequired=False, protocols=["http"])
    copied = (await plane.put("/apis/a;rev=2", {"path": "a", "sourceApiId": "/apis/a"}))["properties"]
    assert (copied["subscriptionRequired"], copied["protocols"], copied["type"]) == (False, ["http"], "http")
    fresh = (await plane.api("b", subscriptionRequired=None))["properties"]
    assert (fresh["subscriptionRequired"], fresh["protocols"]) == (True, ["https"])


async def test_is_current_moves_the_revision(plane: Plane) -> None:
    await plane.api("a", description="first")
    await plane.put("/apis/a/operations/old", OPERATION)
    await plane.put("/apis/a;rev=2", {"path": "a", "displayName": "a", "description": "second", "isCurrent": True})
    assert (await plane.get("/apis/a"))["properties"]["description"] == "second"
    assert await plane.names("/apis/a/operations") == []
    assert await plane.names("/apis/a;rev=1/operations") == ["old"]
    assert await refused(plane, "/apis/b", {"displayName": "b", "path": "a"}) == "path"


@pytest.mark.parametrize("name", ["a;rev=2", "a;x"])
async def test_revisions_of_nothing(plane: Plane, name: str) -> None:
    assert await refused(plane, f"/apis/{name}", {"displayName": "a", "path": "a"}) == "name"
    await plane.put("/apis/a;rev=1", {"displayName": "a", "path": "a"})
    assert await plane.names("/apis") == ["a"]


async def test_deleting_an_api_cascades(plane: Plane) -> None:
    await plane.api("a")
    await plane.put("/apis/a/operations/get", OPERATION)
    await plane.put("/products/p", {"displayName": "P"})
    await plane.put("/products/p/apis/a")
    await plane.put("/gateways/g", {})
    await plane.put("/gateways/g/apis/a")
    await plane.put("/subscriptions/s", {"displayName": "s", "scope": "/apis/a"})
    await plane.delete("/apis/a")
    assert (await plane.call("GET", "/apis/a/operations/get")).status == 404
    for collection in ("/products/p/apis", "/products/p/apiLinks", "/gateways/g/apis"):
        assert await plane.names(collection) == []
    assert await plane.names("/subscriptions") == ["master"]


@pytest.mark.parametrize(
    "properties",
    [{**OPERATION, "urlTemplate": "/{id}"}, {**OPERATION, "urlTemplate": "/{id"}, {**OPERATION, "method": "G T"}],
)
async def test_operations_that_cannot_be(plane: Plane, properties: dict[str, Any]) -> None:
    await plane.api("a")
    await refused(plane, "/apis/a/operations/x", properties)


# policies


async def test_both_formats_of_a_policy(plane: Plane) -> None:
    raw = POLICY.format('<set-variable name="x" value="@("a" + context.Request.Method)" />')
    await plane.put("/policies/policy", {"format": "rawxml", "value": raw})
    assert (await plane.get("/policies/policy", query={"format": "rawxml"}))["properties"]["value"] == raw
    escaped = await plane.get("/policies/policy")
    assert escaped["properties"]["format"] == "xml"
    assert "@(&quot;a&quot; + context.Request.Method)" in escaped["properties"]["value"]
    await plane.put("/policies/policy", {"format": "xml", "value": escaped["properties"]["value"]})
    assert (await plane.get("/policies/policy", query={"format": "rawxml"}))["properties"]["value"] == raw


async def test_policies_that_are_refused(plane: Plane) -> None:
    assert await refused(plane, "/policies/policy", {"format": "rawxml-link", "value": "ftp://x"}) == "value"
    assert await refused(plane, "/policies/policy", {"format": "rawxml"}) == "value"
    assert await refused(plane, "/policies/other", {"value": POLICY.format("")}) == "name"
    missing = POLICY.format('<set-backend-service backend-id="none" />')
    reply = await plane.call("PUT", "/policies/policy", {"format": "rawxml", "value": missing})
    detail = reply.error()["details"][0]
    assert (reply.status, detail["target"]) == (400, "set-backend-service")
    assert "Error in element 'set-backend-service' on line 1, column" in detail["message"]


@pytest.mark.parametrize(
    ("id", "properties", "policy"),
    [
        ("/backends/b", {"url": "https://b", "protocol": "http"}, '<set-backend-service backend-id="b" />'),
        ("/namedValues/nv-id", {"displayName": "nv", "value": "v"}, HEADER.format("{{nv}}")),
        (
            "/policyFragments/f",
            {"format": "rawxml", "value": f"<fragment>{HEADER.format('1')}</fragment>"},
            '<include-fragment fragment-id="f" />',
        ),
    ],
)
async def test_what_a_policy_uses_stays(plane: Plane, id: str, properties: dict[str, Any], policy: str) -> None:
    await plane.put(id, properties)
    await plane.api("a")
    await plane.put("/apis/a/policies/policy", {"format": "rawxml", "value": POLICY.format(policy)})
    reply = await plane.call("DELETE", id)
    assert reply.status == 400
    assert "/apis/a/policies/policy" in reply.error()["details"][0]["message"]
    await plane.delete("/apis/a")
    await plane.delete(id)


# secrets


async def test_secrets_are_nowhere_in_clear(plane: Plane, tmp_path: Any) -> None:
    await plane.put("/namedValues/n", {"displayName": "n", "value": "sesame-1", "secret": True})
    credentials = {"header": {"h": ["sesame-2"]}, "authorization": {"scheme": "Basic", "parameter": "sesame-3"}}
    await plane.put("/backends/b", {"url": "https://b", "protocol": "http", "credentials": credentials})
    logger = {"loggerType": "applicationInsights", "credentials": {"instrumentationKey": "sesame-4"}}
    await plane.put("/loggers/l", logger)
    await plane.put("/subscriptions/s", {"displayName": "s", "scope": "/apis", "primaryKey": "sesame-5"})
    person = {"email": "p@x", "firstName": "P", "lastName": "Q", "password": "sesame-6"}
    await plane.put("/users/u", person)
    grants = {"clientCredentials": {"clientSecret": "sesame-7"}}
    await plane.put("/authorizationProviders/p", {"oauth2": {"grantTypes": grants}})
    connection = {"oauth2grantType": "ClientCredentials", "parameters": {"clientSecret": "sesame-8"}}
    await plane.put("/authorizationProviders/p/authorizations/c", connection)
    collections = ("namedValues", "backends", "loggers", "subscriptions", "users", "authorizationProviders")
    for collection in (*collections, "authorizationProviders/p/authorizations"):
        assert "sesame" not in json.dumps(await plane.get(f"/{collection}"))
    with plane.store.reading() as connection:
        rows = [repr(row) for table in schema.metadata.sorted_tables for row in connection.execute(select(table))]
    assert len(rows) > 10
    assert not any("sesame" in row for row in rows)
    # and in no file of SQLite's, the write-ahead log included
    assert not any(b"sesame" in file.read_bytes() for file in tmp_path.glob("management.db*"))


async def test_a_mask_that_comes_back_keeps_the_secret(plane: Plane) -> None:
    credentials = {"authorization": {"scheme": "Basic", "parameter": "open"}, "header": {"h": ["x", "{{nv}}"]}}
    await plane.put("/backends/b", {"url": "https://b", "protocol": "http", "credentials": credentials})
    shown = (await plane.get("/backends/b"))["properties"]
    assert shown["credentials"] == {
        "authorization": {"scheme": "Basic", "parameter": "***"},
        "header": {"h": ["***", "{{nv}}"]},
    }
    await plane.put("/backends/b", {**shown, "title": "new"})
    assert plane.stored("/backends/b").clear()["credentials"] == credentials


async def test_named_values_change_between_secret_and_plain(plane: Plane) -> None:
    await plane.put("/namedValues/n", {"displayName": "n", "value": "v1", "secret": True})
    await plane.call("PATCH", "/namedValues/n", {"tags": ["t"]})
    assert (await plane.call("POST", "/namedValues/n/listValue")).body == {"value": "v1"}
    patched = await plane.call("PATCH", "/namedValues/n", {"secret": False})
    assert patched.body["properties"]["value"] == "v1"
    assert await refused(plane, "/namedValues/m", {"displayName": "N", "value": "x"}) == "displayName"
    assert await refused(plane, "/namedValues/m", {"displayName": "m"}) == "value"
    assert await refused(plane, "/namedValues/m", {"displayName": "m m", "value": "x"}) == "displayName"


async def test_certificates_show_what_is_public(plane: Plane) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "client")])
    end = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
    )
    bundle = serialize_key_and_certificates(b"c", key, certificate, None, BestAvailableEncryption(b"pw"))
    data = base64.b64encode(bundle).decode()
    made = await plane.put("/certificates/c", {"data": data, "password": "pw"})
    assert made["properties"] == {
        "subject": "CN=client",
        "thumbprint": certificate.fingerprint(hashes.SHA1()).hex().upper(),
        "expirationDate": "2030-01-01T00:00:00Z",
    }
    assert await refused(plane, "/certificates/d", {"data": data, "password": "no"}) == "data"


# products, subscriptions, users


async def test_scopes(plane: Plane) -> None:
    await plane.api("a")
    await plane.put("/products/P", {"displayName": "P"})
    for scope, stored in [
        ("/products/p", "/products/P"),
        (f"{plane.service.upper()}/products/P", "/products/P"),
        ("/apis/a", "/apis/a"),
        ("/apis", "/apis"),
        (plane.service, "/"),
        (f"{plane.service}/", "/"),
    ]:
        made = await plane.put("/subscriptions/s", {"displayName": "s", "scope": scope})
        assert made["properties"]["scope"] == plane.service + stored
    for scope in ("/products/none", "/groups/guests", "nowhere", "/apis/a/operations/x"):
        assert await refused(plane, "/subscriptions/s", {"displayName": "s", "scope": scope}) == "scope"


async def test_keys_survive_a_put_without_them(plane: Plane) -> None:
    await plane.put("/subscriptions/s", {"displayName": "s", "scope": "/apis"})
    keys = (await plane.call("POST", "/subscriptions/s/listSecrets")).body
    await plane.put("/subscriptions/s", {"displayName": "t", "scope": "/apis"})
    assert (await plane.call("POST", "/subscriptions/s/listSecrets")).body == keys


async def test_approval_makes_subscriptions_wait(plane: Plane) -> None:
    await plane.put("/products/p", {"displayName": "P", "approvalRequired": True})
    made = await plane.put("/subscriptions/s", {"displayName": "s", "scope": "/products/p"})
    assert made["properties"]["state"] == "submitted"


async def test_links_and_associations_are_one(plane: Plane) -> None:
    await plane.api("a")
    await plane.api("b")
    await plane.put("/products/p", {"displayName": "P"})
    await plane.put("/products/p/apiLinks/b", {"apiId": "/apis/a"})
    await plane.put("/products/p/apis/b")
    links = {each["name"]: each["properties"]["apiId"] for each in (await plane.get("/products/p/apiLinks"))["value"]}
    assert links == {"b": f"{plane.service}/apis/a", "b-2": f"{plane.service}/apis/b"}
    assert await refused(plane, "/products/p/apiLinks/b", {"apiId": "/apis/b"}) == "apiId"
    await plane.delete("/products/p/apiLinks/b")
    assert await plane.names("/products/p/apis") == ["b"]
    await plane.delete("/products/p/apis/b")
    assert await plane.names("/products/p/apiLinks") == []
    assert (await plane.call("PUT", "/products/p/apis/none")).status == 404


async def test_built_in_groups_stay(plane: Plane) -> None:
    for method in ("PUT", "DELETE"):
        reply = await plane.call(method, "/groups/guests", {"displayName": "x"})
        assert (reply.status, reply.error()["code"]) == (405, "MethodNotAllowed")


async def test_users(plane: Plane) -> None:
    person = {"email": "p@x", "firstName": "P", "lastName": "Q"}
    await plane.put("/users/u", person)
    assert await plane.names("/users/u/groups") == ["developers"]
    assert await refused(plane, "/users/v", {**person, "email": "P@X"}) == "email"
    assert await refused(plane, "/users/v", {**person, "email": "nobody"}) == "email"
    assert await refused(plane, "/users/1", None, "DELETE") == "userId"
    await plane.put("/subscriptions/s", {"displayName": "s", "scope": "/apis", "ownerId": "/users/u"})
    assert await plane.names("/users/u/subscriptions") == ["s"]
    assert await refused(plane, "/users/u", None, "DELETE") == "userId"
    await plane.delete("/users/u", query={"deleteSubscriptions": "true"})
    assert await plane.names("/groups/developers/users") == ["1"]


# others


async def test_backends(plane: Plane) -> None:
    assert await refused(plane, "/backends/b", {"url": "backend", "protocol": "http"}) == "url"
    assert await refused(plane, "/backends/b", {"protocol": "http"}) == "url"
    await plane.put("/backends/b", {"url": "https://b", "protocol": "http"})
    pool = {"type": "Pool", "pool": {"services": [{"id": f"{plane.service}/backends/b"}]}}
    await plane.put("/backends/p", pool)
    assert await refused(plane, "/backends/b", None, "DELETE") == "id"
    assert (
        await refused(plane, "/backends/q", {"type": "Pool", "pool": {"services": [{"id": "/backends/x"}]}})
        == "pool.services"
    )


async def test_diagnostics_need_their_logger(plane: Plane) -> None:
    assert await refused(plane, "/diagnostics/d", {"loggerId": "/loggers/none"}) == "loggerId"
    await plane.put("/loggers/l", {"loggerType": "azureMonitor"})
    sampling = {"samplingType": "fixed", "percentage": 101}
    assert (
        await refused(plane, "/diagnostics/d", {"loggerId": "/loggers/l", "sampling": sampling})
        == "sampling.percentage"
    )


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"body": {"bytes": 8193}}, "body.bytes"),
        ({"body": {"bytes": "8"}}, "body.bytes"),
        ({"headers": "X-A"}, "headers"),
        ({"headers": ["X-A"] * 101}, "headers"),
        ({"dataMasking": {"headers": [{"value": "X-A", "mode": "Blur"}]}}, "dataMasking.headers"),
        ({"dataMasking": {"queryParams": [{"mode": "Hide"}]}}, "dataMasking.queryParams"),
        ({"dataMasking": []}, "dataMasking"),
    ],
)
async def test_what_a_diagnostic_writes_down(plane: Plane, request_: Any, field: str) -> None:
    await plane.put("/loggers/l", {"loggerType": "azureMonitor"})
    body = {"loggerId": "/loggers/l", "frontend": {"request": request_}}
    assert await refused(plane, "/diagnostics/azuremonitor", body) == f"frontend.request.{field}"
    good = {"headers": ["X-A"], "body": {"bytes": 8192}, "dataMasking": {"headers": [{"value": "*", "mode": "Hide"}]}}
    await plane.put("/diagnostics/azuremonitor", {"loggerId": "/loggers/l", "backend": {"response": good}})


async def test_services(plane: Plane) -> None:
    other = plane.service.replace("passerelle", "other")
    url = str(plane.server.make_url(other))
    properties = {"publisherEmail": "a@b", "publisherName": "A"}
    assert (await plane.call("PUT", url, body={"location": "x"})).status == 400
    assert (await plane.call("GET", url)).status == 404
    assert (await plane.call("PUT", url, body={"location": "x", "properties": properties})).status == 201
    assert (await plane.call("PUT", url, body={"location": "y", "properties": properties})).status == 200
    patched = await plane.call("PATCH", url, body={"tags": {"a": "b"}})
    assert (patched.body["location"], patched.body["tags"]) == ("y", {"a": "b"})
    await plane.api("a")
    assert (await plane.call("GET", f"{url}/apis")).body["value"] == []


# what a change does to the documents that use the thing


async def test_a_fragment_is_refused_when_a_policy_that_includes_it_would_break(plane: Plane) -> None:
    good = {"format": "rawxml", "value": f"<fragment>{HEADER.format('1')}</fragment>"}
    await plane.put("/policyFragments/inner", good)
    outer = {"format": "rawxml", "value": '<fragment><include-fragment fragment-id="inner" /></fragment>'}
    await plane.put("/policyFragments/outer", outer)
    await plane.api("a")
    policy = POLICY.format('<include-fragment fragment-id="outer" />')
    await plane.put("/apis/a/policies/policy", {"format": "rawxml", "value": policy})
    bad = {"format": "rawxml", "value": "<fragment>\n <forward-request />\n</fragment>"}
    reply = await plane.call("PUT", "/policyFragments/inner", bad)
    assert reply.status == 400
    assert any("/apis/a/policies/policy: " in each["message"] for each in reply.error()["details"])
    assert "set-header" in (await plane.get("/policyFragments/inner"))["properties"]["value"]
    ring = {"format": "rawxml", "value": '<fragment><include-fragment fragment-id="outer" /></fragment>'}
    assert (await plane.call("PUT", "/policyFragments/inner", ring)).status == 400
    await plane.put("/policyFragments/inner", {**good, "description": "still fine"})


async def test_a_named_value_is_refused_when_a_policy_that_uses_it_would_break(plane: Plane) -> None:
    await plane.put("/namedValues/calls", {"displayName": "calls", "value": "5"})
    await plane.api("a")
    policy = POLICY.format('<rate-limit calls="{{calls}}" renewal-period="60" />')
    await plane.put("/apis/a/policies/policy", {"format": "rawxml", "value": policy})
    assert await refused(plane, "/namedValues/calls", {"displayName": "calls", "value": "many"}) == "rate-limit"
    assert await refused(plane, "/namedValues/calls", {"value": "many"}, "PATCH") == "rate-limit"
    assert plane.stored("/namedValues/calls").body["value"] == "5"
    await plane.put("/namedValues/calls", {"displayName": "calls", "value": "6"})
