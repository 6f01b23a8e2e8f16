"""Who may ask what of the plane: every route and method that there is, and every kind of caller, from outside.

Routes come from the router, from the resource types and from what is computed beside them, so that one more is in here
by itself, and one without a rule fails. Refusals are told before anything is looked at: nothing else may be learned.

With PASSERELLE_TEST_MATRIX=9 everybody tries every method of every path; otherwise outsiders try one, in turn, and
readers and users every second one.
"""

from __future__ import annotations

import asyncio
import base64
import datetime
import hmac
import os
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from management import access, live
from management.keys import shared_access, sign_debug
from management.resources import TYPES
from management.transaction import reading
from management.user_tokens import MAILED_LIFE
from management.user_tokens import token as user_token
from tests.management.agent import Agent
from tests.management.conftest import TOKEN, VERSION, Plane
from tests.management.hostile import SEGMENTS

OPEN, FEED, SIGNED_IN, ADMINISTERED = "anybody", "a gateway", "who is signed in", "by role"
# every route of the router: who it is for, and a path
ROUTES = {
    "/health": (OPEN, "/health"),
    "/metadata/endpoints": (OPEN, "/metadata/endpoints"),
    "/{where}.well-known/openid-configuration": (OPEN, "/adfs/.well-known/openid-configuration"),
    "/{where}oauth2/{version}token": (OPEN, "/adfs/oauth2/token"),
    "/exports/{ticket}": (OPEN, "/exports/none"),  # the ticket itself is the proof
    "/subscriptions": (SIGNED_IN, "/subscriptions"),
    "/tenants": (SIGNED_IN, "/tenants"),
    **{
        f"{prefix}/gateways/{{gateway}}/{call}": (FEED, f"{prefix.format(service='passerelle')}/gateways/gw/{call}")
        for prefix in ("/configuration/{service}", "")
        for call in ("events", "heartbeat", "traces", "counters")
    },
    "/{path}": (ADMINISTERED, "/"),  # `administered` below
}
METHODS = ("GET", "HEAD", "PUT", "PATCH", "DELETE", "POST", "OPTIONS", "TRACE", "PROPFIND")
READING = ("GET", "HEAD")
ROUNDS = int(os.environ.get("PASSERELLE_TEST_MATRIX", "1"))
OVERRIDES = "".join(f"{name}: GET\r\n" for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"))
COMPUTED = (
    *(f"/reports/{name}" for name in ("byApi", "byRequest", "nothing")),
    *("/activity", "/activity/requests", "/activity/requests/x", "/quotas/x", "/quotas/a%2Fb/periods/1_PT1M"),
    *("/checkPolicy", "/connectivityCheck", "/redeemSsoToken", "/getSsoToken", "/apply", "/users/me/token"),
    *("/users/me/generateSsoUrl", "/users/me/confirmations/password/send", "/nothing/at/all", "/apis//x", "//apis"),
    *("/signUp", "/confirmSignUp", "/verifyPassword", "/changePassword", "/requestPasswordReset", "/resetPassword"),
)
SECRETS = ("the-admin-token", "primaryKey", "Traceback", 'File "', "sqlite")


@dataclass
class Answer:
    status: int
    head: str
    body: bytes


def administered(service: str) -> Iterator[tuple[str, str]]:
    """(method, path) of all below the router's last route."""
    at = "/subscriptions/0/providers/Microsoft.ApiManagement"
    paths = [at, f"{at}/checkNameAvailability", f"{at}/operations", "/", "/nothing", f"{service}x", f"{service}/../x"]
    paths += ["/%2e%2e/health", "//health", "/HEALTH", "/health/", f"/{service}", f"{service}/%2e%2e", f"{service}%00"]
    paths += [f"{service}{each}" for each in COMPUTED]
    for type in TYPES.values():
        id = service + "".join(f"/{each}/{next(iter(type.built_in), 'x')}" for each in type.segments if each)
        paths += [id, f"{id}/", id.upper()] + ([id.rsplit("/", 1)[0]] if id != service else [])
        paths += [f"{id}/{each}" for each in (*type.actions, *type.views, *type.documents)]
    return ((method, path) for path in dict.fromkeys(paths) for method in METHODS)


async def answers(plane: Plane, header: str, calls: list[tuple[str, str]], body: bytes = b"") -> list[Answer]:
    """What a caller gets, on one connection, one request after the other."""
    reader, writer = await asyncio.open_connection(plane.server.host, plane.server.port)
    found = []
    for method, path in calls:
        query = f"{'&' if '?' in path else '?'}api-version={VERSION}"
        head = f'{method} {path}{query} HTTP/1.1\r\nHost: x\r\nIf-Match: "0"\r\nContent-Type: application/json\r\n'
        head += f"Authorization: {header}\r\n" if header else ""
        head += f"{OVERRIDES if method not in READING else ''}Content-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode("utf-8", "surrogateescape") + body)
        told = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)).decode()
        fields = dict(line.lower().split(": ", 1) for line in told.split("\r\n")[1:] if line)
        size = int(fields.get("content-length", 0)) if method != "HEAD" else 0
        found.append(Answer(int(told.split(" ", 2)[1]), told, await reader.readexactly(size)))
        if fields.get("connection") == "close" or "text/plain" in told:  # the latter is of what is no HTTP
            writer.close()
            reader, writer = await asyncio.open_connection(plane.server.host, plane.server.port)
    writer.close()
    return found


def signature(key: str, life: datetime.timedelta) -> str:
    moment = datetime.datetime.now(datetime.UTC) + life
    sign = shared_access(f"integration\n{moment:%Y-%m-%dT%H:%M}:00.0000000Z", key)
    return f"SharedAccessSignature integration&{moment:%Y%m%d%H%M}&{sign}"


async def bearer(plane: Plane, client: str = "app", secret: str = TOKEN) -> str:
    form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
    async with plane.session.post(plane.server.make_url("/adfs/oauth2/token"), data=form) as response:
        return str((await response.json())["access_token"])


async def outsiders(plane: Plane, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Headers of who has nothing to do on the ARM side of this service, however close they come."""
    hour = datetime.timedelta(hours=1)
    other = access.Access(plane.store, "another-admin-token").issue(
        {"grant_type": "client_credentials", "client_secret": "another-admin-token"}
    )["access_token"]
    with monkeypatch.context() as patch:
        patch.setattr(access, "LIFE", -1)
        expired = await bearer(plane)
    good = await bearer(plane)
    _, claims, signed = good.split(".")
    unsigned = base64.urlsafe_b64encode(b'{"typ":"JWT","alg":"none"}').decode().rstrip("=")
    keys = (await plane.call("POST", "/gateways/gw/listKeys")).body
    tenant = (await plane.call("POST", "/tenant/access/listSecrets")).body
    far = plane.service.replace("/passerelle", "/far")
    beyond = (
        await plane.call("POST", plane.server.make_url("/").with_path(far).human_repr() + "/tenant/access/listSecrets")
    ).body
    with reading(plane.store, plane.service) as tx:
        assert tx is not None
        sign_in, reset = (user_token(tx, purpose, "me", MAILED_LIFE) for purpose in ("sign-in", "password"))
        blocked = user_token(tx, "access", "blocked", hour)
        gone = user_token(tx, "access", "nobody", hour)
    return {
        "nobody": "",
        "garbage": "Bearer garbage",
        "bytes": "Bearer \udcff\udcfe",
        "an expired token": f"Bearer {expired}",
        "a token of another plane": f"Bearer {other}",
        "a token without its signature": f"Bearer {unsigned}.{claims}.",
        "a token with another head": f"Bearer {unsigned}.{claims}.{signed}",
        "a token twice": f"Bearer {good}, Bearer {good}",
        "a gateway": f"GatewayKey {agent.token}",
        "a gateway as a bearer": f"Bearer {agent.token}",
        "a gateway as a signature": f"SharedAccessSignature {agent.token}",
        "a gateway's key": f"Bearer {keys['primary']}",
        "a debug token": f"Bearer {sign_debug('echo', datetime.datetime.now(datetime.UTC) + hour, keys['primary'])}",
        "a sign-in link": f"SharedAccessSignature {sign_in}",
        "a link for a new password": f"SharedAccessSignature {reset}",
        "a blocked user": f"SharedAccessSignature {blocked}",
        "a user who is gone": f"SharedAccessSignature {gone}",
        "a signature that ended": signature(tenant["primaryKey"], -hour),
        "a signature of another service": signature(beyond["primaryKey"], hour),
        "a key as a signature": f"SharedAccessSignature {tenant['primaryKey']}",
        "the admin token as something else": f"Basic {TOKEN}",
    }


@pytest.fixture
async def agent(plane: Plane) -> Agent:
    """Two services, both with signatures enabled; users, and a gateway."""
    far = str(plane.server.make_url("/")).rstrip("/") + plane.service.replace("/passerelle", "/far")
    about = {"publisherEmail": "a@example.com", "publisherName": "a"}
    body = {"location": "x", "sku": {"name": "Developer", "capacity": 1}, "properties": about}
    assert (await plane.call("PUT", far, body=body)).status == 201
    for home in ("", far):
        assert (await plane.call("POST", f"{home}/tenant/access/listSecrets")).status == 200
        assert (await plane.call("PATCH", f"{home}/tenant/access", {"enabled": True})).status == 200
    for name, state in (("me", "active"), ("blocked", "blocked")):
        told = {"email": f"{name}@example.com", "firstName": name, "lastName": "x", "state": state}
        await plane.put(f"/users/{name}", told)
    await plane.api("echo")
    return await Agent.of(plane)


def test_every_route_of_the_router_has_a_rule(plane: Plane) -> None:
    app = plane.server.app
    assert {route.resource.canonical for route in app.router.routes() if route.resource} == ROUTES.keys()


async def test_outsiders_are_refused_everywhere(plane: Plane, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every path with every outsider, every method with some of them in turn; and nothing has changed."""
    callers = await outsiders(plane, agent, monkeypatch)
    paths = list(dict.fromkeys(path for _, path in administered(plane.service)))
    before = await plane.get("/revisions")
    for number, (who, header) in enumerate(list(callers.items()) * ROUNDS):
        calls = [
            (METHODS[(number + number // len(callers) + at) % len(METHODS)], path) for at, path in enumerate(paths)
        ]
        got = await answers(plane, header, calls, b'{"properties": {}}')
        wrong = [(call, each.status) for call, each in zip(calls, got, strict=True) if each.status != 401]
        assert not wrong, (who, wrong[:5])
        assert len({each.body for each in got if each.body}) == 1, who
        assert not [each for each in got if "WWW-Authenticate: Bearer" not in each.head]
    assert await plane.get("/revisions") == before


async def test_who_is_let_in_where(plane: Plane, agent: Agent) -> None:
    """Contributors everywhere, readers to read, users to read what is their own."""
    hour = datetime.timedelta(hours=1)
    key = (await plane.call("POST", "/tenant/access/listSecrets")).body["primaryKey"]
    asked = {"keyType": "primary", "expiry": (datetime.datetime.now(datetime.UTC) + hour).isoformat()}
    mine = (await plane.call("POST", "/users/me/token", asked)).body["value"]
    calls = [call for call in administered(plane.service) if call != ("DELETE", plane.service)]
    inside = [call for call in calls if call[1].lower().startswith(f"{plane.service.lower()}/")]
    for who, header, tried in (
        ("reader", f"Bearer {await bearer(plane, 'reader')}", calls[:: 2 if ROUNDS == 1 else 1]),
        ("user", f"SharedAccessSignature {mine}", inside[:: 2 if ROUNDS == 1 else 1]),
        ("contributor", f"Bearer {await bearer(plane)}", calls[::7]),
        ("signature", signature(key, hour), inside[::7]),
    ):
        statuses: Counter[int] = Counter()
        # what is no JSON changes nothing, and is seen only by who was let in
        got = await answers(plane, header, tried, b"[")
        for (method, path), answer in zip(tried, got, strict=True):
            statuses[answer.status] += 1
            place = f"{who} {method} {path}: {answer.status} {answer.body[:200]!r}"
            assert answer.status < 500, place
            assert answer.status != 401, place
            own = "/users/me" in path.lower()
            kept_out = method not in READING if who == "reader" else who == "user" and not (own and method in READING)
            if who == "user" and path.lower().startswith(f"{plane.service.lower()}/../"):
                continue
            assert (answer.status == 403) == kept_out, place
            assert not [each for each in SECRETS if each in answer.body.decode() and method in READING], place
        assert statuses[403] or who not in ("reader", "user")


@pytest.mark.parametrize(("path", "found"), [("", 200), ("/", 200), ("/groups", 200), ("/../blocked", 403)])
@pytest.mark.parametrize("name", ["me", "ME", "m%65"])
async def test_a_user_reads_itself(plane: Plane, agent: Agent, name: str, path: str, found: int) -> None:
    asked = {"keyType": "primary", "expiry": (datetime.datetime.now(datetime.UTC) + MAILED_LIFE / 2).isoformat()}
    mine = (await plane.call("POST", "/users/me/token", asked)).body["value"]
    header = f"SharedAccessSignature {mine}"
    users = f"{plane.service}/users"
    status = (await answers(plane, header, [("GET", f"{users}/{name}{path}")]))[0].status
    assert status == found or (found == 403 and status == 404)  # two dots are a name like any other, which nobody has
    calls = [
        f"{users}/blocked",
        f"{users}%2Fme",
        f"{users}/me%2F..%2Fblocked",
        f"{users}/{name}2",
        users,
        f"{users}//me",
    ]
    got = await answers(plane, header, [("GET", each) for each in calls])
    assert all(each.status in (401, 403) for each in got), [each.status for each in got]


async def test_the_feed_and_the_open_routes(plane: Plane, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    callers = await outsiders(plane, agent, monkeypatch)
    callers |= {"operator": f"Bearer {TOKEN}", "reader": f"Bearer {await bearer(plane, 'reader')}"}
    for rule, path in ROUTES.values():
        for who, header in callers.items():
            for method, answer in zip(
                METHODS, await answers(plane, header, [(each, path) for each in METHODS]), strict=True
            ):
                place = f"{who} {method} {path}: {answer.status}"
                assert answer.status < 500, place
                if rule == FEED:
                    assert (answer.status < 400) <= (who == "a gateway"), place
                if rule == SIGNED_IN:
                    assert (answer.status < 400) <= (who in ("operator", "reader")), place
                if rule == OPEN:
                    assert answer.status == 200 or method not in READING or path not in ("/health",), place


async def test_a_signature_reaches_nothing_of_another_service(plane: Plane, agent: Agent) -> None:
    """Neither by a path, nor by an id within a document."""
    key = (await plane.call("POST", "/tenant/access/listSecrets")).body["primaryKey"]
    header = signature(key, datetime.timedelta(hours=1))
    far = plane.service.replace("/passerelle", "/far")
    calls = [(method, path) for method, path in administered(far) if path.lower().startswith(far.lower())]
    calls += [("GET", path.replace("/service/", "//service/")) for path in (plane.service, far)]
    got = await answers(plane, header, calls[::5])
    assert {each.status for each in got} == {401}
    secret = f"{far}/apis/echo"
    documents = {
        "/subscriptions/s": {"displayName": "s", "scope": secret},
        "/products/starter/apiLinks/l": {"apiId": secret},
        "/tags/t/apiLinks/l": {"apiId": secret},
        "/apis/mine": {"displayName": "m", "path": "m", "apiVersionSetId": f"{far}/apiVersionSets/v"},
        "/apis/mine2": {"displayName": "m", "path": "m2", "sourceApiId": secret},
        "/apis/echo/diagnostics/applicationinsights": {"loggerId": f"{far}/loggers/l"},
        "/apis/echo/releases/r": {"apiId": secret},
    }
    await plane.put("/tags/t", {"displayName": "t"})
    plane.headers = {"Authorization": header}
    for id, properties in documents.items():
        reply = await plane.call("PUT", id, properties)
        assert reply.status in (400, 404), (id, reply.body)
    asked = {"apiId": secret, "purposes": ["tracing"]}
    assert (await plane.call("POST", "/gateways/gw/listDebugCredentials", body=asked)).status == 400


async def test_what_is_told_of_the_time_is_not_the_token(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token is compared whole, wherever it is wrong."""
    compared: list[tuple[bytes, bytes]] = []

    def compare(left: bytes, right: bytes) -> bool:
        compared.append((left, right))
        return left == right

    monkeypatch.setattr(hmac, "compare_digest", compare)
    known = access.Access(plane.store, TOKEN)
    for token in ("x" * len(TOKEN), TOKEN[:-1] + "x", TOKEN):
        compared.clear()
        assert (known.role(f"Bearer {token}", "") is None) == (token != TOKEN)
        assert (token.encode(), TOKEN.encode()) in compared


def test_what_is_computed_is_named_here() -> None:
    """`live.py` tells at its head what it takes; each of those is tried above."""
    told = {
        line.split("{service}/")[1].split("[")[0] for line in (live.__doc__ or "").splitlines() if "{service}/" in line
    }
    words = {each.split("/")[0].split(" ")[0].rstrip(",") for each in told}
    assert words
    assert words <= {each.split("/")[1] for each in COMPUTED}


QUERIES = (
    *(
        "",
        "cursor=",
        "cursor=-1",
        "cursor=%00",
        "cursor=%D9%A3",
        "cursor=1&cursor=2",
        "dataset=%00",
        "dataset=%ff&cursor=1",
    ),
    *(
        "$filter=%00",
        "$filter=(((((",
        "$filter=name%20eq%20'",
        "$top=%D9%A3",
        "$skip=1e9",
        "$orderby=%00",
        "%00=%00",
        "a=%",
    ),
    *("api-version=%00", "from=%00&to=1", "interval=%ff", "export=true&format=%00", "asyncCode=204&asyncId=%00"),
)
CONTENTS = (b"", b"[", b"{}", b'{"properties": 7}', b"\x00", b"\xff\xfe", b'{"a":' * 5_000, b"grant_type=%ff&a=b&a=c")


async def test_no_request_breaks_a_route(plane: Plane, agent: Agent) -> None:
    """Odd names, queries and bodies at every route, by who is let in: what is answered is no failure of ours."""
    draw = random.Random(11)
    paths = [path for _, path in ROUTES.values()] + [
        path for method, path in administered(plane.service) if method == "GET"
    ]
    calls: dict[bytes, list[tuple[str, str]]] = {content: [] for content in CONTENTS}
    for _ in range(2_000):
        path = draw.choice(paths)
        parts = path.split("/")
        if draw.random() < 0.6:
            parts[draw.randrange(1, len(parts))] = draw.choice(SEGMENTS)
        method = draw.choice(METHODS[:-3]) if path != plane.service else "GET"
        if method != "DELETE":
            calls[draw.choice(CONTENTS)].append((method, f"{'/'.join(parts) or '/'}?{draw.choice(QUERIES)}"))
    for content, some in calls.items():
        feed = [(method, path) for method, path in some if "/gateways/" in path and "/providers/" not in path]
        for header, tried in ((f"GatewayKey {agent.token}", feed), (f"Bearer {TOKEN}", some)):
            for call, answer in zip(tried, await answers(plane, header, tried, content), strict=True):
                assert answer.status < 500, (call, content[:40], answer.status, answer.body[:300])
                assert b"Traceback" not in answer.body
