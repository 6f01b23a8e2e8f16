"""Loggers and diagnostics of the configuration: what the telemetry child is told, and what a request does for them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from sidecar_harness import FORWARD, Answer, Backend, Harness, open_api, policy, resource

from proxy.adapters.reach import Reach
from proxy.adapters.transport import HttpTransport
from proxy.config.diagnostics import Plan
from proxy.config.gateway import build
from proxy.config.resources import Resource
from telemetry.batch import Kinds
from telemetry.diagnostics import Directory
from telemetry.frames import unpack
from telemetry.records import Captured
from tests.telemetry.sample import record

KEY = "11111111-2222-3333-4444-555555555555"
CONNECTION = f"InstrumentationKey={KEY};ApplicationId=4d1e"


def logger(name: str = "ai", kind: str = "applicationInsights", **credentials: str) -> Resource:
    given = credentials or {"connectionString": CONNECTION}
    return resource(f"/loggers/{name}", {"loggerType": kind, "credentials": given})


def diagnostic(place: str = "/diagnostics/applicationinsights", **properties: Any) -> Resource:
    return resource(place, {"loggerId": "/loggers/ai", **properties})


def by_id(*resources: Resource) -> dict[str, Resource]:
    return {each.id: each for each in resources}


def told(gateway: Any) -> Directory:
    ((_, content),) = unpack(bytearray(gateway.telling.frame))
    return Directory(content)


def captured(harness: Harness) -> Captured:
    (made,) = Kinds().batch([harness.journal.records[-1]])
    assert made.captured is not None
    return made.captured


async def heard(backend: Backend) -> dict[str, str]:
    """The header fields of the last request, by name in lower case."""
    lines = backend.seen[-1].split(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_the_diagnostic_of_an_api_takes_the_place_of_that_of_the_service() -> None:
    gateway, issues = build(
        by_id(
            *open_api("orders", "http://b"),
            *open_api("echo", "http://b"),
            resource("/", {"name": "contoso"}),
            resource("/namedValues/key", {"displayName": "key", "value": CONNECTION, "secret": True}),
            logger(connectionString="{{key}}"),
            logger("monitor", "azureMonitor"),
            diagnostic(sampling={"samplingType": "fixed", "percentage": 20}, alwaysLog="allErrors", metrics=True),
            diagnostic("/diagnostics/azuremonitor", loggerId="/loggers/monitor"),
            diagnostic(
                "/apis/orders/diagnostics/applicationinsights",
                verbosity="error",
                operationNameFormat="Url",
                httpCorrelationProtocol="W3C",
                logClientIp=True,
                frontend={
                    "request": {
                        "headers": ["X-A"],
                        "body": {"bytes": 9000},
                        "dataMasking": {
                            "headers": [{"value": "X-A", "mode": "Mask"}],
                            "queryParams": [{"value": "*", "mode": "Hide"}],
                        },
                    }
                },
            ),
        )
    )
    assert not issues
    directory = told(gateway)
    assert directory.service == "contoso"
    assert dict(directory.loggers["ai"].credentials)["connectionString"] == CONNECTION
    service = {each.diagnostic.id: each.diagnostic for each in directory.of(record(api_id="echo", api_revision="1"))}
    assert service["applicationinsights"].percentage == 20
    assert service["applicationinsights"].always_log_errors
    assert service["applicationinsights"].metrics
    assert service["applicationinsights"].correlation == "Legacy"
    own = {each.diagnostic.id: each.diagnostic for each in directory.of(record(api_id="orders", api_revision="1"))}
    assert set(own) == set(service) == {"applicationinsights", "azuremonitor"}
    found = own["applicationinsights"]
    assert (found.percentage, found.verbosity, found.operation_name, found.log_client_ip) == (100, "error", "Url", True)
    assert found.request == (("X-A",), 8192, (("x-a", "Mask"),), (("*", "Hide"),))
    assert CONNECTION not in repr(gateway.telling)
    plan = gateway.pipeline(None, gateway.entries["orders"].api, None).plan
    assert plan is not None
    assert (plan.correlation, plan.request.headers, plan.request.body) == ("W3C", ("X-A",), 8192)
    other = gateway.pipeline(None, gateway.entries["echo"].api, None).plan
    assert other == Plan("Legacy", True, "appId=cid-v1:4d1e")


def test_no_plan_where_there_is_nothing_to_do() -> None:
    listed = [*open_api("a", "http://b"), logger("ai", "azureMonitor"), diagnostic("/diagnostics/azuremonitor")]
    gateway, _ = build(by_id(*listed))
    assert gateway.pipeline(None, gateway.entries["a"].api, None).plan is None
    assert len(told(gateway).of(record())) == 1
    seeing = diagnostic("/apis/a/diagnostics/azuremonitor", backend={"response": {"body": {"bytes": 10}}})
    gateway, _ = build(by_id(*listed, seeing), gateway)
    plan = gateway.pipeline(None, gateway.entries["a"].api, None).plan
    assert plan is not None
    assert (plan.correlation, plan.calls, plan.backend_response.body) == ("W3C", False, 10)
    gateway, _ = build(by_id(*listed[:-1]), gateway)
    assert gateway.pipeline(None, gateway.entries["a"].api, None).plan is None
    assert told(gateway).of(record()) == ()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (logger(connectionString="{{none}}"), "named value 'none'"),
        (logger(connectionString="IngestionEndpoint=https://x"), "InstrumentationKey"),
        (diagnostic(frontend={"request": {"body": {"bytes": "many"}}}), "many"),
    ],
)
def test_what_cannot_be_used_is_an_issue_of_its_resource(wrong: Resource, message: str) -> None:
    _, issues = build(by_id(*open_api("a", "http://b"), wrong))
    (issue,) = issues
    assert issue.resource_id == wrong.id
    assert message in issue.message


def test_a_named_value_that_comes_later_makes_the_logger_whole() -> None:
    listed = [logger(connectionString="{{key}}"), diagnostic()]
    first, issues = build(by_id(*listed))
    assert issues
    second, issues = build(
        by_id(*listed, resource("/namedValues/key", {"displayName": "key", "value": CONNECTION})), first
    )
    assert not issues
    assert len(told(second).of(record())) == 1


SEEING = {
    "request": {"headers": ["X-In", "X-Forwarded-For", "Traceparent"], "body": {"bytes": 5}},
    "response": {"headers": ["X-Out", "x-none"], "body": {"bytes": 4}},
}
EDITS = (
    "<policies><inbound><base/>"
    '<set-header name="X-In" exists-action="override"><value>changed</value></set-header></inbound>'
    "<backend><base/></backend><outbound><base/>"
    '<set-header name="X-Out" exists-action="override"><value>changed too</value></set-header>'
    "</outbound></policies>"
)


async def test_headers_and_bodies_are_captured_as_they_pass(harness: Harness, backend: Backend) -> None:
    backend.answer = b"HTTP/1.1 200 OK\r\nX-Out: own\r\nContent-Length: 10\r\n\r\n0123456789"
    harness.configure(
        *open_api("a", backend.url),
        policy("/apis/a", EDITS),
        policy("", FORWARD),
        logger(),
        diagnostic(httpCorrelationProtocol="W3C", frontend=SEEING, backend=SEEING),
    )
    answer = await harness.request("POST", "/a/x", {"x-in": "first", "X-Forwarded-For": "9.9.9.9"}, b"hello world")
    assert answer.body == b"0123456789"
    found = captured(harness)
    assert found.api_type == "http"
    assert found.request_headers == (("X-In", "first"), ("X-Forwarded-For", "9.9.9.9"))
    assert (found.request_body, found.backend_request_body) == (b"hello", b"hello")
    assert dict(found.backend_request_headers)["X-In"] == "changed"
    assert found.backend_response_headers == (("X-Out", "own"),)
    assert found.response_headers == (("X-Out", "changed too"),)
    assert (found.response_body, found.backend_response_body) == (b"0123", b"0123")
    (call,) = found.calls
    assert (call.method, call.status, call.forwarded, call.url) == ("POST", 200, True, f"{backend.url}/x")
    assert call.span_id == harness.journal.records[-1].backend_span_id
    assert b"hello world" in backend.seen[-1]


async def test_a_streamed_body_is_captured_while_it_passes(harness: Harness, backend: Backend) -> None:
    backend.answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"
    harness.configure(*open_api("a", backend.url), logger(), diagnostic(frontend=SEEING, backend=SEEING))
    head = f"POST /a/x HTTP/1.1\r\nHost: 127.0.0.1:{harness.port}\r\nConnection: close\r\n"
    head += "Transfer-Encoding: chunked\r\n\r\n"
    answered = await harness.raw(head.encode() + b"3\r\nxyz\r\n4\r\nuvwt\r\n0\r\n\r\n")
    assert b"abc" in answered
    assert b"def" in answered
    found = captured(harness)
    assert (found.request_body, found.backend_request_body) == (b"xyzuv", b"xyzuv")
    assert (found.response_body, found.backend_response_body) == (b"abcd", b"abcd")


PARENT = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"


async def test_w3c_correlation(harness: Harness, backend: Backend) -> None:
    harness.configure(*open_api("a", backend.url), logger(), diagnostic(httpCorrelationProtocol="W3C"))
    answer = await harness.request("GET", "/a/x", {"traceparent": PARENT, "Request-Id": "|client."})
    sent, last = await heard(backend), harness.journal.records[-1]
    assert sent["traceparent"] == f"00-{last.trace_id}-{last.backend_span_id}-01"
    assert last.trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert sent["request-id"] == "|client."
    assert "request-context" not in sent
    assert answer.header("Request-Context") is None
    assert captured(harness).operation == ""


async def test_legacy_correlation_is_the_default(harness: Harness, backend: Backend) -> None:
    harness.configure(*open_api("a", backend.url), logger(), diagnostic())
    answer = await harness.request("GET", "/a/x", {"Request-Id": "|root.1.", "Request-Context": "appId=cid-v1:x"})
    sent, last = await heard(backend), harness.journal.records[-1]
    assert sent["request-id"] == f"|root.{last.backend_span_id}."
    assert sent["request-context"] == answer.header("Request-Context") == "appId=cid-v1:4d1e"
    assert "traceparent" not in sent
    assert (captured(harness).operation, captured(harness).parent) == ("root", "|root.1.")
    await harness.request("GET", "/a/x", {"traceparent": PARENT})
    sent = await heard(backend)
    assert sent["traceparent"] == PARENT, "the client's own goes through"
    assert sent["request-id"].startswith(f"|{captured(harness).operation}.")
    assert len(captured(harness).operation) == 32
    assert captured(harness).operation not in PARENT
    assert captured(harness).parent == ""


async def test_no_correlation(harness: Harness, backend: Backend) -> None:
    harness.configure(*open_api("a", backend.url), logger(), diagnostic(httpCorrelationProtocol="None"))
    answer = await harness.request("GET", "/a/x", {"traceparent": PARENT, "Request-Id": "|client."})
    sent = await heard(backend)
    assert (sent["traceparent"], sent["request-id"]) == (PARENT, "|client.")
    assert "request-context" not in sent
    assert answer.header("Request-Context") is None
    assert captured(harness).operation not in PARENT
    await harness.request("GET", "/a/x")
    assert not {"traceparent", "request-id"} & set(await heard(backend))


async def test_without_application_insights_all_is_as_it_was(harness: Harness, backend: Backend) -> None:
    harness.configure(*open_api("a", backend.url))
    await harness.request("GET", "/a/x")
    assert "traceparent" in await heard(backend)
    assert harness.journal.records[-1].captured is None


async def test_a_call_of_a_policy_and_a_backend_that_is_away_are_calls(harness: Harness, backend: Backend) -> None:
    harness.sidecar.ports = replace(harness.sidecar.ports, transport=HttpTransport(reach=Reach(loopback=True)))
    asking = (
        '<policies><inbound><base/><send-request mode="new" response-variable-name="r">'
        f"<set-url>{backend.url}/token</set-url></send-request></inbound>"
        "<backend><base/></backend></policies>"
    )
    harness.configure(
        *open_api("a", "http://127.0.0.1:1"), policy("/apis/a", asking), policy("", FORWARD), logger(), diagnostic()
    )
    answer: Answer = await harness.request("GET", "/a/x")
    assert answer.status == 500
    asked, forwarded = captured(harness).calls
    assert (asked.forwarded, asked.status, asked.url) == (False, 200, f"{backend.url}/token")
    assert (forwarded.forwarded, forwarded.status) == (True, 0)
    assert asked.start_ms <= forwarded.start_ms
    assert asked.span_id != forwarded.span_id
    await harness.sidecar.ports.transport.close()  # type: ignore[attr-defined]


async def test_a_request_that_belongs_to_no_api_is_told_by_the_service(harness: Harness, backend: Backend) -> None:
    seeing = {"request": {"headers": ["X-In"]}, "response": {"body": {"bytes": 100}}}
    harness.configure(*open_api("a", backend.url), logger(), diagnostic(frontend=seeing))
    answer = await harness.request("GET", "/none", {"X-In": "1"})
    assert answer.status == 404
    found = captured(harness)
    assert found.request_headers == (("X-In", "1"),)
    assert json.loads(found.response_body)["statusCode"] == 404
