"""A policy is one file, one line in the index and one conformance table: none of the three without the others."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import yaml

from proxy.pipeline.registry import REGISTRY, SECTIONS

ROOT = Path(__file__).resolve().parents[2]
TABLES = ROOT / "tests" / "conformance" / "policies"
FOLDER = ROOT / "proxy" / "policies"


def families() -> set[str]:
    """Modules that register a policy."""
    found = set()
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and any(
                isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "policy"
                for decorator in node.decorator_list
            ):
                found.add(path.stem)
    return found


def index_text() -> str:
    for name in ("index.py", "__init__.py"):
        path = FOLDER / name
        if path.is_file() and "import" in path.read_text(encoding="utf-8"):
            return path.read_text(encoding="utf-8")
    raise AssertionError("proxy/policies has no index")


def indexed() -> set[str]:
    named = set()
    for node in ast.walk(ast.parse(index_text())):
        if isinstance(node, ast.ImportFrom):
            base = (node.module or "").removeprefix("proxy.policies").lstrip(".")
            named |= {base} if base else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            named |= {alias.name.removeprefix("proxy.policies.") for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            named.add(node.value)
    return named


def registered() -> set[str]:
    for name in ("index", ""):
        if (FOLDER / f"{name or '__init__'}.py").is_file():
            importlib.import_module(f"proxy.policies.{name}".rstrip("."))
    return {definition.name for definition in REGISTRY.values()}


def test_every_policy_file_is_in_the_index() -> None:
    missing = families() - indexed()
    assert families(), "no policy was found"
    assert not missing, f"not in the index of proxy/policies: {sorted(missing)}"


def test_every_policy_has_a_conformance_table() -> None:
    tables = {path.stem for path in TABLES.glob("*.yaml")}
    missing = registered() - tables
    assert not missing, f"no table in tests/conformance/policies for: {sorted(missing)}"


def test_every_table_is_about_a_policy_and_has_cases() -> None:
    """`base` has no factory of its own: the splice is the policy."""
    unknown = {path.stem for path in TABLES.glob("*.yaml")} - registered() - {"base"}
    assert not unknown, f"tables of no registered policy: {sorted(unknown)}"
    for path in TABLES.glob("*.yaml"):
        assert yaml.safe_load(path.read_text(encoding="utf-8")), f"{path.name} holds no case"


def test_every_policy_says_where_it_may_stand_and_what_it_does() -> None:
    registered()
    for definition in REGISTRY.values():
        assert definition.sections, f"{definition.name} may stand nowhere"
        assert definition.sections <= set(SECTIONS), f"{definition.name}: unknown sections"
        assert definition.summary, f"{definition.name}: its factory has no docstring"
