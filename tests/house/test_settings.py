"""docs/settings.md and the code agree: every setting that is read is documented, every documented one is read."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("telemetry", "syncagent", "proxy", "management", "portal")
FAMILIES = (
    "config.", "gateway.name", "health.http.", "instance.id", "management.", "net.", "observability.", "portal.",
    "proxy.workers", "telemetry.", "neighborhood.", "policy.", "logs.", "certificates.", "security.", "k8s.",
)  # fmt: skip
SETTING = re.compile(r"^[a-z][a-z0-9]*(?:\.[a-z0-9-]+(?:[A-Z][A-Za-z0-9]*)?)+$")


def documented() -> set[str]:
    """The names in the first column of every table."""
    rows = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8").splitlines()
    cells = [row.split("|")[1] for row in rows if row.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def read_in_code() -> dict[str, str]:
    """Setting names among the string constants of modules named `settings`, with the file that reads them."""
    found: dict[str, str] = {}
    for package in PACKAGES:
        own_modules = {path.stem for path in (ROOT / package).rglob("*.py")}
        for path in sorted((ROOT / package).rglob("*settings*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if (
                    isinstance(node, ast.Constant)
                    and isinstance(node.value, str)
                    and SETTING.match(node.value)
                    and node.value.startswith(FAMILIES)
                    and not (
                        node.value.startswith(f"{package}.") and node.value.split(".")[1] in own_modules - {"http"}
                    )
                ):
                    found[node.value] = str(path.relative_to(ROOT))
    return found


def test_every_setting_that_is_read_is_documented() -> None:
    unknown = {name: place for name, place in read_in_code().items() if name not in documented()}
    assert not unknown, f"add to docs/settings.md: {unknown}"


def test_every_documented_setting_is_read() -> None:
    unread = documented() - read_in_code().keys()
    assert not unread, f"documented, but no settings module reads it: {sorted(unread)}"


def test_the_page_of_settings_is_well_formed() -> None:
    names = [
        name
        for row in (ROOT / "docs" / "settings.md").read_text(encoding="utf-8").splitlines()
        if row.startswith("| `")
        for name in re.findall(r"`([^`]+)`", row.split("|")[1])
    ]
    assert len(names) > 30
    assert all(SETTING.match(name) for name in names), [name for name in names if not SETTING.match(name)]
    twice = {name for name in names if names.count(name) > 1}
    assert not twice, f"documented twice: {twice}"
