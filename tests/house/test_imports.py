"""Who may import whom: the table of ARCHITECTURE.md, held by reading every module's syntax tree.

A package may import itself, the standard library, and what its row says. The more exact rules follow the table.
"""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = ("proto", "telemetry", "syncagent", "proxy", "management", "portal", "passerelle")
EVERYBODY = {"typing_extensions"}

# package -> what it may import: our modules by prefix, and the world's top-level names
ALLOWED_OURS: dict[str, tuple[str, ...]] = {
    "proto": (),
    "telemetry": (),
    "syncagent": ("proto", "telemetry.memory"),
    "proxy": (
        "proto",
        "telemetry.records",
        "telemetry.journal",
        "telemetry.log",
        "telemetry.diagnostics",
        "telemetry.identity",
        "telemetry.event_hub",
        "telemetry.memory",
    ),
    "management": ("proxy.check", "telemetry.log", "telemetry.memory"),
    "portal": (
        "telemetry.log",
        "proxy.tokens",
        "proxy.routing",
        "proxy.target",
        "proxy.errors",
        "proxy.config.read",
        "proxy.config.resources",
    ),
    "passerelle": OURS,
}
ALLOWED_WORLD: dict[str, set[str]] = {
    "proto": {"google", "grpc", "cryptography"},
    "telemetry": {"opentelemetry", "grpc", "google", "requests", "orjson", "aiohttp", "azure"},
    "syncagent": {"grpc", "google", "aiohttp", "cryptography", "orjson", "uvloop"},
    "proxy": {
        "aiohttp", "multidict", "yarl", "uvloop", "grpc", "google", "orjson", "lxml", "regex", "re2",
        "tree_sitter", "tree_sitter_c_sharp", "cryptography", "liquid", "greenlet", "jsonschema_rs",
        "graphql", "h2", "hpack", "hyperframe", "httptools",
    },
    "management": {
        "aiohttp", "multidict", "yarl", "uvloop", "sqlalchemy", "alembic", "cryptography", "yaml", "orjson", "lxml",
        "graphql", "zeep",
    },
    "portal": {"aiohttp", "multidict", "yarl", "uvloop", "jinja2", "markupsafe", "yaml", "orjson"},
    "passerelle": {"aiohttp", "azure", "click", "cryptography", "multidict", "rich", "uvloop", "yaml"},
}  # fmt: skip

# prefix of imported module -> the only modules (by prefix) that may import it, within the packages named
ONLY_HERE: list[tuple[str, str, tuple[str, ...]]] = [
    ("proto", "proxy", ("proxy.sync",)),
    ("grpc", "proxy", ("proxy.sync",)),
    ("google", "proxy", ("proxy.sync",)),
    ("proto", "syncagent", ("syncagent.server",)),
    ("grpc", "syncagent", ("syncagent.server",)),
    ("aiohttp", "syncagent", ("syncagent.plane", "syncagent.health")),
    ("tree_sitter", "proxy", ("proxy.expressions",)),
    ("h2", "proxy", ("proxy.adapters.http2",)),
    ("hpack", "proxy", ("proxy.adapters.http2",)),
    ("hyperframe", "proxy", ("proxy.adapters.http2",)),
    ("lxml", "proxy", ("proxy.expressions", "proxy.pipeline", "proxy.policies", "proxy.liquid", "proxy.schemas")),
    ("jsonschema_rs", "proxy", ("proxy.schemas",)),
    ("liquid", "proxy", ("proxy.liquid",)),
    ("graphql", "proxy", ("proxy.graphql", "proxy.policies.validate_graphql_request")),
    ("azure", "passerelle", ("passerelle.live", "passerelle.imports.azure")),
    ("graphql", "management", ("management.importers",)),
    ("greenlet", "proxy", ("proxy.expressions.slices",)),
    ("zeep", "management", ("management.importers.soap_types",)),
    ("proxy", "portal", ("portal.openid", "portal.reach")),
    ("lxml", "management", ("management.importers", "management.exporters")),
]
# modules that hold no socket, file, clock or random source: time and the world are ports
PURE = (
    "proxy.config",
    "proxy.pipeline",
    "proxy.routing",
    "proxy.admission",
    "proxy.errors",
    "proxy.messages",
    "proxy.schemas",
    "proxy.tokens",
)
IMPURE = {
    "socket",
    "time",
    "random",
    "secrets",
    "asyncio",
    "aiohttp",
    "grpc",
    "http.client",
    "urllib.request",
    "subprocess",
}
PURE_EXCEPTIONS = {("proxy.messages", "asyncio")}


@dataclass(frozen=True)
class Import:
    """`module` imports `target`, at `line` of `path`; `typing_only` when it stands below `if TYPE_CHECKING`."""

    path: Path
    module: str
    target: str
    line: int
    typing_only: bool

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}: {self.module} imports {self.target}"


def modules() -> Iterator[tuple[str, Path]]:
    for package in OURS:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imports_of(module: str, path: Path) -> Iterator[Import]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_lines: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for inner in node.body:
                typing_lines.update(range(inner.lineno, (inner.end_lineno or inner.lineno) + 1))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import; write the whole path"
            # `from proxy import check` imports proxy.check where that is a module
            base = node.module or ""
            targets = [f"{base}.{a.name}" if is_module(f"{base}.{a.name}") else base for a in node.names]
        else:
            continue
        for target in targets:
            yield Import(path, module, target, node.lineno, node.lineno in typing_lines)


def is_module(name: str) -> bool:
    path = ROOT / Path(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def below(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


@functools.cache
def all_imports() -> list[Import]:
    return [found for module, path in modules() for found in imports_of(module, path)]


def test_the_reader_sees_the_imports() -> None:
    assert len(all_imports()) > 100
    assert any(found.target == "telemetry.records" or below(found.module, "passerelle") for found in all_imports())


@pytest.mark.parametrize("package", OURS)
def test_a_package_imports_only_what_its_row_allows(package: str) -> None:
    offences = []
    for found in all_imports():
        if not below(found.module, package):
            continue
        top = found.target.split(".")[0]
        if top == package or top in sys.stdlib_module_names or top in EVERYBODY:
            continue
        if top in OURS:
            if not any(below(found.target, allowed) for allowed in ALLOWED_OURS[package]):
                offences.append(str(found))
        elif top not in ALLOWED_WORLD[package]:
            offences.append(str(found))
    assert not offences, "\n".join(offences)


@pytest.mark.parametrize(("target", "package", "doors"), ONLY_HERE, ids=lambda value: str(value))
def test_some_things_enter_by_one_door(target: str, package: str, doors: tuple[str, ...]) -> None:
    offences = [
        str(found)
        for found in all_imports()
        if below(found.module, package)
        and below(found.target, target)
        and not any(below(found.module, door) for door in doors)
    ]
    assert not offences, "\n".join(offences)


def test_only_telemetry_knows_opentelemetry() -> None:
    offences = [
        str(found)
        for found in all_imports()
        if below(found.target, "opentelemetry") and not below(found.module, "telemetry")
    ]
    assert not offences, "\n".join(offences)


def test_nobody_imports_the_command() -> None:
    offences = [
        str(found)
        for found in all_imports()
        if below(found.target, "passerelle") and not below(found.module, "passerelle")
    ]
    assert not offences, "\n".join(offences)


def test_a_policy_imports_no_other_policy_and_no_adapter() -> None:
    families = {path.stem for path in (ROOT / "proxy" / "policies").glob("*.py")} - {"__init__", "index"}
    offences = [
        str(found)
        for found in all_imports()
        if found.module.removeprefix("proxy.policies.") in families
        and (below(found.target, "proxy.adapters") or found.target.removeprefix("proxy.policies.") in families)
        and found.target != found.module
    ]
    assert not offences, "\n".join(offences)


def test_pure_modules_hold_no_socket_file_clock_or_chance() -> None:
    offences = [
        str(found)
        for found in all_imports()
        if any(below(found.module, pure) for pure in PURE)
        and any(below(found.target, impure) for impure in IMPURE)
        and not found.typing_only
        and (found.module, found.target) not in PURE_EXCEPTIONS
    ]
    assert not offences, "\n".join(offences)


def test_expressions_never_become_source_text() -> None:
    """Policy text becomes a Python tree, never Python text: no `exec`, no `eval`, and `compile` only in one place."""
    offences = []
    for module, path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                name = node.func.id
                place = f"{path.relative_to(ROOT)}:{node.lineno}: {name}(...)"
                if name == "eval" or (name in {"exec", "compile"} and not below(module, "proxy.expressions")):
                    offences.append(place)
    assert not offences, "\n".join(offences)
