"""Loggers of event hubs: read with their named values, renewed with them, and used on real sockets."""

from __future__ import annotations

import asyncio

from sidecar_harness import Backend, Harness, open_api, policy, resource

from proxy.adapters.errands import BackgroundErrands
from proxy.adapters.reach import Reach
from proxy.adapters.transport import HttpTransport
from proxy.config.gateway import build
from proxy.config.resources import EventHub, Logger, Resource
from proxy.ports import Ports

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
    hub, answered = Backend(), asyncio.Event()

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        hub.seen.append(head + await reader.read(100))
        await answered.wait()
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")

    hub.script = late
    listener = await asyncio.start_server(hub.serve, "127.0.0.1", 0)
    hub.port = listener.sockets[0].getsockname()[1]
    transport = HttpTransport(reach=Reach(loopback=True))
    errands = BackgroundErrands(transport)
    held = harness.sidecar.ports
    harness.sidecar.ports = Ports(
        held.transport, held.counters, held.clock, held.journal, held.cache, held.quotas, errands=errands
    )
    try:
        connection = f"Endpoint=http://127.0.0.1:{hub.port}/;SharedAccessKeyName=n;SharedAccessKey=k"
        assert not harness.configure(*open_api("shop", backend.url), policy("", DOCUMENT), logger(connection))
        assert (await harness.request("GET", "/shop/x")).status == 200
        answered.set()
        await errands.close(3)
        assert errands.failed == 0
        (event,) = hub.requests
        assert event.startswith(b"POST /events/messages?timeout=60&api-version=2014-01 HTTP/1.1\r\n")
        assert b"Authorization: SharedAccessSignature sr=http%3A%2F%2F127.0.0.1" in event
        assert event.endswith(b"\r\n\r\nget---")
    finally:
        listener.close()
        await transport.close()
