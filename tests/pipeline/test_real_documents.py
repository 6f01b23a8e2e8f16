"""The reader on real, published policy documents; skipped where they are not present."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.pipeline.compile import Environment, Scope, compile_document
from proxy.pipeline.markup import read
from proxy.pipeline.nodes import MarkupError
from proxy.pipeline.source import substitute

SHARED = Path(os.environ.get("PASSERELLE_SHARED") or Path(__file__).parents[2].parent / "shared")
DOCUMENTS = SHARED / "data" / "policies"

# Damaged where they were published: an element closed by another's name, an attribute without its closing quote.
DAMAGED = {"223.xml", "009.xml"}


@pytest.fixture(scope="module")
def documents() -> list[tuple[str, str]]:
    """(file name, text) of all documents."""
    found = [(path.name, path.read_text(encoding="utf-8")) for path in sorted(DOCUMENTS.glob("*/*.xml"))]
    if not found:
        pytest.skip("no published policy documents: set PASSERELLE_SHARED to the folder that holds data/policies")
    return found


class Anything(dict[str, str]):
    """Fragments of any name, all empty."""

    def get(self, key: str, default: object = None) -> str:
        return "<fragment/>"

    def __iter__(self) -> Iterator[str]:
        return iter(())


def test_all_but_the_damaged_ones_are_read(documents: list[tuple[str, str]]) -> None:
    refused = set()
    for name, text in documents:
        try:
            root = read(substitute(text, {}).text)
        except MarkupError:
            refused.add(name)
        else:
            assert root.name in ("policies", "fragment")
    assert refused == DAMAGED


def test_what_stands_in_the_way_of_the_rest_is_policies_to_come(documents: list[tuple[str, str]]) -> None:
    codes: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    whole = 0
    for _, text in documents:
        kind = "fragment" if "<policies" not in text else "api"
        environment = Environment(fragments=Anything(), strict=False)
        compiled = compile_document(text, Scope(kind, "x"), environment)
        whole += not compiled.broken
        codes.update({issue.code for issue in compiled.issues if issue.severity == "error"})
        unknown.update({issue.element for issue in compiled.issues if issue.code == "unknown-policy"})
        assert not any(issue.code in ("internal", "unknown-attribute") for issue in compiled.issues)
    print(f"\n{whole} of {len(documents)} documents compile; in the way: {dict(codes.most_common())}")
    print(f"policies to come, by documents: {dict(unknown.most_common())}")
    assert whole >= 90
