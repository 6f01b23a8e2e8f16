import pytest

from telemetry.metrics import OVERFLOW, Metric, Point, RequestMetrics, origin, verdict
from telemetry.settings import MetricSettings, Resource, metrics
from tests.telemetry.sample import batch, failed, record

RESOURCE = Resource("host:1", "gw-1", "lab", 1)


def settings(**changes: str) -> MetricSettings:
    return metrics({name.replace("__", "."): value for name, value in changes.items()})


def read(*records, **changes: str) -> dict[str, Metric]:
    aggregates = RequestMetrics(settings(**changes))
    aggregates.add(batch(*records), RESOURCE)
    return {metric.name: metric for metric in aggregates.read()}


def test_the_azure_set_has_the_documented_dimensions() -> None:
    (point,) = read(record())["Requests"].points
    assert dict(point.labels) == {
        "BackendResponseCode": "200",
        "BackendResponseCodeCategory": "2xx",
        "Cache": "None",
        "GatewayId": "gw-1",
        "Hostname": "gw.example",
        "LastErrorReason": "None",
        "Location": "lab",
        "ResponseCode": "200",
        "ResponseCodeCategory": "2xx",
        "Status": "Successful",
    }
    assert point.value == 1


def test_durations_add_up() -> None:
    found = read(record(), record(total_ms=11, backend_ms=0, client_ms=1, backend_url=""))
    (whole,) = found["DurationInMs"].points
    assert (whole.count, whole.value, whole.low, whole.high) == (2, 385, 11, 374)
    assert dict(whole.labels) == {"Hostname": "gw.example"}
    assert found["DurationInMs"].bounds == (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000)
    assert whole.counts == (0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0)
    (gateway,) = found["GatewayDurationInMs"].points
    assert gateway.value == 60 + 10
    (backend,) = found["BackendDurationInMs"].points
    assert (backend.count, backend.value) == (1, 300)
    assert found["ClientDurationInMs"].points[0].value == 15


def test_a_value_on_a_bound_belongs_below_it() -> None:
    (point,) = read(record(total_ms=5))["DurationInMs"].points
    assert point.counts[0] == 1


def test_the_otel_set_is_in_seconds_with_semantic_attributes() -> None:
    found = read(failed())
    (server,) = found["http.server.request.duration"].points
    assert server.value == pytest.approx(0.374)
    assert dict(server.labels) == {
        "http.request.method": "GET",
        "url.scheme": "http",
        "http.response.status_code": 500,
        "http.route": "/shop/orders/{id}",
        "network.protocol.version": "1.1",
        "error.type": "BackendConnectionFailure",
        "apim.api.id": "orders",
        "apim.operation.id": "get-order",
        "apim.product.id": "starter",
    }
    (client,) = found["http.client.request.duration"].points
    labels = dict(client.labels)
    assert (labels["server.address"], labels["server.port"]) == ("orders.internal", 9000)
    assert "http.response.status_code" not in labels
    assert labels["error.type"] == "BackendConnectionFailure"


@pytest.mark.parametrize(
    ("naming", "azure", "otel"), [("azure", True, False), ("otel", False, True), ("both", True, True)]
)
def test_naming(naming: str, azure: bool, otel: bool) -> None:
    found = read(record(), telemetry__metrics__naming=naming)
    assert ("Requests" in found, "http.server.request.duration" in found) == (azure, otel)


def test_more_series_than_allowed_overflow_into_one() -> None:
    aggregates = RequestMetrics(settings())
    aggregates.add(batch(*[record(host=f"h{n}", route=f"/r{n}") for n in range(2100)]), RESOURCE)
    aggregates.add(batch(record(host="h0", route="/r0")), RESOURCE)
    found = {metric.name: metric for metric in aggregates.read()}
    for name in ("DurationInMs", "http.server.request.duration"):
        points = {point.labels: point for point in found[name].points}
        assert len(points) == 2001
        assert points[OVERFLOW].count == 100
    assert sum(point.value for point in found["Requests"].points) == 2101
    assert Point(OVERFLOW, 100) in found["Requests"].points


def test_a_host_that_met_no_api_is_no_dimension() -> None:
    (point,) = read(record(api_id="", host="evil.example"))["DurationInMs"].points
    assert dict(point.labels) == {"Hostname": "None"}


def test_an_unknown_method_is_no_dimension() -> None:
    (point,) = read(record(method="BREW"))["http.server.request.duration"].points
    assert dict(point.labels)["http.request.method"] == "_OTHER"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, "Successful"),
        (304, "Successful"),
        (302, "Other"),
        (401, "Unauthorized"),
        (429, "Unauthorized"),
        (400, "Failed"),
        (503, "Failed"),
        (404, "Other"),
        (0, "Other"),
    ],
)
def test_verdict(status: int, expected: str) -> None:
    assert verdict(status) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://a/x", ("http", "a", 80)),
        ("https://a:8443?x=http://b/", ("https", "a", 8443)),
        ("https://[::1]:9/x", ("https", "::1", 9)),
        ("https://[::1]/x", ("https", "::1", 443)),
        ("wss://user:pw@a/x:1", ("wss", "a", 443)),
    ],
)
def test_origin(url: str, expected: tuple[str, str, int]) -> None:
    assert origin(url) == expected
