"""Real, published policy documents compile, but the ones that are broken; skipped where they are not present.

`broken_documents.yaml` says which are broken and why. What each of those is told is printed with `-s`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from passerelle.policy import files
from proxy.check import Environment, Issue, check_document

SHARED = Path(os.environ.get("PASSERELLE_SHARED") or Path(__file__).parents[2].parent / "shared")
DOCUMENTS = SHARED / "data" / "policies"
BROKEN: dict[str, dict[str, str]] = yaml.safe_load(Path(__file__).with_name("broken_documents.yaml").read_text())


class Checked(NamedTuple):
    """A document, and what is wrong with it when nobody says what else there is."""

    repository: str
    path: str
    text: str
    errors: list[Issue]

    @property
    def name(self) -> str:
        return f"{self.repository}: {self.path}"


@pytest.fixture(scope="module")
def documents() -> list[Checked]:
    if not (DOCUMENTS / "index.json").exists():
        pytest.skip("no published policy documents: set PASSERELLE_SHARED to the folder that holds data/policies")
    found = []
    for entry in json.loads((DOCUMENTS / "index.json").read_text(encoding="utf-8")):
        name = str(DOCUMENTS / entry["file"])
        text = files.read_text(name)
        issues = check_document(text, files.scope_of(name, text), Environment(strict=False))
        errors = [issue for issue in issues if issue.severity == "error"]
        found.append(Checked(entry["repo"], entry["path"], text, errors))
    return found


def test_every_sound_document_compiles(documents: list[Checked]) -> None:
    told = {f"{repository}: {path}": why for repository, paths in BROKEN.items() for path, why in paths.items()}
    refused = [document for document in documents if document.errors]
    print(
        f"\n{len(documents) - len(refused)} of {len(documents)} documents compile; {len(told)} are known to be broken"
    )
    for document in refused:
        print(f"- {document.name}\n  {told.get(document.name, 'SOUND')}")
        for issue in document.errors:
            print(f"    {issue.code}: {issue}")
    assert sorted(document.name for document in refused) == sorted(told)


def test_each_error_has_its_place_and_a_sentence(documents: list[Checked]) -> None:
    for document in documents:
        lines = document.text.removeprefix("\ufeff").split("\n")
        for issue in document.errors:
            assert issue.code != "internal", document.name
            assert issue.element
            assert len(issue.message) > 10
            assert 1 <= issue.line <= len(lines), document.name
            assert 1 <= issue.column <= len(lines[issue.line - 1]) + 1, document.name
