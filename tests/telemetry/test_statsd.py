"""StatsD on the wire, read by a parser of each dialect."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from typing import NamedTuple

import pytest

from telemetry.batch import Kinds
from telemetry.exporters import statsd
from telemetry.records import RequestRecord
from telemetry.settings import Resource
from tests.telemetry.sample import failed, record

RESOURCE = Resource("sidecar-1", "gw", "lab: #1|x")
PREFIX = "telemetry.metrics.local"


class Line(NamedTuple):
    name: str
    value: float
    kind: str
    rate: float
    tags: dict[str, str]


def dog(text: str) -> Line:
    """https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/"""
    head, kind, *rest = text.split("|")
    name, _, value = head.partition(":")
    rate, tags = 1.0, {}
    for part in rest:
        if part.startswith("@"):
            rate = float(part[1:])
        else:
            assert part.startswith("#")
            tags = dict(tag.split(":", 1) for tag in part[1:].split(","))
    return Line(name, float(value), kind, rate, tags)


def named(text: str, mark: str) -> Line:
    """Librato and InfluxDB: tags in the name."""
    found = re.fullmatch(r"([^:|@]+):([\d.]+)\|(c|ms)(?:\|@([\d.]+))?", text)
    assert found is not None, text
    name, _, tags = found[1].partition(mark)
    return Line(
        name, float(found[2]), found[3], float(found[4] or 1), dict(tag.split("=") for tag in tags.split(",") if tag)
    )


READERS: dict[str, Callable[[str], Line]] = {
    "dogStatsD": dog,
    "librato": lambda text: named(text, "#"),
    "influxDB": lambda text: named(text, ","),
    "none": lambda text: named(text, "#"),
}


def sent(batch: list[RequestRecord], reader: str = "dogStatsD", **more: str) -> list[Line]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        settings = {
            PREFIX: "statsd",
            f"{PREFIX}.statsd.endpoint": f"localhost:{receiver.getsockname()[1]}",
            **{f"{PREFIX}.statsd.{name.replace('_', '-')}": value for name, value in more.items()},
        }
        exporter = statsd.from_settings(settings, list)
        assert exporter is not None
        exporter.records(Kinds().batch(batch), RESOURCE)
        deadline = time.monotonic() + 2
        exporter.lanes[0].finish(deadline)
        exporter.lanes[0].join(deadline)
        exporter.lanes[0]._send.__self__.close()  # type: ignore[attr-defined]
        receiver.settimeout(0.05)
        packets = []
        try:
            while True:
                packets.append(receiver.recv(65536))
        except TimeoutError:
            pass
        assert all(len(packet) <= 1432 for packet in packets)
        return [READERS[reader](line) for packet in packets for line in packet.decode("ascii").split("\n")]


@pytest.mark.parametrize("reader", list(READERS))
def test_tag_formats(reader: str) -> None:
    lines = {line.name: line for line in sent([record()], reader, tag_format=reader)}
    assert set(lines) == {"Requests", "DurationInMS", "BackendDurationInMS", "ClientDurationInMS"}
    assert (lines["Requests"].value, lines["Requests"].kind) == (1, "c")
    assert (lines["DurationInMS"].value, lines["DurationInMS"].kind) == (374, "ms")
    assert (lines["BackendDurationInMS"].value, lines["ClientDurationInMS"].value) == (300, 14)
    if reader == "none":
        assert lines["Requests"].tags == {}
        return
    assert lines["Requests"].tags == {
        "BackendResponseCode": "200", "BackendResponseCodeCategory": "2xx", "Cache": "None", "GatewayId": "gw",
        "Hostname": "gw.example", "LastErrorReason": "None", "Location": "lab___1_x", "ResponseCode": "200",
        "ResponseCodeCategory": "2xx", "Status": "Successful",
    }  # fmt: skip
    assert lines["DurationInMS"].tags == {"Hostname": "gw.example"}


def test_every_request_counts_and_packets_stay_small() -> None:
    lines = sent([record(total_ms=0.25), *[failed() for _ in range(99)]])
    counts = {line.tags["ResponseCode"]: line.value for line in lines if line.name == "Requests"}
    assert counts == {"200": 1, "500": 99}
    durations = [line.value for line in lines if line.name == "DurationInMS"]
    assert len(durations) == 100
    assert durations[0] == 0.25


def test_sampling() -> None:
    lines = sent([record() for _ in range(2000)], sampling="0.25")
    (requests,) = [line for line in lines if line.name == "Requests"]
    assert requests.rate == 0.25
    assert 1500 < requests.value / requests.rate < 2500
    durations = [line for line in lines if line.name == "DurationInMS"]
    assert len(durations) == requests.value
    assert {line.rate for line in durations} == {0.25}


@pytest.mark.parametrize("settings", [{}, {PREFIX: "none"}, {PREFIX: "statsd", f"{PREFIX}.statsd.sampling": "0"}])
def test_off(settings: dict[str, str]) -> None:
    assert statsd.from_settings({f"{PREFIX}.statsd.endpoint": "127.0.0.1:8125", **settings}, list) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (PREFIX, "graphite"),
        (f"{PREFIX}.statsd.endpoint", ""),
        (f"{PREFIX}.statsd.sampling", "2"),
        (f"{PREFIX}.statsd.sampling", "often"),
        (f"{PREFIX}.statsd.tag-format", "yaml"),
    ],
)
def test_a_bad_setting_names_itself(name: str, value: str) -> None:
    settings = {PREFIX: "statsd", f"{PREFIX}.statsd.endpoint": "127.0.0.1:8125", name: value}
    with pytest.raises(ValueError, match=re.escape(name)):
        statsd.from_settings(settings, list)
