"""The SDK's exporters in place of ours, and any of its metric exporters beside them."""

from __future__ import annotations

import dataclasses
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pytest
from opentelemetry.sdk.metrics import Counter, Histogram
from opentelemetry.sdk.metrics.export import AggregationTemporality, MetricExporter, MetricExportResult, MetricsData

from telemetry.exporters import sdk_metrics
from telemetry.exporters.sdk_metrics import MetricsLane, since
from telemetry.journal import Journal
from telemetry.metrics import Metric, Point
from telemetry.settings import Resource
from tests.telemetry.sample import failed, record
from tests.telemetry.sink import Sink
from tests.telemetry.waiting import until

QUIET = {"telemetry.logs.std": "none", "telemetry.spool.path": "none"}
PREFIX = "observability.opentelemetry"
HERE = Resource("host:1", "gw-1", "lab", 1)


async def sent(protocol: str, **settings: str) -> Sink:
    with Sink(protocol) as sink:
        journal = Journal({**QUIET, **sink.settings, **settings}, "host:1")
        journal.start()
        for number in range(20):
            journal.append(record(correlation_id=f"c{number}", url=f"http://gw.example:8080/shop/orders/{number}?é=1"))
        journal.append(failed(correlation_id="c20", span_id="b7ad6b7169203332"))
        await journal.close(8)
    return sink


def said(items: Any) -> list[str]:
    """Spans or logs as text, without what says when they were seen, and without the sampled bit of a span's flags."""
    found = []
    for item in items:
        item.attributes.sort(key=lambda pair: pair.key)
        if hasattr(item, "observed_time_unix_nano"):
            item.observed_time_unix_nano = 0
        else:
            item.flags &= ~0xFF
        found.append(str(item))
    return found


@pytest.mark.parametrize("protocol", ["grpc", "http"])
async def test_a_collector_cannot_tell_the_official_exporters_from_ours(protocol: str) -> None:
    ours = await sent(protocol)
    theirs = await sent(protocol, **{f"{PREFIX}.exporter": "sdk", f"{PREFIX}.collector.headers": "x-tenant=7"})
    assert len(ours.spans()) == 42
    assert said(theirs.spans()) == said(ours.spans())
    assert said(theirs.logs()) == said(ours.logs())
    agents = {header.get("User-Agent", "") for header in theirs.headers}
    if protocol == "http":
        assert "passerelle" not in agents, "it was theirs"
        assert {header.get("x-tenant") for header in theirs.headers} == {"7"}
    assert set(ours.metrics()) - {"apim.telemetry.spool.bytes"} <= set(theirs.metrics())
    assert sum(point.as_int for point in theirs.metrics()["Requests"].sum.data_points) == 21


async def test_what_the_official_exporter_gives_up_is_counted(capfd: pytest.CaptureFixture[str]) -> None:
    with Sink("http", "refused") as sink:
        settings = {**QUIET, **sink.settings, f"{PREFIX}.exporter": "sdk", "telemetry.logs.std": "text"}
        journal = Journal(settings, "host:1")
        journal.start()
        journal.append(record())
        await until(lambda: journal.written == 1)
        await journal.close(8)
    assert "telemetry items were lost" in "".join(capfd.readouterr())


class Collects(MetricExporter):
    """Any exporter of the SDK: it has this base and nothing of ours."""

    def __init__(self, temporality: Any = None) -> None:
        super().__init__(preferred_temporality=temporality)
        self.got: list[MetricsData] = []
        self.answer = MetricExportResult.SUCCESS

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:
        self.got.append(metrics_data)
        return self.answer

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        return True

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        pass


def counted(number: int, value: float, counts: tuple[int, ...]) -> list[Metric]:
    return [
        Metric("Requests", "counter", "1", "", (Point((("a", "b"),), number),)),
        Metric("D", "histogram", "ms", "", (Point((), value, sum(counts), counts, 1.0, 99.0),), (5.0, 50.0)),
        Metric("g", "gauge", "By", "", (Point((), 7),)),
    ]


async def put(lane: MetricsLane, metrics: list[Metric]) -> None:
    before = lane.lane.exported + sum(lane.lane.dropped.values())
    lane.put(metrics, HERE)
    await until(lambda: lane.lane.exported + sum(lane.lane.dropped.values()) > before)


async def test_an_exporter_that_prefers_deltas_gets_them_and_misses_nothing_it_did_not_take() -> None:
    exporter = Collects(dict.fromkeys((Counter, Histogram), AggregationTemporality.DELTA))
    lane = MetricsLane("x", exporter)
    await put(lane, counted(3, 30.0, (1, 2, 0)))
    exporter.answer = MetricExportResult.FAILURE
    await put(lane, counted(5, 40.0, (2, 2, 0)))
    exporter.answer = MetricExportResult.SUCCESS
    await put(lane, counted(9, 130.0, (2, 3, 1)))
    await put(lane, counted(9, 130.0, (2, 3, 1)))
    found = [
        {metric.name: metric.data for metric in each.resource_metrics[0].scope_metrics[0].metrics}
        for each in exporter.got
    ]
    assert [each["Requests"].data_points[0].value for each in found[:3]] == [3, 2, 6]
    assert [each["D"].data_points[0].bucket_counts for each in found[:3]] == [(1, 2, 0), (1, 0, 0), (1, 1, 1)]
    assert [each["D"].data_points[0].sum for each in found[:3]] == [30.0, 10.0, 100.0]
    assert {each["D"].aggregation_temporality for each in found[:3]} == {AggregationTemporality.DELTA}
    assert set(found[3]) == {"g"}, "where nothing came since, nothing is said"
    starts = [each["D"].data_points[0].start_time_unix_nano for each in found[:3]]
    assert starts[0] < starts[1] == starts[2]


async def test_an_exporter_without_a_wish_gets_sums() -> None:
    exporter = Collects()
    lane = MetricsLane("x", exporter)
    for _ in range(2):
        await put(lane, counted(3, 30.0, (1, 2, 0)))
    data = exporter.got[-1].resource_metrics[0]
    assert dict(data.resource.attributes)["apim.gateway.id"] == "gw-1"
    assert data.scope_metrics[0].metrics[0].data.data_points[0].value == 3


def test_the_range_of_a_delta_is_that_of_its_buckets() -> None:
    whole = Point((), 10.0, 3, (1, 1, 1), 1.0, 99.0)
    assert dataclasses.astuple(since(whole, Point((), 1.0, 2, (1, 0, 1), 1.0, 99.0), (5.0, 50.0)))[-2:] == (5.0, 50.0)


async def test_an_installed_exporter_is_found_by_its_name(capfd: pytest.CaptureFixture[str]) -> None:
    journal = Journal({**QUIET, "telemetry.metrics.sdk": "console"}, "host:1")
    journal.start()
    journal.append(record())
    await until(lambda: journal.written == 1)
    await journal.close(5)
    assert '"name": "http.server.request.duration"' in capfd.readouterr().out


def test_a_name_that_is_not_installed_is_refused_with_those_that_are() -> None:
    with pytest.raises(ValueError, match=r"telemetry.metrics.sdk names 'nobody'; installed are: .*console"):
        sdk_metrics.from_settings({"telemetry.metrics.sdk": "nobody"}, list)


def test_an_exporter_that_cannot_be_made_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = EntryPoint("broken", "no.such.module:Exporter", sdk_metrics.GROUP)
    monkeypatch.setattr(sdk_metrics, "entry_points", lambda group: [*entry_points(group=group), broken])
    with pytest.raises(ValueError, match=r"exporter 'broken' cannot be made: No module named"):
        sdk_metrics.from_settings({"telemetry.metrics.sdk": "broken"}, list)
