"""The operator's pages: nobody else gets in, forms need their token, and what is shown is the plane's."""

from __future__ import annotations

import re

import pytest
from aiohttp.test_utils import TestClient

from portal import session
from tests.portal.fake_plane import SECRET, TOKEN, FakePlane

PAGES = [
    "/console",
    "/console/apis",
    "/console/apis/shop%3Brev%3D1",
    "/console/products",
    "/console/subscriptions",
    "/console/subscriptions/mine",
    "/console/activity",
    "/console/requests",
    "/console/requests/r1",
    "/console/requests/r2",
]


@pytest.fixture
def cookie() -> dict[str, str]:
    return {session.COOKIE: session.begin(TOKEN)}


def csrf(cookie: dict[str, str]) -> str:
    current = session.read(cookie[session.COOKIE], TOKEN)
    assert current is not None
    return current.csrf


@pytest.mark.parametrize("path", PAGES)
async def test_nobody_gets_in_without_signing_in(client: TestClient, plane: FakePlane, path: str) -> None:
    await client.get("/")  # the catalogue, which is read when the portal starts
    plane.calls.clear()
    for value in ("", "x", session.begin("another token"), session.begin(TOKEN, now=0)):
        response = await client.get(path, cookies={session.COOKIE: value}, allow_redirects=False)
        assert response.status == 303
        assert re.fullmatch(r"/console/sign-in(\?next=.*)?", response.headers["Location"])
    assert plane.calls == []


@pytest.mark.parametrize("path", PAGES)
async def test_the_operator_gets_in(client: TestClient, cookie: dict[str, str], path: str) -> None:
    response = await client.get(path, cookies=cookie)
    assert response.status == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert "Sign out" in await response.text()


async def test_signing_in(client: TestClient) -> None:
    wrong = await client.post("/console/sign-in", data={"token": "guess"}, allow_redirects=False)
    assert wrong.status == 403
    assert "Set-Cookie" not in wrong.headers
    right = await client.post("/console/sign-in", data={"token": f" {TOKEN}\n"}, allow_redirects=False)
    assert right.status == 303
    written = right.headers["Set-Cookie"]
    for attribute in ("HttpOnly", "SameSite=Strict", "Path=/console", "Max-Age=28800"):
        assert attribute in written
    assert TOKEN not in written


async def test_gateways_and_their_instances(client: TestClient, plane: FakePlane, cookie: dict[str, str]) -> None:
    plane.page = 50
    body = await (await client.get("/console", cookies=cookie)).text()
    for words in (
        "agent-1",
        "silent",
        "57",
        "car-1",
        "/apis/x, line 4",
        "No &lt;x&gt;",
        "The backup is not written",
        "disk full",
    ):
        assert words in body
    assert "No agent of this gateway has reported yet" in body
    assert body.index("The backup is not written") < body.index("<table>")  # what is wrong comes first


async def test_a_configuration_that_shrank_is_accepted_by_a_form(
    client: TestClient, plane: FakePlane, cookie: dict[str, str]
) -> None:
    body = await (await client.get("/console", cookies=cookie)).text()
    assert body.count("Accept the smaller configuration") == 1
    path = "/console/gateways/home/accept"
    assert (await client.post(path, data={"csrf": "x"}, cookies=cookie)).status == 403
    assert not any(call.startswith("POST") for call in plane.calls)
    answer = await client.post(path, data={"csrf": csrf(cookie)}, cookies=cookie, allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/console")
    assert "POST /gateways/home/acceptConfiguration" in plane.calls


async def test_keys_are_shown_and_made_anew_only_by_a_form(
    client: TestClient, plane: FakePlane, cookie: dict[str, str]
) -> None:
    assert SECRET not in await (await client.get("/console/subscriptions/mine", cookies=cookie)).text()
    for data in ({}, {"csrf": "x"}, {"csrf": csrf({session.COOKIE: session.begin(TOKEN)})}):
        for action in ("keys", "regenerate"):
            refused = await client.post(f"/console/subscriptions/mine/{action}", data=data, cookies=cookie)
            assert refused.status == 403
    assert not any(call.startswith("POST") for call in plane.calls)
    data = {"csrf": csrf(cookie), "key": "primary"}
    assert SECRET in await (await client.post("/console/subscriptions/mine/keys", data=data, cookies=cookie)).text()
    asked = await client.get("/console/subscriptions/mine/regenerate?key=primary", cookies=cookie)
    again = await client.post("/console/subscriptions/mine/regenerate", data=data, cookies=cookie)
    assert "Make a new primary key" in await asked.text()
    assert "Make a new primary key" in await again.text()
    assert "POST /subscriptions/mine/regeneratePrimaryKey" not in plane.calls
    sure = {**data, "sure": "yes"}
    made = await client.post("/console/subscriptions/mine/regenerate", data=sure, cookies=cookie)
    assert made.status == 200
    assert "POST /subscriptions/mine/regeneratePrimaryKey" in plane.calls
    unknown = {"csrf": csrf(cookie), "key": "third"}
    assert (await client.post("/console/subscriptions/mine/regenerate", data=unknown, cookies=cookie)).status == 400


async def test_every_form_that_posts_carries_the_token(client: TestClient, cookie: dict[str, str]) -> None:
    for path in PAGES:
        body = await (await client.get(path, cookies=cookie)).text()
        forms = re.findall(r"<form[^>]*method=\"post\".*?</form>", body, re.DOTALL)
        assert forms, path
        assert all(f'name="csrf" value="{csrf(cookie)}"' in form for form in forms)


async def test_signing_out(client: TestClient, cookie: dict[str, str]) -> None:
    response = await client.post(
        "/console/sign-out", data={"csrf": csrf(cookie)}, cookies=cookie, allow_redirects=False
    )
    assert response.status == 303
    assert "Max-Age=0" in response.headers["Set-Cookie"]


async def test_a_body_is_bounded(client: TestClient) -> None:
    response = await client.post("/console/sign-in", data={"token": "x" * 100_000})
    assert response.status == 413
