import json
import re
import socket
import time
from pathlib import Path

import pytest

from telemetry.exporters import datagram
from telemetry.settings import Resource
from tests.telemetry.sample import record

RESOURCE = Resource("host 1", region="lab")


def end(exporter: datagram.DatagramLog) -> None:
    deadline = time.monotonic() + 2
    exporter.lanes[0].finish(deadline)
    exporter.lanes[0].join(deadline)
    exporter._socket.close()


def sent(shape: str, **more: str) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        settings = {
            "telemetry.logs.local": shape,
            f"telemetry.logs.local.{shape}.endpoint": f"127.0.0.1:{receiver.getsockname()[1]}",
            **{f"telemetry.logs.local.{shape}.{name}": value for name, value in more.items()},
        }
        exporter = datagram.from_settings(settings, list)
        assert exporter is not None
        exporter.records([record()], RESOURCE)
        end(exporter)
        assert exporter.lanes[0].exported == 1
        return receiver.recv(65536)


def test_json() -> None:
    found = json.loads(sent("json"))
    assert found["eventType"] == "GatewayLogs"
    assert found["region"] == "lab"


def test_rfc5424() -> None:
    line = sent("rfc5424", facility="7").decode()
    assert re.match(
        r"<62>1 2024-01-19T07:39:54\.666Z host_1 passerelle - GatewayLogs - \[Info\] .*isRequestSuccess: True", line
    )


def test_syslog_of_old() -> None:
    assert sent("localsyslog").startswith(b"<14>passerelle: [Info] 2024-01-19T07:39:54.666 [GatewayLogs], ")


def test_journal_fields() -> None:
    lines = sent("journal").decode().splitlines()
    assert lines[0].startswith("MESSAGE=[Info] ")
    assert lines[1:] == ["PRIORITY=6", "SYSLOG_IDENTIFIER=passerelle"]


def test_a_socket_path_and_nobody_behind_it(tmp_path: Path) -> None:
    path = str(tmp_path / "log")
    exporter = datagram.from_settings(
        {"telemetry.logs.local": "localsyslog", "telemetry.logs.local.localsyslog.endpoint": path}, list
    )
    assert exporter is not None
    exporter.records([record(), record()], RESOURCE)
    while exporter.lanes[0].queued:
        time.sleep(0.01)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(path)
        exporter.records([record()], RESOURCE)
        assert receiver.recv(65536).startswith(b"<14>passerelle: ")
    end(exporter)
    assert exporter.lanes[0].dropped == {"refused": 2}


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
