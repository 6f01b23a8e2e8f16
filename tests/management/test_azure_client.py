"""The unmodified azure-mgmt-apimanagement client over TLS with the local authority: its code judges ours."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.management.sdk import GROUP, SERVICE, SUBSCRIPTION, Credential, served
from tests.soap.shop import WSDL

pytest.importorskip("azure.mgmt.apimanagement", reason="azure-mgmt-apimanagement is not installed")

from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
)
from azure.mgmt.apimanagement import ApiManagementClient

WHERE = (GROUP, SERVICE)
OPENAPI = {
    "openapi": "3.0.3",
    "info": {"title": "Orders", "version": "1", "description": "All orders."},
    "servers": [{"url": "https://backend.example/v1"}],
    "paths": {
        "/orders": {
            "get": {"operationId": "listOrders", "summary": "List", "responses": {"200": {"description": "ok"}}}
        },
        "/orders/{id}": {
            "get": {
                "operationId": "getOrder",
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                "responses": {"200": {"description": "ok"}},
            },
        },
    },
    "components": {"schemas": {"Order": {"type": "object"}}},
}
POLICY = "<policies><inbound><base />{}</inbound><backend><base /></backend><outbound><base /></outbound></policies>"
SET_HEADER = '<set-header name="x" exists-action="override"><value>{}</value></set-header>'


def connect(address: str, directory: Path, token: str) -> ApiManagementClient:
    return ApiManagementClient(
        Credential(token),
        SUBSCRIPTION,
        base_url=address,
        connection_verify=str(directory / "ca.pem"),
        retry_total=0,
    )


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plane")


@pytest.fixture(scope="module")
def address(directory: Path) -> Iterator[str]:
    with served(directory, "admin") as address:
        yield address


@pytest.fixture
def client(address: str, directory: Path) -> Iterator[ApiManagementClient]:
    with connect(address, directory, "admin") as client:
        yield client


def rawxml(inner: str) -> dict[str, object]:
    return {"properties": {"format": "rawxml", "value": POLICY.format(inner)}}


def make_api(client: ApiManagementClient, name: str) -> None:
    client.api.begin_create_or_update(*WHERE, name, {"properties": {"displayName": name, "path": name}}).result()


def sells(client: ApiManagementClient, product: str, api: str) -> bool:
    """The client raises for 404 here, since its contract knows only 204."""
    try:
        return bool(client.product_api.check_entity_exists(*WHERE, product, api))
    except ResourceNotFoundError:
        return False


def test_service(client: ApiManagementClient) -> None:
    service = client.api_management_service.get(*WHERE)
    assert (service.name, service.provisioning_state) == (SERVICE, "Succeeded")
    document = {
        "location": "here",
        "sku": {"name": "Developer", "capacity": 1},
        "properties": {"publisherEmail": "a@b", "publisherName": "A"},
    }
    made = client.api_management_service.begin_create_or_update(GROUP, "another", document).result()
    assert made.publisher_email == "a@b"
    assert client.user.get(GROUP, "another", "1").email == "a@b"
    client.api_management_service.begin_delete(GROUP, "another").result()
    with pytest.raises(ResourceNotFoundError):
        client.api_management_service.get(GROUP, "another")


def test_list_services(client: ApiManagementClient) -> None:
    assert [each.name for each in client.api_management_service.list()] == [SERVICE]
    assert [each.name for each in client.api_management_service.list_by_resource_group(GROUP)] == [SERVICE]
    assert list(client.api_management_service.list_by_resource_group("elsewhere")) == []


def test_what_a_service_is_born_with(client: ApiManagementClient) -> None:
    assert "<forward-request" in client.policy.get(*WHERE, "policy", format="rawxml").value
    assert {group.name for group in client.group.list_by_service(*WHERE)} >= {"administrators", "developers", "guests"}
    assert client.subscription.get(*WHERE, "master").scope.endswith(f"/service/{SERVICE}/")


@pytest.mark.parametrize(("format", "document"), [("openapi+json", OPENAPI), ("openapi", OPENAPI)])
def test_import(client: ApiManagementClient, format: str, document: dict[str, object]) -> None:
    name = "orders-" + format.replace("+", "-")
    properties = {"format": format, "value": json.dumps(document), "path": name}
    api = client.api.begin_create_or_update(*WHERE, name, {"properties": properties}).result()
    assert (api.display_name, api.service_url) == ("Orders", "https://backend.example/v1")
    assert [operation.name for operation in client.api_operation.list_by_api(*WHERE, name)] == [
        "getorder",
        "listorders",
    ]
    operation = client.api_operation.get(*WHERE, name, "getorder")
    assert (operation.method, operation.url_template) == ("GET", "/orders/{id}")


def test_import_of_swagger(client: ApiManagementClient) -> None:
    document = {
        "swagger": "2.0",
        "info": {"title": "Pets", "version": "1"},
        "host": "pets.example",
        "schemes": ["https"],
        "paths": {"/pets": {"get": {"operationId": "pets", "responses": {"200": {"description": "ok"}}}}},
    }
    properties = {"format": "swagger-json", "value": json.dumps(document), "path": "pets"}
    assert client.api.begin_create_or_update(*WHERE, "pets", {"properties": properties}).result().display_name == "Pets"
    assert [each.name for each in client.api_operation.list_by_api(*WHERE, "pets")] == ["pets"]


def test_import_and_export_of_wsdl(client: ApiManagementClient) -> None:
    selector = {"wsdlServiceName": "Shop", "wsdlEndpointName": "Shop11"}
    for name, kind in (("soapy", "soap"), ("resty", "http")):
        properties = {"format": "wsdl", "value": WSDL, "path": name, "apiType": kind, "wsdlSelector": selector}
        api = client.api.begin_create_or_update(*WHERE, name, {"properties": properties}).result()
        assert (api.display_name, api.api_type) == ("Shop", kind)
        assert [each.display_name for each in client.api_operation.list_by_api(*WHERE, name)] == [
            "Add",
            "ListGoods",
            "Ping",
        ]
    assert client.api_schema.get(*WHERE, "soapy", "schema").content_type == "application/vnd.ms-azure-apim.xsd+xml"
    assert client.api_export.get(*WHERE, "soapy", format="wsdl-link", export="true").value.link
    policy = client.api_operation_policy.get(*WHERE, "resty", "add", "policy", format="rawxml").value
    assert 'template="liquid"' in policy


def test_apis_are_patched_and_deleted(client: ApiManagementClient) -> None:
    make_api(client, "patched")
    tag = client.api.get_entity_tag(*WHERE, "patched")
    assert tag
    api = client.api.update(*WHERE, "patched", "*", {"properties": {"description": "new"}})
    assert api.description == "new"
    client.api.begin_delete(*WHERE, "patched", "*").result()
    with pytest.raises(ResourceNotFoundError):
        client.api.get(*WHERE, "patched")


def test_operations(client: ApiManagementClient) -> None:
    make_api(client, "withops")
    properties = {"displayName": "Get", "method": "GET", "urlTemplate": "/x"}
    client.api_operation.create_or_update(*WHERE, "withops", "get", {"properties": properties})
    client.api_operation.update(*WHERE, "withops", "get", "*", {"properties": {"description": "d"}})
    assert client.api_operation.get(*WHERE, "withops", "get").description == "d"
    client.api_operation.delete(*WHERE, "withops", "get", "*")
    assert list(client.api_operation.list_by_api(*WHERE, "withops")) == []


def test_policies_of_every_scope(client: ApiManagementClient) -> None:
    make_api(client, "policed")
    client.api_operation.create_or_update(
        *WHERE, "policed", "get", {"properties": {"displayName": "Get", "method": "GET", "urlTemplate": "/"}}
    )
    client.product.create_or_update(*WHERE, "policed", {"properties": {"displayName": "P"}})
    body = rawxml(SET_HEADER.format("1"))
    made = [
        client.api_policy.create_or_update(*WHERE, "policed", "policy", body),
        client.api_operation_policy.create_or_update(*WHERE, "policed", "get", "policy", body),
        client.product_policy.create_or_update(*WHERE, "policed", "policy", body),
        client.policy.create_or_update(*WHERE, "policy", body),
    ]
    assert all("set-header" in each.value for each in made)
    assert client.api_policy.get(*WHERE, "policed", "policy", format="rawxml").value == body["properties"]["value"]  # type: ignore[index]
    client.api_policy.delete(*WHERE, "policed", "policy", "*")
    with pytest.raises(ResourceNotFoundError):
        client.api_policy.get(*WHERE, "policed", "policy")


def test_a_policy_that_does_not_compile(client: ApiManagementClient) -> None:
    make_api(client, "refused")
    with pytest.raises(HttpResponseError) as refused:
        client.api_policy.create_or_update(*WHERE, "refused", "policy", rawxml("\n  <broken-element />"))
    assert refused.value.status_code == 400
    assert refused.value.error.code == "ValidationError"
    detail = refused.value.error.details[0]
    assert detail.target == "broken-element"
    assert "line 2, column" in detail.message


def test_fragments(client: ApiManagementClient) -> None:
    body = {"properties": {"format": "rawxml", "value": f"<fragment>{SET_HEADER.format('1')}</fragment>"}}
    fragment = client.policy_fragment.begin_create_or_update(*WHERE, "piece", body).result()
    assert fragment.provisioning_state == "Succeeded"
    make_api(client, "including")
    client.api_policy.create_or_update(
        *WHERE, "including", "policy", rawxml('<include-fragment fragment-id="piece" />')
    )
    references = client.policy_fragment.list_references(*WHERE, "piece")
    assert [each.id.rsplit("/service/", 1)[1] for each in references.value] == [
        f"{SERVICE}/apis/including/policies/policy"
    ]
    with pytest.raises(HttpResponseError, match="in use"):
        client.policy_fragment.delete(*WHERE, "piece", "*")
    client.api_policy.delete(*WHERE, "including", "policy", "*")
    client.policy_fragment.delete(*WHERE, "piece", "*")


def test_named_values(client: ApiManagementClient) -> None:
    plain = {"properties": {"displayName": "plain", "value": "seen"}}
    assert client.named_value.begin_create_or_update(*WHERE, "plain", plain).result().value == "seen"
    secret = {"properties": {"displayName": "hidden", "value": "unseen", "secret": True}}
    assert client.named_value.begin_create_or_update(*WHERE, "hidden", secret).result().value is None
    assert client.named_value.get(*WHERE, "hidden").value is None
    assert all(each.value is None for each in client.named_value.list_by_service(*WHERE) if each.secret)
    assert client.named_value.list_value(*WHERE, "hidden").value == "unseen"
    client.named_value.begin_update(*WHERE, "hidden", "*", {"properties": {"value": "changed"}}).result()
    assert client.named_value.list_value(*WHERE, "hidden").value == "changed"
    client.named_value.delete(*WHERE, "plain", "*")


def test_backends(client: ApiManagementClient) -> None:
    properties = {
        "url": "https://backend.example",
        "protocol": "http",
        "credentials": {"authorization": {"scheme": "Basic", "parameter": "c2VjcmV0"}},
    }
    client.backend.create_or_update(*WHERE, "b1", {"properties": properties})
    backend = client.backend.get(*WHERE, "b1")
    assert (backend.url, backend.credentials.authorization.scheme) == ("https://backend.example", "Basic")
    assert backend.credentials.authorization.parameter != "c2VjcmV0"
    client.backend.update(*WHERE, "b1", "*", {"properties": {"title": "t"}})
    client.backend.delete(*WHERE, "b1", "*")


def test_products_and_their_apis(client: ApiManagementClient) -> None:
    make_api(client, "sold")
    client.product.create_or_update(*WHERE, "starter", {"properties": {"displayName": "Starter", "state": "published"}})
    assert client.product_api.create_or_update(*WHERE, "starter", "sold").display_name == "sold"
    assert sells(client, "starter", "sold")
    assert [api.name for api in client.product_api.list_by_product(*WHERE, "starter")] == ["sold"]
    assert [link.api_id.rsplit("/", 1)[1] for link in client.product_api_link.list_by_product(*WHERE, "starter")] == [
        "sold"
    ]
    assert [product.name for product in client.api_product.list_by_apis(*WHERE, "sold")] == ["starter"]
    client.product_api.delete(*WHERE, "starter", "sold")
    assert not sells(client, "starter", "sold")
    api_id = client.api.get(*WHERE, "sold").id
    client.product_api_link.create_or_update(*WHERE, "starter", "link", {"properties": {"apiId": api_id}})
    assert sells(client, "starter", "sold")
    client.product_api_link.delete(*WHERE, "starter", "link")
    assert not sells(client, "starter", "sold")
    client.product_group.create_or_update(*WHERE, "starter", "developers")
    assert {group.name for group in client.product_group.list_by_product(*WHERE, "starter")} == {
        "administrators",
        "developers",
    }


def test_subscriptions(client: ApiManagementClient) -> None:
    client.product.create_or_update(*WHERE, "subscribed", {"properties": {"displayName": "S"}})
    product = client.product.get(*WHERE, "subscribed")
    body = {"properties": {"displayName": "mine", "scope": product.id, "state": "active", "primaryKey": "given"}}
    made = client.subscription.create_or_update(*WHERE, "mine", body)
    assert (made.scope, made.primary_key) == (product.id, None)
    keys = client.subscription.list_secrets(*WHERE, "mine")
    assert keys.primary_key == "given"
    client.subscription.regenerate_primary_key(*WHERE, "mine")
    client.subscription.regenerate_secondary_key(*WHERE, "mine")
    others = client.subscription.list_secrets(*WHERE, "mine")
    assert others.primary_key != keys.primary_key
    assert others.secondary_key != keys.secondary_key
    client.subscription.update(*WHERE, "mine", "*", {"properties": {"state": "suspended"}})
    assert client.subscription.get(*WHERE, "mine").state == "suspended"
    assert [each.name for each in client.product_subscriptions.list(*WHERE, "subscribed")] == ["mine"]
    with pytest.raises(HttpResponseError):
        client.product.delete(*WHERE, "subscribed", "*")
    client.product.delete(*WHERE, "subscribed", "*", delete_subscriptions=True)
    with pytest.raises(ResourceNotFoundError):
        client.subscription.get(*WHERE, "mine")


def test_gateways(client: ApiManagementClient) -> None:
    make_api(client, "carried")
    client.gateway.create_or_update(
        *WHERE, "gw1", {"properties": {"description": "d", "locationData": {"name": "here"}}}
    )
    keys = client.gateway.list_keys(*WHERE, "gw1")
    expiry = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=29)
    token = client.gateway.generate_token(*WHERE, "gw1", {"keyType": "primary", "expiry": expiry.isoformat()})
    assert token.value.startswith(f"gw1&{expiry:%Y%m%d%H%M}&")
    client.gateway.regenerate_key(*WHERE, "gw1", {"keyType": "secondary"})
    others = client.gateway.list_keys(*WHERE, "gw1")
    assert (others.primary, others.secondary == keys.secondary) == (keys.primary, False)
    client.gateway_api.create_or_update(*WHERE, "gw1", "carried")
    assert client.gateway_api.get_entity_tag(*WHERE, "gw1", "carried")
    assert [api.name for api in client.gateway_api.list_by_service(*WHERE, "gw1")] == ["carried"]
    client.gateway_api.delete(*WHERE, "gw1", "carried")
    assert list(client.gateway_api.list_by_service(*WHERE, "gw1")) == []


def test_groups_and_users(client: ApiManagementClient) -> None:
    client.group.create_or_update(*WHERE, "testers", {"properties": {"displayName": "Testers"}})
    person = {"properties": {"email": "p@example.org", "firstName": "P", "lastName": "Q"}}
    client.user.create_or_update(*WHERE, "person", person)
    assert client.group_user.create(*WHERE, "testers", "person").email == "p@example.org"
    assert client.group_user.check_entity_exists(*WHERE, "testers", "person")
    assert {group.name for group in client.user_group.list(*WHERE, "person")} == {"developers", "testers"}
    assert [user.name for user in client.group_user.list(*WHERE, "testers")] == ["person"]
    client.group_user.delete(*WHERE, "testers", "person")
    client.user.update(*WHERE, "person", "*", {"properties": {"note": "n"}})
    client.user.begin_delete(*WHERE, "person", "*").result()
    client.group.delete(*WHERE, "testers", "*")


def test_loggers_and_diagnostics(client: ApiManagementClient) -> None:
    make_api(client, "diagnosed")
    logger = {"properties": {"loggerType": "azureMonitor"}}
    id = client.logger.create_or_update(*WHERE, "monitor", logger).id
    body = {"properties": {"loggerId": id, "sampling": {"samplingType": "fixed", "percentage": 50}}}
    assert client.diagnostic.create_or_update(*WHERE, "azuremonitor", body).logger_id == id
    assert client.api_diagnostic.create_or_update(*WHERE, "diagnosed", "azuremonitor", body).sampling.percentage == 50
    with pytest.raises(HttpResponseError, match="in use"):
        client.logger.delete(*WHERE, "monitor", "*")


def test_connections_to_credential_providers(client: ApiManagementClient) -> None:
    grants = {"clientCredentials": {"tokenUrl": "https://p.example/token", "scopes": "repo"}}
    body = {"properties": {"displayName": "P", "identityProvider": "oauth2", "oauth2": {"grantTypes": grants}}}
    made = client.authorization_provider.create_or_update(*WHERE, "p", body)
    assert made.oauth2.grant_types.client_credentials == grants["clientCredentials"]
    parameters = {"clientId": "me", "clientSecret": "hidden"}
    own = {"properties": {"oauth2grantType": "ClientCredentials", "parameters": parameters}}
    connection = client.authorization.create_or_update(*WHERE, "p", "one", own)
    assert (connection.status, connection.parameters) == ("Connected", {"clientId": "me", "clientSecret": "***"})
    person = {"properties": {"authorizationType": "OAuth2", "oauth2grantType": "AuthorizationCode"}}
    assert client.authorization.create_or_update(*WHERE, "p", "two", person).error.code == "Unauthenticated"
    policy = {"properties": {"tenantId": "t", "objectId": "o", "appIds": ["a"]}}
    client.authorization_access_policy.create_or_update(*WHERE, "p", "one", "who", policy)
    found = client.authorization_access_policy.list_by_authorization(*WHERE, "p", "one")
    assert [(each.name, each.object_id) for each in found] == [("who", "o")]
    assert {each.name for each in client.authorization.list_by_authorization_provider(*WHERE, "p")} == {"one", "two"}
    client.authorization_provider.delete(*WHERE, "p", "*")
    assert "p" not in {each.name for each in client.authorization_provider.list_by_service(*WHERE)}


def test_caches(client: ApiManagementClient) -> None:
    body = {"properties": {"connectionString": "host:6380,password=p,ssl=True", "useFromLocation": "default"}}
    made = client.cache.create_or_update(*WHERE, "default", body)
    assert (made.connection_string, made.use_from_location) == ("***", "default")
    client.cache.update(*WHERE, "default", "*", {"properties": {"description": "ours"}})
    assert [(each.name, each.description) for each in client.cache.list_by_service(*WHERE)] == [("default", "ours")]
    client.cache.delete(*WHERE, "default", "*")
    assert not list(client.cache.list_by_service(*WHERE))


def test_revisions_and_releases(client: ApiManagementClient) -> None:
    make_api(client, "revised")
    source = client.api.get(*WHERE, "revised")
    body = {"properties": {"path": "revised", "sourceApiId": source.id, "apiRevisionDescription": "two"}}
    client.api.begin_create_or_update(*WHERE, "revised;rev=2", body).result()
    assert [
        (each.api_revision, each.is_current) for each in client.api_revision.list_by_service(*WHERE, "revised")
    ] == [
        ("1", True),
        ("2", False),
    ]
    client.api_release.create_or_update(*WHERE, "revised", "r1", {"properties": {"apiId": f"{source.id};rev=2"}})
    assert client.api.get(*WHERE, "revised").api_revision == "2"
    assert client.api.get(*WHERE, "revised;rev=1").is_current is False
    assert client.api.get(*WHERE, "revised;rev=2").is_current is True


def test_version_sets_and_tags(client: ApiManagementClient) -> None:
    version_set = {"properties": {"displayName": "V", "versioningScheme": "Segment"}}
    id = client.api_version_set.create_or_update(*WHERE, "vs", version_set).id
    for version in ("v1", "v2"):
        properties = {"displayName": version, "path": "versioned", "apiVersion": version, "apiVersionSetId": id}
        client.api.begin_create_or_update(*WHERE, f"versioned-{version}", {"properties": properties}).result()
    assert client.api.get(*WHERE, "versioned-v2").api_version_set_id == id
    client.tag.create_or_update(*WHERE, "red", {"properties": {"displayName": "Red"}})
    assert client.tag.assign_to_api(*WHERE, "versioned-v1", "red").display_name == "Red"
    assert [tag.name for tag in client.tag.list_by_api(*WHERE, "versioned-v1")] == ["red"]
    client.tag.detach_from_api(*WHERE, "versioned-v1", "red")


def test_errors_become_the_right_exceptions(client: ApiManagementClient, address: str, directory: Path) -> None:
    make_api(client, "first")
    with pytest.raises(HttpResponseError) as duplicate:
        client.api.begin_create_or_update(*WHERE, "second", {"properties": {"displayName": "x", "path": "first"}})
    assert (duplicate.value.status_code, duplicate.value.error.details[0].target) == (400, "path")
    with pytest.raises(HttpResponseError) as stale:
        client.api.update(*WHERE, "first", '"stale"', {"properties": {"description": "x"}})
    assert stale.value.status_code == 412
    with connect(address, directory, "wrong") as stranger, pytest.raises(ClientAuthenticationError):
        stranger.api.get(*WHERE, "first")


def test_paging_and_filters(client: ApiManagementClient) -> None:
    for number in range(7):
        client.tag.create_or_update(*WHERE, f"page{number}", {"properties": {"displayName": f"Page {number}"}})
    names = [tag.name for tag in client.tag.list_by_service(*WHERE, top=2, filter="startswith(name,'page')")]
    assert names == [f"page{number}" for number in range(7)]
    assert [t.name for t in client.tag.list_by_service(*WHERE, filter="displayName eq 'Page 3'")] == ["page3"]
