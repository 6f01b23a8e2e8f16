"""The text of an XML description (WSDL, WADL, EDMX) -> its root element.

Rules
- At most 16 MiB of text, 200 levels, 1,000,000 elements. A DOCTYPE is refused: nothing expands, nothing is fetched.
- Comments and processing instructions are gone.
"""

from __future__ import annotations

from typing import Any

from lxml import etree

from management.importers.imported import ImportRefused

LARGEST = 16 * 1024 * 1024  # bytes
DEEPEST = 200
MOST = 1_000_000


def read_xml(text: str) -> Any:
    """Raises ImportRefused with line and column."""
    content = text.removeprefix("\ufeff").strip().encode("utf-8", "replace")
    if not content:
        raise ImportRefused("The document is empty")
    if len(content) > LARGEST:
        raise ImportRefused(f"The document has more than {LARGEST // 1024 // 1024} MB; shorten or split it")
    # what a text says of its own encoding was true of the bytes that it once was
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True, encoding="utf-8"
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        raise ImportRefused(f"The document is not XML: {_said(error)}", "value", line, max(column, 1)) from None
    tree: Any = root.getroottree()
    if tree.docinfo.doctype:
        raise ImportRefused("A DOCTYPE is not allowed")
    depth = count = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        count += event == "start"
        if depth > DEEPEST or count > MOST:
            raise ImportRefused(f"The document has more than {DEEPEST} levels or {MOST:,} elements")
    return root


def name_of(element: Any) -> str:
    """The local name; empty for what is no element."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def space_of(element: Any) -> str:
    """The namespace; empty for none."""
    tag = element.tag
    return tag[1:].partition("}")[0] if isinstance(tag, str) and tag.startswith("{") else ""


def children(element: Any, name: str) -> list[Any]:
    """The child elements of a local name, in any namespace."""
    return [each for each in element if name_of(each) == name]


def text_of(element: Any) -> str:
    return " ".join("".join(element.itertext()).split()) if element is not None else ""


def _said(error: etree.XMLSyntaxError) -> str:
    text = str(error.msg or error)
    return text.partition(", line ")[0].strip().rstrip(".")
