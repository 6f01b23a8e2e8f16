"""The table of docs/management.md: resource types and clients, made of what is declared and of what the tests do.

PASSERELLE_SHARED=... python -m tests.clients.table      writes it into the page
"""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import yaml

from management.resources import TYPES
from passerelle.apiops.layout import INFORMATION, collection_path
from tests.clients.azure_cli.steps import STEPS
from tests.management.specification import Operation, Specification
from tests.management.test_replay import official

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "management.md"
BEGIN, END = "<!-- begin of the table -->\n", "<!-- end of the table -->\n"
BELOW = re.compile(r"/service/\{serviceName\}(?:/workspaces/\{workspaceId\}(?=/))?(?P<below>/.*)?$")
# groups of the Azure CLI's commands -> the type that they work on
COMMANDS = {
    "apim": "",
    "apim api": "apis",
    "apim api operation": "apis/operations",
    "apim api release": "apis/releases",
    "apim api revision": "apis",
    "apim api schema": "apis/schemas",
    "apim api versionset": "apiVersionSets",
    "apim backend": "backends",
    "apim graphql resolver": "apis/resolvers",
    "apim graphql resolver policy": "apis/resolvers/policies",
    "apim nv": "namedValues",
    "apim product": "products",
    "apim product api": "products/apis",
}
# types that api-version 2022-08-01 and its clients do not have
NEWER = frozenset(
    {
        *("policyRestrictions", "products/apiLinks", "products/groupLinks", "workspaces", "workspaceLinks"),
        *("tags/apiLinks", "tags/operationLinks", "tags/productLinks"),
    }
)


def type_of(operation: Operation) -> str | None:
    """The declared type that an operation is on: itself, its list, or an action; None for what is none."""
    match = BELOW.search(operation.path.partition("?")[0])
    parts = [part for part in (match["below"] or "").split("/") if part] if match else []
    if match is None:
        return None
    for end in range(len(parts), -1, -1):
        kind = TYPES.get("/".join(part for part in parts[:end] if not part.startswith("{")).lower())
        if kind is not None:
            return kind.path
    return None


def accepted(specification: Specification) -> dict[str, str]:
    """By type: how many official examples the client sees accepted."""
    exceptions = yaml.safe_load((ROOT / "tests/management/replay_exceptions.yaml").read_text())["refused"]
    total: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for example in specification.all():
        kind = type_of(example.operation)
        if kind is not None:
            total[kind] += 1
            refused[kind] += any(fnmatch.fnmatchcase(example.id, pattern) for pattern in exceptions)
    return {
        kind: f"{count} of {count}" if not refused[kind] else f"{count - refused[kind]} of {count}"
        for kind, count in total.items()
    }


def of_javascript(specification: Specification) -> set[str]:
    """Types whose groups the JavaScript client's stories use."""
    text = (ROOT / "tests/clients/javascript/plane.test.mjs").read_text()
    used = {name.lower() for name in re.findall(r"client\.(\w+)[.,]", text)}
    kinds = (type_of(each) for each in specification.operations if each.id.partition("_")[0].lower() in used)
    return {kind for kind in kinds if kind is not None}


def of_command_line() -> Iterator[str]:
    """Types that commands of the Azure CLI work on, as tested."""
    for line, _ in STEPS:
        words = line.split("--")[0].split()
        for end in range(len(words), 0, -1):
            if (group := " ".join(words[:end])) in COMMANDS:
                yield COMMANDS[group]
                break


def in_folders(path: str) -> bool:
    """Whether APIOps folders have it."""
    if path.endswith(("policies", "Fragments")) or path.rpartition("/")[2] == "tags":
        return True
    return path in INFORMATION or collection_path("".join(f"/{part}/x" for part in path.split("/"))) in INFORMATION


def rows() -> Iterator[str]:
    specification = Specification.read(official()[0])
    counts, stories, commands = accepted(specification), of_javascript(specification), set(of_command_line())
    yield "| resource type | SDK 5.0.0 | SDK 4.0.1 | JavaScript | az | APIOps | gateways |"
    yield "|---|---|---|---|---|---|---|"
    for kind in sorted(TYPES.values(), key=lambda each: each.path.lower()):
        if kind.path not in counts:  # ours, or part of another one
            continue
        cells = (
            f"`{kind.path}`" if kind.path else "the service",
            counts[kind.path],
            "-" if kind.path in NEWER else "yes",
            "yes" if kind.path in stories else "",
            "yes" if kind.path in commands else "`az rest`",
            "yes" if kind.path and in_folders(kind.path) else "",
            "yes" if kind.audience != "none" else "",
        )
        yield "| " + " | ".join(cells) + " |"


def written(page: str) -> str:
    """The page with the table as it is now."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}" + "\n".join(rows()) + f"\n{END}{tail}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
