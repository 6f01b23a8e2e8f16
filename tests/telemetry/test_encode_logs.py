"""The SDK's own encoder is the oracle, as for spans."""

import json

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource as SdkResource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from telemetry.encode.logs import severity
from telemetry.encode.requests import RequestEncoder
from telemetry.encode.wire import export_request
from telemetry.records import RequestRecord
from telemetry.settings import Resource
from tests.telemetry.sample import START_NS, batch, failed, record

NOW_NS = START_NS + 5_000_000_000
HERE = Resource("host:1")


def decode(*records: RequestRecord, resource: Resource = HERE) -> ExportLogsServiceRequest:
    pieces = RequestEncoder().encode(batch(*records), resource.region, NOW_NS)[1]
    return ExportLogsServiceRequest.FromString(export_request(resource, pieces, sum(map(len, pieces))))


def ordered(request: ExportLogsServiceRequest) -> ExportLogsServiceRequest:
    """Attributes are a set; ours come shared ones first."""
    request.resource_logs[0].scope_logs[0].log_records[0].attributes.sort(key=lambda pair: pair.key)
    return request


def test_a_log_record_is_what_the_sdk_would_send() -> None:
    context = SpanContext(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, False, TraceFlags(1))
    error = {
        "elapsed": 370,
        "source": "request-forwarder",
        "scope": "api",
        "path": "forward-request\\forward-request",
        "reason": "BackendConnectionFailure",
        "message": "connection refused",
        "section": "backend",
    }
    attributes = {
        "isRequestSuccess": False,
        "totalTime": 374,
        "category": "GatewayLogs",
        "callerIpAddress": "10.0.0.9",
        "timeGenerated": "2024-01-19T07:39:54.666",
        "region": "lab",
        "correlationId": "c0ffee",
        "method": "GET",
        "url": "http://gw.example:8080/shop/orders/7?full=1",
        "responseCode": 500,
        "responseSize": 592,
        "cache": "none",
        "backendTime": 300,
        "requestSize": 0,
        "apiId": "orders",
        "operationId": "get-order",
        "productId": "starter",
        "userId": "1",
        "apimSubscriptionId": "tom",
        "clientTime": 14,
        "clientProtocol": "HTTP/1.1",
        "backendProtocol": "HTTP/1.1",
        "apiRevision": "2",
        "backendId": "orders-pool",
        "backendMethod": "GET",
        "backendUrl": "http://orders.internal:9000/orders/7?full=1",
        **{f"lastError.{name}": value for name, value in error.items()},
        "errors": json.dumps([error]),
    }
    oracle = encode_logs(
        [
            ReadableLogRecord(
                LogRecord(
                    timestamp=START_NS + 374_000_000,
                    observed_timestamp=NOW_NS,
                    context=set_span_in_context(NonRecordingSpan(context)),
                    severity_text="Error",
                    severity_number=SeverityNumber.ERROR,
                    body="GET http://gw.example:8080/shop/orders/7?full=1 500",
                    attributes=attributes,
                    event_name="GatewayLogs",
                ),
                SdkResource(
                    {"service.name": "passerelle-gateway", "service.instance.id": "host:1", "apim.region": "lab"}
                ),
                InstrumentationScope("passerelle.telemetry"),
            )
        ]
    )
    assert ordered(decode(failed(), resource=Resource("host:1", region="lab"))) == ordered(oracle)


def test_shared_parts_never_leak_from_one_request_into_another() -> None:
    """Records that differ in any one field, through one encoder, are what fresh encoders make of them."""
    changed = {
        name: value + "x" if isinstance(value, str) else value + 1
        for name, value in record()._asdict().items()
        if isinstance(value, str | int | float) and name not in ("trace_id", "span_id", "sampled")
    }
    records = [failed(), record(), *(record(**{name: value}) for name, value in changed.items()), record()]
    alone = [decode(each).resource_logs[0].scope_logs[0].log_records[0] for each in records]
    assert list(decode(*records).resource_logs[0].scope_logs[0].log_records) == alone


@pytest.mark.parametrize(
    ("status", "expected"), [(101, "Info"), (302, "Info"), (404, "Warn"), (500, "Error"), (0, "Error")]
)
def test_severity(status: int, expected: str) -> None:
    assert severity(record(status=status)) == expected


def test_without_a_trace_there_are_no_ids() -> None:
    log = decode(record(trace_id="")).resource_logs[0].scope_logs[0].log_records[0]
    assert (log.trace_id, log.span_id, log.flags) == (b"", b"", 0)
