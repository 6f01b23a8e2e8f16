"""Events to event hubs: what arrives, in which batches, signed how, and what happens while a hub is away."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, unquote_plus

import pytest

from telemetry import lane
from telemetry.diagnostics import Directory, Logger
from telemetry.event_hub import event_hub
from telemetry.exporters import event_hubs
from telemetry.journal import EVENT_BYTES, Journal
from telemetry.records import EventRecord
from telemetry.settings import Resource
from telemetry.trail import EVENTS, SHARED, begin, folder
from tests.telemetry.azure import FakeAzure
from tests.telemetry.sample import record
from tests.telemetry.waiting import until

RESOURCE = Resource("sidecar-1", "gw", "lab")
ALLOWED = {"net.client.loopback.allowed": "true"}


@pytest.fixture
def azure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAzure]:
    with FakeAzure(tmp_path) as fake:
        monkeypatch.setenv("SSL_CERT_FILE", str(fake.certificate))
        monkeypatch.setattr(lane, "BACKOFF", (0.05, 1.0))
        yield fake


def keyed(azure: FakeAzure, hub: str = "events", name: str = "hub", buffered: bool = True) -> Logger:
    text = (
        f"Endpoint={azure.url.replace('https', 'sb')}/;SharedAccessKeyName=send;SharedAccessKey=abc=;EntityPath={hub}"
    )
    return Logger(name, "azureEventHub", (("connectionString", text),), buffered)


def directory(*loggers: Logger) -> Directory:
    return Directory((loggers, (), (), (), ""))


def exporter(*loggers: Logger, **settings: str) -> event_hubs.EventHubs:
    made = event_hubs.from_settings({**ALLOWED, **settings}, list)
    made.direct(directory(*loggers))
    return made


def event(content: str, logger: str = "hub", partition: str = "", key: str = "") -> EventRecord:
    return EventRecord(logger, partition, key, content.encode())


def end(made: event_hubs.EventHubs, seconds: float = 2.0) -> None:
    made.flush()
    hubs = [*made._hubs.values(), *made._leaving]
    deadline = time.monotonic() + seconds
    for each in made.lanes:
        each.finish(deadline)
        each.join(deadline)
    for hub in hubs:
        hub.close()


def test_one_event_goes_as_it_is_and_signed(azure: FakeAzure) -> None:
    made = exporter(keyed(azure))
    made.events([event("call é", key="k é")])
    end(made)
    (call,) = azure.calls
    assert (call.path, call.query) == ("/events/messages", {"timeout": ["60"], "api-version": ["2014-01"]})
    assert call.content.decode() == "call é"
    assert call.headers["content-type"] == "application/atom+xml;type=entry;charset=utf-8"
    assert json.loads(call.headers["brokerproperties"]) == {"PartitionKey": "k é"}
    kind, _, rest = call.headers["authorization"].partition(" ")
    signed = dict(part.split("=", 1) for part in rest.split("&"))
    assert (kind, signed["skn"]) == ("SharedAccessSignature", "send")
    assert unquote_plus(signed["sr"]) == f"{azure.url}/events"
    assert 800 < int(signed["se"]) - time.time() < 1900
    text = f"{quote_plus(azure.url + '/events')}\n{signed['se']}".encode()
    assert unquote_plus(signed["sig"]) == base64.b64encode(hmac.digest(b"abc=", text, hashlib.sha256)).decode()


def test_batches_by_partition_and_key_in_order(azure: FakeAzure) -> None:
    made = exporter(keyed(azure))
    made.events(
        [
            event(f"{number}", partition="" if number % 3 else "7", key="a" if number % 3 == 1 else "")
            for number in range(9)
        ]
    )
    end(made)
    assert {call.headers["content-type"] for call in azure.calls} == {"application/vnd.microsoft.servicebus.json"}
    found = {
        (call.path, call.headers.get("brokerproperties")): [
            (each["Body"], each.get("BrokerProperties")) for each in call.json
        ]
        for call in azure.calls
    }
    key: dict[str, Any] = {"PartitionKey": "a"}
    assert found == {
        ("/events/partitions/7/messages", None): [("0", None), ("3", None), ("6", None)],
        ("/events/messages", json.dumps(key)): [("1", key), ("4", key), ("7", key)],
        ("/events/messages", None): [("2", None), ("5", None), ("8", None)],
    }
    assert made.lanes[0].exported == 9


def test_a_batch_fits_the_smallest_tier(azure: FakeAzure) -> None:
    made = exporter(keyed(azure))
    made.events([event(f"{number}" + "x" * 100_000) for number in range(5)])
    end(made)
    bodies = [
        [each["Body"] for each in call.json] if call.content[:1] == b"[" else [call.content.decode()]
        for call in azure.calls
    ]
    assert [len(each) for each in bodies] == [2, 2, 1]
    assert [text[0] for each in bodies for text in each] == list("01234")
    assert all(len(call.content) < 256 * 1024 for call in azure.calls)


def test_an_unbuffered_logger_sends_each(azure: FakeAzure) -> None:
    made = exporter(keyed(azure, buffered=False))
    made.events([event("1"), event("2")])
    end(made)
    assert [call.content for call in azure.calls] == [b"1", b"2"]


def test_without_a_key_a_token_of_the_own_identity(azure: FakeAzure) -> None:
    credentials = (("name", "events"), ("endpointAddress", azure.url.removeprefix("https://")),
                   ("identityClientId", "SystemAssigned"))  # fmt: skip
    made = exporter(Logger("hub", "azureEventHub", credentials), **azure.settings())
    made.events([event("x")])
    end(made)
    assert azure.tokens[0]["scope"] == "https://eventhubs.azure.net/.default"
    assert azure.calls[0].headers["authorization"] == "Bearer t1"


@pytest.mark.parametrize("mode", ["busy", "throttled", "unauthorized", "cut"])
async def test_events_wait_for_a_hub_that_is_away(azure: FakeAzure, mode: str) -> None:
    azure.mode = mode
    made = exporter(keyed(azure))
    made.events([event("1"), event("2", key="a")])
    made.flush()
    await until(lambda: azure.tries)
    azure.mode = "ok"
    await until(lambda: len(azure.calls) == 2)
    assert [call.content for call in azure.calls] == [b"1", b"2"]
    end(made)


async def test_a_logger_that_changes_or_goes(azure: FakeAzure) -> None:
    azure.mode = "busy"
    made = exporter(keyed(azure, "old"), keyed(azure, "gone", "other"))
    made.events([event("1"), event("2", "other")])
    made.flush()
    await until(lambda: azure.tries >= 2)
    made.direct(directory(keyed(azure, "new")))
    assert len(made.lanes) == 2
    azure.mode = "ok"
    await until(lambda: len(azure.calls) == 2)
    assert {(call.path, call.content) for call in azure.calls} == {("/new/messages", b"1"), ("/gone/messages", b"2")}
    await until(lambda: not made._leaving[0].lane.queued)
    made.tick(RESOURCE)
    assert len(made.lanes) == 1
    end(made)


def test_a_logger_that_cannot_be_used_says_so(azure: FakeAzure, caplog: pytest.LogCaptureFixture) -> None:
    plain = Logger("hub", "azureEventHub", (("name", "e"), ("endpointAddress", "http://hub.example")))
    made = exporter(plain)
    made.events([event("secret"), event("secret")])
    assert not made.lanes
    first, second = caplog.messages
    assert "net.client.http.allowed" in first
    assert "'hub'" in second
    assert "secret" not in caplog.text


async def test_what_policies_may_not_reach_loggers_may_not_either(azure: FakeAzure) -> None:
    made = event_hubs.from_settings({}, list)
    made.direct(directory(keyed(azure)))
    made.events([event("x")])
    made.flush()
    await until(lambda: made.lanes[0].dropped["refused"])
    assert not azure.tries
    end(made)


def test_credentials_that_cannot_be_used() -> None:
    for given, told in (
        ({"connectionString": "Endpoint=sb://a/"}, "SharedAccessKey"),
        ({"name": "e"}, "an endpoint"),
        ({"endpointAddress": "a.servicebus.windows.net"}, "name of the event hub"),
    ):
        with pytest.raises(ValueError, match=told):
            event_hub(given)
    assert "abc" not in repr(
        event_hub({"connectionString": "Endpoint=sb://a/;SharedAccessKeyName=n;SharedAccessKey=abc;EntityPath=e"})
    )


async def test_the_journal_bounds_what_waits_and_records_do_not_wait_behind() -> None:
    journal = Journal({}, "host:1")
    content = b"x" * 200_000
    taken = 0
    while journal.event(EventRecord("hub", "", "", content)):
        taken += 1
    assert taken == EVENT_BYTES // 200_500
    assert journal.dropped_events == 1
    assert not journal.event(EventRecord("hub", "", "k" * 2_000_000, b""))
    journal._pack_batch()
    journal._pack_events()
    assert len(journal._frames) == 1
    assert journal.event(EventRecord("hub", "", "", content))


async def test_events_survive_the_end_of_everything(azure: FakeAzure, tmp_path: Path) -> None:
    """Said while the hub is away; the sidecar ends, and the next one's child delivers."""
    azure.mode = "busy"
    settings = {**ALLOWED, "telemetry.logs.std": "none", "telemetry.spool.path": str(tmp_path / "spool")}
    frame = loggers_frame(keyed(azure))
    first = Journal(settings, "host:1")
    first.start()
    first.direct(frame, True)
    for number in range(20):
        assert first.event(EventRecord("hub", "", "", f"{number}".encode()))
    await until(lambda: azure.tries)
    await first.close()
    azure.mode = "ok"
    second = Journal(settings, "host:1")
    second.start()
    second.direct(frame, True)
    await until(lambda: azure.calls)
    await second.close()
    bodies = [each["Body"] for call in azure.calls for each in call.json]
    assert bodies == [f"{number}" for number in range(20)]


async def test_events_survive_a_killed_child(azure: FakeAzure, tmp_path: Path) -> None:
    settings = {**ALLOWED, "telemetry.logs.std": "none", "telemetry.spool.path": str(tmp_path / "spool")}
    journal = Journal(settings, "host:1")
    journal.start()
    journal.direct(loggers_frame(keyed(azure)), True)
    assert journal.event(EventRecord("hub", "", "", b"first"))
    await until(lambda: azure.calls)
    child = journal.child_pid
    assert child is not None
    os.kill(child, signal.SIGSTOP)  # what it is told now it will not have put anywhere
    for number in range(5):
        assert journal.event(EventRecord("hub", "", "", f"{number}".encode()))
    await until(lambda: not journal._events and not journal._frames)
    os.kill(child, signal.SIGKILL)
    assert journal.event(EventRecord("hub", "", "", b"last"))
    expected = ["first", *(f"{number}" for number in range(5)), "last"]
    await until(lambda: set(said(azure)) >= set(expected), 20)
    await journal.close()
    # the child may have been stopped between the answer and its note of it: then the first came twice
    came = said(azure)
    assert came == expected or came == ["first", *expected], came
    assert not list(SHARED.glob(f"{trails(settings)}/*"))


async def test_events_survive_the_end_of_a_pair_without_notice(azure: FakeAzure, tmp_path: Path) -> None:
    settings = {**ALLOWED, "telemetry.logs.std": "none", "telemetry.spool.path": str(tmp_path / "spool")}
    trail = begin(settings, "host:1", EVENTS)
    assert trail is not None
    trail.write(("hub", "", "a", b"left"))
    trail.close()
    journal = Journal(settings, "host:1")
    journal.start()
    journal.direct(loggers_frame(keyed(azure)), True)
    journal.append(record())
    await until(lambda: azure.calls)
    await journal.close()
    assert said(azure) == ["left"]
    assert json.loads(azure.calls[0].headers["brokerproperties"]) == {"PartitionKey": "a"}
    assert not list(SHARED.glob(f"{trails(settings)}/*"))


def trails(settings: dict[str, str]) -> str:
    where = folder(settings)
    assert where is not None
    return where.name


def said(azure: FakeAzure) -> list[str]:
    """What came, in order."""
    return [
        text
        for call in list(azure.calls)
        for text in ([each["Body"] for each in call.json] if call.content[:1] == b"[" else [call.content.decode()])
    ]


def loggers_frame(*loggers: Logger) -> bytes:
    from telemetry.diagnostics import frame

    return frame(loggers, (), (), ())
