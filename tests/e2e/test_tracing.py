"""Traces through a real house: a token from the plane, a request at each sidecar, the trace from the plane."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import pytest
from house import House, request

pytestmark = pytest.mark.e2e

POLICY = """<policies><inbound><base />
<set-header name="X-Pass"><value>{{pass}}</value></set-header>
<trace source="ours"><message>@("for " + context.Request.Method)</message></trace>
</inbound><backend><base /></backend><outbound><base /></outbound></policies>"""


@pytest.fixture(scope="module", autouse=True)
def traced(house: House, backend: str) -> None:
    house.put("/namedValues/pass", {"displayName": "pass", "value": "swordfish", "secret": True})
    house.api("traced", backend, key=True)
    house.policy("/apis/traced", POLICY)
    key = house.arm("/subscriptions/master/listSecrets", "POST").json["primaryKey"]
    good = {"Ocp-Apim-Subscription-Key": key}
    house.everywhere("/traced/x", lambda reply: b"x-pass" in reply.body, **good)


def post(house: House, gateway: str, action: str, body: dict[str, Any]) -> Any:
    reply = house.arm(f"/gateways/{gateway}/{action}", "POST", body)
    assert reply.status == 200, reply.body
    return reply.json


def credentials(house: House, gateway: str) -> dict[str, str]:
    body = {"apiId": f"{house.info['service']}/apis/traced", "purposes": ["tracing"], "credentialsExpireAfter": "PT10M"}
    return {"Apim-Debug-Authorization": post(house, gateway, "listDebugCredentials", body)["token"]}


@pytest.mark.parametrize("managed", [True, False])
def test_a_request_at_each_sidecar_is_traced(house: House, managed: bool) -> None:
    gateway = "managed" if managed else house.gateway_id
    key = house.arm("/subscriptions/master/listSecrets", "POST").json["primaryKey"]
    headers = {**credentials(house, gateway), "Ocp-Apim-Subscription-Key": key}
    assert len(house.gateways) == 2
    for url in house.gateways:
        reply = request(f"{url}/traced/x", headers=headers)
        assert reply.json["headers"]["x-pass"] == "swordfish"
        asked = time.monotonic()
        trace = post(house, gateway, "listTrace", {"traceId": reply.headers["apim-trace-id"]})
        print(f"\nthe trace came within {(time.monotonic() - asked) * 1000:.0f} ms")
        assert list(trace["traceEntries"]) == ["inbound", "backend", "outbound"]
        sources = [each["source"] for each in trace["traceEntries"]["inbound"]]
        assert sources == ["api-inspector", "api-inspector", "authorization", "set-header", "trace", "ours"]
        assert trace["traceEntries"]["inbound"][-1]["data"]["message"] == "for GET"
        text = json.dumps(trace)
        assert key not in text
        assert "swordfish" not in text


def test_a_refusal_is_explained_in_its_trace(house: House) -> None:
    reply = request(f"{house.gateways[1]}/traced/x", headers=credentials(house, "managed"))
    assert reply.status == 401
    trace = post(house, "managed", "listTrace", {"traceId": reply.headers["apim-trace-id"]})
    (told,) = [each["data"] for each in trace["traceEntries"]["on-error"]]
    assert told["detail"].startswith("no key in the header 'Ocp-Apim-Subscription-Key'")


def test_the_command_tells_the_story(house: House) -> None:
    key = house.arm("/subscriptions/master/listSecrets", "POST").json["primaryKey"]
    url = f"{house.gateways[0]}/traced/x?q=1"

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "passerelle", "trace", "--data", str(house.data), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    told = run(url, "-H", f"Ocp-Apim-Subscription-Key: {key}", "-d", "hello")
    assert told.returncode == 0, told.stderr
    for line in ("POST", "request header X-Pass was set to ***", "for POST", "200 OK", "operation 'post'"):
        assert line in told.stdout, told.stdout
    assert key not in told.stdout
    found = run(f"{house.gateways[0]}/nowhere", "--format", "json")
    # another test's API may stand at the root
    assert "no API has a path that this one begins with" in found.stdout or "operations fits" in found.stdout
    assert json.loads(found.stdout)["traceEntries"]["on-error"]
    wrong = run(url, "--api", "none")
    assert (wrong.returncode, "There is no API 'none'" in wrong.stderr) == (1, True)
