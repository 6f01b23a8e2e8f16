"""What the policy editor can insert: the policies of `snippets.xml` by group, and every other one that the plane knows.

Each has what the plane says that it does, and the address of its page.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PAGES = "https://learn.microsoft.com/azure/api-management"
REST = "All others"


@dataclass(frozen=True)
class Snippet:
    name: str
    text: str
    words: str
    page: str


@dataclass(frozen=True)
class Group:
    name: str
    snippets: tuple[Snippet, ...]


@functools.cache
def written() -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    """(group, ((policy, text), ...)) as the file has them."""
    text = Path(__file__).with_name("snippets.xml").read_text(encoding="utf-8")
    groups = []
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title, _, body = part.partition("\n")
        blocks = [block.strip("\n") for block in body.split("\n\n") if block.strip()]
        groups.append((title.strip(), tuple((_name(block), block) for block in blocks)))
    return tuple(groups)


def _name(block: str) -> str:
    found = re.match(r"<([\w-]+)", block)
    assert found is not None, f"a snippet begins with an element: {block[:40]}"
    return found[1]


def groups(known: Mapping[str, str]) -> list[Group]:
    """`known`: the policies that may stand in the document, each with what it does."""
    told: set[str] = set()
    found = []
    for title, blocks in written():
        told.update(name for name, _ in blocks)
        snippets = [Snippet(name, text, known[name], _page(name)) for name, text in blocks if name in known]
        if snippets:
            found.append(Group(title, tuple(snippets)))
    rest = [Snippet(name, f"<{name} />", known[name], _page(name)) for name in sorted(known) if name not in told]
    return [*found, Group(REST, tuple(rest))] if rest else found


def _page(name: str) -> str:
    return f"{PAGES}/{name}-policy"
