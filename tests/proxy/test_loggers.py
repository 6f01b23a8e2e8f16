"""Loggers of event hubs: read with their named values, renewed with them, and used by the whole way of an event."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from sidecar_harness import Backend, Harness, open_api, policy, resource

from proxy.config.gateway import build
from proxy.config.resources import Logger, Resource
from telemetry.event_hub import EventHub
from telemetry.journal import Journal
from tests.telemetry.azure import FakeAzure

EVENT = '<log-to-eventhub logger-id="hub">@(context.Operation.Name)</log-to-eventhub>'
DOCUMENT = f"<policies><inbound>{EVENT}</inbound></policies>"


def logger(connection: str) -> Resource:
    credentials = {"name": "events", "connectionString": connection}
    return resource("/loggers/hub", {"loggerType": "azureEventHub", "credentials": credentials})


def named(value: str) -> Resource:
    return resource("/namedValues/conn", {"displayName": "conn", "value": value, "secret": True})


def by_id(*resources: Resource) -> dict[str, Resource]:
    return {each.id: each for each in resources}


def test_a_named_value_renews_the_logger_and_the_documents_that_use_it() -> None:
    text = "Endpoint=sb://{}.servicebus.windows.net/;SharedAccessKeyName=n;SharedAccessKey=k"
    document, hub = policy("", DOCUMENT), logger("{{conn}}")
    first, issues = build(by_id(document, hub, named(text.format("one"))))
    assert not issues
    assert first.environment.loggers == {
        "hub": Logger("hub", "azureEventHub", EventHub("https://one.servicebus.windows.net/events", "n", "k"))
    }
    second, _ = build(by_id(document, hub, named(text.format("two"))), first)
    assert second.documents["/policies/policy"] is not first.documents["/policies/policy"]
    third, _ = build(by_id(document, hub, named(text.format("two")), resource("/groups/g", {})), second)
    assert third.documents["/policies/policy"] is second.documents["/policies/policy"]


def test_a_connection_string_that_cannot_be_used_is_an_issue_of_the_logger() -> None:
    _, issues = build(by_id(policy("", DOCUMENT), logger("Endpoint=sb://a/")))
    assert [issue.resource_id for issue in issues] == ["/loggers/hub"]
    assert "SharedAccessKey" in issues[0].message


async def test_an_event_arrives_and_the_client_does_not_wait_for_it(harness: Harness, backend: Backend) -> None:
    journal = Journal({"telemetry.logs.std": "none", "net.client.loopback.allowed": "true"}, "host:1")
    with FakeAzure(mode="busy") as azure:
        journal.start()
        harness.sidecar.ports = replace(harness.sidecar.ports, journal=journal)
        try:
            connection = f"Endpoint={azure.url}/;SharedAccessKeyName=n;SharedAccessKey=k"
            assert not harness.configure(*open_api("shop", backend.url), policy("", DOCUMENT), logger(connection))
            journal.direct(harness.sidecar.gateway.telling.frame, True)
            assert (await harness.request("GET", "/shop/x")).status == 200
            end = time.monotonic() + 10
            while not azure.calls and time.monotonic() < end:
                if azure.tries:
                    azure.mode = "ok"
                await asyncio.sleep(0.02)
        finally:
            await journal.close()
        (call,) = azure.calls
        assert (call.path, call.content) == ("/events/messages", b"get---")
        assert call.headers["authorization"].startswith("SharedAccessSignature sr=http%3A%2F%2F127.0.0.1")
