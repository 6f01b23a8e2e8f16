"""From a journal through a real child to a collector, over both protocols and through its faults."""

from __future__ import annotations

import asyncio

import pytest

from telemetry.journal import Journal
from tests.telemetry.sample import failed, record
from tests.telemetry.sink import Sink

QUIET = {"telemetry.logs.std": "none"}
INTERVAL = {"observability.opentelemetry.metrics.interval": "00:00:01"}


@pytest.mark.parametrize("protocol", ["grpc", "http"])
async def test_all_three_signals_arrive(protocol: str) -> None:
    with Sink(protocol) as sink:
        journal = Journal({**QUIET, **sink.settings}, "host:1")
        journal.start()
        journal.identify("gw-1", "lab")
        for number in range(600):
            journal.append(record(correlation_id=f"c{number}"))
        journal.append(failed())
        await journal.close()
    assert len(sink.spans()) == 1202
    logs = sink.logs()
    assert len(logs) == 601
    assert {log.event_name for log in logs} == {"GatewayLogs"}
    assert logs[0].trace_id == sink.spans()[0].trace_id
    metrics = sink.metrics()
    assert sum(point.as_int for point in metrics["Requests"].sum.data_points) == 601
    assert sum(point.count for point in metrics["http.server.request.duration"].histogram.data_points) == 601
    resource = sink.requests["metrics"][-1].resource_metrics[0].resource
    values = {pair.key: pair.value.string_value or pair.value.int_value for pair in resource.attributes}
    assert values.pop("process.pid") > 1
    assert values == {
        "service.name": "passerelle-gateway",
        "service.instance.id": "host:1",
        "apim.gateway.id": "gw-1",
        "apim.region": "lab",
    }
    if protocol == "http":
        assert {headers["Content-Type"] for headers in sink.headers} == {"application/x-protobuf"}
        assert {headers.get("Content-Encoding") for headers in sink.headers} == {None}


async def test_what_waits_is_compressed_already_when_it_is_asked_for() -> None:
    with Sink("http") as sink:
        gzip = {"observability.opentelemetry.collector.compression": "gzip"}
        journal = Journal({**QUIET, **sink.settings, **gzip}, "host:1")
        journal.start()
        for _ in range(5):
            journal.append(record())
        await journal.close()
    assert len(sink.logs()) == 5
    assert {headers.get("Content-Encoding") for headers in sink.headers} == {"gzip"}


@pytest.mark.parametrize("protocol", ["grpc", "http"])
@pytest.mark.parametrize("mode", ["unavailable", "throttled"])
async def test_nothing_is_lost_while_the_collector_is_away_for_a_moment(protocol: str, mode: str) -> None:
    with Sink(protocol, mode) as sink:
        journal = Journal({**QUIET, **sink.settings}, "host:1")
        journal.start()
        for _ in range(1200):
            journal.append(record())
        await asyncio.to_thread(sink.wait, lambda: sink.calls >= 2)
        sink.mode = "ok"
        await asyncio.to_thread(sink.wait, lambda: len(sink.logs()) == 1200 and len(sink.spans()) == 2400)
        await journal.close()
        assert len(sink.logs()) == 1200


async def test_what_the_collector_refuses_is_dropped_and_told() -> None:
    with Sink(mode="refused") as sink:
        journal = Journal({**QUIET, **INTERVAL, **sink.settings}, "host:1")
        journal.start()
        journal.append(record())
        await asyncio.to_thread(sink.wait, lambda: sink.calls >= 3)
        sink.mode = "ok"

        def refused() -> int:
            metric = sink.metrics().get("apim.telemetry.dropped")
            points = metric.sum.data_points if metric else ()
            return sum(
                point.as_int for point in points if "refused" in {pair.value.string_value for pair in point.attributes}
            )

        await asyncio.to_thread(sink.wait, lambda: refused() >= 3)
        await journal.close()
        assert sink.logs() == []


async def test_metrics_come_each_interval_and_are_cumulative() -> None:
    with Sink() as sink:
        more = {"observability.opentelemetry.system-metrics.enabled": "true", "telemetry.metrics.naming": "azure"}
        journal = Journal({**QUIET, **INTERVAL, **sink.settings, **more}, "host:1")
        journal.start()
        counts = []
        for total in (1, 2):
            journal.append(record())
            await asyncio.to_thread(
                sink.wait,
                lambda total=total: (
                    "Requests" in sink.metrics() and sink.metrics()["Requests"].sum.data_points[0].as_int == total
                ),
            )
            counts.append(sink.metrics()["Requests"].sum.data_points[0])
        await journal.close()
    assert counts[0].start_time_unix_nano == counts[1].start_time_unix_nano < counts[0].time_unix_nano
    metrics = sink.metrics()
    assert "http.server.request.duration" not in metrics
    assert metrics["process.memory.usage"].gauge.data_points[0].as_int > 1_000_000
    assert {
        pair.value.string_value for point in metrics["process.cpu.time"].sum.data_points for pair in point.attributes
    } == {"user", "system"}


async def test_a_batch_too_long_for_one_message_is_sent_in_parts() -> None:
    with Sink() as sink:
        journal = Journal({**QUIET, **sink.settings}, "host:1")
        journal.start()
        for number in range(100):
            journal.append(record(url=f"http://gw/{number}" + "x" * 60_000))
        await asyncio.to_thread(sink.wait, lambda: len(sink.logs()) == 100)
        await journal.close()
    assert len(sink.logs()) == 100
    assert len(sink.requests["logs"]) > 1


async def test_traces_and_logs_can_be_left_out() -> None:
    with Sink() as sink:
        prefix = "observability.opentelemetry"
        off = {f"{prefix}.traces.enabled": "false", f"{prefix}.logs.enabled": "false"}
        journal = Journal({**QUIET, **sink.settings, **off}, "host:1")
        journal.start()
        journal.append(record())
        await journal.close()
    assert sink.spans() == sink.logs() == []
    assert "Requests" in sink.metrics()
