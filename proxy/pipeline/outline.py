"""The sections of a policy document and the policies that stand directly in them, as their author wrote them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from proxy.pipeline.markup import read_document
from proxy.pipeline.nodes import Node
from proxy.pipeline.registry import SECTIONS
from proxy.pipeline.source import Source

_COMMENTS_BEHIND = re.compile(r"(?:\s*<!--(?:(?!-->).)*-->)*\s*\Z", re.DOTALL)


@dataclass(slots=True, frozen=True)
class Part:
    """One policy, or `<base/>`: its element's `name`, 1-based `line`, and `text` with its own indentation taken off."""

    name: str
    line: int
    text: str


def outline(text: str) -> dict[str, tuple[Part, ...]] | None:
    """The parts of each section that the document has; None for a text that cannot be read as a document."""
    root = read_document(text).root
    if root is None:
        return None
    found: dict[str, tuple[Part, ...]] = {}
    source = Source(text, text)
    sections = root.children
    for index, section in enumerate(sections):
        if section.name not in SECTIONS:
            continue
        end = sections[index + 1].offset if index + 1 < len(sections) else len(text)
        closing = text.rfind(f"</{section.name}", section.offset, end)
        found[section.name] = _parts(source, section, closing if closing >= 0 else end)
    return found


def _parts(source: Source, section: Node, end: int) -> tuple[Part, ...]:
    parts, children = [], section.children
    for index, child in enumerate(children):
        until = children[index + 1].offset if index + 1 < len(children) else end
        written = _COMMENTS_BEHIND.sub("", source.text[child.offset : until], count=1)
        line, column = source.place(child.offset)
        parts.append(Part(child.name, line, _outdented(written, column - 1)))
    return tuple(parts)


def _outdented(text: str, columns: int) -> str:
    """`text` without the first `columns` blanks of the lines behind the first."""
    first, *rest = text.splitlines()
    return "\n".join([first, *(line[min(columns, len(line) - len(line.lstrip())) :] for line in rest)])
