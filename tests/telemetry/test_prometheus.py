"""The exposition is read back by a parser of the published grammar, and served by a real child."""

from __future__ import annotations

import asyncio
import gzip
import re
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from telemetry.exporters import prometheus
from telemetry.journal import Journal
from telemetry.metrics import OVERFLOW, Metric, Point, RequestMetrics
from telemetry.settings import Resource, metrics
from tests.ports import free_port
from tests.telemetry.sample import batch, failed, record

SAMPLE = re.compile(
    r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)"
    r"(?:\{(?P<labels>(?:[a-zA-Z_][a-zA-Z0-9_]*=\"(?:[^\"\\\n]|\\[\\\"n])*\",?)*)\})?"
    r" (?P<value>-?\d+(?:\.\d+)?(?:e-?\d+)?|\+Inf|NaN)"
)
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
Sample = tuple[str, dict[str, str], float]


def parse(text: str) -> tuple[dict[str, str], list[Sample]]:
    """Types by name, and samples; anything outside the grammar fails."""
    types: dict[str, str] = {}
    samples: list[Sample] = []
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            continue
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in types, "a metric is written once"
            types[name] = kind
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        labels = {
            key: value.replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\")
            for key, value in LABEL.findall(match["labels"] or "")
        }
        samples.append((match["name"], labels, float(match["value"])))
    return types, samples


def read(*records) -> list[Metric]:
    aggregates = RequestMetrics(metrics({}))
    aggregates.add(batch(*records), Resource("host:1", "gw-1"))
    return aggregates.read()


def test_names_types_and_values() -> None:
    types, samples = parse(prometheus.exposition(read(record(), failed())))
    assert types == {
        "azure_apim_Requests": "counter",
        "azure_apim_DurationInMs": "histogram",
        "azure_apim_BackendDurationInMs": "histogram",
        "azure_apim_ClientDurationInMs": "histogram",
        "azure_apim_GatewayDurationInMs": "histogram",
        "http_server_request_duration_seconds": "histogram",
        "http_client_request_duration_seconds": "histogram",
    }
    requests = [(labels, value) for name, labels, value in samples if name == "azure_apim_Requests"]
    assert {labels["LastErrorReason"] for labels, _ in requests} == {"None", "BackendConnectionFailure"}
    assert all(value == 1 and labels["GatewayId"] == "gw-1" for labels, value in requests)
    sums = {name: value for name, _, value in samples if name.endswith("_sum")}
    assert sums["azure_apim_DurationInMs_sum"] == 748


def test_buckets_are_cumulative_and_end_in_the_count() -> None:
    _, samples = parse(prometheus.exposition(read(*(record(total_ms=float(t)) for t in (1, 5, 6, 300, 99999)))))
    buckets = [(labels["le"], value) for name, labels, value in samples if name == "azure_apim_DurationInMs_bucket"]
    assert buckets[:3] == [("5", 2), ("10", 3), ("25", 3)]
    assert buckets[-1] == ("+Inf", 5)
    assert [value for _, value in buckets] == sorted(value for _, value in buckets)
    (count,) = [value for name, _, value in samples if name == "azure_apim_DurationInMs_count"]
    assert count == 5
    server = [labels["le"] for name, labels, _ in samples if name == "http_server_request_duration_seconds_bucket"]
    assert server[0] == "0.005"


def test_hostile_labels_are_escaped() -> None:
    evil = 'a"b\\c\nd} 1'
    _, samples = parse(prometheus.exposition([Metric("x.y", "gauge", "By", "h\nh", (Point((("k.k", evil),), 0.5),))]))
    assert samples == [("x_y_bytes", {"k_k": evil}, 0.5)]


def official(metrics: list[Metric]) -> dict[str, list[Sample]]:
    """As the parser of Prometheus' own client reads it; samples by family."""
    return {
        family.name: [(sample.name, sample.labels, sample.value) for sample in family.samples]
        for family in text_string_to_metric_families(prometheus.exposition(metrics))
    }


def test_the_official_parser_reads_what_we_write() -> None:
    def known(samples: Iterable[Sample]) -> set[tuple[str, frozenset[tuple[str, str]], float]]:
        # This parser gives a counter the ending that OpenMetrics wants, whether it is there or not.
        return {(name.removesuffix("_total"), frozenset(labels.items()), value) for name, labels, value in samples}

    theirs = official(read(record(), failed()))
    assert known(each for samples in theirs.values() for each in samples) == known(
        parse(prometheus.exposition(read(record(), failed())))[1]
    )


def test_the_official_parser_reads_what_policies_think_up() -> None:
    evil = 'a"b\\c\nd} 1'
    labels = (("a.b", evil), ("a_b", "2"), ("1st", "x"), ("", "e"), ("le", "5"), ("ü", "é"))
    point = Point(labels, float("inf"), 3, (3,), 1, 2)
    names = ["x.y", "", "9 lives", "üx"]
    found = official([Metric(name, "histogram", "1", "h\\h\n", (point,)) for name in names])
    assert set(found) == {"x_y", "_", "_9_lives", "_x"}
    bucket, total, count = found["x_y"]
    assert bucket == (
        "x_y_bucket", {"a_b": f"{evil};2", "_1st": "x", "_": "e;é", "_le": "5", "le": "+Inf"}, 3.0,
    )  # fmt: skip
    assert (total[2], count[2]) == (float("inf"), 3.0)
    (overflow,) = official([Metric("x", "gauge", "1", "", (Point(OVERFLOW, float("nan")),))])["x"]
    assert overflow[1] == {"otel_metric_overflow": "true"}


@pytest.mark.parametrize(
    ("accepted", "zipped"),
    [("gzip", True), ("deflate, gzip;q=0.5", True), ("gzip;q=0, br", False), ("gzip;q=0.0", False), ("", False)],
)
def test_what_a_scraper_accepts(accepted: str, zipped: bool) -> None:
    metrics = [Metric("x", "gauge", "1", "", (Point((), 1),))]
    exporter = prometheus.from_settings({prometheus.SETTING: "127.0.0.1:0"}, lambda: metrics)
    assert exporter is not None
    headers = {"Accept-Encoding": accepted, "Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
    url = f"http://{exporter.address}/metrics"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5) as answer:
            body = answer.read()
            assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
            assert (answer.headers["Content-Encoding"] == "gzip") is zipped
            assert (gzip.decompress(body) if zipped else body) == b"# HELP x \n# TYPE x gauge\nx 1\n"
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=5) as answer:
            assert (answer.status, answer.read()) == (200, b"")
    finally:
        exporter._server.shutdown()
        exporter._server.server_close()


def test_counters_of_the_otel_kind_end_in_total() -> None:
    assert (
        prometheus.name(Metric("apim.telemetry.dropped", "counter", "{item}", "", ())) == "apim_telemetry_dropped_total"
    )
    assert prometheus.name(Metric("process.cpu.time", "counter", "s", "", ())) == "process_cpu_time_seconds_total"


def fetch(port: int, path: str = "/metrics") -> tuple[str, str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
        return response.headers["Content-Type"], response.read().decode()


async def scrape(port: int) -> list[Sample]:
    for _ in range(200):
        try:
            kind, text = await asyncio.to_thread(fetch, port)
        except OSError:
            await asyncio.sleep(0.02)
            continue
        assert kind == prometheus.CONTENT_TYPE
        return parse(text)[1]
    raise AssertionError("nobody answers")


async def test_a_child_answers_a_scrape() -> None:
    port = free_port()
    journal = Journal({"telemetry.logs.std": "none", prometheus.SETTING: f"127.0.0.1:{port}"}, "host:1")
    journal.start()
    for _ in range(3):
        journal.append(record())
    total = 0.0
    for _ in range(100):
        total = sum(value for name, _, value in await scrape(port) if name == "azure_apim_Requests")
        if total == 3:
            break
        await asyncio.sleep(0.02)
    assert total == 3
    assert any(name == "apim_telemetry_dropped_total" for name, _, _ in await scrape(port))
    with pytest.raises(urllib.error.HTTPError, match="404") as refused:
        await asyncio.to_thread(fetch, port, "/")
    refused.value.close()
    await journal.close()


async def test_the_next_port_when_the_first_is_taken(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        journal = Journal({prometheus.SETTING: f"127.0.0.1:{port}"}, "host:1")
        journal.start()
        out = ""
        for _ in range(200):
            out += capfd.readouterr().out
            if "PrometheusListening" in out:
                break
            await asyncio.sleep(0.02)
        await journal.close()
    match = re.search(r"http://127\.0\.0\.1:(\d+)/metrics", out)
    assert match
    assert port < int(match[1]) < port + prometheus.PORTS


def test_an_address_that_is_not_ours_names_the_setting() -> None:
    with pytest.raises(ValueError, match=re.escape(prometheus.SETTING)):
        prometheus.from_settings({prometheus.SETTING: "192.0.2.1:9464"}, list)


def test_who_sends_byte_by_byte_keeps_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "DEADLINE", 0.3)
    server = prometheus.Prometheus("127.0.0.1", 0, list)
    port = int(server.address.rpartition(":")[2])
    done = threading.Event()

    def drip(client: socket.socket) -> None:
        try:
            client.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
            while not done.wait(0.05):
                client.sendall(b"a")
        except OSError:
            done.set()

    with socket.create_connection(("127.0.0.1", port)) as slow:
        dripping = threading.Thread(target=drip, args=(slow,))
        dripping.start()
        began = time.monotonic()
        assert fetch(port)[0] == prometheus.CONTENT_TYPE
        assert time.monotonic() - began < 3
        assert done.wait(2), "it was let go"
        dripping.join()
    server._server.shutdown()
    server._server.server_close()
