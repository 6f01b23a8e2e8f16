import json

from telemetry import gateway_logs
from telemetry.lines import json_line, text_line, timestamp
from tests.telemetry.sample import ERROR, TRACE, failed, record


def test_text_is_as_the_gateway_writes_it() -> None:
    values = failed(backend_url="", backend_method="", url="http://gw/", errors=())
    line = text_line(
        "Info", timestamp(gateway_logs.finished(values)), "GatewayLogs", gateway_logs.fields(values, "lab")
    )
    assert line.startswith(
        "[Info] 2024-01-19T07:39:54.666 [GatewayLogs], isRequestSuccess: False, totalTime: 374, category: GatewayLogs, "
        "callerIpAddress: 10.0.0.9, timeGenerated: 2024-01-19T07:39:54.666, region: lab, correlationId: c0ffee, "
        "method: GET, url: http://gw/, responseCode: 500, responseSize: 592, cache: none, "
    )
    assert '"reason": "BackendConnectionFailure"' in line
    assert "backendTime" not in line


def test_the_order_and_names_of_a_full_record() -> None:
    assert list(gateway_logs.fields(failed(backend_status=502, client_tls_version="1.3", traces=(TRACE,)), "lab")) == [
        "isRequestSuccess", "totalTime", "category", "callerIpAddress", "timeGenerated", "region", "correlationId",
        "method", "url", "backendResponseCode", "responseCode", "responseSize", "cache", "backendTime", "requestSize",
        "apiId", "operationId", "productId", "userId", "apimSubscriptionId", "clientTime", "clientProtocol",
        "backendProtocol", "apiRevision", "clientTlsVersion", "backendId", "backendMethod", "backendUrl", "lastError",
        "errors", "traceRecords",
    ]  # fmt: skip


def test_json_has_the_envelope_and_the_nested_error() -> None:
    values = failed()
    line = json_line("Info", timestamp(gateway_logs.finished(values)), "GatewayLogs", gateway_logs.fields(values))
    found = json.loads(line)
    assert found["level"] == "Info"
    assert found["timestamp"] == "2024-01-19T07:39:54.666Z"
    assert found["eventType"] == found["category"] == "GatewayLogs"
    assert found["isRequestSuccess"] is False
    assert found["responseCode"] == 500
    assert found["lastError"] == {
        "elapsed": 370,
        "source": "request-forwarder",
        "scope": "api",
        "path": "forward-request\\forward-request",
        "reason": "BackendConnectionFailure",
        "message": "connection refused",
        "section": "backend",
    }
    assert found["errors"] == [found["lastError"]]


def test_a_client_cannot_forge_a_line() -> None:
    values = record(url="http://gw/\r\n[Info] 2024 [GatewayLogs], forged: \x1b[31m\u2028")
    line = text_line("Info", "t", "GatewayLogs", gateway_logs.fields(values))
    assert line.splitlines() == [line]
    assert "\x1b" not in line
    assert json.loads(json_line("Info", "t", "e", gateway_logs.fields(values)))["url"] == values.url


def test_success_is_below_400() -> None:
    assert [gateway_logs.succeeded(record(status=s)) for s in (101, 200, 399, 400, 500, 0)] == [
        True, True, True, False, False, False,
    ]  # fmt: skip


def test_why_it_was_refused_is_in_the_line() -> None:
    why = "no key in the header 'Ocp-Apim-Subscription-Key'; API 'shop' requires a subscription"
    values = failed(last_error=ERROR._replace(detail=why))
    assert gateway_logs.fields(values)["lastError"]["detail"] == why
    assert f'"detail": "{why}"' in text_line("Info", "t", "GatewayLogs", gateway_logs.fields(values))
