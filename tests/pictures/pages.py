"""Put the photographs that `make browser` takes, cut to one height, to where the README shows them: docs/pictures.

python -m tests.pictures.pages
"""

from __future__ import annotations

import sys

from playwright.sync_api import sync_playwright

from tests.browser.conftest import CHROMIUM, COLOURS, SHOTS
from tests.pictures.session import PICTURES

SHOWN = {
    "console-policy-broken": "policy-editor",
    "console-debugger": "debugger",
    "console-revision-side": "revision",
    "try": "try",
}
WIDTH, HEIGHT = 1280, 960
SCALE = 0.75
STYLE = (
    "img {position: absolute; left: 0; top: 0; width: 100% !important; height: auto !important; margin: 0}"
    "body {overflow: hidden}"
)


def main() -> int:
    missing = [name for name in SHOWN if not (SHOTS / f"{name}-desktop-light.png").is_file()]
    if missing or not CHROMIUM:
        print(f"first make browser; missing: {', '.join(missing) or 'Chromium'}", file=sys.stderr)
        return 1
    PICTURES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        size = {"width": int(WIDTH * SCALE), "height": int(HEIGHT * SCALE)}
        page = browser.new_page(viewport=size)  # type: ignore[arg-type]
        for shot, name in SHOWN.items():
            for colour in COLOURS:
                page.goto((SHOTS / f"{shot}-desktop-{colour}.png").as_uri())
                page.add_style_tag(content=STYLE)
                target = PICTURES / f"{name}-{colour}.png"
                page.screenshot(path=target)
                print(f"{target.name}: {target.stat().st_size // 1024} KiB")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
