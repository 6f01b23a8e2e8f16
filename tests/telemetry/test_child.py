"""The child's own rules, without a process around it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest

from telemetry import child as module
from telemetry import frames
from telemetry.child import Child, serve
from telemetry.diagnostics import Directory
from telemetry.encode.requests import RequestEncoder
from telemetry.lane import Lane
from telemetry.metrics import Metric
from telemetry.records import RequestRecord, TraceRecord
from telemetry.settings import Resource
from tests.telemetry.sample import ERROR, batch, record


class Collects:
    """An exporter that keeps what it is given; `breaks` makes it fail on records of that correlation id."""

    def __init__(self, breaks: str = "") -> None:
        self.lanes: Sequence[Lane] = ()
        self.breaks = breaks
        self.got: list[RequestRecord] = []
        self.resource: Resource | None = None
        self.read: list[Metric] = []

    def records(self, batch: Sequence[RequestRecord], resource: Resource) -> None:
        if self.breaks in {each.correlation_id for each in batch}:
            raise TypeError("cannot encode")
        self.got += batch
        self.resource = resource

    def metrics(self, metrics: Sequence[Metric], resource: Resource) -> None:
        self.read = list(metrics)

    def tick(self, resource: Resource) -> None:
        if self.breaks:
            raise TypeError("cannot send")


def made(monkeypatch: pytest.MonkeyPatch, *exporters: Collects, **settings: str) -> Child:
    factories = tuple((lambda _s, _r, each=each: each) for each in exporters)
    monkeypatch.setattr(module, "FACTORIES", factories)
    return Child({"instance.id": "host:1", "gateway.name": "named", **settings}, 1)


def send(child: Child, *records: RequestRecord, dropped: int = 0) -> None:
    for frame, _ in frames.pack_records(records, dropped, 0):
        for kind, content in frames.unpack(bytearray(frame)):
            child.frame(kind, content)


def values(metrics: Sequence[Metric], name: str) -> dict[str, Any]:
    (metric,) = [each for each in metrics if each.name == name]
    return {",".join(str(value) for _, value in point.labels): point.value for point in metric.points}


def test_what_breaks_one_exporter_reaches_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken, whole = Collects(breaks="poison"), Collects()
    child = made(monkeypatch, broken, whole)
    send(child, record(correlation_id="poison"), record())
    child.tick()
    send(child, record(), dropped=7)
    assert len(whole.got) == 3
    assert len(broken.got) == 1
    found = child.read()
    assert values(found, "apim.telemetry.dropped") == {
        "journal,queue-full": 7, "journal,broken-record": 2, "journal,events-full": 0,
    }  # fmt: skip
    assert sum(values(found, "Requests").values()) == 3
    assert "cannot encode" in caplog.text


def test_secrets_in_a_url_stop_here(monkeypatch: pytest.MonkeyPatch) -> None:
    exporter = Collects()
    child = made(monkeypatch, exporter)
    send(child, record(url="http://gw/x?subscription-key=hush", backend_url="http://b/x?sig=hush"))
    assert "hush" not in repr(exporter.got)


def test_identity_replaces_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    exporter = Collects()
    child = made(monkeypatch, exporter)
    send(child, record())
    assert exporter.resource == Resource("host:1", "named", "", 1)
    child.frame(frames.IDENTITY, ("gw-9", "lab"))
    send(child, record())
    assert exporter.resource == Resource("host:1", "gw-9", "lab", 1)


def test_input_in_pieces_and_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    exporter = Collects()
    child = made(monkeypatch, exporter)
    reader, writer = os.pipe()
    thread = threading.Thread(target=serve, args=(child, reader))
    thread.start()
    data = b"".join(frame for frame, _ in frames.pack_records([record(), record()], 0, 0))
    os.write(writer, data[:5])
    time.sleep(0.02)
    os.write(writer, data[5:])
    os.close(writer)
    thread.join(5)
    assert not thread.is_alive()
    os.close(reader)
    assert len(exporter.got) == 2
    child.close(time.monotonic() + 1)
    assert "Requests" in {metric.name for metric in exporter.read}


def test_bytes_that_are_no_text_cost_nobody_else_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    exporter = Collects()
    child = made(monkeypatch, exporter)
    bad = "é\udcff"
    failed = ERROR._replace(message=bad)
    send(
        child,
        record(traces=(TraceRecord("s", "information", bad, ((bad, bad),)),)),
        record(last_error=failed, errors=(failed,)),
        record(url=f"http://gw/{bad}", backend_url=f"http://b/{bad}"),
    )
    spans, logs = RequestEncoder().encode(batch(*exporter.got), "lab", 1)
    assert len(spans) // 2 >= 3
    assert len(logs) // 2 == 3
    assert exporter.got[0].traces[0].message == "é?"
    assert exporter.got[1].errors[0].message == "é?"


def test_an_exporter_that_cannot_take_metrics_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoMetrics(Collects):
        def metrics(self, metrics: Sequence[Metric], resource: Resource) -> None:
            raise TypeError("cannot encode")

    whole = Collects()
    child = made(monkeypatch, NoMetrics(), whole)
    child.close(time.monotonic() + 0.1)
    assert whole.read


def test_loggers_are_told_to_who_sends_there(monkeypatch: pytest.MonkeyPatch) -> None:
    class Sends(Collects):
        told: Directory | None = None

        def direct(self, directory: Directory) -> None:
            self.told = directory

    directed, plain = Sends(), Collects()
    child = made(monkeypatch, directed, plain)
    child.frame(frames.LOGGERS, ((("ai", "applicationInsights", (), True, ""),), (), (), (), ""))
    assert directed.told is not None
    assert list(directed.told.loggers) == ["ai"]
