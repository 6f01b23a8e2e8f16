"""Metrics of policies: over the pipe, aggregated, bounded, and in what a scraper and a collector read."""

from __future__ import annotations

import opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 as service

from telemetry import frames
from telemetry.batch import Kinds
from telemetry.custom_metrics import MAX_METRICS, CustomMetrics
from telemetry.encode.metrics import encode
from telemetry.exporters.prometheus import exposition
from telemetry.metrics import OVERFLOW, Metric, Point
from telemetry.records import MetricRecord
from telemetry.settings import Resource
from tests.telemetry.sample import record

HERE = Resource("test")


def emitted(value: float, name: str = "AI Tokens", **dimensions: str) -> MetricRecord:
    return MetricRecord("costs", name, value, tuple(dimensions.items()))


def aggregated(*metrics: MetricRecord, max_series: int = 10) -> CustomMetrics:
    custom = CustomMetrics(max_series)
    custom.add([record(), record(metrics=metrics)], HERE)
    return custom


def test_values_cross_the_pipe() -> None:
    sent = record(metrics=(emitted(1.5, api="shop"), emitted(2)))
    (frame, count), *_ = frames.pack_records([sent], 0, 0)
    assert count == 1
    ((kind, (_, _, rows)),) = frames.unpack(bytearray(frame))
    assert kind == frames.RECORDS
    (back,) = Kinds().batch(rows)
    assert back == sent
    assert isinstance(back.metrics[0], MetricRecord)


def test_values_of_the_same_dimensions_are_added_up() -> None:
    custom = aggregated(emitted(1.5, api="a"), emitted(2, api="b"), emitted(-0.5, api="a"))
    (metric,) = custom.read()
    assert (metric.name, metric.kind) == ("AI Tokens", "histogram")
    one, other = (("apim.metric.namespace", "costs"), ("api", "a")), (("apim.metric.namespace", "costs"), ("api", "b"))
    assert metric.points == (Point(one, 1.0, 2, (2,), -0.5, 1.5), Point(other, 2, 1, (1,), 2, 2))


def test_series_and_names_are_bounded() -> None:
    custom = aggregated(*(emitted(1, api=str(number)) for number in range(10)), max_series=3)
    (metric,) = custom.read()
    assert [point.count for point in metric.points] == [1, 1, 1, 7]
    assert metric.points[3].labels == OVERFLOW
    custom = aggregated(*(emitted(1, name=str(number)) for number in range(MAX_METRICS + 5)))
    assert (len(custom.read()), custom.lost) == (MAX_METRICS, 5)


def test_a_scraper_reads_them_and_the_gateways_own_names_stay_its_own() -> None:
    own = Metric("Requests", "counter", "1", "own", (Point((), 7),))
    emits = (emitted(2, api="a"), emitted(1, "Requests"), emitted(3, "1st call"))
    lines = exposition([own, *aggregated(*emits).read()]).splitlines()
    assert 'AI_Tokens_bucket{apim_metric_namespace="costs",api="a",le="+Inf"} 1' in lines
    assert 'AI_Tokens_sum{apim_metric_namespace="costs",api="a"} 2' in lines
    assert '_1st_call_count{apim_metric_namespace="costs"} 1' in lines
    assert [line for line in lines if "Requests" in line and line[0] != "#"] == ["azure_apim_Requests 7"]


def test_a_collector_reads_them() -> None:
    content, points = encode(aggregated(emitted(2, api="a"), emitted(4, api="a")).read(), HERE, 1, 2)
    assert points == 1
    message = service.ExportMetricsServiceRequest.FromString(content)
    (metric,) = message.resource_metrics[0].scope_metrics[0].metrics
    (point,) = metric.histogram.data_points
    assert (metric.name, point.count, point.sum, point.min, point.max) == ("AI Tokens", 2, 6, 2, 4)
    assert list(point.bucket_counts) == [2]
    assert {each.key: each.value.string_value for each in point.attributes} == {
        "apim.metric.namespace": "costs",
        "api": "a",
    }
