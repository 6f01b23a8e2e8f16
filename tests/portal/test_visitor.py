"""Users follow a link that the plane signed: who they are then, and for how long."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import TestClient

from portal import session, visits
from tests.portal.fake_plane import ANN, TOKEN, FakePlane


async def follow(client: TestClient, token: str = "good&token=") -> str:
    """The cookie that a link gives."""
    response = await client.get("/signin-sso", params={"token": token}, allow_redirects=False)
    assert response.status == 303
    assert response.headers["Location"] == "/profile"
    client.session.cookie_jar.clear()
    cookie = response.cookies[session.VISIT]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    return cookie.value


async def test_a_link_signs_in(client: TestClient, plane: FakePlane) -> None:
    cookies = {session.VISIT: await follow(client)}
    for path in ("/profile", "/", "/products"):
        response = await client.get(path, cookies=cookies)
        assert response.status == 200
        assert "Ann &lt;O&#39;Hara&gt;" in await response.text()
    profile = await (await client.get("/profile", cookies=cookies)).text()
    for shown in ("ann@example.com", "Developers", "Mine", "active"):
        assert shown in profile
    assert "Ann" not in await (await client.get("/")).text()
    visit = session.read_visit(cookies[session.VISIT], TOKEN)
    assert visit is not None
    out = await client.post("/sign-out", data={"csrf": visit.csrf}, cookies=cookies, allow_redirects=False)
    assert out.cookies[session.VISIT].value == ""


@pytest.mark.parametrize("token", ["", "used", "x" * 5000])
async def test_a_link_that_is_none(client: TestClient, token: str) -> None:
    response = await client.get("/signin-sso", params={"token": token}, allow_redirects=False)
    assert response.status == 403
    assert session.VISIT not in response.cookies
    assert "Ask for a new one" in await response.text()


async def is_nobody(client: TestClient, cookies: dict[str, str]) -> bool:
    response = await client.get("/profile", cookies=cookies, allow_redirects=False)
    return response.status == 303 and response.headers["Location"] == "/sign-in?back=/profile"


async def test_nobody_is_signed_in(client: TestClient) -> None:
    assert await is_nobody(client, {})
    for forged in ("", "9999999999.YW5u.00", session.begin("an-admin-token"), session.begin_visit("another", "ann")):
        assert await is_nobody(client, {session.VISIT: forged})


async def test_a_user_who_is_blocked_or_gone_is_nobody(
    client: TestClient, plane: FakePlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visits, "FRESH", 0.0)
    cookies = {session.VISIT: await follow(client)}
    assert not await is_nobody(client, cookies)
    plane.user = {**ANN, "properties": {**ANN["properties"], "state": "blocked"}}
    assert await is_nobody(client, cookies)
    plane.user = None
    assert await is_nobody(client, cookies)
    assert (await client.get("/", cookies=cookies)).status == 200


def test_a_visit_ends() -> None:
    cookie = session.begin_visit("key", "ann", now=1000.0)
    visit = session.read_visit(cookie, "key", now=1000.0 + session.VISIT_LIFETIME - 1)
    assert visit is not None
    assert visit.user == "ann"
    assert session.read_visit(cookie, "key", now=1000.0 + session.VISIT_LIFETIME) is None
    assert session.read_visit(cookie, "", now=1000.0) is None
    assert session.read(cookie, "key", now=1000.0) is None, "it opens no console"
    assert session.begin_visit("key", "ann", now=1000.0) != cookie, "no two sessions are the same"
