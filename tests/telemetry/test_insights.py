"""Envelopes: fields, dimensions, measurements, settings of a diagnostic; equal to Microsoft's own where comparable."""

from __future__ import annotations

import json
from typing import Any

import pytest

from telemetry.diagnostics import HIDE, MASK, Capture, Diagnostic
from telemetry.encode.insights import InsightsEncoder, duration, moment
from telemetry.records import CallRecord, Captured, MetricRecord, RequestRecord, TraceRecord
from telemetry.settings import Resource
from tests.telemetry.sample import START_NS, TRACE, failed, record

RESOURCE = Resource("gw:8080", "gw", "West Europe")
DIAGNOSTIC = Diagnostic("applicationinsights", "ai", correlation="W3C")
KEY = "11111111-2222-3333-4444-555555555555"


def envelopes(
    given: RequestRecord, diagnostic: Diagnostic = DIAGNOSTIC, percentage: float = 100.0
) -> list[dict[str, Any]]:
    made = InsightsEncoder(KEY, "contoso").envelopes(given, diagnostic, RESOURCE, percentage)
    return [json.loads(each) for each in made]


def data_of(envelope: dict[str, Any]) -> Any:
    return envelope["data"]["baseData"]


def test_a_request_and_its_dependency() -> None:
    request, dependency = envelopes(record(captured=Captured(api_type="http")))
    assert request["name"] == "Microsoft.ApplicationInsights.Request"
    assert request["iKey"] == KEY
    assert request["time"] == "2024-01-19T07:39:54.292000Z"
    assert "sampleRate" not in request
    assert request["tags"] == {
        "ai.internal.sdkVersion": "passerelle:1",
        "ai.cloud.role": "gw.example West Europe",
        "ai.cloud.roleInstance": "gw:8080",
        "ai.operation.id": "0af7651916cd43dd8448eb211c80319c",
        "ai.operation.parentId": "00f067aa0ba902b7",
        "ai.operation.name": "orders;rev=2 - get-order",
        "ai.location.ip": "0.0.0.0",
    }
    properties = {
        "API Name": "orders",
        "API Type": "http",
        "API Revision": "2",
        "Operation Name": "get-order",
        "Product Name": "starter",
        "Subscription Name": "tom",
        "HTTP Method": "GET",
        "Cache": "None",
        "Service Name": "gw.example",
        "Service ID": "contoso",
        "Service Type": "API Management",
        "Region": "West Europe",
        "Request Id": "c0ffee",
    }
    assert request["data"]["baseType"] == "RequestData"
    assert data_of(request) == {
        "ver": 2,
        "id": "b7ad6b7169203331",
        "name": "GET /shop/orders/7",
        "duration": "0.00:00:00.374000",
        "success": True,
        "responseCode": "200",
        "url": "http://gw.example:8080/shop/orders/7?full=1",
        "properties": properties,
        "measurements": {"Request Size": 0, "Response Size": 592, "Client Time (in ms)": 14.0},
    }
    assert dependency["data"]["baseType"] == "RemoteDependencyData"
    assert dependency["tags"]["ai.operation.parentId"] == "b7ad6b7169203331"
    assert data_of(dependency) == {
        "ver": 2,
        "id": "1111111111111111",
        "name": "GET /orders/7",
        "type": "Backend",
        "target": "orders.internal:9000",
        "data": "http://orders.internal:9000/orders/7?full=1",
        "resultCode": "200",
        "duration": "0.00:00:00.300000",
        "success": True,
        "properties": properties,
    }


def test_every_call_is_a_dependency_at_its_time() -> None:
    calls = (
        CallRecord(10, 5, "POST", "https://login.example/token", 200, "a" * 16, False),
        CallRecord(20, 7, "GET", "http://b/x", 0, "b" * 16, True),
        CallRecord(30, 9, "GET", "http://b/x", 503, "c" * 16, True),
    )
    _, *made = envelopes(record(captured=Captured(calls=calls)))
    assert [data_of(each)["type"] for each in made] == ["HTTP", "Backend", "Backend"]
    assert [data_of(each)["success"] for each in made] == [True, False, False]
    assert [data_of(each)["target"] for each in made] == ["login.example", "b", "b"]
    assert made[0]["time"] == "2024-01-19T07:39:54.302000Z"


def test_an_error_is_an_exception_and_so_is_a_status_that_none_explains() -> None:
    exception = next(each for each in envelopes(failed()) if each["data"]["baseType"] == "ExceptionData")
    told = data_of(exception)
    assert exception["time"] == "2024-01-19T07:39:54.662000Z"
    assert exception["tags"]["ai.operation.parentId"] == "b7ad6b7169203331"
    assert told["exceptions"] == [
        {"id": 1, "typeName": "BackendConnectionFailure", "message": "connection refused", "hasFullStack": False}
    ]
    assert (told["severityLevel"], told["problemId"]) == (3, "BackendConnectionFailure at request-forwarder")
    assert told["properties"]["Error Section"] == "backend"
    assert told["properties"]["API Name"] == "orders"
    plain = envelopes(record(status=404))
    assert data_of(plain[-1])["exceptions"][0]["typeName"] == "HTTP 404"
    assert not data_of(plain[0])["success"]
    gone = envelopes(record(status=0))
    assert data_of(gone[0])["responseCode"] == "0"
    assert gone[-1]["data"]["baseType"] == "ExceptionData"
    assert len(envelopes(record(status=302))) == 2


@pytest.mark.parametrize(("verbosity", "expected"), [("verbose", [0, 1, 3]), ("information", [1, 3]), ("error", [3])])
def test_messages_are_told_from_the_verbosity_up(verbosity: str, expected: list[int]) -> None:
    said = tuple(TraceRecord("s", each, each, ()) for each in ("verbose", "information", "error"))
    made = envelopes(record(traces=said), DIAGNOSTIC._replace(verbosity=verbosity))
    messages = [data_of(each) for each in made if each["data"]["baseType"] == "MessageData"]
    assert [each["severityLevel"] for each in messages] == expected
    (told,) = [data_of(each) for each in envelopes(record(traces=(TRACE,))) if "message" in data_of(each)]
    assert told["message"] == "looked up"
    assert told["properties"]["tenant"] == "7"
    assert told["properties"]["Source"] == "orders"


def test_the_settings_of_a_diagnostic() -> None:
    request, dependency = envelopes(
        record(), DIAGNOSTIC._replace(log_client_ip=True, operation_name="Url"), percentage=25.0
    )
    assert request["tags"]["ai.location.ip"] == "10.0.0.9"
    assert request["tags"]["ai.operation.name"] == dependency["tags"]["ai.operation.name"] == "GET /shop/orders/7"
    assert request["sampleRate"] == dependency["sampleRate"] == 25.0
    unknown = envelopes(record(api_id="", operation_id="", status=404))
    assert unknown[0]["tags"]["ai.operation.name"] == "GET /shop/orders/7"


def test_headers_and_bodies_are_custom_dimensions() -> None:
    captured = Captured(
        request_headers=(("x-a", "1"), ("authorization", "Bearer s3cret"), ("cookie", "c"), ("other", "o")),
        request_body=b"ab\xc3\xa9",
        response_headers=(("X-B", "2"),),
        response_body=b"0123456789",
        backend_request_headers=(("X-C", "3"),),
        backend_request_body=b"",
        backend_response_headers=(("X-D", "4"),),
        backend_response_body=b'{"a":1}',
        calls=(
            CallRecord(0, 1, "GET", "http://x/", 200, "a" * 16, False),
            CallRecord(2, 1, "GET", "http://b/?code=1&a=2", 200, "b" * 16, True),
        ),
    )
    diagnostic = DIAGNOSTIC._replace(
        request=Capture(
            ("X-A", "Authorization", "Cookie"), 3, (("authorization", MASK), ("cookie", HIDE)), (("full", MASK),)
        ),
        response=Capture(("X-B",), 4),
        backend_request=Capture(("X-C",), 8192, (("*", MASK),), (("code", HIDE),)),
        backend_response=Capture(("X-D",), 8192),
    )
    request, called, backend = envelopes(record(captured=captured), diagnostic)
    seen = {name: value for name, value in data_of(request)["properties"].items() if name.startswith("Re")}
    seen.pop("Region"), seen.pop("Request Id")
    assert seen == {
        "Request-X-A": "1",
        "Request-Authorization": "hidden",
        "Request-Body": "ab",  # not the half of a character
        "Response-X-B": "2",
        "Response-Body": "0123",
    }
    assert data_of(request)["url"].endswith("?full=hidden")
    assert "Response-Body" not in data_of(called)["properties"]
    own = data_of(backend)["properties"]
    assert (own["Request-X-C"], own["Response-X-D"]) == ("hidden", "4")
    assert own["Response-Body"] == '{"a":1}'
    assert data_of(backend)["data"] == "http://b/?a=2"


def test_hierarchical_ids_of_legacy_correlation() -> None:
    captured = Captured(operation="root", parent="|root.1.")
    request, dependency = envelopes(record(captured=captured), DIAGNOSTIC._replace(correlation="Legacy"))
    assert request["tags"]["ai.operation.id"] == "root"
    assert request["tags"]["ai.operation.parentId"] == "|root.1."
    assert data_of(request)["id"] == "|root.b7ad6b7169203331."
    assert dependency["tags"]["ai.operation.parentId"] == "|root.b7ad6b7169203331."
    assert data_of(dependency)["id"] == "|root.1111111111111111."
    alone = envelopes(record(captured=Captured(operation="x" * 32)), DIAGNOSTIC._replace(correlation="None"))
    assert "ai.operation.parentId" not in alone[0]["tags"]


def test_a_metric() -> None:
    emitted = MetricRecord("orders", "Total", 0, (("Team", "a"), ("Empty", "")))
    made = InsightsEncoder(KEY, "contoso").metric(emitted, (2, 5.0, 1.0, 4.0), START_NS, 10_000, RESOURCE)
    told = json.loads(made)
    assert told["data"] == {
        "baseType": "MetricData",
        "baseData": {
            "ver": 2,
            "metrics": [
                {"name": "Total", "kind": "Aggregation", "value": 5, "count": 2, "min": 1, "max": 4, "ns": "orders"}
            ],
            "properties": {
                "Team": "a",
                "Service ID": "contoso",
                "Service Type": "API Management",
                "Region": "West Europe",
                "_MS.AggregationIntervalMs": "10000",
            },
        },
    }


def test_times() -> None:
    assert duration(0) == "0.00:00:00.000000"
    assert duration(59_999.9999) == "0.00:01:00.000000"
    assert duration(90_061_001.5) == "1.01:01:01.001500"
    assert moment(1_000) == "1970-01-01T00:00:00.000001Z"


def test_what_is_too_long_is_cut() -> None:
    long = "x" * 40_000
    said = TraceRecord("s", "error", long, ((long, long),))
    *_, message = envelopes(record(traces=(said,), url=f"http://gw/{long}"))
    told = data_of(message)
    assert len(told["message"]) == 32768
    assert told["properties"]["x" * 150] == "x" * 8192
    assert len(data_of(envelopes(record(url=f"http://gw/{long}"))[0])["url"]) == 2048


def test_equal_to_the_official_exporter_where_comparable(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("azure.monitor.opentelemetry.exporter", reason="the official exporter is not installed")
    from telemetry import azure_sdk

    for name, value in azure_sdk.SILENT.items():
        monkeypatch.setenv(name, value)
    from azure.monitor.opentelemetry.exporter.export.logs._exporter import _convert_log_to_envelope
    from azure.monitor.opentelemetry.exporter.export.metrics._exporter import _convert_point_to_envelope
    from azure.monitor.opentelemetry.exporter.export.trace._exporter import _convert_span_to_envelope

    def official(ours: dict[str, Any]) -> dict[str, Any]:
        kind = ours["data"]["baseType"]
        if kind in ("RequestData", "RemoteDependencyData"):
            item = _convert_span_to_envelope(azure_sdk.span(ours))
        elif kind == "MetricData":
            scoped = azure_sdk.measured([ours]).resource_metrics[0].scope_metrics[0]
            metric = scoped.metrics[0]
            item = _convert_point_to_envelope(
                metric.data.data_points[0],
                metric.name,
                azure_sdk.measured([ours]).resource_metrics[0].resource,
                scoped.scope,
            )
        else:
            item = _convert_log_to_envelope(azure_sdk.log(ours))
        told: dict[str, Any] = json.loads(json.dumps(item.as_dict()))
        return told

    emitted = MetricRecord("orders", "Total", 0, (("Team", "a"),))
    given = [
        *envelopes(failed(traces=(TRACE,))),
        *envelopes(record(backend_status=404, status=404, captured=Captured(api_type="http")), percentage=40.0),
        json.loads(InsightsEncoder(KEY).metric(emitted, (2, 5.0, 1.0, 4.0), START_NS, 10_000, RESOURCE)),
    ]
    assert len(given) == 8
    for ours in given:
        theirs = official(ours)
        assert theirs["name"] == ours["name"]
        if ours["data"]["baseType"] != "MetricData":  # theirs is the end of the interval
            assert theirs["time"] == ours["time"]
        assert theirs["data"]["baseType"] == ours["data"]["baseType"]
        if ours["data"]["baseType"] in ("RequestData", "RemoteDependencyData"):  # their logs know no sampling
            assert theirs.get("sampleRate") == ours.get("sampleRate")
        mine, others = data_of(ours), data_of(theirs)
        same = ["ver", "id", "success", "responseCode", "resultCode", "url", "data", "target", "measurements"]
        same += ["message", "severityLevel"]
        if ours["data"]["baseType"] == "RequestData":
            same.append("name")
            assert theirs["tags"]["ai.location.ip"] == ours["tags"]["ai.location.ip"]
        for name in same:
            if name in mine:
                assert others.get(name) == mine[name], name
        if "duration" in mine:
            assert others["duration"] == mine["duration"][:-3]  # theirs is in milliseconds
        if "exceptions" in mine:
            for name in ("typeName", "message", "hasFullStack"):
                assert others["exceptions"][0][name] == mine["exceptions"][0][name]
        if "metrics" in mine:
            theirs_point = {name: value for name, value in others["metrics"][0].items() if value is not None}
            assert theirs_point == {name: value for name, value in mine["metrics"][0].items() if name != "kind"}
        for name, value in mine["properties"].items():
            assert others["properties"][name] == value
        for tag in ("ai.cloud.role", "ai.cloud.roleInstance", "ai.operation.id", "ai.operation.parentId"):
            if tag in ours["tags"] and ours["data"]["baseType"] != "MetricData":
                assert theirs["tags"][tag] == ours["tags"][tag], tag
