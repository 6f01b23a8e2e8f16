"""Requests through a real sidecar: forwarding, errors to the byte, keys, records."""

from __future__ import annotations

import asyncio

import pytest
from sidecar_harness import FORWARD, Backend, Harness, api, open_api, operation, policy, resource


async def test_without_configuration_every_request_gets_503_and_status_says_not_ready(harness: Harness) -> None:
    answer = await harness.request("GET", "/anything")
    assert answer.status == 503
    assert (await harness.request("GET", "/status-0123456789abcdef")).status == 503
    assert (await harness.request("GET", "/internal-status-0123456789abcdef")).status == 503
    assert [record.status for record in await harness.recorded()] == [503]
    harness.configure()
    assert (await harness.request("GET", "/status-0123456789abcdef")).status == 200
    assert (await harness.request("GET", "/internal-status-0123456789abcdef")).status == 200


async def test_a_request_is_forwarded_below_the_service_url(harness: Harness, backend: Backend) -> None:
    harness.configure(*open_api("shop", f"{backend.url}/base", path="shop/v1"))
    answer = await harness.request("GET", "/shop/v1/orders/7?x=1&x=%2F&y", {"X-A": "1", "X-Forwarded-For": "10.0.0.1"})
    assert (answer.status, answer.body) == (200, b"ok")
    seen = backend.requests[0].decode()
    assert seen.startswith("GET /base/orders/7?x=1&x=%2F&y HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{backend.port}\r\n" in seen
    assert "X-Forwarded-For: 10.0.0.1, 127.0.0.1\r\n" in seen
    assert "connection" not in seen.lower()
    record = (await harness.recorded())[0]
    assert (record.api_id, record.status, record.backend_status, record.response_size) == ("shop", 200, 200, 2)
    assert record.backend_url == f"{backend.url}/base/orders/7?x=1&x=%2F&y"
    assert f"traceparent: 00-{record.trace_id}-{record.backend_span_id}-01" in seen


async def test_the_trace_of_the_client_goes_on(harness: Harness, backend: Backend) -> None:
    harness.configure(*open_api("shop", backend.url))
    trace, parent = "a" * 32, "b" * 16
    await harness.request("GET", "/shop/", {"traceparent": f"00-{trace}-{parent}-00"})
    record = (await harness.recorded())[0]
    assert (record.trace_id, record.parent_span_id, record.sampled) == (trace, parent, False)
    assert f"traceparent: 00-{trace}-{record.backend_span_id}-00".encode() in backend.requests[0]
    assert record.span_id not in (parent, record.backend_span_id)


async def test_the_length_of_a_body_is_seen_and_follows_it(harness: Harness, backend: Backend) -> None:
    inbound = (
        '<set-header name="X-Length"><value>@(context.Request.Headers["Content-Length"][0])</value></set-header>'
        "<set-body>other body</set-body>"
    )
    harness.configure(
        *open_api("shop", backend.url), policy("/apis/shop", f"<policies><inbound>{inbound}</inbound></policies>")
    )
    assert (await harness.request("POST", "/shop/", body=b"four")).status == 200
    seen = backend.requests[0].decode()
    assert "X-Length: 4\r\n" in seen
    assert seen.count("Content-Length") == 1
    assert "Content-Length: 10\r\n" in seen


async def test_no_api_no_operation_and_wrong_method_are_404(harness: Harness, backend: Backend) -> None:
    harness.configure(api("shop", backend.url), operation("shop", "GET", "/orders"))
    for method, path in (("GET", "/none"), ("GET", "/shop/none"), ("POST", "/shop/orders"), ("HEAD", "/shop/orders")):
        answer = await harness.request(method, path)
        assert (answer.status, answer.reason) == (404, "Resource Not Found")
        assert answer.header("Content-Type") == "application/json"
        if method != "HEAD":
            assert answer.body == b'{ "statusCode": 404, "message": "Resource not found" }'
        assert answer.header("Content-Length") == "54"
    records = await harness.recorded(4)
    assert {record.last_error.reason for record in records if record.last_error} == {"OperationNotFound"}
    assert [record.api_id for record in records] == ["", "shop", "shop", "shop"]
    assert not backend.requests


async def test_key_errors_are_apims_to_the_byte(harness: Harness, backend: Backend) -> None:
    harness.configure(
        api("shop", backend.url, path="shop/v1", subscriptionRequired=True), operation("shop", "GET", "/orders")
    )
    missing = await harness.request("GET", "/shop/v1/orders")
    assert (missing.status, missing.reason, missing.header("Content-Length")) == (401, "Access Denied", "152")
    assert missing.body == (
        b'{ "statusCode": 401, "message": "Access denied due to missing subscription key. '
        b'Make sure to include subscription key when making requests to an API." }'
    )
    realm = f'realm="http://127.0.0.1:{harness.port}/shop/v1"'
    expected = f'AzureApiManagementKey {realm},name="Ocp-Apim-Subscription-Key",type="header"'
    assert missing.header("WWW-Authenticate") == expected
    for key in ("wrong", "é", "\udcff"):
        invalid = await harness.request("GET", "/shop/v1/orders", {"Ocp-Apim-Subscription-Key": key})
        assert (invalid.status, invalid.header("Content-Length")) == (401, "143")
        assert invalid.body == (
            b'{ "statusCode": 401, "message": "Access denied due to invalid subscription key. '
            b'Make sure to provide a valid key for an active subscription." }'
        )
        assert invalid.header("WWW-Authenticate") == expected
    reasons = [record.last_error.reason for record in await harness.recorded(4) if record.last_error]
    assert reasons == ["SubscriptionKeyNotFound", *["SubscriptionKeyInvalid"] * 3]


async def test_the_key_in_the_query_reaches_neither_backend_nor_record(harness: Harness, backend: Backend) -> None:
    harness.configure(
        api("shop", backend.url, subscriptionRequired=True),
        operation("shop", "GET", "/orders"),
        resource("/subscriptions/s", {"scope": "/apis/shop", "state": "active", "primaryKey": "sesame"}),
    )
    answer = await harness.request("GET", "/shop/orders?a=1&subscription-key=sesame&b=%20")
    assert answer.status == 200
    assert backend.requests[0].startswith(b"GET /orders?a=1&b=%20 ")
    assert (await harness.request("GET", "/shop/orders?subscription-key=wrong")).status == 401
    assert (await harness.request("GET", "/none?subscription-key=sesame")).status == 404
    for record in await harness.recorded(3):
        assert "sesame" not in repr(record)
        assert "wrong" not in repr(record)


async def test_an_unreachable_backend_is_500_with_an_activity_id(harness: Harness) -> None:
    harness.configure(*open_api("dead", "http://127.0.0.1:1"))
    answer = await harness.request("GET", "/dead/x")
    record = (await harness.recorded())[0]
    assert answer.status == 500
    assert answer.body.decode() == (
        f'{{ "statusCode": 500, "message": "Internal server error", "activityId": "{record.correlation_id}" }}'
    )
    assert record.last_error is not None
    assert (record.last_error.source, record.last_error.reason) == ("forward-request", "BackendConnectionFailure")


async def test_a_slow_backend_is_a_timeout(harness: Harness, backend: Backend) -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    backend.script = silent
    harness.configure(*open_api("slow", backend.url), policy("", FORWARD.replace('"5"', '"0.1"')))
    assert (await harness.request("GET", "/slow/x")).status == 500
    record = (await harness.recorded())[0]
    assert record.last_error is not None
    assert record.last_error.reason == "Timeout"


async def test_a_broken_policy_breaks_its_own_operations_only(harness: Harness, backend: Backend) -> None:
    good, bad = open_api("good", backend.url), open_api("bad", backend.url)
    issues = harness.configure(*good, *bad, policy("/apis/bad", "<policies><inbound>\n<nope/></inbound></policies>"))
    assert [(issue.resource_id, issue.line, issue.element) for issue in issues] == [
        ("/apis/bad/policies/policy", 2, "nope")
    ]
    assert (await harness.request("GET", "/bad/x")).status == 500
    assert (await harness.request("GET", "/good/x")).status == 200


async def test_on_error_of_all_apis_answers_a_404(harness: Harness) -> None:
    text = FORWARD.replace("<on-error/>", '<on-error><set-status code="405" reason="No"/></on-error>')
    harness.configure(policy("", text))
    answer = await harness.request("GET", "/none")
    assert (answer.status, answer.reason) == (405, "No")


async def test_requests_of_one_connection_are_served_in_turn(harness: Harness, backend: Backend) -> None:
    harness.configure(*open_api("shop", backend.url))
    one = b"GET /shop/%d HTTP/1.1\r\nHost: h\r\n\r\n"
    last = b"GET /shop/3 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    data = await harness.raw(one % 1 + one % 2 + last)
    assert data.count(b"HTTP/1.1 200 OK") == 3
    assert [each.split()[1] for each in backend.requests] == [b"/1", b"/2", b"/3"]
    assert backend.connections == 1
    await harness.recorded(3)


@pytest.mark.parametrize("host", ["a:²", "a:" + "9" * 5000, "a:\udcff", "[::1", "a,b"])
async def test_a_host_that_cannot_be_read_is_refused_and_counted_once(harness: Harness, host: str) -> None:
    harness.configure()
    assert (await harness.request("GET", "/shop", {"Host": host})).status == 400
    record = (await harness.recorded())[0]
    assert (record.status, record.host) == (400, "")
    assert harness.sidecar.in_flight == 0


async def test_a_backend_header_that_must_not_go_out_becomes_an_error_response(
    harness: Harness, backend: Backend
) -> None:
    harness.configure(*open_api("shop", backend.url))
    backend.answer = b"HTTP/1.1 200 OK\r\nX-A: a\x01b\r\nContent-Length: 2\r\n\r\nok"
    answer = await harness.request("GET", "/shop/x")
    assert answer.status == 500
    assert b"Internal server error" in answer.body
    record = (await harness.recorded())[0]
    assert (record.status, record.backend_status) == (500, 0)
    assert record.last_error is not None
    assert record.last_error.reason == "BackendConnectionFailure"
