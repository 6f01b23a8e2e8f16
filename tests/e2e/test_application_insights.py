"""A logger and a diagnostic, made with the Azure SDK: calls are told to Application Insights, as in Azure."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from house import House, descendants, request, wait_until

from tests.management.sdk import Credential
from tests.telemetry.breeze import KEY, Breeze, breeze

pytest.importorskip("azure.mgmt.apimanagement", reason="azure-mgmt-apimanagement is not installed")

from azure.mgmt.apimanagement import ApiManagementClient

pytestmark = pytest.mark.e2e

TRACE = "0af7651916cd43dd8448eb211c80319c"
POLICY = (
    "<policies><inbound><base/>"
    '<trace source="shop" severity="information"><message>looked up</message>'
    '<metadata name="tenant" value="7"/></trace>'
    '<trace source="shop" severity="verbose">not told</trace>'
    '<emit-metric name="Looked" value="2" namespace="shop"><dimension name="Team" value="a"/></emit-metric>'
    "</inbound><backend><base/></backend><outbound><base/></outbound></policies>"
)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Breeze]:
    with breeze() as it:
        yield it


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    environment = {"observability.opentelemetry.metrics.interval": "1"}
    it = House(tmp_path_factory.mktemp("insights"), poll=0.5, environment=environment)
    try:
        yield it.start()
    finally:
        it.stop()


@pytest.fixture(scope="module")
def shop(house: House, backend: str, endpoint: Breeze) -> House:
    """An API that is told to Application Insights; its connection string is a secret named value."""
    house.api("shop", backend)
    house.api("silent", backend)
    house.policy("/apis/shop", POLICY)
    _, subscription, _, group, *_, service = house.info["service"].strip("/").split("/")
    where = (group, service)
    with ApiManagementClient(
        Credential(house.info["token"]),
        subscription,
        base_url=house.info["management_tls"],
        connection_verify=house.info["ca"],
        retry_total=0,
    ) as client:
        value = {"displayName": "insights", "secret": True, "value": f"{endpoint.connection};ApplicationId=4d1e"}
        client.named_value.begin_create_or_update(*where, "insights", {"properties": value}).result()
        logger = {"loggerType": "applicationInsights", "credentials": {"connectionString": "{{insights}}"}}
        made = client.logger.create_or_update(*where, "ai", {"properties": logger})
        sight = {"headers": ["X-Shop", "Authorization"], "body": {"bytes": 5}}
        masking = {
            "headers": [{"value": "Authorization", "mode": "Mask"}],
            "queryParams": [{"value": "code", "mode": "Hide"}],
        }
        diagnostic = {
            "loggerId": made.id,
            "alwaysLog": "allErrors",
            "sampling": {"samplingType": "fixed", "percentage": 100},
            "frontend": {"request": {**sight, "dataMasking": masking}, "response": {"headers": ["Content-Type"]}},
            "backend": {"request": {"headers": ["X-Shop"]}, "response": {"body": {"bytes": 10}}},
            "httpCorrelationProtocol": "W3C",
            "verbosity": "information",
            "operationNameFormat": "Name",
            "logClientIp": True,
            "metrics": True,
        }
        client.api_diagnostic.create_or_update(*where, "shop", "applicationinsights", {"properties": diagnostic})
    house.everywhere("/silent/x", lambda reply: reply.status == 200)
    for gateway in house.gateways:
        wait_until(lambda gateway=gateway: told(gateway, endpoint), 20, what=f"{gateway} to tell its calls")
    return house


def told(gateway: str, endpoint: Breeze) -> bool:
    request(f"{gateway}/shop/warm")
    return any(gateway in each["data"]["baseData"]["url"] for each in endpoint.of("RequestData"))


def data_of(envelope: dict[str, Any]) -> Any:
    return envelope["data"]["baseData"]


def of_trace(endpoint: Breeze, kind: str, trace: str) -> list[dict[str, Any]]:
    return [each for each in endpoint.of(kind) if each["tags"].get("ai.operation.id") == trace]


def test_one_call_is_a_request_a_dependency_and_a_message(shop: House, endpoint: Breeze) -> None:
    gateway = shop.gateways[0]
    reply = request(
        f"{gateway}/shop/orders?code=s3cret&a=1",
        "POST",
        {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "X-Shop": "mine", "Authorization": "Bearer s3cret"},
        b"hello world",
    )
    assert reply.status == 200
    wait_until(lambda: of_trace(endpoint, "MessageData", TRACE), what="the envelopes")
    (sent,) = of_trace(endpoint, "RequestData", TRACE)
    assert sent["iKey"] == KEY
    assert sent["tags"]["ai.operation.name"] == "shop;rev=1 - post"
    assert sent["tags"]["ai.operation.parentId"] == "b7ad6b7169203331"
    assert sent["tags"]["ai.location.ip"] == "127.0.0.1"
    found = data_of(sent)
    assert (found["name"], found["responseCode"], found["success"]) == ("POST /shop/orders", "200", True)
    assert found["url"] == f"{gateway}/shop/orders?a=1"
    assert found["measurements"]["Request Size"] == 11
    properties = found["properties"]
    for name, value in {
        "Service Type": "API Management",
        "API Name": "shop",
        "API Type": "http",
        "API Revision": "1",
        "Operation Name": "post",
        "HTTP Method": "POST",
        "Cache": "None",
        "Request-X-Shop": "mine",
        "Request-Authorization": "hidden",
        "Request-Body": "hello",
        "Response-Content-Type": "application/json",
    }.items():
        assert properties[name] == value, name
    (called,) = of_trace(endpoint, "RemoteDependencyData", TRACE)
    assert called["tags"]["ai.operation.parentId"] == found["id"]
    backend = data_of(called)
    assert reply.json["headers"]["traceparent"] == f"00-{TRACE}-{backend['id']}-01"
    assert (backend["type"], backend["name"], backend["resultCode"]) == ("Backend", "POST /orders", "200")
    assert (backend["properties"]["Request-X-Shop"], backend["properties"]["Response-Body"]) == ("mine", '{"method":')
    (message,) = of_trace(endpoint, "MessageData", TRACE)
    assert (data_of(message)["message"], data_of(message)["properties"]["tenant"]) == ("looked up", "7")


def test_errors_are_exceptions_and_what_emit_metric_says_is_a_metric(shop: House, endpoint: Breeze) -> None:
    trace = TRACE[::-1]
    reply = request(f"{shop.gateways[0]}/shop/x", "DELETE", {"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    assert reply.status == 404
    wait_until(lambda: of_trace(endpoint, "ExceptionData", trace), what="the exception")
    (exception,) = of_trace(endpoint, "ExceptionData", trace)
    assert data_of(exception)["exceptions"][0]["typeName"] == "OperationNotFound"
    wait_until(lambda: endpoint.of("MetricData"), 20, what="the metric")
    metric = data_of(endpoint.of("MetricData")[0])
    assert (metric["metrics"][0]["name"], metric["metrics"][0]["ns"]) == ("Looked", "shop")
    assert metric["metrics"][0]["value"] == 2 * metric["metrics"][0]["count"]
    assert metric["properties"]["Team"] == "a"
    names = {data_of(each)["properties"].get("API Name") for each in endpoint.of("RequestData")}
    assert names == {"shop"}, "another API has no diagnostic"


def test_the_connection_string_is_in_no_environment_and_no_log(shop: House) -> None:
    for process in descendants(shop.up.pid if shop.up else os.getpid()):
        assert KEY not in json.dumps(process.environment) + " ".join(process.argv), process.argv
    for log in Path(shop.data).rglob("*.log"):
        assert KEY not in log.read_text(errors="replace"), log
