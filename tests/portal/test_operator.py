"""The operator console in front of a real plane: what is changed through it is changed there, and nothing is lost."""

from __future__ import annotations

import io
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import FormData
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from management.app import make_app
from management.provision import DEFAULT_SERVICE, ensure_default
from management.store import Store
from management.vault import Vault
from portal import session
from portal.page import PLANE
from portal.plane import Plane
from portal.settings import Settings
from portal.web import application
from tests.management.databases import store_url
from tests.portal.test_accessibility import Page

TOKEN = "an-admin-token"
DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "Tea <house>", "version": "1"},
    "servers": [{"url": "https://tea.example"}],
    "paths": {
        "/teas": {"get": {"operationId": "list", "responses": {"200": {"description": "ok"}}}},
        "/teas/{id}": {
            "post": {
                "operationId": "order",
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                "responses": {"200": {"description": "ok"}},
            }
        },
    },
}
POLICY = "<policies>\n    <inbound>\n        <base />{}\n    </inbound>\n</policies>\n"
PAGES = [
    "/console",
    "/console/apis",
    "/console/apis?q=tea",
    "/console/apis/tea",
    "/console/apis/tea/operations/list/effective",
    "/console/import",
    "/console/policies",
    "/console/policy",
    "/console/policy?scope=/apis/tea",
    "/console/policy?scope=/apis/tea/operations/list",
    "/console/policy?scope=/policyFragments/fresh",
    "/console/debugger",
    "/console/debugger?api=tea",
    "/console/debugger?api=nobody",
    "/console/revisions",
    "/console/revisions/3",
    "/console/revisions/3?view=side",
    "/console/revisions/2/rollback",
    "/console/activity",
    "/console/requests",
]


@dataclass
class Console:
    """A browser that is signed in. `plane` speaks to the plane beside it; `server` can be stopped."""

    client: TestClient
    plane: Plane
    server: TestServer
    cookies: dict[str, str]

    @property
    def csrf(self) -> str:
        current = session.read(self.cookies[session.COOKIE], TOKEN)
        assert current is not None
        return current.csrf

    async def get(self, path: str, status: int = 200) -> str:
        response = await self.client.get(path, cookies=self.cookies, allow_redirects=False)
        assert response.status == status, (path, response.status)
        return await response.text()

    async def post(self, page: str, /, *, script: bool = False, **fields: str) -> tuple[int, str, str]:
        """(status, body, location)."""
        headers = {"Accept": "application/json"} if script else {}
        data = io.BytesIO(urlencode({"csrf": self.csrf, **fields}).encode())
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        response = await self.client.post(page, data=data, cookies=self.cookies, headers=headers, allow_redirects=False)
        return response.status, await response.text(), response.headers.get("Location", "")

    async def save(self, text: str, tag: str, scope: str = "", do: str = "save") -> dict[str, Any]:
        """As the editor's script does."""
        _, body, _ = await self.post("/console/policy", script=True, scope=scope, text=text, tag=tag, do=do)
        found: dict[str, Any] = json.loads(body)
        return found

    async def newest(self) -> int:
        rows, _ = await self.plane.page("/revisions", 1, 1)
        return int(rows[0]["revision"])


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[Console]:
    store = Store.open(store_url(tmp_path), Vault.open(tmp_path / "store.key"))
    ensure_default(store, DEFAULT_SERVICE)
    token = tmp_path / "admin.token"
    token.write_text(TOKEN)
    server = TestServer(make_app(store, TOKEN))
    await server.start_server()
    settings = Settings(
        plane=str(server.make_url("")).rstrip("/"),
        token_file=token,
        service=DEFAULT_SERVICE,
        gateways=("http://127.0.0.1:9",),
        tried=("http://127.0.0.1:9",),
    )
    app = application(settings)
    async with TestClient(TestServer(app)) as client:
        yield Console(client, app[PLANE], server, {session.COOKIE: session.begin(TOKEN), "passerelle-operator": "Ann"})
    await server.close()
    store.close()


@pytest.fixture
async def tea(console: Console) -> Console:
    await console.plane.put("/gateways/home", {"description": "here"})
    await console.plane.put("/apis/tea", {"format": "openapi+json", "value": json.dumps(DOCUMENT), "path": "tea"})
    return console


def tag_of(page: str) -> str:
    found = re.search(r'name="tag" value="([^"]*)"', page)
    assert found is not None
    return unescape(found[1])


async def test_every_page_is_whole_and_can_be_used_by_everybody(tea: Console) -> None:
    for path in PAGES:
        response = await tea.client.get(path, cookies=tea.cookies)
        assert response.status == 200, path
        page = Page(await response.text())
        assert page.open == [], path
        assert len(page.all("h1")) == len(page.all("main")) == 1, path
        ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
        assert len(ids) == len(set(ids)), path
        labelled = {label.get("for") for label in page.all("label")}
        boxes = ("hidden", "checkbox", "radio")
        fields = [each for each in page.all("input") if each.get("type") not in boxes]
        fields += page.all("textarea") + page.all("select")
        assert {field.get("id") for field in fields} <= labelled, path
        assert not any("style" in attributes for _, attributes in page.tags), path
        assert all(attributes.get("src") for attributes in page.all("script")), path
        assert "script-src 'self'" in response.headers["Content-Security-Policy"]


async def test_nobody_else_gets_in(tea: Console) -> None:
    before = await tea.newest()
    for path in PAGES:
        response = await tea.client.get(path, allow_redirects=False)
        assert response.status == 303
        assert response.headers["Location"].startswith("/console/sign-in")
    for path in ("/console/policy", "/console/import", "/console/debugger", "/console/revisions/2/rollback"):
        for cookies in ({}, tea.cookies):
            response = await tea.client.post(path, data={"csrf": "x"}, cookies=cookies, allow_redirects=False)
            assert response.status == (403 if cookies else 303)
    asked = await tea.client.post("/console/policy", headers={"Accept": "application/json"})
    assert asked.status == 401
    assert await tea.newest() == before


async def test_the_sign_in_leads_to_where_one_wanted_to_go(console: Console) -> None:
    response = await console.client.get("/console/policy?scope=/apis/tea", allow_redirects=False)
    assert URL(response.headers["Location"]).query["next"] == "/console/policy?scope=/apis/tea"
    for wanted, led in (
        ("/console/policy?scope=/apis/tea", "/console/policy?scope=/apis/tea"),
        ("//evil.example", "/console"),
        ("https://evil.example/console", "/console"),
        ("/console//evil.example", "/console"),
        ("/consoles", "/console"),
        ("/console\\evil", "/console"),
        ("", "/console"),
    ):
        data = {"token": TOKEN, "next": wanted, "name": "Zoë"}
        response = await console.client.post("/console/sign-in", data=data, allow_redirects=False)
        assert (response.status, response.headers["Location"]) == (303, led)
        assert any(each.startswith("passerelle-operator=Zo%C3%AB") for each in response.headers.getall("Set-Cookie"))


async def test_who_signs_out_is_out(console: Console) -> None:
    await console.get("/console")
    await console.post("/console/sign-out")
    await console.get("/console", 303)


async def test_a_policy_is_checked_saved_and_told_of(tea: Console) -> None:
    tag = tag_of(await tea.get("/console/policy?scope=/apis/tea"))
    assert tag == "new"
    broken = POLICY.format("\n        <set-heder />")
    found = await tea.save(broken, tag, "/apis/tea", "check")
    assert [(each["line"], each["column"], each["severity"]) for each in found["issues"]] == [(4, 10, "error")]
    before = await tea.newest()
    refused = await tea.save(broken, tag, "/apis/tea")
    assert (refused["saved"], refused["issues"]) == (False, found["issues"])
    assert await tea.newest() == before
    saved = await tea.save(POLICY.format(""), tag, "/apis/tea")
    assert (saved["saved"], saved["revision"]) == (True, before + 1)
    rows, _ = await tea.plane.page("/revisions", 1, 1)
    assert (rows[0]["author"], rows[0]["client"]) == ("Ann", "passerelle-console")
    again = await tea.get("/console/policy?scope=/apis/tea")
    assert unescape(re.split(r"</?textarea[^>]*>", again)[1]).removeprefix("\n") == POLICY.format("")
    assert tag_of(again) == saved["tag"]


async def test_without_scripts_the_form_does_the_same(tea: Console) -> None:
    broken = POLICY.format("\n        <set-heder />").replace("\n", "\r\n")
    fields = {"scope": "/apis/tea", "text": broken, "tag": "new"}
    status, page, _ = await tea.post("/console/policy", **fields, do="save")
    assert status == 400
    assert "line 4, column 10" in page
    assert '<li id="L4" class="here">' in page
    assert "&lt;set-heder /&gt;" in page
    sound = {**fields, "text": POLICY.format("")}
    status, page, _ = await tea.post("/console/policy", **sound, do="check")
    assert (status, "It is sound" in page) == (200, True)
    status, _, location = await tea.post("/console/policy", **sound, do="save")
    assert (status, location) == (303, "/console/policy?scope=/apis/tea")
    tag = tag_of(await tea.get(location))
    status, _, _ = await tea.post("/console/policy", scope="/apis/tea", text="", tag=tag, do="delete")
    assert status == 303
    assert tag_of(await tea.get(location)) == "new"


async def test_who_saves_over_somebody_else_sees_the_difference_and_loses_nothing(tea: Console) -> None:
    tag = (await tea.save(POLICY.format(""), "new", "/apis/tea"))["tag"]
    theirs = POLICY.format("\n        <set-method>PUT</set-method>")
    await tea.plane.put("/apis/tea/policies/policy", {"format": "rawxml", "value": theirs})
    mine = POLICY.format("\n        <set-method>GET</set-method>")
    answer = await tea.save(mine, tag, "/apis/tea")
    assert answer["saved"] is False
    assert "<set-method>PUT</set-method>" in unescape(re.sub(r"<[^>]*>", "", answer["diff"]))
    assert "Somebody else" in answer["words"]
    held = await tea.plane.get("/apis/tea/policies/policy", format="rawxml")
    assert held["properties"]["value"] == theirs
    status, page, _ = await tea.post("/console/policy", scope="/apis/tea", text=mine, tag=tag, do="save")
    assert status == 409
    assert "&lt;set-method&gt;GET&lt;/set-method&gt;" in page
    assert tag_of(page) == answer["tag"]
    assert (await tea.save(mine, answer["tag"], "/apis/tea"))["saved"] is True
    # what two begin at once is a conflict, too
    assert (await tea.save(mine, "new", "/apis/tea"))["saved"] is False


async def test_the_text_outlives_a_plane_that_is_away(tea: Console) -> None:
    await tea.server.close()
    mine = POLICY.format("<!-- an hour of work -->")
    for do in ("check", "save"):
        status, page, _ = await tea.post("/console/policy", scope="/apis/tea", text=mine, tag='"1"', do=do)
        assert status == 503
        assert "&lt;!-- an hour of work --&gt;" in page
        assert "is away" in page
        assert tag_of(page) == '"1"'
    status, body, _ = await tea.post("/console/policy", script=True, scope="", text=mine, tag="new", do="check")
    assert (status, json.loads(body)["saved"]) == (503, False)
    page = await tea.get("/console/revisions", 503)
    assert "retry.js" in page


async def test_a_fragment_keeps_its_description(tea: Console) -> None:
    await tea.get("/console/policies/fragment?name=a/b", 303)
    made = await tea.save("<fragment>\n</fragment>", "new", "/policyFragments/shared")
    assert made["saved"]
    await tea.plane.put("/policyFragments/shared", {"value": "<fragment />", "description": "for all"})
    tag = tag_of(await tea.get("/console/policy?scope=/policyFragments/shared"))
    assert (await tea.save("<fragment><!-- x --></fragment>", tag, "/policyFragments/shared"))["saved"]
    held = await tea.plane.get("/policyFragments/shared")
    assert held["properties"]["description"] == "for all"
    assert "for all" in await tea.get("/console/policies")


@pytest.mark.parametrize(
    ("scope", "status"),
    [("/subscriptions/x", 400), ("/apis/a/b", 400), ("apis/a", 400), ("/apis/../x", 400), ("/apis/nobody", 404)],
)
async def test_a_scope_is_a_scope(tea: Console, scope: str, status: int) -> None:
    response = await tea.client.get("/console/policy", params={"scope": scope}, cookies=tea.cookies)
    assert response.status == status


async def test_what_runs_says_where_each_element_comes_from(tea: Console) -> None:
    await tea.save(POLICY.format("\n        <set-method>GET</set-method>"), "new", "/apis/tea")
    page = await tea.get("/console/apis/tea/operations/list/effective")
    assert "/console/policy?scope=/apis/tea#L4" in page
    assert "/apis/tea, line 4" in page
    assert "&lt;set-method&gt;GET&lt;/set-method&gt;" in page
    assert "&lt;forward-request" in page


async def test_a_revision_is_told_and_taken_back(tea: Console) -> None:
    secret = "sesame-open-the-door"
    await tea.save(POLICY.format("\n        <set-method>GET</set-method>"), "new", "/apis/tea")
    first = await tea.newest()
    await tea.plane.put("/namedValues/v", {"displayName": "v", "value": secret, "secret": True})
    await tea.plane.put("/namedValues/v", {"displayName": "v", "value": f"{secret}2", "secret": True})
    tag = tag_of(await tea.get("/console/policy?scope=/apis/tea"))
    last = (await tea.save(POLICY.format("\n        <set-method>PUT</set-method>"), tag, "/apis/tea"))["revision"]
    page = await tea.get("/console/revisions")
    assert "Ann" in page
    assert "/apis/tea/policies/policy" in page
    page = await tea.get(f"/console/revisions/{last}")
    words = unescape(re.sub(r"<[^>]*>", "", page))
    assert "removed:         <set-method>GET</set-method>" in words
    assert "added:         <set-method>PUT</set-method>" in words
    assert secret not in await tea.get(f"/console/revisions/{last - 1}")
    asked = await tea.get(f"/console/revisions/{first}/rollback")
    assert "2 resources change" in asked
    assert secret not in asked
    path = f"/console/revisions/{first}/rollback"
    status, page, _ = await tea.post(path, newest=str(last - 1))
    assert (status, "Meanwhile there is revision" in page) == (409, True)
    assert await tea.newest() == last
    status, _, location = await tea.post(path, newest=str(last))
    assert (status, location) == (303, f"/console/revisions/{last + 1}")
    held = await tea.plane.get("/apis/tea/policies/policy", format="rawxml")
    assert "GET" in held["properties"]["value"]
    assert f"went back to {first}" in await tea.get("/console/revisions")
    assert "there is nothing to go back from" in await tea.get(f"/console/revisions/{last + 1}/rollback", 400)
    await tea.get("/console/revisions/99999", 404)


async def upload(console: Console, name: str, content: bytes, /, **fields: str) -> tuple[int, str]:
    form = FormData({"csrf": console.csrf, **fields})
    form.add_field("file", io.BytesIO(content), filename=name)
    response = await console.client.post("/console/import", data=form, cookies=console.cookies)
    return response.status, unescape(await response.text())


async def test_an_empty_plane_says_what_to_do(console: Console) -> None:
    await console.plane.put("/gateways/home", {})
    assert "Drop an OpenAPI file here" in await console.get("/console")
    status, page = await upload(console, "tea_house.json", json.dumps(DOCUMENT).encode(), everywhere="yes")
    assert status == 200
    key = (await console.plane.post("/subscriptions/try-tea-house/listSecrets"))["primaryKey"]
    assert f"curl http://127.0.0.1:9/tea-house/teas \\\n  --header 'Ocp-Apim-Subscription-Key: {key}'" in page
    assert await console.plane.get("/gateways/home/apis/tea-house")
    assert "Drop an OpenAPI file here" not in await console.get("/console")
    assert key not in await console.get("/console/subscriptions/try-tea-house")


async def test_the_sample_answers_by_itself(console: Console) -> None:
    status, page, _ = await console.post("/console/import", sample="yes")
    assert status == 200
    assert "answered with the examples" in page
    policy = await console.plane.get("/apis/weather-sample/policies/policy", format="rawxml")
    assert "<mock-response" in policy["properties"]["value"]
    status, _, _ = await console.post("/console/import", sample="yes")
    assert status == 200


async def test_what_cannot_be_imported_is_told_with_its_place_and_nothing_is_lost(tea: Console) -> None:
    before = await tea.newest()
    status, page = await upload(tea, "bad.yaml", b"openapi: 3.0.3\ninfo:\n  title: x\n   version: 1\n")
    assert status == 400
    assert "line 4, column" in page
    assert 'class="here"><code>   version: 1' in page
    assert "title: x" in page.split('id="text"')[1]
    for name, content, words in (
        ("a.json", b"\xff\xfe\x00", "no text in UTF-8"),
        ("", b"", "Choose a file"),
        ("a.wsdl", b"<definitions/>", "passerelle import wsdl"),
        ("a.yaml", b"hello: world", "openapi"),
    ):
        status, page = await upload(tea, name, content)
        assert (status, words in page) == (400, True), page
    whole = json.dumps(DOCUMENT).encode()
    for fields, words in (
        ({"id": "a/b"}, "A name has letters"),
        ({"path": "a b"}, "A path has"),
        ({"backend": "url", "url": "ftp://x"}, "must start with http"),
        ({"id": "tea"}, "There is an API 'tea' already"),
    ):
        status, page = await upload(tea, "t.json", whole, **fields)
        assert (status, words in page) == (400, True), page
    assert await tea.newest() == before
    status, page = await upload(tea, "t.json", whole, id="tea", again="yes", path="tea")
    assert status == 200, page


async def test_what_is_too_large_is_refused(tea: Console) -> None:
    status, _ = await upload(tea, "t.json", b"x" * (17 * 1024 * 1024))
    assert status == 413
    status, _, _ = await tea.post("/console/policy", text="x" * (3 * 1024 * 1024))
    assert status == 413


async def test_the_debugger_offers_what_the_operation_takes(tea: Console) -> None:
    await tea.plane.put("/subscriptions/mine", {"displayName": "Mine", "scope": "/apis/tea", "state": "active"})
    page = await tea.get("/console/debugger?api=tea&operation=order")
    assert 'value="/tea/teas/{id}"' in page
    assert 'name="p.id"' in page
    assert '<option value="mine" selected>' in page
    fields = {
        "api": "tea",
        "operation": "order",
        "path": "/tea/teas/{id}",
        "p.id": "a b/c",
        "method": "POST",
        "key": "mine",
    }
    status, page, _ = await tea.post("/console/debugger", **fields)
    assert status == 200
    assert "POST /tea/teas/a%20b%2Fc" in page
    assert "does not answer" in page
    key = (await tea.plane.post("/subscriptions/mine/listSecrets"))["primaryKey"]
    assert key not in page
    for wrong, words in (
        ({"headers": "no header"}, "Line 1 of the headers"),
        ({"headers": "Content-Length: 3"}, "leave it out"),
        ({"path": "/tea/ä"}, "%XX"),
        ({"method": "G T"}, "The method is none"),
    ):
        _, page, _ = await tea.post("/console/debugger", **{**fields, **wrong})
        assert words in page
    await tea.get("/console/traces/" + "0" * 32, 404)


async def test_how_far_a_revision_has_come(tea: Console) -> None:
    assert json.loads(await tea.get("/console/live?revision=3")) == {"holding": 0, "sidecars": 0}
    assert json.loads(await tea.get("/console/live?revision=x")) == {"holding": 0, "sidecars": 0}
