"""Small parts of the portal by themselves: limits, outlines of schemas, bars, delegation, settings."""

from __future__ import annotations

import base64
import hashlib
import hmac
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from portal.delegation import signature
from portal.limits import Limit, client
from portal.outline import DEEPEST, MOST, outline
from portal.page import SETTINGS
from portal.plain import description_of
from portal.settings import SettingRefused, Settings
from portal.stock import News
from portal.usage import Line, bars, span_of
from portal.visits import local


def test_a_limit_is_of_a_window() -> None:
    now = 0.0
    limit = Limit(3, 10.0, lambda: now)
    for _ in range(3):
        assert limit.wait("a") == 0
        limit.note("a")
    assert limit.wait("a") == 11
    assert limit.wait("b") == 0
    now = 10.5
    assert limit.wait("a") == 0


@pytest.mark.parametrize(
    ("proxies", "told", "expected"),
    [
        (0, "6.6.6.6", ""),
        (1, "6.6.6.6, 1.1.1.1", "1.1.1.1"),
        (2, "6.6.6.6, 1.1.1.1, 2.2.2.2", "1.1.1.1"),
        (2, "1.1.1.1", ""),
    ],
)
def test_whose_word_about_an_address_is_taken(proxies: int, told: str, expected: str) -> None:
    app = web.Application()
    app[SETTINGS] = Settings(proxies=proxies)
    request = make_mocked_request("GET", "/", headers={"X-Forwarded-For": told}, app=app)
    assert client(request) == (expected or request.remote or "")


def test_an_outline_ends() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Node"}, "v": {"type": "integer"}}}
    rows = outline("Node", {"Node": node})
    assert [(row.name, row.type) for row in rows] == [("next", "Node"), ("v", "integer")]
    ring = {f"S{n}": {"properties": {"a": {"$ref": f"#/components/schemas/S{(n + 1) % 9}"}}} for n in range(9)}
    assert max(row.depth for row in outline("S0", ring)) == DEEPEST - 1
    wide = {"W": {"properties": {f"p{n}": {"type": "string"} for n in range(1000)}}}
    assert len(outline("W", wide)) == MOST
    loop = {"L": {"$ref": "#/components/schemas/L"}}
    assert outline("L", loop) == outline("none", {}) == []
    listed = {"A": {"type": "array", "items": {"$ref": "#/components/schemas/Node"}}, "Node": node}
    assert len(outline("A", listed)) == 2
    for odd in ({"properties": []}, {"properties": {"a": 7}}, {"allOf": [7]}, {"required": 7}, [], 7):
        outline("X", {"X": odd})


def test_bars_fill_the_drawing() -> None:
    steps = [Line("a", 4, 2, 1, 1, 1.0, 1), Line("b", 0, 0, 0, 0, 0.0, 0), Line("c", 2, 2, 0, 0, 1.0, 1)]
    first, second, third = bars(steps)
    assert [name for name, _, _ in first.pieces] == ["well", "refused", "failed"]
    assert first.pieces[-1][1] == 0.0, "the highest reaches the top"
    assert sum(height for _, _, height in first.pieces) == 100.0
    assert second.pieces == ()
    assert third.pieces == (("well", 50.0, 50.0),)
    assert bars([]) == ()
    assert span_of("8") == "7"


def test_what_delegation_signs() -> None:
    key = base64.b64encode(b"a secret").decode()
    expected = base64.b64encode(hmac.digest(b"a secret", b"salt\n/back", hashlib.sha512)).decode()
    assert signature(key, ["salt", "/back"]) == expected


@pytest.mark.parametrize(
    "path", ["", "x", "//e", "/\\e", "https://e", "/a\r\nb", "/a b", "javascript:x", "/" + "x" * 2000]
)
def test_a_place_elsewhere_is_none(path: str) -> None:
    assert local(path, "/profile") == "/profile"


def test_a_place_here() -> None:
    assert local("/apis/a%20b?x=1#y") == "/apis/a%20b?x=1#y"


def test_settings_that_are_taken(tmp_path: Path) -> None:
    logo = tmp_path / "logo.png"
    logo.write_bytes(b"x")
    found = Settings.read(
        {
            "portal.url": "https://dev.example.com/",
            "portal.gateways": "https://a.example, https://b.example/",
            "portal.try.gateways": "http://a, http://b",
            "portal.name": "Acme",
            "portal.colour": "#FF0000",
            "portal.logo": str(logo),
            "portal.openid.issuer": "https://login.example/",
            "portal.openid.client": "portal",
        }
    )
    assert found.url == "https://dev.example.com"
    assert found.gateways == ("https://a.example", "https://b.example")
    assert found.tried == ("http://a", "http://b")
    assert (found.name, found.colour, found.logo) == ("Acme", "#ff0000", logo)
    assert found.openid is not None
    assert found.openid.issuer == "https://login.example"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("portal.url", "dev.example.com"),
        ("portal.url", "https://user@dev.example.com"),
        ("portal.gateways", "gateway"),
        ("portal.try.gateways", "http://a"),
        ("portal.http.proxies", "many"),
        ("portal.name", "x" * 41),
        ("portal.colour", "red"),
        ("portal.logo", "logo.exe"),
        ("portal.logo", "nowhere.svg"),
        ("portal.openid.issuer", "https://login.example"),
        ("portal.openid.client", "portal"),
    ],
)
def test_settings_that_are_refused(name: str, value: str) -> None:
    with pytest.raises(SettingRefused, match=name.rsplit(".", 1)[0]):
        Settings.read({name: value})


async def test_what_the_catalogue_asks_for_after_a_change() -> None:
    async def asked(id: str, operation: str = "put") -> News:
        return await News.of([{"changes": [{"operation": operation, "id": id}]}])

    for aside in (
        "/users/ann", "/subscriptions/x", "/groups/a/users/b", "/apis/a/policies/policy", "/policies/policy",
        "/apis/a/operations/b/policies/policy", "/products/p/policies/policy", "/tags/t/apiLinks/x",
    ):  # fmt: skip
        assert not await asked(aside), aside
    assert await asked("/apis/Policies") == News(apis={"policies"}, books={"policies"})
    assert await asked("/apis/a;rev=2") == News(apis={"a;rev=2"}, books={"a"})
    for below in ("operations/users", "operations/get/tags/t", "schemas/x", "releases/1"):
        assert await asked(f"/apis/a/{below}") == News(books={"a"}), below
    assert await asked("/apis/policies/operations/get") == News(books={"policies"})
    assert await asked("/products/policies/groups/guests") == News(products={"policies"})
    assert await asked("/products/P/apis/subscriptions", "delete") == News(moved=[("delete", "p", "subscriptions")])
    assert await asked("/apis/a/tags/t") == await asked("/tags/t") == News(tags=True)
    assert await asked("/portalsettings/signin") == News(door=True)
    assert await asked("/apiVersionSets/s") == News(sets=True)
    assert await asked("/schemas/global") == await asked("/") == News(every_book=True)


async def test_a_change_of_spelling_takes_nothing_away() -> None:
    ids = [("put", "/products/p/apis/Shop"), ("delete", "/products/p/apis/shop")]
    news = await News.of([{"changes": [{"operation": operation, "id": id} for operation, id in ids]}])
    assert news.moved == [("delete", "p", "shop"), ("put", "p", "shop")]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("a < b, and x<y> stays", "a < b, and x<y> stays"),
        ("R&amp;D without a tag", "R&amp;D without a tag"),
        (
            "<p>Fast &amp; <b>cheap</b>.</p><p>See <a href='https://e.example'>there</a>.</p>",
            "Fast & cheap.\n\nSee there.",
        ),
        ("one<br/>two<BR>three", "one\ntwo\nthree"),
        ("<ul><li>one</li><li>two</li></ul>", "• one\n• two"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("&lt;p&gt; is said with <code>&lt;p&gt;</code>", "<p> is said with <p>"),
    ],
)
def test_descriptions_are_text(text: str, shown: str) -> None:
    assert description_of({"description": text}) == shown
