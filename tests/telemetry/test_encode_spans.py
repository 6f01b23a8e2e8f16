"""The SDK's own encoder is the oracle: the same span, said to the SDK in its words, must be the same message."""

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource as SdkResource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from telemetry.encode.requests import RequestEncoder
from telemetry.encode.wire import export_request
from telemetry.records import RequestRecord
from telemetry.settings import Resource
from tests.telemetry.sample import START_NS, TRACE, batch, failed, record

RESOURCE = Resource("host:1", "gw-1", "lab", 42)
SERVER_ATTRIBUTES = {
    "http.request.method": "GET",
    "url.scheme": "http",
    "url.path": "/shop/orders/7",
    "url.query": "full=1",
    "server.address": "gw.example",
    "server.port": 8080,
    "http.response.status_code": 500,
    "http.route": "/shop/orders/{id}",
    "network.protocol.name": "http",
    "network.protocol.version": "1.1",
    "client.address": "10.0.0.9",
    "http.request.body.size": 0,
    "http.response.body.size": 592,
    "error.type": "BackendConnectionFailure",
    "apim.correlation.id": "c0ffee",
    "apim.api.id": "orders",
    "apim.api.name": "Orders",
    "apim.api.revision": "2",
    "apim.operation.id": "get-order",
    "apim.operation.name": "Get an order",
    "apim.product.id": "starter",
    "apim.subscription.id": "tom",
    "apim.user.id": "1",
    "apim.cache": "none",
    "apim.last_error.source": "request-forwarder",
    "apim.last_error.reason": "BackendConnectionFailure",
    "apim.last_error.section": "backend",
}
CLIENT_ATTRIBUTES = {
    "http.request.method": "GET",
    "url.full": "http://orders.internal:9000/orders/7?full=1",
    "server.address": "orders.internal",
    "server.port": 9000,
    "network.protocol.name": "http",
    "network.protocol.version": "1.1",
    "error.type": "BackendConnectionFailure",
    "apim.backend.id": "orders-pool",
    "apim.api.id": "orders",
    "apim.operation.id": "get-order",
}


def decode(*records: RequestRecord) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest.FromString(encoded(RequestEncoder().encode(batch(*records), "lab", 1)[0]))


def encoded(pieces: list[bytes]) -> bytes:
    return export_request(RESOURCE, pieces, sum(map(len, pieces)))


def spans(*records: RequestRecord) -> list:
    return [span for group in decode(*records).resource_spans for scope in group.scope_spans for span in scope.spans]


def ordered(request: ExportTraceServiceRequest) -> ExportTraceServiceRequest:
    """Attributes are a set; ours come shared ones first."""
    for group in request.resource_spans:
        for span in group.scope_spans[0].spans:
            span.attributes.sort(key=lambda pair: pair.key)
    return request


def context(span_id: int, remote: bool = False) -> SpanContext:
    return SpanContext(0x0AF7651916CD43DD8448EB211C80319C, span_id, remote, TraceFlags(1))


def test_both_spans_are_what_the_sdk_would_send() -> None:
    resource = SdkResource(
        {
            "service.name": "passerelle-gateway",
            "service.instance.id": "host:1",
            "process.pid": 42,
            "apim.gateway.id": "gw-1",
            "apim.region": "lab",
        }
    )
    scope = InstrumentationScope("passerelle.telemetry")
    exception = {
        "exception.type": "BackendConnectionFailure",
        "exception.message": "connection refused",
        "apim.error.source": "request-forwarder",
        "apim.error.scope": "api",
        "apim.error.section": "backend",
        "apim.error.path": "forward-request\\forward-request",
    }
    said = {
        "apim.trace.source": "orders",
        "apim.trace.severity": "information",
        "message": "looked up",
        "tenant": "7",
    }
    server = ReadableSpan(
        "GET /shop/orders/{id}",
        context(0xB7AD6B7169203331),
        context(0x00F067AA0BA902B7, remote=True),
        resource,
        SERVER_ATTRIBUTES,
        [
            Event("exception", exception, START_NS + 370_000_000),
            Event("apim.trace", said, START_NS + 374_000_000),
        ],
        (),
        SpanKind.SERVER,
        None,
        Status(StatusCode.ERROR),
        START_NS,
        START_NS + 374_000_000,
        scope,
    )
    client = ReadableSpan(
        "GET",
        context(0x1111111111111111),
        context(0xB7AD6B7169203331),
        resource,
        CLIENT_ATTRIBUTES,
        (),
        (),
        SpanKind.CLIENT,
        None,
        Status(StatusCode.ERROR),
        START_NS + 60_000_000,
        START_NS + 360_000_000,
        scope,
    )
    ours = decode(failed(traces=(TRACE,)))
    oracle = encode_spans([server, client])
    for span in ours.resource_spans[0].scope_spans[0].spans:
        assert span.flags & 1, "the sampled bit, which the SDK leaves out"
        span.flags &= ~0xFF
    assert ordered(ours) == ordered(oracle)


def test_shared_parts_never_leak_from_one_request_into_another() -> None:
    """Records that differ in any one field, through one encoder, are what fresh encoders make of them."""
    changed = {
        name: value + "x" if isinstance(value, str) else value + 1
        for name, value in failed()._asdict().items()
        if isinstance(value, str | int | float)
        and name not in ("trace_id", "span_id", "parent_span_id", "backend_span_id", "sampled")
    }
    records = [failed(), record(), *(failed(**{name: value}) for name, value in changed.items()), failed()]
    together = decode(*records)
    alone = [span for each in records for span in spans(each)]
    assert list(together.resource_spans[0].scope_spans[0].spans) == alone


def test_semantic_names_are_the_published_ones() -> None:
    """Every http, url, server and client attribute is one that the conventions package knows."""
    from opentelemetry.semconv._incubating.attributes import (
        client_attributes,
        error_attributes,
        http_attributes,
        network_attributes,
        server_attributes,
        tls_attributes,
        url_attributes,
    )

    modules = (
        client_attributes, error_attributes, http_attributes, network_attributes, server_attributes, tls_attributes,
        url_attributes,
    )  # fmt: skip
    known = {value for module in modules for value in vars(module).values() if isinstance(value, str)}
    ours = {pair.key for span in spans(failed(client_tls_version="1.3", method="BREW")) for pair in span.attributes}
    assert {name for name in ours if not name.startswith("apim.")} <= known


@pytest.mark.parametrize(("status", "error"), [(200, 0), (404, 0), (500, 2), (503, 2), (0, 2)])
def test_the_server_span_is_an_error_only_when_the_gateway_answers_for_it(status: int, error: int) -> None:
    assert spans(record(status=status))[0].status.code == error


@pytest.mark.parametrize(("status", "error"), [(200, 0), (404, 2), (502, 2), (0, 2)])
def test_the_client_span_is_an_error_from_400_on(status: int, error: int) -> None:
    assert spans(record(backend_status=status))[1].status.code == error


def test_no_backend_no_client_span() -> None:
    assert [span.name for span in spans(record(backend_url=""))] == ["GET /shop/orders/{id}"]


def test_what_is_not_sampled_is_not_sent() -> None:
    assert RequestEncoder().encode(batch(record(sampled=False)), "lab", 1)[0] == []
    assert len(spans(record(sampled=False), record(backend_url=""))) == 1


def test_names_without_a_route_or_a_known_method() -> None:
    assert spans(record(route="", backend_url=""))[0].name == "GET"
    span = spans(record(method="BREW", backend_url=""))[0]
    assert span.name == "HTTP /shop/orders/{id}"
    values = {pair.key: pair.value.string_value for pair in span.attributes}
    assert values["http.request.method"] == "_OTHER"
    assert values["http.request.method_original"] == "BREW"


@pytest.mark.parametrize("bad", ["", "zz", "0af7"])
def test_an_absent_or_broken_id_becomes_a_random_one_and_the_pair_stays_together(bad: str) -> None:
    server, client = spans(record(trace_id=bad, span_id=bad, parent_span_id=bad, backend_span_id=bad))
    assert (len(server.trace_id), len(server.span_id), len(client.span_id)) == (16, 8, 8)
    assert server.trace_id == client.trace_id
    assert client.parent_span_id == server.span_id
    assert server.parent_span_id == b""
