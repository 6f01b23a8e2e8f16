"""Tokens of the plane: the admin's, the token endpoint's, and signatures of a service's tenant access."""

from __future__ import annotations

import datetime
import urllib.parse
from typing import Any

import pytest

from management import access
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


async def test_tokens_end(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "LIFE", -1)
    token = (await _token(plane))["access_token"]
    assert await _status(plane, f"Bearer {token}") == 401


async def test_who_gets_no_token(plane: Plane) -> None:
    assert (await _token(plane, 401, client_secret="wrong"))["error"] == "invalid_client"
    assert (await _token(plane, 401, grant_type="password"))["error"] == "unsupported_grant_type"


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
