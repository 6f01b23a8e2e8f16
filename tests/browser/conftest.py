"""A real Chromium, and a whole house for it to walk through.

Without a Chromium these tests are skipped, and say so. `make browser` also has every page photographed, light and dark,
on a desk and on a phone, into `build/screenshots`, and judged by axe-core; with `make test` only the walks are made.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.vendor import AXE, NotFetched, fetch
from tests.e2e.house import House

ROOT = Path(__file__).resolve().parents[2]
WHOLE = "PASSERELLE_BROWSER"  # in the environment: photographs and axe-core, too
SHOTS = ROOT / "build" / "screenshots"
SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
COLOURS = ("light", "dark")
# A page is not to be seen before its scripts have run, so whoever waits for what it shows waits for them, too.
PATIENT = """{
  const sheet = new CSSStyleSheet();
  sheet.replaceSync("html { visibility: hidden }");
  document.adoptedStyleSheets = [sheet];
  document.addEventListener("DOMContentLoaded", () => { document.adoptedStyleSheets = []; });
}"""
CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Of one module: while it is there an event loop runs in this thread, and other tests want one of their own."""
    _need_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def _need_chromium() -> None:
    if not CHROMIUM:
        pytest.skip("no Chromium is here: apt-get install chromium")


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """With the demo, one sidecar, and configuration that arrives at once."""
    _need_chromium()
    found = House(tmp_path_factory.mktemp("house"), extra=("--sidecars", "1"))
    try:
        yield found.start()
    finally:
        found.stop()


@dataclass
class Eyes:
    """Looks at pages: `see` photographs one in all sizes and colours and has it judged, where that is asked for.

    `problems` are what the browser complained of: errors of scripts, what a policy kept from being loaded, requests to
    anywhere but the portal.
    """

    page: Page
    axe: str = ""
    problems: list[str] = field(default_factory=list)

    def see(self, name: str) -> None:
        if not os.environ.get(WHOLE):
            return
        SHOTS.mkdir(parents=True, exist_ok=True)
        before = self.page.viewport_size
        for size, (width, height) in SIZES.items():
            self.page.set_viewport_size({"width": width, "height": height})
            for colour in COLOURS:
                self.page.emulate_media(color_scheme=colour)  # type: ignore[arg-type]
                self.page.screenshot(path=SHOTS / f"{name}-{size}-{colour}.png", full_page=True)
                self._judge(f"{name}, {size}, {colour}")
            wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if wide > 0:
                self.problems.append(f"{name}, {size}: the page is {wide} pixels wider than the window")
        self.page.emulate_media(color_scheme="light")
        if before:
            self.page.set_viewport_size(before)

    def _judge(self, where: str) -> None:
        if not self.axe:
            return
        if not self.page.evaluate("Boolean(window.axe)"):
            self.page.evaluate(self.axe)
        found: dict[str, Any] = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        for violation in found["violations"]:
            places = "; ".join(str(node["target"][0]) for node in violation["nodes"][:5])
            reason = (violation["nodes"][0]["failureSummary"] or "").replace("\n", " ")[:300]
            self.problems.append(f"{where}: {violation['id']} at {places}: {reason}")


@pytest.fixture(scope="session")
def axe() -> str:
    """The script; "" where it is not asked for."""
    if not os.environ.get(WHOLE):
        return ""
    place = ROOT / "build" / "axe"
    if not (place / "axe.min.js").is_file():
        try:
            fetch(AXE, place)
        except NotFetched as error:
            pytest.skip(f"axe-core is not here: {error}")
    return (place / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture
def eyes(chromium: Browser, house: House, axe: str) -> Iterator[Eyes]:
    """A page of a browser that has never been here; the test fails when the browser complained."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    context.add_init_script(PATIENT)
    page = context.new_page()
    page.set_default_timeout(20_000)
    found = Eyes(page, axe)
    page.on("pageerror", lambda error: found.problems.append(f"script: {error}"))
    page.on("console", lambda said: found.problems.append(said.text) if said.type == "error" else None)
    portal = house.info["portal"]

    def look(request: Any) -> None:
        if not request.url.startswith((f"{portal}/", "data:", "blob:")):
            found.problems.append(f"a request to {request.url}")

    page.on("request", look)
    yield found
    context.close()
    assert found.problems == [], "\n".join(found.problems)
