"""Every policy has a table, every row holds, and every attribute that a policy asks for stands in its table."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

import proxy.policies
from passerelle.cases import table
from proxy.pipeline.element import Element
from proxy.pipeline.markup import read
from proxy.pipeline.nodes import Node
from proxy.pipeline.registry import REGISTRY

TABLES = Path(__file__).parent
POLICIES = sorted({definition.name for definition in REGISTRY.values()})
ROWS = [
    pytest.param(row, id=f"{policy}: {row['name']}")
    for policy in POLICIES
    if (TABLES / f"{policy}.yaml").exists()
    for row in table.rows(TABLES / f"{policy}.yaml")
]


@pytest.mark.parametrize("row", ROWS)
async def test_row(row: table.Row) -> None:
    assert not await table.examine(row)


def test_every_policy_has_a_table_and_every_table_a_policy() -> None:
    tables = {path.stem for path in TABLES.glob("*.yaml")}
    assert tables == set(POLICIES)


def test_index_lists_every_policy_file() -> None:
    files = {path.stem for path in (TABLES.parents[2] / "proxy" / "policies").glob("*.py")} - {"__init__"}
    assert {module.__name__.rpartition(".")[2] for module in proxy.policies.INDEX} == files
    assert {definition.name.replace("-", "_") for definition in REGISTRY.values()} == files


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """Attributes that factories ask for, by the element's place ("cors/allowed-methods")."""
    known: dict[str, set[str]] = defaultdict(set)
    finish = Element.finish

    def spy(self: Element) -> None:
        known[self.name] |= self._known_attributes - {"id"}
        finish(self)

    monkeypatch.setattr(Element, "finish", spy)
    return known


@pytest.mark.parametrize("policy", POLICIES)
def test_every_attribute_stands_in_the_table(policy: str, asked: dict[str, set[str]]) -> None:
    given: dict[str, set[str]] = defaultdict(set)

    def collect(node: Node) -> None:
        given[node.name] |= {attribute.name for attribute in node.attributes}
        for child in node.children:
            collect(child)

    for row in table.rows(TABLES / f"{policy}.yaml"):
        compiled = table.compiled(row)
        assert not any(issue.code == "internal" for issue in compiled.issues), compiled.issues
        collect(read(table.text(row)))
    own = [name for name in asked if name == policy or name not in REGISTRY]
    missing = {name: sorted(asked[name] - given[name]) for name in own}
    assert not {name: absent for name, absent in missing.items() if absent}
