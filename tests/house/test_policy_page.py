"""docs/policies.md is what the code makes, and the code's own table of names is sound."""

from __future__ import annotations

from pathlib import Path

from passerelle.policy.docs import page
from proxy.pipeline.documented import DOCUMENTED
from proxy.pipeline.registry import REGISTRY

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_of_policies_is_current() -> None:
    kept = (ROOT / "docs" / "policies.md").read_text(encoding="utf-8")
    assert kept == page(), "run `make docs`"


def test_the_page_has_every_policy_once() -> None:
    rows = [
        row.split("|")[1].strip() for row in page().splitlines() if row.startswith("| [") or row.endswith("refused |")
    ]
    names = [row.strip("[").partition("]")[0] for row in rows if not row.startswith("`")]
    assert len(names) == len(set(names))
    assert set(names) >= {definition.name for definition in REGISTRY.values()}
    assert len(DOCUMENTED) >= 70
