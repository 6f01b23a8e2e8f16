"""Azure Monitor on the wire: request logs beside the official client's, cloud metrics, tokens, and faults."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from azure.core.credentials import AccessToken
from azure.monitor.ingestion import LogsIngestionClient

from telemetry import lane
from telemetry.batch import Kinds
from telemetry.diagnostics import Capture, Diagnostic, Directory, Logger
from telemetry.encode.rows import COLUMNS, row
from telemetry.exporters import monitor_logs, monitor_metrics
from telemetry.frames import plain
from telemetry.records import Captured
from telemetry.settings import Resource
from tests.telemetry.azure import FakeAzure
from tests.telemetry.sample import TRACE, failed, record
from tests.telemetry.waiting import until

RESOURCE = Resource("sidecar-1", "gw", "lab")
RULE = "dcr-00112233445566778899aabbccddeeff"
SERVICE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ApiManagement/service/shop"


@pytest.fixture
def azure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAzure]:
    with FakeAzure(tmp_path) as fake:
        monkeypatch.setenv("SSL_CERT_FILE", str(fake.certificate))
        monkeypatch.setattr(lane, "BACKOFF", (0.05, 1.0))
        yield fake


def logs(azure: FakeAzure) -> monitor_logs.MonitorLogs:
    settings = {"telemetry.logs.cloud.endpoint": azure.url, "telemetry.logs.cloud.rule": RULE, **azure.settings()}
    made = monitor_logs.from_settings(settings, list)
    assert made is not None
    return made


def metrics(azure: FakeAzure) -> monitor_metrics.MonitorMetrics:
    named = {"resource": SERVICE, "region": "westeurope", "endpoint": azure.url}
    made = monitor_metrics.from_settings(
        {**{f"telemetry.metrics.cloud.{name}": text for name, text in named.items()}, **azure.settings()}, list
    )
    assert made is not None
    return made


def end(exporter: monitor_logs.MonitorLogs | monitor_metrics.MonitorMetrics, seconds: float = 2.0) -> None:
    deadline = time.monotonic() + seconds
    for each in exporter.lanes:
        each.finish(deadline)
        each.join(deadline)
    exporter._origin.close()


class Credential:
    def get_token(self, *scopes: str, **more: Any) -> AccessToken:
        assert scopes == ("https://monitor.azure.com/.default",)
        return AccessToken("t1", int(time.time()) + 3600)


def test_logs_arrive_as_the_official_client_sends_them(azure: FakeAzure) -> None:
    made = [record(), failed(), record(traces=(TRACE,), cache="hit", cache_ms=1.2, url='http://gw/ü?q="1"\n')]
    exporter = logs(azure)
    exporter.records(Kinds().batch(made), RESOURCE)
    exporter.metrics([], RESOURCE)
    end(exporter)
    client = LogsIngestionClient(azure.url, Credential(), connection_verify=str(azure.certificate))  # type: ignore[arg-type]
    client.upload(RULE, "Custom-ApiManagementGatewayLogs_CL", [orjson.loads(row) for row in map(one_row, made)])
    client.close()
    ours, theirs = azure.calls
    assert (ours.path, ours.query, ours.json) == (theirs.path, theirs.query, theirs.json)
    for name in ("content-type", "content-encoding", "authorization"):
        assert ours.headers[name] == theirs.headers[name], name
    assert exporter.lanes[0].exported == 3
    assert azure.tokens == [
        {
            "grant_type": "client_credentials", "client_id": "gateway", "client_secret": "hush",
            "scope": "https://monitor.azure.com/.default",
        }
    ]  # fmt: skip


def one_row(each: Any) -> bytes:
    batch = Kinds().batch([each])
    return row(batch[0], batch.kinds[0], RESOURCE.region)


def test_columns_have_the_types_of_the_table() -> None:
    types: dict[str, type | tuple[type, ...]] = {
        "string": str, "datetime": str, "int": int, "long": int, "boolean": bool, "dynamic": list,
    }  # fmt: skip
    whole = failed(traces=(TRACE,), cache_ms=3.0, backend_status=502, client_tls_version="TLSv1.3")
    found = orjson.loads(one_row(whole))
    assert {name for name in COLUMNS if not name.endswith(("Headers", "Body"))} == set(found)
    for name, value in found.items():
        assert isinstance(value, types[COLUMNS[name]]), name
    assert found["TimeGenerated"] == "2024-01-19T07:39:54.666Z"
    assert (found["IsRequestSuccess"], found["TotalTime"], found["Category"]) == (False, 374, "GatewayLogs")
    assert (found["LastErrorReason"], found["LastErrorElapsed"]) == ("BackendConnectionFailure", 370)
    plain = orjson.loads(one_row(record(backend_url="", backend_method="", backend_status=0)))
    assert not {"BackendTime", "BackendResponseCode", "LastErrorReason", "Errors"} & set(plain)
    assert plain["Cache"] == "none"


def test_a_diagnostic_decides_which_and_what(azure: FakeAzure) -> None:
    seen = Capture(("X-Shop", "Authorization"), 5, (("authorization", "Mask"),), (("code", "Hide"),))
    diagnostic = Diagnostic(
        "azuremonitor", "azuremonitor", percentage=0, always_log_errors=True, verbosity="information",
        request=seen, backend_response=Capture(body=3),
    )  # fmt: skip
    content = plain(((Logger("azuremonitor", "azureMonitor"),), (diagnostic,), (0,), (), ""))
    captured = Captured(
        request_headers=(("X-Shop", "7"), ("Authorization", "secret"), ("Other", "x")), request_body=b"abcdefgh",
        response_body=b"unwanted", backend_response_body="éé".encode(),
    )  # fmt: skip
    exporter = logs(azure)
    exporter.direct(Directory(content))
    quiet = TRACE._replace(severity="verbose")
    bad = failed(captured=captured, traces=(quiet, TRACE), url="http://gw/a?code=secret&x=1")
    exporter.records(Kinds().batch([record(), bad]), RESOURCE)
    exporter.metrics([], RESOURCE)
    end(exporter)
    (found,) = azure.rows()
    assert (found["ResponseCode"], found["Url"]) == (500, "http://gw/a?x=1")
    assert found["RequestHeaders"] == {"X-Shop": "7", "Authorization": "hidden"}
    assert (found["RequestBody"], found["BackendResponseBody"]) == ("abcde", "é")
    assert [each["severity"] for each in found["TraceRecords"]] == ["information"]
    assert "secret" not in str(found)
    assert "ResponseBody" not in found


def test_a_call_holds_less_than_the_service_takes(azure: FakeAzure) -> None:
    exporter = logs(azure)
    long = [record(url=f"http://gw/{number}/{'x' * 8000}") for number in range(300)]
    exporter.records(Kinds().batch(long), RESOURCE)
    exporter.records(Kinds().batch([record(url="http://gw/" + "y" * 960_000)]), RESOURCE)
    exporter.metrics([], RESOURCE)
    end(exporter, 5)
    assert len(azure.calls) == 3
    assert all(len(call.content) < 1_000_000 for call in azure.calls)
    assert [row["Url"].split("/")[3] for row in azure.rows()] == [str(number) for number in range(300)]
    assert exporter.lanes[0].dropped == {"too-long": 1}


@pytest.mark.parametrize("mode", ["busy", "throttled", "unauthorized", "forbidden", "cut"])
async def test_logs_wait_for_an_endpoint_that_fails(azure: FakeAzure, mode: str) -> None:
    azure.mode = mode
    exporter = logs(azure)
    exporter.records(Kinds().batch([record()]), RESOURCE)
    exporter.metrics([], RESOURCE)
    await until(lambda: azure.tries)
    azure.mode = "ok"
    await until(lambda: azure.rows())
    assert len(azure.rows()) == 1
    assert len(azure.tokens) == (2 if mode == "unauthorized" else 1)
    end(exporter)


async def test_what_azure_refuses_is_counted(azure: FakeAzure) -> None:
    azure.mode = "refused"
    exporter = logs(azure)
    exporter.records(Kinds().batch([record(), record()]), RESOURCE)
    exporter.metrics([], RESOURCE)
    await until(lambda: exporter.lanes[0].dropped)
    assert exporter.lanes[0].dropped == {"refused": 2}
    end(exporter)


def test_a_hung_endpoint_holds_nobody(azure: FakeAzure) -> None:
    azure.mode = "hang"
    exporter = logs(azure)
    begin = time.monotonic()
    for _ in range(20):
        exporter.records(Kinds().batch([record()]), RESOURCE)
        exporter.metrics([], RESOURCE)
    end(exporter, 0.3)
    assert time.monotonic() - begin < 1


def test_cloud_metrics(azure: FakeAzure) -> None:
    exporter = metrics(azure)
    made = [record(total_ms=10.0, backend_ms=4.0), record(total_ms=30.0, backend_ms=8.0), failed(), record(api_id="")]
    exporter.records(Kinds().batch(made), RESOURCE)
    exporter.flush()
    end(exporter)
    assert {call.path for call in azure.calls} == {f"{SERVICE}/metrics"}
    assert azure.tokens[0]["scope"] == "https://monitoring.azure.com/.default"
    found = {call.json["data"]["baseData"]["metric"]: call.json for call in azure.calls}
    assert set(found) == {"Requests", "Duration", "BackendDuration"}
    requests = found["Requests"]["data"]["baseData"]
    assert requests["dimNames"] == [
        "Location", "Hostname", "LastErrorReason", "BackendResponseCode", "GatewayResponseCode",
        "BackendResponseCodeCategory", "GatewayResponseCodeCategory", "ApiId",
    ]  # fmt: skip
    assert {tuple(each["dimValues"]): each["sum"] for each in requests["series"]} == {
        ("lab", "gw.example", "None", "200", "200", "2xx", "2xx", "orders"): 2,
        ("lab", "gw.example", "BackendConnectionFailure", "None", "500", "None", "5xx", "orders"): 1,
        ("lab", "None", "None", "200", "200", "2xx", "2xx", "None"): 1,
    }
    duration = found["Duration"]["data"]["baseData"]
    assert (duration["dimNames"], duration["namespace"]) == (["Location", "Hostname", "ApiId"], "API Management")
    series = {tuple(each.pop("dimValues")): each for each in duration["series"]}
    assert series["lab", "gw.example", "orders"] == {"min": 10.0, "max": 374.0, "sum": 414.0, "count": 3}
    when = time.strptime(found["Duration"]["time"], "%Y-%m-%dT%H:%M:%SZ")
    assert when.tm_sec == 0


def test_a_minute_is_told_once(azure: FakeAzure) -> None:
    now = [605.0]
    exporter = metrics(azure)
    exporter._clock, exporter._minute = lambda: now[0], 10
    exporter.records(Kinds().batch([record()]), RESOURCE)
    exporter.tick(RESOURCE)
    assert exporter.lanes[0].queued + exporter.lanes[0].exported == 0
    now[0] = 663.0
    exporter.tick(RESOURCE)
    exporter.tick(RESOURCE)
    exporter.flush()
    end(exporter)
    assert [call.json["time"] for call in azure.calls] == ["1970-01-01T00:10:00Z"] * 3


def test_series_are_bounded(azure: FakeAzure) -> None:
    exporter = metrics(azure)
    exporter.records([record(api_id=f"api{number}", backend_url="") for number in range(2100)], RESOURCE)
    exporter.flush()
    end(exporter, 4)
    documents = [call.json["data"]["baseData"] for call in azure.calls]
    series = [each for document in documents if document["metric"] == "Requests" for each in document["series"]]
    assert len(series) == 2001
    assert sum(each["count"] for each in series) == 2100
    assert max(len(document["series"]) for document in documents) == 500


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"telemetry.logs.cloud.endpoint": "https://x.ingest.monitor.azure.com"}, "telemetry.logs.cloud.rule"),
        ({"telemetry.logs.cloud.rule": "dcr-1"}, "telemetry.logs.cloud.endpoint"),
        ({"telemetry.logs.cloud.endpoint": "https://x", "telemetry.logs.cloud.rule": "r"}, "policy.identity.source"),
        (
            {
                "telemetry.logs.cloud.endpoint": "http://x.example", "telemetry.logs.cloud.rule": "r",
                "IDENTITY_ENDPOINT": "http://127.0.0.1:1/",
            },
            "must be https",
        ),
        ({"telemetry.metrics.cloud.resource": "shop"}, "ARM id"),
        ({"telemetry.metrics.cloud.resource": SERVICE}, "telemetry.metrics.cloud.region"),
        ({"telemetry.metrics.cloud": "maybe"}, "telemetry.metrics.cloud"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be(settings: dict[str, str], told: str) -> None:
    with pytest.raises(ValueError, match=told.replace(".", r"\.")):
        _ = monitor_logs.from_settings(settings, list) or monitor_metrics.from_settings(settings, list)


def test_cloud_metrics_without_a_resource_say_so(caplog: pytest.LogCaptureFixture) -> None:
    assert monitor_metrics.from_settings({}, list) is None
    assert not caplog.messages
    assert monitor_metrics.from_settings({"telemetry.metrics.cloud": "true"}, list) is None
    assert "telemetry.metrics.cloud.resource" in caplog.messages[0]
    assert monitor_metrics.from_settings({"telemetry.metrics.cloud": "false"}, list) is None
    assert len(caplog.messages) == 1


def test_the_cloud_of_an_endpoint() -> None:
    assert (
        monitor_logs.audience("https://x.ingest.monitor.azure.us", "https://monitor.azure")
        == "https://monitor.azure.us"
    )
    assert monitor_logs.audience("https://x.azure.cn:443/y", "https://monitor.azure") == "https://monitor.azure.cn"


def test_the_page_declares_the_stream() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "azure-monitor.md").read_text(encoding="utf-8")
    declared = orjson.loads(page.split("```json")[1].split("```")[0])[monitor_logs.DEFAULT_STREAM]["columns"]
    assert {each["name"]: each["type"] for each in declared} == COLUMNS
