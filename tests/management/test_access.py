"""Tokens of the plane: the admin's, the token endpoint's, and signatures of a service's tenant access."""

from __future__ import annotations

import base64
import datetime
import hmac
import json
import time
import urllib.parse
from typing import Any

import pytest

from management import access, guesses
from management.keys import shared_access
from tests.management.conftest import TOKEN, Plane


async def _token(plane: Plane, status: int = 200, **form: str) -> dict[str, Any]:
    url = plane.server.make_url("/adfs/oauth2/token")
    whole = {"grant_type": "client_credentials", "client_id": "app", "client_secret": TOKEN, **form}
    async with plane.session.post(url, data=whole) as response:
        assert response.status == status
        found: dict[str, Any] = await response.json()
        return found


async def _status(plane: Plane, header: str, method: str = "GET", id: str = "/tags", **more: Any) -> int:
    plane.headers = {"Authorization": header}
    return (await plane.call(method, id, **more)).status


async def test_tokens_of_the_endpoint(plane: Plane) -> None:
    token = (await _token(plane))["access_token"]
    assert await _status(plane, f"Bearer {token}", "PUT", "/tags/t", properties={"displayName": "t"}) == 201
    reader = (await _token(plane, client_id="reader"))["access_token"]
    assert await _status(plane, f"Bearer {reader}") == 200
    assert await _status(plane, f"Bearer {reader}", "DELETE", "/tags/t") == 403
    assert await _status(plane, f"Bearer {reader}", "POST", "/subscriptions/master/listSecrets") == 403
    assert await _status(plane, f"Bearer {token[:-2]}xx") == 401
    head, claims, signature = token.split(".")
    assert await _status(plane, f"Bearer {head}.{claims}A.{signature}") == 401


# every action that tells a secret, or changes one; and writing of every kind
FORBIDDEN_TO_READERS = (
    ("POST", "/subscriptions/master/listSecrets"),
    ("POST", "/subscriptions/master/regeneratePrimaryKey"),
    ("POST", "/namedValues/nv/listValue"),
    ("POST", "/gateways/gw/listKeys"),
    ("POST", "/gateways/gw/generateToken"),
    ("POST", "/gateways/gw/listDebugCredentials"),
    ("POST", "/tenant/access/listSecrets"),
    ("POST", "/portalsettings/delegation/listSecrets"),
    ("POST", "/identityProviders/facebook/listSecrets"),
    ("POST", "/apply"),
    ("PUT", "/tags/t"),
    ("PATCH", "/namedValues/nv"),
    ("DELETE", "/namedValues/nv"),
    ("DELETE", ""),
)


@pytest.mark.parametrize(("method", "id"), FORBIDDEN_TO_READERS)
async def test_what_readers_may_not(plane: Plane, method: str, id: str) -> None:
    await plane.put("/namedValues/nv", {"displayName": "nv", "value": "hush", "secret": True})
    await plane.put("/gateways/gw")
    reader = (await _token(plane, client_id="reader"))["access_token"]
    plane.headers = {"Authorization": f"Bearer {reader}"}
    reply = await plane.call(method, id, {})
    assert (reply.status, reply.error()["code"]) == (403, "AuthorizationFailed")
    # a method that the plane does not look at is no way around it
    plane.headers["X-HTTP-Method-Override"] = method
    assert (await plane.call("GET", "/namedValues/nv")).status == 200
    shown = json.dumps(await plane.get("/namedValues")) + json.dumps(await plane.get("/namedValues/nv"))
    assert "hush" not in shown


def _forged(claims: dict[str, Any], key: bytes, algorithm: str = "HS256") -> str:
    def part(document: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")

    head = f"{part({'typ': 'JWT', 'alg': algorithm})}.{part(claims)}"
    signature = hmac.digest(key, head.encode(), "sha256") if key else b""
    return f"{head}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


async def test_forged_tokens(plane: Plane) -> None:
    claims = {"role": "contributor", "exp": int(time.time()) + 1000}
    good = (await _token(plane))["access_token"]
    reader = (await _token(plane, client_id="reader"))["access_token"]
    head, _, signature = good.split(".")
    for token in (
        _forged(claims, b"", "none"),
        _forged(claims, b"secret"),
        _forged(claims, TOKEN.encode()),
        f"{head}.{_forged(claims, b'').split('.')[1]}.{signature}",
        f"{reader.rsplit('.', 1)[0]}.{signature}",
        f"{good}.{signature}",
        good[:-1],
        good + "=",
        f"{head}..{signature}",
        "..",
        ".",
        "",
        TOKEN[:-1],
        TOKEN + "x",
        TOKEN.upper(),
        "x" * 5000,
        "\u00e9",
    ):
        assert await _status(plane, f"Bearer {token}") == 401, token
    for header in (f"Basic {TOKEN}", TOKEN, f"bearer{TOKEN}", f"GatewayKey {TOKEN}", f"Digest {TOKEN}", ""):
        assert await _status(plane, header) == 401, header
    assert await _status(plane, f"bearer   {TOKEN}") == 200


async def test_signatures_are_good_for_their_service_only(plane: Plane) -> None:
    key = (await plane.call("POST", "/tenant/access/listSecrets")).body["primaryKey"]
    assert (await plane.call("PATCH", "/tenant/access", {"enabled": True})).status == 200
    other = plane.service.replace("/passerelle", "/other")
    body = {"location": "x", "sku": {"name": "Developer", "capacity": 1}}
    reply = await plane.call(
        "PUT",
        f"{plane.server.make_url('/')}".rstrip("/") + other,
        body={**body, "properties": {"publisherEmail": "a@example.com", "publisherName": "a"}},
    )
    assert reply.status == 201
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    sign = shared_access(f"integration\n{soon:%Y-%m-%dT%H:%M}:00.0000000Z", key)
    header = f"SharedAccessSignature integration&{soon:%Y%m%d%H%M}&{sign}"
    assert await _status(plane, header) == 200
    plane.service = other
    assert await _status(plane, header) == 401


async def test_tokens_end(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "LIFE", -1)
    token = (await _token(plane))["access_token"]
    assert await _status(plane, f"Bearer {token}") == 401


async def test_who_gets_no_token(plane: Plane) -> None:
    assert (await _token(plane, 401, client_secret="wrong"))["error"] == "invalid_client"
    assert (await _token(plane, 400, grant_type="password"))["error"] == "unsupported_grant_type"


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("application/x-www-form-urlencoded", b""),
        ("application/x-www-form-urlencoded", b"grant_type=client_credentials&client_secret=%ff%fe"),
        ("application/x-www-form-urlencoded", b"\xff=\xfe"),
        ("application/x-www-form-urlencoded", b"client_secret=x" * 5000),
        ("application/x-www-form-urlencoded", b"&".join(b"a%d=b" % n for n in range(100))),
        (
            "application/x-www-form-urlencoded",
            f"grant_type=client_credentials&client_secret=x&client_secret={TOKEN}".encode(),
        ),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\nc\r\n--x--",
        ),
        ("application/json", b'{"grant_type": "client_credentials"}'),
        ("", b"grant_type=client_credentials"),
    ],
)
async def test_hostile_requests_for_a_token(plane: Plane, kind: str, content: bytes) -> None:
    url = plane.server.make_url("/adfs/oauth2/token")
    async with plane.session.post(url, data=content, headers={"Content-Type": kind}) as response:
        assert response.status in (400, 401)
        found = await response.json()
        assert set(found) == {"error", "error_description"}
        assert TOKEN not in json.dumps(found)


async def test_guessing_is_bounded(plane: Plane) -> None:
    for _ in range(guesses.MOST):
        await _token(plane, 401, client_secret="wrong")
    assert (await _token(plane, 429))["error"] == "slow_down"  # not even the right one is compared
    assert await _status(plane, f"Bearer {TOKEN}") == 200  # who has a token already does not notice


def test_guesses_are_forgotten() -> None:
    now = 0.0
    known = guesses.Guesses(lambda: now)
    for _ in range(guesses.MOST + 5):
        known.failed("a")
    assert known.wait("a") > 0
    assert known.wait("b") == 0
    now = 61.0
    assert known.wait("a") == 0
    for number in range(guesses.KNOWN * 2):
        known.failed(str(number))
    assert len(known._failures) == guesses.KNOWN


@pytest.mark.parametrize("spelling", ["short", "long"])
async def test_shared_access_signatures(plane: Plane, spelling: str) -> None:
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)

    def header(key: str, moment: datetime.datetime = soon) -> str:
        form = f"{moment:%Y-%m-%dT%H:%M}:00.0000000Z"
        sign = shared_access(f"integration\n{form}", key)
        if spelling == "short":
            return f"SharedAccessSignature integration&{moment:%Y%m%d%H%M}&{sign}"
        return f"SharedAccessSignature uid=integration&ex={form}&sn={urllib.parse.quote(sign, safe='')}"

    keys = (await plane.call("POST", "/tenant/access/listSecrets")).body
    key = keys["primaryKey"]
    admin = plane.headers
    assert await _status(plane, header(key)) == 401  # not enabled
    plane.headers = admin
    assert (await plane.call("PATCH", "/tenant/access", {"enabled": True})).status == 200
    assert await _status(plane, header(key), "PUT", "/tags/t", properties={"displayName": "t"}) == 201
    assert await _status(plane, header(keys["secondaryKey"])) == 200
    assert await _status(plane, header("another")) == 401
    assert await _status(plane, header(key, soon - datetime.timedelta(hours=2))) == 401
    for wild in ("SharedAccessSignature ", "SharedAccessSignature uid=x", "SharedAccessSignature a&209999999999&x"):
        assert await _status(plane, wild) == 401
    plane.headers = admin
    assert (await plane.call("POST", "/tenant/access/regeneratePrimaryKey")).status == 204
    assert await _status(plane, header(key)) == 401


async def test_what_a_cloud_tells(plane: Plane) -> None:
    async def get(path: str, header: str = "") -> Any:
        url = plane.server.make_url(path)
        async with plane.session.get(url, headers={"Authorization": header}) as response:
            return await response.json() if response.status == 200 else response.status

    base = str(plane.server.make_url("/")).rstrip("/")
    assert (await get("/metadata/endpoints"))["authentication"]["loginEndpoint"] == f"{base}/adfs"
    for path in ("/adfs/v2.0", "/adfs", ""):
        found = await get(f"{path}/.well-known/openid-configuration")
        assert found["token_endpoint"] == f"{base}/adfs/oauth2/token"
    assert await get("/subscriptions") == 401
    listed = await get("/subscriptions", f"Bearer {TOKEN}")
    assert [each["subscriptionId"] for each in listed["value"]] == ["00000000-0000-0000-0000-000000000000"]
    assert (await get("/tenants", f"Bearer {TOKEN}"))["value"][0]["tenantId"] == "adfs"
