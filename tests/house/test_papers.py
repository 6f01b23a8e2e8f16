"""The papers: complete, their links lead somewhere, and the table of decisions is a table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAPERS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
CODE_PATH = re.compile(
    r"`((?:proxy|syncagent|telemetry|management|portal|passerelle|proto|tests|docs|compose|kubernetes)/[\w./-]*)`"
)


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
