"""Our bytes and the SDK's, message by message: the same spans, logs and metrics of any record."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from telemetry import frames
from telemetry.batch import Batch, Kinds
from telemetry.encode import metrics as own_metrics
from telemetry.encode import sdk
from telemetry.encode.requests import RequestEncoder
from telemetry.encode.wire import export_request
from telemetry.metrics import RequestMetrics
from telemetry.records import RequestRecord
from telemetry.settings import Resource
from telemetry.settings import metrics as metric_settings
from tests.telemetry.generated import batches

RESOURCE = Resource("host:1", "gw-1", "Zürich", 42)
NOW_NS = 1_705_650_000_000_000_000

# One encoder and one set of kinds for all examples: what one record leaves behind may not show in the next.
ENCODER = RequestEncoder()
KINDS = Kinds(limit=50)


@pytest.fixture(autouse=True)
def same_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids that a record lacks are random."""
    monkeypatch.setattr(os, "urandom", lambda size: bytes(range(1, size + 1)))


def received(records: list[RequestRecord]) -> Batch:
    """Over the pipe."""
    data = b"".join(frame for frame, _ in frames.pack_records(records, 0, 0))
    (content,) = [content for _, content in frames.unpack(bytearray(data))]
    return KINDS.batch(content[2])


def ordered(items: Any) -> list[Any]:
    """As text, by which a difference is seen. Attributes are a set; ours come shared ones first; keys are unique."""
    for item in items:
        for holder in (item, *getattr(item, "events", ())):
            keys = [pair.key for pair in holder.attributes]
            assert len(keys) == len(set(keys))
            holder.attributes.sort(key=lambda pair: pair.key)
    return [str(item).splitlines() for item in items]


def request(pieces: list[bytes]) -> bytes:
    return export_request(RESOURCE, pieces, sum(map(len, pieces)))


@settings(max_examples=30, deadline=None, phases=[Phase.generate])
@given(batches)
def test_spans(records: list[RequestRecord]) -> None:
    batch = received(records)
    ours = ExportTraceServiceRequest.FromString(request(ENCODER.encode(batch, RESOURCE.region, NOW_NS)[0]))
    (found,) = ours.resource_spans
    for span in found.scope_spans[0].spans if ours.resource_spans else ():
        assert span.flags & 1, "the sampled bit, which the SDK leaves out"
        span.flags &= ~0xFF
    spans = ordered(found.scope_spans[0].spans)
    wanted = sdk.spans(batch, RESOURCE)
    if not wanted:
        assert not spans
        return
    (oracle,) = encode_spans(wanted).resource_spans
    assert found.resource == oracle.resource
    assert found.scope_spans[0].scope == oracle.scope_spans[0].scope
    assert spans == ordered(oracle.scope_spans[0].spans)


@settings(max_examples=30, deadline=None, phases=[Phase.generate])
@given(batches)
def test_logs(records: list[RequestRecord]) -> None:
    batch = received(records)
    ours = ExportLogsServiceRequest.FromString(request(ENCODER.encode(batch, RESOURCE.region, NOW_NS)[1]))
    (found,) = ours.resource_logs
    (oracle,) = encode_logs(sdk.logs(batch, RESOURCE, NOW_NS)).resource_logs
    assert found.resource == oracle.resource
    assert found.scope_logs[0].scope == oracle.scope_logs[0].scope
    assert ordered(found.scope_logs[0].log_records) == ordered(oracle.scope_logs[0].log_records)


@settings(max_examples=20, deadline=None, phases=[Phase.generate])
@given(batches)
def test_metrics(records: list[RequestRecord]) -> None:
    aggregates = RequestMetrics(metric_settings({}))
    aggregates.add(received(records), RESOURCE)
    found = aggregates.read()
    data, count = own_metrics.encode(found, RESOURCE, 1, NOW_NS)
    ours = ExportMetricsServiceRequest.FromString(data)
    assert ours == encode_metrics(sdk.metrics(found, RESOURCE, 1, NOW_NS))
    assert count == sum(len(metric.points) for metric in found)


@settings(max_examples=8, deadline=None, phases=[Phase.generate])
@given(batches)
def test_one_signal_alone_is_the_same(records: list[RequestRecord]) -> None:
    batch = received(records)
    both = ENCODER.encode(batch, "lab", NOW_NS)
    assert RequestEncoder(logs=False).encode(batch, "lab", NOW_NS) == (both[0], [])
    assert RequestEncoder(spans=False).encode(batch, "lab", NOW_NS) == ([], both[1])
