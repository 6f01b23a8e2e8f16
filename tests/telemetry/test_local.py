"""Request records on standard output, read back from a pipe as a log agent would."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from typing import Any

import pytest

from telemetry.batch import Kinds
from telemetry.exporters import local
from telemetry.records import RequestRecord
from telemetry.settings import Resource
from tests.telemetry.sample import TRACE, failed, record

RESOURCE = Resource("host:1", region="lab")
# `[Level] time [Event], name: value, ...` as the gateway that is replaced writes it; values may hold commas.
LINE = re.compile(
    r"\[(?P<level>\w+)\] (?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}) \[(?P<event>\w+)\](?P<rest>(?:, .*)?)"
)
FIELD = re.compile(r", (\w+): (.*?)(?=, \w+: |$)")


def written(shape: str, *batch: RequestRecord) -> list[str]:
    reader, writer = os.pipe()
    exporter = local.LocalLog(shape, False, writer)
    exporter.records(Kinds().batch(batch), RESOURCE)
    deadline = time.monotonic() + 2
    exporter.lanes[0].finish(deadline)
    found = b""
    closer = threading.Thread(target=lambda: (exporter.lanes[0].join(deadline), os.close(writer)))
    closer.start()
    while data := os.read(reader, 65536):
        found += data
    closer.join()
    os.close(reader)
    assert exporter.lanes[0].exported == len(batch)
    return found.decode().removesuffix("\n").split("\n")


def test_text() -> None:
    (line,) = written("text", failed(cache_ms=2.0))
    found = LINE.fullmatch(line)
    assert found is not None
    assert (found["level"], found["time"], found["event"]) == ("Info", "2024-01-19T07:39:54.666", "GatewayLogs")
    fields = dict(FIELD.findall(found["rest"]))
    assert list(fields)[:5] == ["isRequestSuccess", "totalTime", "category", "callerIpAddress", "timeGenerated"]
    assert (fields["isRequestSuccess"], fields["totalTime"], fields["region"]) == ("False", "374", "lab")
    assert "backendResponseCode" not in fields


def test_json() -> None:
    (line,) = written("json", failed(traces=(TRACE,)))
    found = json.loads(line)
    assert list(found)[:4] == ["level", "timestamp", "eventType", "isRequestSuccess"]
    assert (found["level"], found["timestamp"]) == ("Info", "2024-01-19T07:39:54.666Z")
    assert found["lastError"] == found["errors"][0]
    assert found["lastError"]["path"] == "forward-request\\forward-request"
    assert found["traceRecords"][0]["tenant"] == "7"


@pytest.mark.parametrize("shape", ["text", "json"])
def test_a_client_cannot_forge_a_line(shape: str) -> None:
    evil = "http://gw/a\r\n[Info] 2024-01-19T07:39:54.666 [GatewayLogs], forged\u2028\x1b[2J"
    (line,) = written(shape, record(url=evil))
    if shape == "json":
        assert json.loads(line)["url"] == evil
    else:
        assert "\x1b" not in line


@pytest.mark.parametrize("shape", ["text", "json"])
def test_lines_of_two_processes_do_not_mix(shape: str) -> None:
    reader, writer = os.pipe()
    exporters = [local.LocalLog(shape, False, writer) for _ in range(2)]
    for name, exporter in zip("ab", exporters, strict=True):
        batch = Kinds().batch(
            [record(correlation_id=f"{name}{number}", url=f"http://gw/{'x' * 300}") for number in range(300)]
        )
        exporter.records(batch, RESOURCE)
    lines = 0
    found = b""
    while lines < 600:
        found += os.read(reader, 4096)
        lines = found.count(b"\n")
    os.close(writer)
    os.close(reader)
    assert all("GatewayLogs" in line and line.count("correlationId") == 1 for line in found.decode().splitlines())


@pytest.mark.parametrize(
    ("settings", "on"),
    [({}, True), ({"telemetry.logs.std.level": "debug"}, True), ({"telemetry.logs.std.level": "warn"}, False),
     ({"telemetry.logs.std": "none"}, False), ({"telemetry.logs.std": "JSON"}, True)],
)  # fmt: skip
def test_settings(settings: dict[str, str], on: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    class Out:
        def fileno(self) -> int:
            return 1

        def isatty(self) -> bool:
            return False

    monkeypatch.setattr("sys.stdout", Out())
    made: Any = local.from_settings(settings, list)
    assert (made is not None) is on
