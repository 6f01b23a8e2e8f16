"""The papers: complete, their links and anchors lead somewhere, and the table of decisions is a table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAPERS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^ *```.*?^ *```$|`[^`\n]*`", re.DOTALL | re.MULTILINE)
IGNORED = {"build", "node_modules", ".venv", ".git", ".passerelle"}
CODE_PATH = re.compile(
    r"`((?:proxy|syncagent|telemetry|management|portal|passerelle|proto|tests|docs|compose|kubernetes)/[\w./-]*)`"
)


def every_page() -> list[str]:
    """All Markdown of the project, wherever it lies."""
    found = (path.relative_to(ROOT) for path in ROOT.rglob("*.md"))
    return sorted(str(path) for path in found if not IGNORED & set(path.parts))


def anchors(path: Path) -> set[str]:
    """What GitHub makes of a page's headings: lower case, words with hyphens between them, a number when repeated."""
    found: set[str] = set()
    for heading in re.findall(
        r"^#+ +(.+?)\s*#*$", re.sub(r"^ *```.*?^ *```$", "", _text(path), flags=re.S | re.M), re.M
    ):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        name, number = slug, 0
        while name in found:
            number += 1
            name = f"{slug}-{number}"
        found.add(name)
    return found | set(re.findall(r'<a (?:id|name)="([^"]+)"', _text(path)))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", every_page())
def test_links_and_anchors_resolve(name: str) -> None:
    page = ROOT / name
    wrong = []
    for link in LINK.findall(FENCED.sub("", _text(page))):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        there = (page.parent / target).resolve() if target else page
        if not there.exists() or (anchor and there.suffix == ".md" and anchor not in anchors(there)):
            wrong.append(link)
    assert not wrong, f"{name} links to what is not there: {wrong}"


def test_every_page_of_the_docs_is_in_their_index() -> None:
    index = _text(ROOT / "docs" / "README.md")
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert not {page for page in pages if f"({page})" not in index}


@pytest.mark.parametrize("name", [*PAPERS, *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))])
def test_links_and_paths_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert text.startswith("# ")
    targets = [link.split("#")[0] for link in LINK.findall(text) if "://" not in link and not link.startswith("#")]
    missing = [target for target in targets if not ((ROOT / name).parent / target).exists()]
    missing += [path for path in CODE_PATH.findall(text) if "NAME" not in path and not (ROOT / path).exists()]
    assert not missing, f"{name} names what does not exist: {missing}"


def test_decisions_are_rows_of_four_cells() -> None:
    rows = [
        row for row in (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8").splitlines() if row.startswith("|")
    ]
    assert rows[0] == "| area | question | decision | why |"
    for row in rows[2:]:
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]
        assert len(cells) == 4, row
        assert all(cells), f"an empty cell: {row}"


def test_the_licence_is_apache() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0" in text
