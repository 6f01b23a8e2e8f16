"""What machines can check of accessibility: names for fields, one heading, no double ids, contrast of all text."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient

from portal import session
from portal.brand import DARK_GROUND, LIGHT_GROUND, READABLE, contrast, shades, sheet
from tests.portal.fake_plane import TOKEN

STYLE = (Path(__file__).parents[2] / "portal" / "static" / "portal.css").read_text()
PAGES = [
    "/",
    "/apis/shop%3Brev%3D1",
    "/products",
    "/products/starter",
    "/apis/shop%3Brev%3D1/operations/get",
    "/apis/shop%3Brev%3D1/try",
    "/profile",
    "/profile/usage",
    "/sign-in",
    "/sign-up",
    "/confirm",
    "/forgotten",
    "/new-password",
    "/nowhere",
    "/console/sign-in",
    "/console",
    "/console/apis",
    "/console/apis/shop%3Brev%3D1",
    "/console/products",
    "/console/subscriptions",
    "/console/subscriptions/mine",
    "/console/subscriptions/mine/regenerate?key=primary",
    "/console/policy",
    "/console/activity",
    "/console/requests",
    "/console/requests/r1",
    "/console/requests/r2",
]
VOID = {"meta", "link", "img", "input", "br"}


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.mark.parametrize("path", PAGES)
async def test_a_page(client: TestClient, path: str) -> None:
    cookies = {session.COOKIE: session.begin(TOKEN)}
    if not path.startswith("/sign"):
        cookies[session.VISIT] = session.begin_visit(TOKEN, "ann")
    response = await client.get(path, cookies=cookies)
    page = Page(await response.text())
    assert page.open == []
    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("h1")) == len(page.all("main")) == 1
    assert all("alt" in image for image in page.all("img"))
    ids = Counter(attributes["id"] for _, attributes in page.tags if "id" in attributes)
    assert max(ids.values()) == 1
    labelled = {label["for"] for label in page.all("label")}
    fields = [field for field in page.all("input") if field.get("type") != "hidden"]
    assert {field.get("id") for field in fields} <= labelled
    assert all(head.get("scope") in ("col", "row") for head in page.all("th"))


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_can_be_read(theme: int) -> None:
    pairs = re.findall(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", STYLE)
    colours = {name: both[theme] for name, *both in pairs}
    for text in ("ink", "soft", "accent", "good", "bad", "warn", "get", "post", "put", "patch", "delete"):
        for ground in ("paper", "card"):
            assert contrast(colours[text], colours[ground]) >= READABLE, (text, ground)
    assert contrast(colours["ink"], colours["code"]) >= READABLE
    assert contrast(colours["accent-ink"], colours["accent"]) >= READABLE


@pytest.mark.parametrize("colour", ["#000000", "#ffffff", "#ffcc00", "#1f5f8b", "#e11d48", "#808080"])
def test_any_brand_can_be_read(colour: str) -> None:
    found = shades(colour)
    assert contrast(found.light, LIGHT_GROUND) >= READABLE
    assert contrast(found.dark, DARK_GROUND) >= READABLE
    assert contrast(found.light_ink, found.light) >= READABLE
    assert contrast(found.dark_ink, found.dark) >= READABLE
    assert found.light in sheet(colour)
