"""The oracle is the whole SDK: real instruments fed with the same values, read and encoded by its own code."""

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource as SdkResource

from telemetry.encode.metrics import encode
from telemetry.metrics import SECONDS, Metric, Point, RequestMetrics
from telemetry.settings import Resource, metrics
from tests.telemetry.sample import batch, failed, record

RESOURCE = Resource("host:1", "gw-1", "lab")
RECORDS = [record(), record(total_ms=5.0), failed(host="other"), record(status=429, backend_url="", total_ms=12000.5)]


def normal(request: ExportMetricsServiceRequest) -> dict[str, str]:
    """Metric by lower-case name without times and with its points in order."""
    found: dict[str, str] = {}
    for metric in request.resource_metrics[0].scope_metrics[0].metrics:
        metric.name = metric.name.lower()
        data = getattr(metric, metric.WhichOneof("data"))
        for point in data.data_points:
            assert point.time_unix_nano > 0
            point.ClearField("time_unix_nano")
            point.ClearField("start_time_unix_nano")
            point.attributes.sort(key=lambda pair: pair.key)
        data.data_points.sort(key=str)
        found[metric.name] = str(metric)
    return found


def test_requests_are_what_the_sdk_would_send() -> None:
    aggregates = RequestMetrics(metrics({}))
    aggregates.add(batch(*RECORDS), RESOURCE)
    ours = aggregates.read()

    reader = InMemoryMetricReader()
    azure = ExplicitBucketHistogramAggregation((5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000))
    provider = MeterProvider(
        [reader],
        SdkResource(
            {
                "service.name": "passerelle-gateway",
                "service.instance.id": "host:1",
                "apim.gateway.id": "gw-1",
                "apim.region": "lab",
            }
        ),
        views=[
            View(instrument_name="*inms", aggregation=azure),
            View(instrument_name="http.*", aggregation=ExplicitBucketHistogramAggregation(SECONDS)),
        ],
        shutdown_on_exit=False,
    )
    meter = provider.get_meter("passerelle.telemetry")
    described = {metric.name: metric for metric in ours}

    def histogram(name: str):
        return meter.create_histogram(name, described[name].unit, described[name].description)

    requests = meter.create_counter("Requests", "1", described["Requests"].description)
    whole, backend, client, gateway = (
        histogram(f"{part}DurationInMs") for part in ("", "Backend", "Client", "Gateway")
    )
    server, outgoing = histogram("http.server.request.duration"), histogram("http.client.request.duration")
    for each in RECORDS:
        refused = each.status == 500
        host = {"Hostname": each.host}
        requests.add(
            1,
            {
                "BackendResponseCode": "None" if refused else "200",
                "BackendResponseCodeCategory": "None" if refused else "2xx",
                "Cache": "None",
                "GatewayId": "gw-1",
                "LastErrorReason": "BackendConnectionFailure" if refused else "None",
                "Location": "lab",
                "ResponseCode": str(each.status),
                "ResponseCodeCategory": {200: "2xx", 429: "4xx", 500: "5xx"}[each.status],
                "Status": {200: "Successful", 429: "Unauthorized", 500: "Failed"}[each.status],
                **host,
            },
        )
        whole.record(each.total_ms, host)
        client.record(each.client_ms, host)
        gateway.record(max(0.0, each.total_ms - each.client_ms - each.backend_ms), host)
        shared = {
            "http.request.method": "GET",
            "url.scheme": "http",
            "network.protocol.version": "1.1",
            "apim.api.id": "orders",
        }
        failure = {"error.type": "BackendConnectionFailure"} if refused else {}
        server.record(
            each.total_ms / 1000,
            {
                **shared,
                **failure,
                "http.response.status_code": each.status,
                "http.route": "/shop/orders/{id}",
                "apim.operation.id": "get-order",
                "apim.product.id": "starter",
            },
        )
        if each.backend_url:
            backend.record(each.backend_ms, host)
            answered = {} if refused else {"http.response.status_code": 200}
            outgoing.record(
                each.backend_ms / 1000,
                {
                    **shared,
                    **failure,
                    **answered,
                    "server.address": "orders.internal",
                    "server.port": 9000,
                    "apim.backend.id": "orders-pool",
                },
            )
    oracle = encode_metrics(reader.get_metrics_data())
    provider.shutdown()

    data, points = encode(ours, RESOURCE, 1, 2)
    decoded = ExportMetricsServiceRequest.FromString(data)
    assert {metric.name for group in decoded.resource_metrics for metric in group.scope_metrics[0].metrics} == set(
        described
    )
    assert decoded.resource_metrics[0].resource == oracle.resource_metrics[0].resource
    assert normal(decoded) == normal(oracle)
    assert points == sum(len(metric.points) for metric in ours)


def test_times_numbers_and_gauges() -> None:
    metric = Metric("g", "gauge", "By", "", (Point((), 3), Point((("a", 1),), 0.5)))
    data, points = encode([metric], RESOURCE, 1, 2)
    found = ExportMetricsServiceRequest.FromString(data).resource_metrics[0].scope_metrics[0].metrics[0].gauge
    assert points == 2
    assert [(point.as_int, point.as_double) for point in found.data_points] == [(3, 0.0), (0, 0.5)]
    assert {point.time_unix_nano for point in found.data_points} == {2}


def test_nothing_is_nothing() -> None:
    assert encode([], RESOURCE, 1, 2) == (b"", 0)
