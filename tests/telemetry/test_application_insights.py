"""Application Insights on the wire: which logger gets what, and what comes of every way that a delivery can fail."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from telemetry.batch import Kinds
from telemetry.diagnostics import Diagnostic, Directory, Logger, frame
from telemetry.exporters import application_insights as module
from telemetry.exporters.application_insights import ApplicationInsights, from_settings
from telemetry.frames import unpack
from telemetry.https import Answer
from telemetry.ingestion import Insights, judge
from telemetry.lane import Later, Refused
from telemetry.records import MetricRecord, RequestRecord
from telemetry.settings import Resource
from tests.telemetry.breeze import KEY, Breeze, Reply, breeze
from tests.telemetry.sample import record

RESOURCE = Resource("gw:8080", "gw", "West")
LOOPBACK = {"net.client.loopback.allowed": "true"}
AI = Diagnostic("applicationinsights", "ai", correlation="W3C")


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Breeze]:
    monkeypatch.setattr("telemetry.lane.BACKOFF", (0.05, 0.2))
    monkeypatch.setattr(module, "LINGER", 0.0)
    with breeze() as it:
        yield it


def directory(
    *loggers: Logger, service: Sequence[Diagnostic] = (AI,), own: dict[str, Diagnostic] | None = None
) -> Directory:
    """`own` are diagnostics of APIs, revision 2 of each."""
    of_apis = dict(own or {})
    every = [*service, *of_apis.values()]
    indices = [((api, "2"), (len(service) + at,)) for at, api in enumerate(of_apis)]
    ((_, content),) = unpack(bytearray(frame(loggers, every, range(len(service)), indices, "contoso")))
    return Directory(content)


def logger(endpoint: Breeze, name: str = "ai", **credentials: str) -> Logger:
    return Logger(name, "applicationInsights", (("connectionString", endpoint.connection), *credentials.items()))


def exporter(told: Directory, settings: dict[str, str] | None = None) -> ApplicationInsights:
    made = from_settings({**LOOPBACK, **(settings or {})}, list)
    made.direct(told)
    return made


def send(to: ApplicationInsights, *records: RequestRecord) -> None:
    to.records(Kinds().batch(records), RESOURCE)
    to.flush()


def until(ready: Callable[[], object], seconds: float = 8.0) -> None:
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def close(it: ApplicationInsights) -> None:
    for lane in it.lanes:
        lane.finish(time.monotonic() + 0.2)
    for lane in it.lanes:
        lane.join(time.monotonic() + 2)
    for _, sender in it._senders.values():
        sender._way.close()


def test_requests_arrive_as_json_compressed(endpoint: Breeze) -> None:
    it = exporter(directory(logger(endpoint)))
    send(it, record())
    until(lambda: len(endpoint.items) == 2)
    path, headers = endpoint.posts[0]
    assert path == "/v2.1/track"
    assert headers["content-type"] == "application/json"
    assert headers["content-encoding"] == "gzip"
    assert endpoint.items[0]["iKey"] == KEY
    assert endpoint.items[0]["data"]["baseData"]["properties"]["Service ID"] == "contoso"
    until(lambda: it.lanes[0].exported == 2)
    close(it)


def test_an_api_has_a_logger_of_its_own(endpoint: Breeze) -> None:
    with breeze() as other:
        loggers = (logger(endpoint), logger(other, "Other"), Logger("hub", "azureEventHub"))
        own = {"orders": AI._replace(logger="other"), "quiet": AI._replace(logger="hub")}
        it = exporter(directory(*loggers, own=own))
        send(it, record(), record(api_id="echo"), record(api_id="quiet"))
        until(lambda: other.items and endpoint.items)
        names = [each["data"]["baseData"]["properties"]["API Name"] for each in endpoint.of("RequestData")]
        assert names == ["echo"]
        names = [each["data"]["baseData"]["properties"]["API Name"] for each in other.of("RequestData")]
        assert names == ["orders"]
        close(it)


def test_a_logger_that_changes_leaves_nothing_behind(endpoint: Breeze) -> None:
    with breeze() as other:
        it = exporter(directory(logger(endpoint)))
        it.records(Kinds().batch([record()]), RESOURCE)
        it.direct(directory(logger(other)))
        assert len(it.lanes) == 2
        send(it, record())
        until(lambda: endpoint.of("RequestData") and other.of("RequestData"))

        def alone() -> bool:
            it.tick(RESOURCE)
            return len(it.lanes) == 1

        until(alone)
        it.direct(directory(logger(other)))
        assert len(it.lanes) == 1, "the same again changes nothing"
        close(it)


def test_sampling_leaves_out_requests_and_never_metrics(endpoint: Breeze) -> None:
    it = exporter(directory(logger(endpoint), service=(AI._replace(percentage=0.0, metrics=True),)))
    emitted = (MetricRecord("ns", "Total", 2.0, (("Team", "a"),)), MetricRecord("ns", "Total", 3.0, (("Team", "b"),)))
    send(it, record(metrics=emitted), record(metrics=emitted[:1]))
    until(lambda: len(endpoint.items) == 2)
    assert [each["data"]["baseType"] for each in endpoint.items] == ["MetricData"] * 2
    first = endpoint.items[0]["data"]["baseData"]
    assert first["metrics"][0] == {
        "name": "Total",
        "ns": "ns",
        "kind": "Aggregation",
        "value": 4.0,
        "count": 2,
        "min": 2.0,
        "max": 2.0,
    }
    assert first["properties"]["Team"] == "a"
    close(it)


def test_metrics_are_told_only_where_the_diagnostic_says_so(endpoint: Breeze) -> None:
    it = exporter(directory(logger(endpoint)))
    send(it, record(metrics=(MetricRecord("ns", "Total", 2.0, ()),)))
    until(lambda: len(endpoint.items) == 2)
    assert not endpoint.of("MetricData")
    close(it)


def test_metrics_go_out_by_themselves(endpoint: Breeze, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INTERVAL", 0.01)
    monkeypatch.setattr(module, "SERIES", 1)
    it = exporter(directory(logger(endpoint), service=(AI._replace(percentage=0.0, metrics=True),)))
    emitted = tuple(MetricRecord("ns", "Total", 2.0, (("Team", each),)) for each in "ab")
    it.records(Kinds().batch([record(metrics=emitted)]), RESOURCE)
    time.sleep(0.02)
    it.tick(RESOURCE)
    until(lambda: len(endpoint.items) == 1)
    assert it.lanes[0].dropped == {"too-many-series": 1}
    close(it)


def test_metrics_go_out_though_the_clock_is_set_back(endpoint: Breeze, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INTERVAL", 0.01)
    it = exporter(directory(logger(endpoint), service=(AI._replace(percentage=0.0, metrics=True),)))
    it.records(Kinds().batch([record(metrics=(MetricRecord("ns", "Total", 2.0, ()),))]), RESOURCE)
    began = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: began - 3_600 * 10**9)
    time.sleep(0.02)
    it.tick(RESOURCE)
    until(lambda: len(endpoint.items) == 1)
    (told,) = endpoint.of("MetricData")
    assert 10 <= float(told["data"]["baseData"]["properties"]["_MS.AggregationIntervalMs"]) < 60_000
    close(it)


def test_a_logger_that_is_not_buffered_does_not_wait(endpoint: Breeze, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINGER", 100.0)
    at_once = logger(endpoint)._replace(buffered=False)
    with breeze() as other:
        it = exporter(directory(at_once, logger(other, "b"), service=(AI, AI._replace(id="b", logger="b"))))
        it.records(Kinds().batch([record()]), RESOURCE)
        it.tick(RESOURCE)
        until(lambda: len(endpoint.items) == TWO)
        assert not other.posts
        close(it)


def test_what_is_not_in_a_lane_yet_is_told(endpoint: Breeze) -> None:
    with breeze() as other:
        own = {"orders": AI._replace(logger="b")}
        it = exporter(directory(logger(endpoint), logger(other, "b"), own=own))
        assert it.waiting == 0
        it.records(Kinds().batch([record(api_id="a"), record(), record(api_id="a"), record()]), RESOURCE)
        assert it.waiting == 4
        it._senders["ai"][1].flush()
        assert it.waiting == 3
        it.tick(RESOURCE)
        assert it.waiting == 0
        it.records(Kinds().batch([record(backend_url="")] * 600), RESOURCE)
        assert it.waiting == 100, "what is beyond a batch"
        it.flush()
        close(it)


def test_batches_are_bounded(endpoint: Breeze) -> None:
    it = exporter(directory(logger(endpoint)))
    send(it, *[record(backend_url="")] * 1100)
    until(lambda: len(endpoint.items) == 1100)
    assert len(endpoint.posts) == 3
    close(it)


# what a delivery can end with: (replies, items that arrive, counted as dropped)
TWO = 2  # items of one request
WAYS: dict[str, tuple[list[Reply], int, dict[str, int]]] = {
    "busy": ([Reply(503), Reply(500), Reply(502), Reply(504)], TWO, {}),
    "throttled": ([Reply(429, {"Retry-After": "1"})], TWO, {}),
    "not permitted yet": ([Reply(401), Reply(403)], TWO, {}),
    "quota with an end": ([Reply(439, {"Retry-After": "1"})], TWO, {}),
    "quota": ([Reply(402)], 0, {"refused": TWO}),
    "old quota": ([Reply(439)], 0, {"refused": TWO}),
    "malformed": ([Reply(400)], 0, {"refused": TWO}),
    "unknown": ([Reply(404)], 0, {"refused": TWO}),
    "partly, again": ([Reply(206, errors=((1, 500),))], TWO, {}),
    "partly, never": ([Reply(206, errors=((0, 400),))], TWO - 1, {"refused": 1}),
    "partly, both": ([Reply(206, errors=((0, 429), (1, 400))), Reply(206, errors=((0, 503),))], 1, {"refused": 1}),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_item_arrives_once_or_is_counted(endpoint: Breeze, way: str) -> None:
    replies, arriving, dropped = WAYS[way]
    expected_posts = len(replies) + (1 if not dropped or "both" in way else 0)
    endpoint.replies = list(replies)
    it = exporter(directory(logger(endpoint)))
    began = time.monotonic()
    send(it, record())
    until(lambda: it.lanes[0].exported + sum(it.lanes[0].dropped.values()) == TWO)
    assert len(endpoint.items) == it.lanes[0].exported == arriving
    assert +it.lanes[0].dropped == dropped
    assert len(endpoint.posts) == expected_posts
    if any("Retry-After" in each.headers for each in replies):
        assert time.monotonic() - began >= 0.9
    close(it)


def test_an_endpoint_that_comes_later(endpoint: Breeze) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    it = exporter(directory(logger(Breeze(f"http://127.0.0.1:{port}"))))
    send(it, record())
    time.sleep(0.2)
    assert it.lanes[0].exported == 0
    with breeze(port) as late:
        until(lambda: it.lanes[0].exported == TWO)
        assert len(late.items) == TWO
        close(it)


def test_an_endpoint_that_hangs(endpoint: Breeze) -> None:
    endpoint.hang = threading.Event()
    it = exporter(directory(logger(endpoint)))
    it.lanes[0]._longest = 0.2
    send(it, record())
    until(lambda: len(endpoint.posts) >= 2)  # it did not wait for the first
    assert it.lanes[0].exported == 0
    endpoint.hang.set()
    until(lambda: it.lanes[0].exported == TWO)
    close(it)


def test_a_redirection_is_followed_and_remembered(endpoint: Breeze) -> None:
    with breeze() as region:
        endpoint.replies = [Reply(308, {"Location": f"{region.url}/v2.1/track"})]
        it = exporter(directory(logger(endpoint)))
        send(it, record())
        until(lambda: len(region.items) == TWO)
        send(it, record())
        until(lambda: len(region.items) == 2 * TWO)
        assert len(endpoint.posts) == 1
        close(it)


@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.1:1/", "http://127.0.0.1:99999/", "http://[", "http://gone.invalid/", "https://127.0.0.1/"],
)
def test_a_redirection_to_nowhere_is_not_remembered(endpoint: Breeze, location: str) -> None:
    endpoint.replies = [Reply(308, {"Location": location}), Reply(308, {"Location": location})]
    it = exporter(directory(logger(endpoint)))
    for _ in range(3):
        send(it, record())
        time.sleep(0.05)
    until(lambda: len(endpoint.items) >= TWO)
    close(it)


def test_loopback_is_closed_to_loggers_unless_it_is_allowed(endpoint: Breeze) -> None:
    it = exporter(directory(logger(endpoint)), {"net.client.loopback.allowed": "false"})
    send(it, record())
    until(lambda: it.lanes[0].dropped == {"refused": TWO})
    assert not endpoint.posts
    close(it)


def test_a_logger_that_cannot_be_used_is_told_and_others_work(
    endpoint: Breeze, caplog: pytest.LogCaptureFixture
) -> None:
    bad = Logger("bad", "applicationInsights", (("connectionString", "IngestionEndpoint=https://x;Secret=s3cret"),))
    identity = logger(endpoint, "mi", identityClientId="SystemAssigned")
    diagnostics = (AI, AI._replace(id="b", logger="bad"), AI._replace(id="c", logger="mi"))
    it = exporter(directory(logger(endpoint), bad, identity, service=diagnostics))
    send(it, record())
    until(lambda: len(endpoint.items) == 2 * TWO)
    assert "Logger 'bad' is not used: there is no instrumentation key" in caplog.text
    assert "Logger 'mi' wants an identity" in caplog.text
    assert "s3cret" not in caplog.text
    assert KEY not in caplog.text
    close(it)


def test_a_logger_of_a_setting_takes_what_nobody_else_does(endpoint: Breeze, tmp_path: Any) -> None:
    with breeze() as own:
        file = tmp_path / "connection"
        file.write_text(own.connection + "\n")
        settings = {module.CONNECTION_FILE: str(file)}
        it = exporter(directory(logger(endpoint), service=(), own={"orders": AI}), settings)
        send(it, record(), record(api_id="echo"))
        until(lambda: own.items and endpoint.items)
        assert [each["data"]["baseData"]["properties"]["API Name"] for each in own.of("RequestData")] == ["echo"]
        assert len(endpoint.of("RequestData")) == 1
        close(it)


def test_settings_that_cannot_be_used() -> None:
    with pytest.raises(
        ValueError, match=r"telemetry\.applicationinsights\.connection: there is no instrumentation key"
    ):
        from_settings({module.CONNECTION: "IngestionEndpoint=https://x"}, list)
    with pytest.raises(ValueError, match="cannot be read"):
        from_settings({module.CONNECTION_FILE: "/none/such"}, list)
    with pytest.raises(ValueError, match="native"):
        from_settings({module.EXPORTER: "other"}, list)


def test_connection_strings() -> None:
    def read(text: str, plain: bool = False) -> Insights:
        return Insights.read({"connectionString": text}, plain)

    key = f"InstrumentationKey={KEY}"
    assert read(key).endpoint == "https://dc.services.visualstudio.com"
    assert (
        read(f"{key};IngestionEndpoint=https://we-1.in.example/;ApplicationId=x").endpoint == "https://we-1.in.example"
    )
    assert read(f"{key};EndpointSuffix=ai.contoso.com").endpoint == "https://dc.ai.contoso.com"
    assert read(f" instrumentationkey = {KEY} ;Location=we;EndpointSuffix=e.x").endpoint == "https://we.dc.e.x"
    assert read(f"{key};AADAudience=https://monitor.azure.us/").audience == "https://monitor.azure.us/"
    assert Insights.read({"instrumentationKey": KEY}).key == KEY
    assert Insights.read({"instrumentationKey": KEY, "identityClientId": "abc"}).identity == "abc"
    assert read(f"{key};IngestionEndpoint=http://fake:80", plain=True).endpoint == "http://fake:80"
    for wrong in ("IngestionEndpoint=http://fake", "IngestionEndpoint=ftp://fake", "IngestionEndpoint=https://"):
        with pytest.raises(ValueError, match="IngestionEndpoint"):
            read(f"{key};{wrong}")
    with pytest.raises(ValueError, match="https"):
        Insights.read({"connectionString": f"{key};IngestionEndpoint=http://fake", "identityClientId": ""}, True)
    assert KEY not in repr(read(key))


def test_a_partial_answer_that_says_nothing_is_a_success() -> None:
    judge(Answer(206, 0.0, b"no json"), b"[]")
    judge(Answer(206, 0.0, b'{"errors": [{"index": 7, "statusCode": 500}]}'), b"[{}]")
    with pytest.raises(Refused, match="HTTP 400: bad"):
        judge(Answer(400, 0.0, b'{"errors": [{"index": 0, "message": "bad"}]}'), b"[{}]")
    with pytest.raises(Later):
        judge(Answer(503, 3.0, b""), b"[{}]")


def test_the_official_exporter_can_be_chosen(endpoint: Breeze, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("azure.monitor.opentelemetry.exporter", reason="the official exporter is not installed")
    from telemetry import azure_sdk

    for name, value in azure_sdk.SILENT.items():
        monkeypatch.setenv(name, value)
    diagnostic = AI._replace(metrics=True)
    it = exporter(directory(logger(endpoint), service=(diagnostic,)), {module.EXPORTER: "azure-sdk"})
    send(it, record(status=404, metrics=(MetricRecord("ns", "Total", 2.0, (("Team", "a"),)),)))
    until(lambda: len(endpoint.items) >= 4, 10)
    assert {each["data"]["baseType"] for each in endpoint.items} == {
        *("RequestData", "RemoteDependencyData", "ExceptionData", "MetricData")
    }
    (request,) = endpoint.of("RequestData")
    assert request["data"]["baseData"]["properties"]["API Name"] == "orders"
    assert all("azsdk-python" in headers["user-agent"] for _, headers in endpoint.posts)
    close(it)


def test_the_official_exporter_has_to_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telemetry.azure_sdk.PACKAGE", "azure_of_nobody.monitor")
    with pytest.raises(ValueError, match="pip install azure-monitor-opentelemetry-exporter"):
        from_settings({module.EXPORTER: "azure-sdk"}, list)
