"""docs/settings.md and the code agree: every setting that is read is documented, every documented one is read."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("telemetry", "syncagent", "proxy", "management", "portal")
FAMILIES = (
    "config.", "gateway.name", "health.http.", "instance.id", "management.", "net.", "observability.", "portal.",
    "proxy.workers", "proxy.memory.", "telemetry.applicationinsights.", "telemetry.enabled", "telemetry.logs.",
    "telemetry.metrics.", "telemetry.spool.", "neighborhood.", "policy.", "certificates.", "security.",
    "Microsoft.WindowsAzure.",
)  # fmt: skip
SETTING = re.compile(r"(?:[a-z][a-zA-Z0-9-]*|Microsoft)(?:\.(?:[a-zA-Z][a-zA-Z0-9-]*|\*))+")
ANY = "*"  # a part of a name that is known only at run time


def documented() -> set[str]:
    """The names in the first column of every table."""
    rows = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8").splitlines()
    cells = [row.split("|")[1] for row in rows if row.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def read_in_code() -> dict[str, str]:
    """The setting names that the code spells, `*` for a part it computes, with the file that does."""
    known = documented()
    found: dict[str, str] = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "dotnet" in path.parts:
                continue  # it spells names of .NET's, such as the scheme net.tcp
            for name in names_in(ast.parse(path.read_text(encoding="utf-8"))):
                if SETTING.fullmatch(name) and name.startswith(FAMILIES):
                    if name not in known and is_module(name):
                        continue  # a logger's name
                    found[name] = str(path.relative_to(ROOT))
    return found


def names_in(tree: ast.AST) -> set[str]:
    """String constants, and f-strings put together, without the texts that are only a part of those."""
    constants: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            constants |= {target.id: node.value.value for target in node.targets if isinstance(target, ast.Name)}
    whole: set[str] = set()
    parts: set[str] = set()
    inside: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = ""
            for piece, following in zip(node.values, [*node.values[1:], None], strict=True):
                if isinstance(piece, ast.Constant):
                    text += str(piece.value)
                    inside.add(id(piece))
                elif isinstance(piece, ast.FormattedValue):
                    known = constants.get(piece.value.id, ANY) if isinstance(piece.value, ast.Name) else ANY
                    if isinstance(following, ast.Constant) and str(following.value).startswith("."):
                        parts.add(known)
                    text += known
            whole.add(text)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            whole.add(node.value)
    return whole - parts


def is_module(name: str) -> bool:
    path = ROOT / Path(*name.split("."))
    return path.with_suffix(".py").is_file() or path.is_dir()


def same(documented_name: str, name_in_code: str) -> bool:
    return re.fullmatch(re.escape(name_in_code).replace(r"\*", r"[\w-]+"), documented_name) is not None


def test_every_setting_that_is_read_is_documented() -> None:
    known = documented()
    unknown = {name: place for name, place in read_in_code().items() if not any(same(each, name) for each in known)}
    assert not unknown, f"add to docs/settings.md: {unknown}"


def test_every_documented_setting_is_read() -> None:
    read = read_in_code()
    unread = [each for each in documented() if not any(same(each, name) for name in read)]
    assert not unread, f"documented, but nothing reads it: {sorted(unread)}"


def test_the_page_of_settings_is_well_formed() -> None:
    names = [
        name
        for row in (ROOT / "docs" / "settings.md").read_text(encoding="utf-8").splitlines()
        if row.startswith("| `")
        for name in re.findall(r"`([^`]+)`", row.split("|")[1])
    ]
    assert len(names) > 30
    assert all(SETTING.fullmatch(name) for name in names), [name for name in names if not SETTING.fullmatch(name)]
    twice = {name for name in names if names.count(name) > 1}
    assert not twice, f"documented twice: {twice}"
