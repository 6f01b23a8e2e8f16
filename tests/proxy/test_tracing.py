"""Traces with debug tokens: who gets one, what it says, what it hides, and that a refusal is explained in it."""

from __future__ import annotations

import base64
import datetime
import json
from typing import Any

import pytest
from sidecar_harness import Answer, Backend, Harness, api, open_api, operation, policy, resource

from management.keys import sign_debug
from proxy.config.resources import Resource
from proxy.expressions.dotnet.json_tokens import JArray, JValue
from proxy.tracing import recorder as recording
from proxy.tracing.changes import MOST_VALUES, shown
from proxy.tracing.document import time_span
from proxy.tracing.live import Traces
from proxy.tracing.mask import Mask
from proxy.tracing.recorder import Recorder
from tests.cpu import cpu
from tests.moment import not_at_the_end

KEY, SERVICE_KEY = "a-debug-key", "the-service's"

NOW = datetime.datetime.now(datetime.UTC)
HOUR = datetime.timedelta(hours=1)
SERVICE = resource("/", {"id": "/service", "name": "svc", "debugKey": SERVICE_KEY})
GATEWAY = resource("/gateways/gw", {"locationData": {"name": "here"}, "debugKey": KEY})
SECRET = resource("/namedValues/s", {"displayName": "pass-phrase", "value": 'open "sesame"', "secret": True})


def token(name: str = "shop", key: str = KEY, life: datetime.timedelta = HOUR) -> dict[str, str]:
    return {"Apim-Debug-Authorization": sign_debug(name, NOW + life, key)}


def inbound(text: str) -> Resource:
    return policy(
        "/apis/shop",
        f"<policies>\n<inbound>\n<base/>\n{text}\n</inbound><backend><base/></backend>"
        "<outbound><base/></outbound><on-error><base/></on-error></policies>",
    )


async def traced(harness: Harness, target: str, method: str = "GET", **headers: str) -> tuple[Answer, dict[str, Any]]:
    """The answer and the one trace that it left."""
    answer = await harness.request(method, target, {**token(), **headers})
    await harness.recorded()
    (taken,) = harness.sidecar.traces.take()
    assert answer.header("Apim-Trace-Id") == taken[0]
    trace: dict[str, Any] = json.loads(taken[1])
    assert trace["traceId"] == taken[0]
    return answer, trace


def entries(trace: dict[str, Any], section: str, source: str) -> list[dict[str, Any]]:
    return [each["data"] for each in trace["traceEntries"].get(section, ()) if each["source"] == source]


@pytest.fixture
def gateway(harness: Harness, backend: Backend) -> Harness:
    harness.configure(SERVICE, GATEWAY, SECRET, *open_api("shop", backend.url), *open_api("other", backend.url))
    return harness


@pytest.mark.parametrize("signed_with", [KEY, SERVICE_KEY])
async def test_a_good_token_leads_to_a_trace(gateway: Harness, backend: Backend, signed_with: str) -> None:
    answer = await gateway.request("GET", "/shop/a", token(key=signed_with))
    ((name, _),) = gateway.sidecar.traces.take()
    record = (await gateway.recorded())[0]
    assert answer.header("Apim-Trace-Id") == name == record.correlation_id.replace("-", "")
    assert b"apim-debug" not in backend.requests[0].lower()


@pytest.mark.parametrize(
    ("headers", "header", "said"),
    [
        (token("other"), "Apim-Debug-Authorization-WrongAPI", "The debug token is for API 'other'."),
        (token(life=-HOUR), "Apim-Debug-Authorization-Expired", f"expired at {NOW - HOUR:%Y-%m-%dT%H:%M:%SZ}."),
        (token(key="another"), "Apim-Debug-Authorization-Invalid", "not made with a present key"),
        ({"Apim-Debug-Authorization": "x" * 2000}, "Apim-Debug-Authorization-Invalid", "not of the form"),
    ],
    ids=["another API", "expired", "another key", "no token"],
)
async def test_any_other_token_is_told_and_the_request_goes_on(
    gateway: Harness, backend: Backend, headers: dict[str, str], header: str, said: str
) -> None:
    answer = await gateway.request("GET", "/shop/a", headers)
    assert (answer.status, answer.body) == (200, b"ok")
    assert said in (answer.header(header) or "")
    assert answer.header("Apim-Trace-Id") is None
    assert gateway.sidecar.traces.take() == []
    assert b"apim-debug" not in backend.requests[0].lower()


@pytest.mark.parametrize(("headers", "seen"), [({"Ocp-Apim-Trace": "true"}, b"T: False"), (token(), b"T: True")])
async def test_context_tells_whether_somebody_looks_on(
    gateway: Harness, backend: Backend, headers: dict[str, str], seen: bytes
) -> None:
    text = '<set-header name="T"><value>@(context.Tracing.ToString())</value></set-header>'
    gateway.configure(inbound(text), full=False)
    answer = await gateway.request("GET", "/shop/a", headers)
    assert (answer.header("Apim-Trace-Id") is None) == (len(gateway.sidecar.traces.take()) == 0) == (b"False" in seen)
    assert seen in backend.requests[0]


async def test_a_token_of_a_revision_is_for_that_revision(gateway: Harness, backend: Backend) -> None:
    newer = api("shop;rev=2", backend.url, path="shop", apiRevision="2", isCurrent=False)
    gateway.configure(newer, operation("shop;rev=2", "GET", "/*"), full=False)
    for name, path, good in (
        ("shop;rev=2", "/shop;rev=2/a", True),
        ("shop;rev=2", "/shop/a", False),
        ("shop;rev=1", "/shop/a", True),
        ("SHOP", "/shop;rev=2/a", True),
    ):
        answer = await gateway.request("GET", path, token(name))
        assert (answer.header("Apim-Trace-Id") is not None) == good, (name, path)


async def test_the_journey_step_by_step(gateway: Harness, backend: Backend) -> None:
    gateway.configure(
        inbound(
            """<set-variable name="v" value="@(context.Request.Url.Query.GetValueOrDefault("x", "none"))" />
<choose><when condition="@(context.Tracing)">
<set-header name="X-Seen"><value>yes</value></set-header>
<trace source="ours" severity="error"><message>@("x is " + context.Variables["v"])</message>
<metadata name="who" value="me" /></trace></when></choose>
<cache-lookup-value key="k" variable-name="cached" />
<rate-limit-by-key calls="5" renewal-period="60" counter-key="all" />"""
        ),
        full=False,
    )
    answer, trace = await traced(gateway, "/shop/a?x=7")
    assert answer.status == 200
    assert (trace["serviceName"], trace["gatewayId"], trace["instanceId"]) == ("svc", "gw", "test")
    first, second = entries(trace, "inbound", "api-inspector")
    assert first["request"]["method"] == "GET"
    assert first["request"]["url"].endswith("/shop/a?x=7")
    assert {"name": "Host", "value": f"127.0.0.1:{gateway.port}"} in first["request"]["headers"]
    configuration = second["configuration"]
    assert (configuration["api"]["id"], configuration["operation"]["uriTemplate"]) == ("shop", "/*")
    assert configuration["operation"]["parameters"] == {"*": "a"}
    (variable,) = entries(trace, "inbound", "set-variable")
    assert (variable["scope"], variable["line"], variable["document"]) == ("api", 4, "the policy of /apis/shop")
    (made,) = variable["expressions"]
    assert (made["value"], made["line"], made["column"]) == ('"7"', 4, 31)
    assert variable["message"] == ['variable v was set to "7"']
    (header,) = entries(trace, "inbound", "set-header")
    assert (header["path"], header["depth"]) == ("choose[1]/when[1]/set-header[1]", 1)
    assert header["changes"] == [{"what": "request header X-Seen", "before": None, "after": "yes"}]
    (said,) = entries(trace, "inbound", "ours")
    assert said == {"message": "x is 7", "severity": "error", "metadata": {"who": "me"}}
    (cached,) = entries(trace, "inbound", "cache-lookup-value")
    assert cached["reads"][0]["answer"] == "not found"
    (limited,) = entries(trace, "inbound", "rate-limit-by-key")
    assert [each["answer"].partition(" in ")[0] for each in limited["reads"]] == ["is 0", "+1 is 1"]
    forwarded, sent, received = entries(trace, "backend", "forward-request")
    assert sent["request"]["url"] == f"{backend.url}/a?x=7"
    assert {"name": "X-Seen", "value": "yes"} in sent["request"]["headers"]
    assert received["response"]["status"] == {"code": 200, "reason": "OK"}
    assert "status was set to 200 OK" in forwarded["message"]
    (last,) = entries(trace, "outbound", "transfer-response")
    assert (last["status"], last["responseBytes"]) == (200, 2)
    times = [each["elapsed"] for each in trace["traceEntries"]["inbound"]]
    assert times == sorted(times)


async def test_each_attempt_of_a_retry_is_there(gateway: Harness) -> None:
    again = (
        '<retry condition="@(context.Response.StatusCode == 200)" count="2" interval="0"><forward-request /></retry>'
    )
    text = f"<policies><inbound/><backend>{again}</backend><outbound/><on-error/></policies>"
    gateway.configure(policy("/apis/shop", text), full=False)
    _, trace = await traced(gateway, "/shop/a")
    assert len([each for each in entries(trace, "backend", "forward-request") if "response" in each]) == 3
    (retry,) = entries(trace, "backend", "retry")
    assert {each["value"] for each in retry["expressions"]} == {"true"}


async def test_secrets_are_masked(gateway: Harness, backend: Backend) -> None:
    keys = {"primaryKey": "first-key", "secondaryKey": "2nd-key"}
    gateway.configure(
        api("shop", backend.url, subscriptionKeyParameterNames={"header": "X-Mine", "query": "mine"}),
        inbound(
            """<set-header name="X-Plain"><value>{{pass-phrase}}</value></set-header>
<set-variable name="bearer" value="@(context.Request.Headers["Authorization"][0].Split(' ')[1])" />
<set-variable name="all" value="@("k=" + context.Request.Headers.GetValueOrDefault("X-Mine", ""))" />
<set-body>@("{\\"password\\": \\"" + "tiger" + 99 + "\\", \\"user\\": \\"ann\\"}")</set-body>"""
        ),
        resource("/subscriptions/one", {"displayName": "one", "scope": "/apis", "state": "active", **keys}),
        full=False,
    )
    answer, trace = await traced(
        gateway, "/shop/a?mine=first-key&sig=abcdef&q=1", Authorization="Bearer top.secret", Cookie="session=crumbs",
        **{"X-Mine": "first-key", "X-Api-Key": "third-key"},
    )  # fmt: skip
    assert answer.status == 200
    text = json.dumps(trace)
    for secret in ("first-key", "2nd-key", "third-key", "top.secret", "crumbs", "sesame", "tiger99", "abcdef"):
        assert secret not in text, secret
    assert "ann" in text
    assert "q=1" in text
    assert b'open "sesame"' in backend.requests[0]


async def test_a_broken_expression_is_named_with_its_place(gateway: Harness) -> None:
    gateway.configure(inbound('<set-variable name="a"\n    value="@(int.Parse(&quot;x&quot;))" />'), full=False)
    answer, trace = await traced(gateway, "/shop/a")
    assert answer.status == 500
    assert b"Internal server error" in answer.body
    (told,) = entries(trace, "on-error", "set-variable")
    assert told["detail"].startswith("System.FormatException at line 5, column 1")
    assert told["detail"].endswith(' of the policy of /apis/shop, in set-variable[1]: @(int.Parse("x"))')
    assert told["reason"] == "ExpressionValueEvaluationFailure"
    (step,) = entries(trace, "inbound", "set-variable")
    assert "Input string was not in a correct format" in step["expressions"][0]["error"]
    record = (await gateway.recorded())[0]
    assert record.last_error is not None
    assert record.last_error.detail == told["detail"]


async def test_a_document_that_does_not_compile_is_named(harness: Harness, backend: Backend) -> None:
    broken = policy("/apis/shop", "<policies>\n<inbound><set-methd>GET</set-methd></inbound></policies>")
    harness.configure(SERVICE, GATEWAY, *open_api("shop", backend.url), broken)
    answer, trace = await traced(harness, "/shop/a")
    assert answer.status == 500
    (told,) = entries(trace, "on-error", "configuration")
    assert "does not compile" in told["detail"]
    assert "line 2, column 11" in told["detail"]


@pytest.mark.parametrize(
    ("method", "path", "why"),
    [
        ("GET", "/shp/a", "GET /shp/a: no API has a path that this one begins with; the nearest: '/shop'"),
        ("PATCH", "/goods/items/1", "PATCH '/items/1' of API 'goods': this path has GET, PUT"),
        ("GET", "/goods/itms", "none of 3 operations fits; there is '/items'"),
        ("GET", "/goods/items/1/lines", "none of 3 operations fits; nothing is below '/items/1'"),
        ("GET", "/v/x", "at '/v': a version is needed: x-version = 1"),
        ("GET", "/goods;rev=7/items/1", "at '/goods': there is no revision '7'"),
    ],
)
async def test_near_misses_are_told(harness: Harness, backend: Backend, method: str, path: str, why: str) -> None:
    versions = resource(
        "/apiVersionSets/v", {"displayName": "v", "versioningScheme": "Header", "versionHeaderName": "x-version"}
    )
    harness.configure(
        SERVICE, GATEWAY, *open_api("shop", backend.url), versions,
        api("goods", backend.url), operation("goods", "GET", "/items/{id}"), operation("goods", "PUT", "/items/{id}"),
        operation("goods", "GET", "/items"),
        api("v", backend.url, apiVersion="1", apiVersionSetId="/apiVersionSets/v"), operation("v", "GET", "/x"),
    )  # fmt: skip
    answer = await harness.request(method, path, token("goods"))
    assert (answer.status, answer.body) == (404, b'{ "statusCode": 404, "message": "Resource not found" }')
    record = (await harness.recorded())[0]
    assert record.last_error is not None
    assert why in record.last_error.detail
    ((_, text),) = harness.sidecar.traces.take()
    (told,) = entries(json.loads(text), "on-error", "configuration")
    assert why in told["detail"]


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (
            "",
            "product 'draft' would admit API 'shop' without one, but it is not published",
        ),
        ("unknown-key", "no such key; it was in the header 'Ocp-Apim-Subscription-Key' for API 'shop'"),
        ("key-of-suspended", "subscription 'suspended' is suspended"),
        ("key-of-cancelled", "subscription 'cancelled' is cancelled"),
        ("key-of-expired", "subscription 'expired' is expired"),
        ("key-of-other", "subscription 'other' is for API 'elsewhere' only"),
        ("key-of-held", "product 'empty' of subscription 'held' does not hold API 'shop'"),
    ],
)
async def test_key_states_are_told(harness: Harness, backend: Backend, key: str, why: str) -> None:
    def subscription(name: str, state: str = "active", scope: str = "/apis") -> Resource:
        keys = {"primaryKey": f"key-of-{name}", "secondaryKey": f"2nd-of-{name}"}
        return resource(f"/subscriptions/{name}", {"displayName": name, "scope": scope, "state": state, **keys})

    harness.configure(
        SERVICE, GATEWAY, api("shop", backend.url, subscriptionRequired=True), operation("shop", "GET", "/*"),
        *(subscription(state, state) for state in ("suspended", "cancelled", "expired")),
        subscription("other", scope="/apis/elsewhere"), subscription("held", scope="/products/empty"),
        resource("/products/empty", {"displayName": "empty", "state": "published"}),
        resource("/products/draft", {"displayName": "d", "state": "notPublished", "subscriptionRequired": False}),
        resource("/products/draft/apis/shop", {}),
    )  # fmt: skip
    answer, trace = await traced(harness, "/shop/a", **({"Ocp-Apim-Subscription-Key": key} if key else {}))
    assert answer.status == 401
    assert b"Access denied due to" in answer.body
    (told,) = entries(trace, "on-error", "authorization")
    assert why in told["detail"]
    record = (await harness.recorded())[0]
    assert record.last_error is not None
    assert record.last_error.detail == told["detail"]
    assert not key or key not in json.dumps(trace)


@pytest.mark.parametrize(
    ("limit", "status", "why"),
    [
        (
            '<rate-limit-by-key calls="1" renewal-period="60" counter-key="all" />', 429,
            "counter 'rate-limit-by-key/all' has 1 of 1 calls in 60 s (line 4 of the policy of /apis/shop)",
        ),
        (
            '<rate-limit-by-key calls="1" renewal-period="60" counter-key="0123456789abcdef0123456789abcdef" />', 429,
            "counter 'rate-limit-by-key/012345…",
        ),
        (
            '<quota-by-key calls="1" renewal-period="3600" counter-key="all" />', 403,
            "has 1 of 1 calls in 3600 s",
        ),
        ('<ip-filter action="forbid"><address>127.0.0.1</address></ip-filter>', 403, "line 4 of the policy of"),
        (
            '<check-header name="X" failed-check-httpcode="403" failed-check-error-message="n" ignore-case="true"/>',
            403, "line 4 of the policy of /apis/shop",
        ),
    ],
)  # fmt: skip
async def test_counters_and_refusing_policies_are_told(gateway: Harness, limit: str, status: int, why: str) -> None:
    gateway.configure(inbound(limit), full=False)
    not_at_the_end(3600, 1.0)  # the quota's period
    for _ in range(2):
        answer = await gateway.request("GET", "/shop/a")
    assert answer.status == status
    record = (await gateway.recorded(2))[1]
    assert record.last_error is not None
    assert why in record.last_error.detail
    gateway.journal.records.clear()
    _, trace = await traced(gateway, "/shop/a")
    assert any(why in str(each["data"].get("detail")) for each in trace["traceEntries"]["on-error"])


def test_the_newest_traces_wait() -> None:
    traces, told = Traces(2), []
    traces.announce = lambda: told.append(1)
    for number in range(3):
        traces.append(str(number), b"{}")
    assert [name for name, _ in traces.take()] == ["1", "2"]
    assert (traces.take(), len(told)) == ([], 3)


async def test_a_trace_is_bounded(gateway: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MOST_ENTRIES", 50)
    many = "".join(f'<set-variable name="v{n}" value="@(new string(\'x\', 100000))" />' for n in range(60))
    gateway.configure(inbound(many), full=False)
    answer = await gateway.request("GET", "/shop/a", token())
    ((_, text),) = gateway.sidecar.traces.take()
    assert answer.status == 200
    assert len(text) < 200_000
    assert b"more steps or texts were left out" in text
    assert not Recorder(room=0)._admits([], "x")


def test_what_is_large_is_not_written_out() -> None:
    few = JArray()
    few.append(JValue(1))
    assert shown(few).startswith("[")
    many = JArray()
    for number in range(MOST_VALUES):
        many.append(JValue(number))
    assert shown(many) == "a large Newtonsoft.Json.Linq.JArray"
    few.append(JValue("x" * 100_000))
    assert shown(few) == "a large Newtonsoft.Json.Linq.JArray"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nothing to hide", "nothing to hide"),
        ("token=abc&x=1", "token=***&x=1"),
        ('{"client_secret": "s3cr3t", "a": 1}', '{"client_secret": "***", "a": 1}'),
        ('"{\\"access_token\\":\\"abc\\",\\"expires\\":3600}"', '"{\\"access_token\\":\\"***\\",\\"expires\\":3600}"'),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: ***"),
        ("Bearer abcdefgh", "Bearer ***"),
        ("x eyJhbGciOiJI.eyJzdWIiOiIx.sig y", "x eyJ*** y"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "*** PRIVATE KEY-----"),
        ("remaining-tokens: 12", "remaining-tokens: 12"),
    ],
)
def test_masking(text: str, expected: str) -> None:
    assert Mask().text(text) == expected


def test_names_that_speak_of_secrets() -> None:
    mask = Mask(names=("X-Odd",))
    headers = {
        "X-Odd": "aaaaa",
        "X-Functions-Key": "bbbbb",
        "Accept": "text/plain",
        "Set-Cookie": "c=ddddd; Path=/",
    }
    assert dict(mask.headers(headers.items())) == {
        "X-Odd": "***", "X-Functions-Key": "***", "Accept": "text/plain", "Set-Cookie": "***",
    }  # fmt: skip
    assert mask.text("aaaaa bbbbb ddddd") == "*** *** ***"
    assert (
        mask.url("https://h/p?code=123456&q=2&subscription-key=abcdef")
        == "https://h/p?code=***&q=2&subscription-key=***"
    )


def test_times_are_written_as_dotnet_does() -> None:
    assert time_span(0) == "00:00:00.0000000"
    assert time_span(3_723_004.5678) == "01:02:03.0045678"


async def test_what_is_read_out_of_a_secret_is_masked_too(gateway: Harness) -> None:
    gateway.configure(
        inbound(
            """<set-variable name="q" value="@(context.Request.OriginalUrl.Query["code"][0] + "!")" />
<set-variable name="user" value="@(context.Request.Headers["Authorization"][0].AsBasic().Password)" />
<set-variable name="quoted" value="@(context.Request.Headers.GetValueOrDefault("X-Token", ""))" />"""
        ),
        full=False,
    )
    basic = base64.b64encode(b"ann:open-sesame").decode()
    headers = {"Authorization": f"Basic {basic}", "X-Token": 'say "friend" and enter'}
    answer, trace = await traced(gateway, "/shop/a?code=1a2b3c4d", **headers)
    assert answer.status == 200
    text = json.dumps(trace)
    for secret in ("1a2b3c4d", "open-sesame", basic, "friend"):
        assert secret not in text, secret
    assert "***!" in text


def test_thousands_of_secrets_are_hidden_as_quickly_as_one() -> None:
    secrets = frozenset(f"secret-number-{number:05d}" for number in range(5_000))
    mask = Mask(secrets)
    assert (
        mask.text("a secret-number-00007, secret-number-04999; secret-number-05000")
        == "a ***, ***; secret-number-05000"
    )
    with cpu(1.0):
        for _ in range(20):
            mask.text("secret-number- " * 300)


def test_the_longest_of_secrets_that_begin_alike_is_hidden() -> None:
    assert Mask(frozenset({"abcd", "abcdefgh"})).text("abcdefgh abcd abc") == "*** *** abc"
    assert Mask(frozenset({"ab"})).text("ab") == "ab"
