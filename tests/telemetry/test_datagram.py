"""Datagrams to local logs, read back by parsers that were written from the protocols' own documents."""

from __future__ import annotations

import json
import re
import socket
import struct
import time
from pathlib import Path
from typing import Any

import pytest

from telemetry import growing_file
from telemetry.exporters import datagram
from telemetry.records import RequestRecord
from telemetry.settings import Resource
from tests.moment import zone
from tests.telemetry.sample import TRACE, failed, record

RESOURCE = Resource("host 1é", region="lab", process_id=4711)

# RFC 5424, section 6, rule by rule.
PRINT = r"[\x21-\x7e]"
SD_NAME = r"[\x21\x23-\x3c\x3e-\x5c\x5e-\x7e]{1,32}"
SD_ELEMENT = rf'\[{SD_NAME}(?: {SD_NAME}="(?:[^"\\\]]|\\.)*")*\]'
DATE = r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
TIME = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)"
RFC5424 = re.compile(
    rf"<(?P<priority>\d|[1-9]\d|1[0-8]\d|19[01])>(?P<version>[1-9]\d{{0,2}}) (?P<time>-|{DATE}T{TIME})"
    rf" (?P<host>-|{PRINT}{{1,255}}) (?P<app>-|{PRINT}{{1,48}}) (?P<process>-|{PRINT}{{1,128}})"
    rf" (?P<id>-|{PRINT}{{1,32}}) (?P<data>-|(?:{SD_ELEMENT})+)(?: (?P<message>.*))?",
    re.DOTALL,
)
# RFC 3164, section 4.1; the host name is not told on a local socket.
RFC3164 = re.compile(
    r"<(?P<priority>\d{1,3})>(?P<time>(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ 123]\d \d\d:\d\d:\d\d) "
    r"(?:(?P<host>[^\s:\[\]]+) )?(?P<tag>[A-Za-z0-9]{1,32})\[(?P<process>\d+)\]: (?P<message>.*)"
)


def native(data: bytes) -> dict[str, str]:
    """An entry of systemd's journal, as its protocol describes it."""
    found = {}
    while data:
        line, _, data = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            (length,) = struct.unpack_from("<Q", data)
            value, end, data = data[8 : 8 + length], data[8 + length : 9 + length], data[9 + length :]
            assert end == b"\n"
        assert re.fullmatch(rb"[A-Z0-9][A-Z0-9_]{0,63}", name), name
        found[name.decode()] = value.decode()
    return found


def end(exporter: datagram.DatagramLog) -> None:
    deadline = time.monotonic() + 2
    exporter.lanes[0].finish(deadline)
    exporter.lanes[0].join(deadline)
    exporter.lanes[0]._send.__self__.close()  # type: ignore[attr-defined]


def sent(shape: str, made: RequestRecord | None = None, path: Path | None = None, **more: str) -> bytes:
    family = socket.AF_UNIX if path else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(path) if path else ("127.0.0.1", 0))
        receiver.settimeout(5)
        settings = {
            "telemetry.logs.local": shape,
            f"telemetry.logs.local.{shape}.endpoint": str(path or f"127.0.0.1:{receiver.getsockname()[1]}"),
            **{f"telemetry.logs.local.{shape}.{name}": value for name, value in more.items()},
        }
        exporter = datagram.from_settings(settings, list)
        assert exporter is not None
        exporter.records([made or record()], RESOURCE)
        end(exporter)
        assert exporter.lanes[0].exported == 1
        return receiver.recv(70_000)


def long() -> RequestRecord:
    """What no datagram has room for."""
    trace = TRACE._replace(message="é" * 40_000)
    return failed(url="http://gw/" + "x" * 70_000, traces=(trace,) * 50)


def test_json() -> None:
    found = json.loads(sent("json"))
    assert (found["level"], found["eventType"], found["timestamp"]) == (
        "Info",
        "GatewayLogs",
        "2024-01-19T07:39:54.666Z",
    )
    assert found["region"] == "lab"


def test_json_is_whole_when_a_record_is_too_long() -> None:
    data = sent("json", long())
    assert len(data) <= 65_000
    found = json.loads(data)
    assert found["correlationId"] == "c0ffee"
    assert found["url"].startswith("http://gw/xxx")
    assert found["lastError"]["reason"] == "BackendConnectionFailure"


@pytest.mark.parametrize("made", [record(), failed(), long(), record(url="http://gw/ü\n<1>1 - - - - - - forged")])
def test_rfc5424(made: RequestRecord) -> None:
    line = sent("rfc5424", made, facility="7").decode()
    found = RFC5424.fullmatch(line)
    assert found is not None, line[:200]
    assert (found["priority"], found["version"]) == ("62", "1")
    assert (found["host"], found["app"], found["process"]) == ("host_1_", "passerelle", "4711")
    assert (found["time"], found["id"], found["data"]) == ("2024-01-19T07:39:54.666Z", "GatewayLogs", "-")
    assert found["message"].startswith("[Info] 2024-01-19T07:39:54.666 [GatewayLogs], isRequestSuccess: ")
    assert "\n" not in line


def test_syslog_of_old(tmp_path: Path) -> None:
    found = RFC3164.fullmatch(sent("localsyslog").decode())
    assert found is not None
    assert (found["priority"], found["host"], found["tag"], found["process"]) == ("14", "host_1_", "passerelle", "4711")
    assert found["time"].startswith("Jan 19 ")
    local = RFC3164.fullmatch(sent("localsyslog", path=tmp_path / "log", facility="7").decode())
    assert local is not None
    assert (local["priority"], local["host"]) == ("62", None)


@pytest.mark.parametrize("made", [record(), failed(traces=(TRACE,)), long(), record(url="http://gw/a\nPRIORITY=0\nb")])
def test_journal(made: RequestRecord) -> None:
    data = sent("journal", made)
    assert len(data) <= 65_000
    found = native(data)
    assert (found["PRIORITY"], found["SYSLOG_IDENTIFIER"]) == ("6", "passerelle")
    assert found["MESSAGE"].startswith("[Info] 2024-01-19T07:39:54.666 [GatewayLogs], ")
    assert (found["APIM_CORRELATION_ID"], found["APIM_RESPONSE_CODE"]) == ("c0ffee", str(made.status))
    assert made.url.startswith(found["APIM_URL"])
    if made.last_error:
        assert json.loads(found["APIM_LAST_ERROR"])["section"] == "backend"


@pytest.mark.parametrize(("local", "when"), [("UTC", "Jan 19 07:39:54"), ("Pacific/Honolulu", "Jan 18 21:39:54")])
def test_a_socket_path_and_nobody_behind_it(tmp_path: Path, local: str, when: str) -> None:
    """The time is local, as in all lines of syslog's old form."""
    path = str(tmp_path / "log")
    exporter = datagram.from_settings(
        {"telemetry.logs.local": "localsyslog", "telemetry.logs.local.localsyslog.endpoint": path}, list
    )
    assert exporter is not None
    exporter.records([record(), record()], RESOURCE)
    wait(exporter, "refused", 2)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.settimeout(5)
        receiver.bind(path)
        with zone(local):
            exporter.records([record()], RESOURCE)
        assert receiver.recv(65536).startswith(f"<14>{when} ".encode())
    end(exporter)


def wait(exporter: datagram.DatagramLog, reason: str, count: int) -> None:
    deadline = time.monotonic() + 5
    while exporter.lanes[0].dropped[reason] < count and time.monotonic() < deadline:
        time.sleep(0.01)
    assert exporter.lanes[0].dropped == {reason: count}


def test_a_server_that_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "log"
    settings = {"telemetry.logs.local": "json", "telemetry.logs.local.json.endpoint": str(path)}
    exporter = datagram.from_settings(settings, list)
    assert exporter is not None
    for turn in range(2):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
            receiver.settimeout(5)
            receiver.bind(str(path))
            exporter.records([record()], RESOURCE)
            assert json.loads(receiver.recv(65536))["method"] == "GET"
        path.unlink()
        exporter.records([record()], RESOURCE)
        wait(exporter, "refused", turn + 1)
    end(exporter)


def test_a_file_of_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing_file.GrowingFile.__init__, "__defaults__", (4000,))
    path = tmp_path / "requests.log"
    settings = {"telemetry.logs.local": "json", "telemetry.logs.local.json.endpoint": str(path)}
    exporters: list[Any] = [datagram.from_settings(settings, list) for _ in range(2)]  # as two workers are
    for number in range(20):
        exporters[number % 2].records([record(correlation_id=f"c{number}")], RESOURCE)
        while exporters[number % 2].lanes[0].exported < number // 2 + 1:
            time.sleep(0.001)
    for exporter in exporters:
        end(exporter)
    old = path.with_name("requests.log.1")
    lines = [json.loads(line) for file in (old, path) for line in file.read_text().splitlines()]
    numbers = [int(line["correlationId"][1:]) for line in lines]
    assert numbers == list(range(20))[-len(numbers) :]
    assert max(old.stat().st_size, path.stat().st_size) < 5000
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("shape", ["none", "auto", ""])
def test_off(shape: str) -> None:
    assert datagram.from_settings({"telemetry.logs.local": shape}, list) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("telemetry.logs.local", "carrier-pigeon"),
        ("telemetry.logs.local.json.endpoint", "here"),
        ("telemetry.logs.local.json.facility", "24"),
    ],
)
def test_a_bad_setting_names_itself(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=re.escape(name)):
        datagram.from_settings({"telemetry.logs.local": "json", name: value}, list)
