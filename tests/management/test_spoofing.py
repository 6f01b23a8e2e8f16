"""Gateways that are not what they say: one gateway's token at another's door, and absurd things that gateways tell."""

from __future__ import annotations

import base64
import datetime
import io
import itertools
import json
import time
from typing import Any

import pytest
from yarl import URL

from management import figures, heartbeats
from management.keys import sign
from management.traces import find
from management.transaction import reading
from tests.management.agent import Agent, token
from tests.management.conftest import TOKEN, Plane

CALLS = (("GET", "events"), ("POST", "heartbeat"), ("POST", "counters"), ("POST", "traces"))
TRACE = "0123456789abcdef0123456789abcdef"
LATER = datetime.datetime(2099, 1, 1, tzinfo=datetime.UTC)
BODIES: dict[str, dict[str, Any]] = {
    "heartbeat": {"instanceId": "spoofed"},
    "counters": {"instanceId": "spoofed", "quotas": {"counters": [["quota-by-key/k", 0.0, 60, 1, 4, 4]]}},
    "traces": {"traces": [{"id": TRACE, "document": {"told": "by a spoofer"}}]},
}


@pytest.fixture
async def agent(plane: Plane) -> Agent:
    return await Agent.of(plane)


async def ask(plane: Plane, method: str, path: str, header: str, body: Any = None) -> tuple[int, str]:
    url = URL(str(plane.server.make_url("/")).rstrip("/") + path, encoded=True)
    headers = {"Authorization": header} if header else {}
    content = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
    data = io.BytesIO(content) if content is not None else None
    async with plane.session.request(method, url, data=data, headers=headers) as response:
        return response.status, await response.text()


async def keys(plane: Plane, gateway: str) -> dict[str, str]:
    found: dict[str, str] = (await plane.call("POST", f"/gateways/{gateway}/listKeys")).body
    return found


async def test_one_gateways_token_opens_nothing_of_another(agent: Agent, plane: Plane) -> None:
    """Nor do tokens with altered fields; nothing of what was sent is kept, and nothing of the other one is told."""
    other = await Agent.of(plane, "other")
    mine, theirs = await keys(plane, "gw"), await keys(plane, "other")
    id, stamp, signature = agent.token.split("&")
    tokens = (
        agent.token,
        f"other&{stamp}&{signature}",
        f"{id}&209912312359&{signature}",
        f"{id}&{stamp}&{signature}&other",
        f"other&{agent.token}",
        sign("other", LATER, mine["primary"]),
        sign("gw", LATER, theirs["primary"]),
        sign("other ", LATER, theirs["primary"]),
        sign("", LATER, theirs["primary"]),
        f"{other.token[:-8]}AAAAAA==",
        other.token.swapcase(),
        other.token.replace("&", "%26"),
        theirs["primary"],
        TOKEN,
        "",
    )
    for each, (method, call), scheme in itertools.product(tokens, CALLS, ("GatewayKey", "Bearer")):
        path = f"/configuration/passerelle/gateways/other/{call}"
        status, told = await ask(plane, method, path, f"{scheme} {each}", BODIES.get(call))
        assert status == 401, (each, method, call)
        assert json.loads(told)["error"]["code"] == "GatewayTokenInvalid"
        assert not any(secret in told for secret in (*mine.values(), *theirs.values(), signature, TOKEN))
    assert (await plane.get("/gateways/other/instances"))["value"] == []
    assert (await plane.get("/quotas/k"))["value"] == []
    with reading(plane.store, plane.service) as tx:
        assert tx is not None
        assert find(tx, TRACE, None) is None


@pytest.mark.parametrize("gateway", ["gw%2fapis%2fecho", "GW%2Fapis%2FECHO", "%00", "gw%00", "%ff", "..%2fgateways%2f"])
@pytest.mark.parametrize("token", ["gw&209901010000&AAAA", "gw/apis/echo&209901010000&AAAA", "\udcff&209901010000&A"])
async def test_names_that_lead_elsewhere(agent: Agent, plane: Plane, gateway: str, token: str) -> None:
    await plane.api("echo")
    await plane.put("/gateways/gw/apis/echo")
    for (method, call), given in itertools.product(CALLS, (token, agent.token)):
        path = f"/configuration/passerelle/gateways/{gateway}/{call}"
        assert (await ask(plane, method, path, f"GatewayKey {given}", BODIES.get(call)))[0] == 401
    path = f"/configuration/%00/gateways/{gateway}/events"
    assert (await ask(plane, "GET", path, f"GatewayKey {agent.token}"))[0] == 401


async def test_keys_are_renewed_one_after_the_other_without_an_outage(agent: Agent, plane: Plane) -> None:
    """At every step the token in use works, and those of the key that went do not."""
    in_use, known = "secondary", {"primary": agent.token, "secondary": await token(plane, "gw", "secondary")}
    for renewed in ("primary", "secondary"):
        agent.token = known[in_use]
        await agent.poll()
        assert (await plane.call("POST", "/gateways/gw/regenerateKey", body={"keyType": renewed})).status == 204
        await agent.poll()
        path = "/configuration/passerelle/gateways/gw/events"
        assert (await ask(plane, "GET", path, f"GatewayKey {known[renewed]}"))[0] == 401
        known[renewed] = await token(plane, "gw", renewed)
        in_use = renewed
    agent.token = known["secondary"]
    await agent.poll()


async def test_a_trace_is_told_by_the_gateway_that_has_it(agent: Agent, plane: Plane) -> None:
    other = await Agent.of(plane, "other")
    for each, words in ((agent, "mine"), (other, "forged")):
        body = {"traces": [{"id": TRACE, "document": {"words": words}}]}
        path = f"/configuration/passerelle/gateways/{each.gateway}/traces"
        assert (await ask(plane, "POST", path, f"GatewayKey {each.token}", body))[0] == 204
    reply = await plane.call("POST", "/gateways/gw/listTrace", body={"traceId": TRACE})
    assert reply.body == {"words": "mine"}


# what becomes of it: True is kept in some form, False is refused
ABSURD: tuple[tuple[dict[str, Any], bool], ...] = (
    ({"cursor": -1}, True),
    ({"cursor": 10**400}, True),
    ({"cursor": 1.5}, False),
    ({"cursor": True, "dataset": ["x"], "version": {"a": {}}, "startedAt": 7, "source": None}, True),
    ({"version": "v" * 1_000_000}, True),
    ({"sidecars": [{"id": f"s{n}"} for n in range(100_000)]}, True),
    ({"sidecars": [{"id": "s", "issues": [{"message": "m" * 3_000}] * 100}] * 12}, True),
    ({"issues": [{"code": "x"}] * 100_000}, True),
    ({"issues": [7, None, "x", [], {}, {"message": {"a": 1}, "line": -4, "column": "x"}]}, True),
    ({"sidecars": [[1], None, "x", {"id": 5, "requests": -5, "connected": "no", "issues": 7}]}, True),
    ({"sidecars": {}}, False),
    ({"issues": "x"}, False),
    ({"unknown": {"deep": ["x"] * 1_000}}, True),
    ({"issues": [{"message": "\x1b[2J\x07<script>alert(1)</script>\u202e\u2028\x9b31m\r\n"}]}, True),
    ({"instanceId": "\x1b[31mred"}, False),
    ({"instanceId": "two\nlines"}, False),
    ({"instanceId": "a\u202eb"}, False),
    ({"instanceId": "x" * 201}, False),
)


def test_the_largest_heartbeat_is_kept_within_its_bound() -> None:
    """Who serves is kept, whatever they are called, and what the agent itself complains of before that of sidecars."""
    word, text = '"' * 300, '"' * 3_000
    issue = {"code": word, "resourceId": word, "element": word, "message": text}
    cars = [{"id": word, "version": word, "dataset": word, "issues": [issue] * 3}] * 300
    for name, own, left in (("\U0001f600" * 200, [issue] * 200, 1), ("i", [{"code": "PlaneRefuses"}], 2)):
        kept = heartbeats.check({"instanceId": name, "version": word, "sidecars": cars, "issues": own})
        assert len(json.dumps(kept, ensure_ascii=False)) <= heartbeats.LARGEST_KEPT
        assert len(kept["sidecars"]) == heartbeats.SIDECARS
        assert len(kept["issues"]) == left
        assert "log of the agent" in kept["issues"][-1]["message"]
    assert kept["issues"][0] == {"code": "PlaneRefuses"}


@pytest.mark.parametrize(("told", "kept"), ABSURD, ids=lambda value: str(value)[:40])
async def test_absurd_heartbeats(agent: Agent, plane: Plane, told: dict[str, Any], kept: bool) -> None:
    path, header = "/configuration/passerelle/gateways/gw/heartbeat", f"GatewayKey {agent.token}"
    beat = {"instanceId": "i", **told}
    status, answer = await ask(plane, "POST", path, header, beat)
    assert status == (204 if kept else 400), answer
    found = await plane.call("GET", "/gateways/gw/instances")
    text = json.dumps(found.body, ensure_ascii=False)
    assert len(text) < 2 * heartbeats.LARGEST_KEPT
    assert text.isprintable()
    instances = found.body["value"]
    assert len(instances) == kept
    for instance in instances:
        assert instance["cursor"] is None or instance["cursor"] >= 0
        assert len(instance["sidecars"]) <= heartbeats.SIDECARS
        for each in (*instance["sidecars"], instance):
            assert all(isinstance(issue.get("message", ""), str) for issue in each["issues"])
            assert len(each["issues"]) <= heartbeats.ISSUES


async def test_texts_that_are_no_json(agent: Agent, plane: Plane) -> None:
    header = f"GatewayKey {agent.token}"
    for (_, call), body in itertools.product(
        CALLS[1:], (b'{"instanceId": "a\\u0000b"}', b'{"instanceId": "\\ud800"}', b"[" * 100_000, b"\xff", b"[]", b"7")
    ):
        assert (await ask(plane, "POST", f"/configuration/passerelle/gateways/gw/{call}", header, body))[0] == 400


ROW = [0.0, "", "", "", "", "", *[1] * 14]
MINUTE = [0.0, "", 200, "", "", 1, 1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("value", [-1, 10**400, 2**53, 1e308, "7", None, [], {}])
async def test_absurd_counters(agent: Agent, plane: Plane, value: Any) -> None:
    path, header = "/configuration/passerelle/gateways/gw/counters", f"GatewayKey {agent.token}"
    for number, (name, row) in enumerate((("rows", ROW), ("minutes", MINUTE)), 1):
        for at in range(len(row)):
            if isinstance(value, str) and isinstance(row[at], str):
                continue
            changed = [*row[:at], value, *row[at + 1 :]]
            batch = {"boot": f"{number} {at}", "number": 1, "rows": [], "requests": [], name: [changed]}
            status, told = await ask(plane, "POST", path, header, {"instanceId": "i", "figures": batch})
            assert status == 400, (name, at, told)
    for at in range(6):
        counter: list[Any] = ["k", 0.0, 60, 1, 4, 4]
        if (at == 0 and isinstance(value, str)) or (value == -1 and at in (1, 3, 4, 5)) or (at == 1 and value == 2**53):
            continue  # time has no sign; what is counted may have been corrected
        counter[at] = value
        body = {"instanceId": "i", "quotas": {"counters": [counter]}}
        status, told = await ask(plane, "POST", path, header, body)
        assert status == (200 if value == 2**53 and at > 1 else 400), (at, told)


async def test_what_many_batches_add_up_to(agent: Agent, plane: Plane) -> None:
    path, header = "/configuration/passerelle/gateways/gw/counters", f"GatewayKey {agent.token}"
    await plane.api("echo")
    row = [time.time(), "echo", *[""] * 4, *[figures.MOST_COUNTED - 1] * 14]
    for number in range(1, 4):
        batch = {"boot": "b", "number": number, "rows": [row] * 1_000, "requests": []}
        assert (await ask(plane, "POST", path, header, {"instanceId": "i", "figures": batch}))[0] == 200
    since = "timestamp ge datetime'2000-01-01T00:00:00'"
    found = (await plane.get("/reports/byApi", query={"$filter": since}))["value"]
    assert [each["callCountSuccess"] for each in found if each["name"] == "echo"] == [2 * figures.MOST_COUNTED - 2]


async def test_debug_tokens_and_users_tokens_are_no_gateway_tokens(agent: Agent, plane: Plane) -> None:
    await plane.api("echo")
    asked = {"apiId": f"{plane.service}/apis/echo", "purposes": ["tracing"]}
    debug = (await plane.call("POST", "/gateways/gw/listDebugCredentials", body=asked)).body["token"]
    expiry = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)).isoformat()
    await plane.put("/users/gw", {"email": "gw@example.com", "firstName": "g", "lastName": "w"})
    user = await plane.call("POST", "/users/gw/token", {"keyType": "primary", "expiry": expiry})
    assert user.status == 200, user.body
    basic = base64.b64encode(f"gw:{agent.token}".encode()).decode()
    for header in (f"GatewayKey {debug}", f"GatewayKey {user.body['value']}", f"Basic {basic}", agent.token):
        for method, call in CALLS:
            path = f"/configuration/passerelle/gateways/gw/{call}"
            assert (await ask(plane, method, path, header, BODIES.get(call)))[0] == 401
