"""What OData metadata (EDMX) says can be called: read once, when configuration is applied."""

from __future__ import annotations

from typing import Any

from lxml import etree

_CALLABLE = frozenset({"EntitySet", "Singleton", "FunctionImport", "ActionImport"})


def callable_names(text: str) -> frozenset[str] | None:
    """Names of entity sets, singletons, functions and actions at the root of a service; None when some of them are said
    elsewhere. Raises ValueError."""
    # what a text says of its own encoding was true of the bytes that it once was
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, encoding="utf-8"
    )
    try:
        root = etree.fromstring(text.strip().encode(), parser)
    except etree.XMLSyntaxError as problem:
        raise ValueError(f"the OData metadata is not XML: {problem.msg}") from None
    tree: Any = root.getroottree()
    if tree.docinfo.doctype:
        raise ValueError("the OData metadata has a DOCTYPE, which is refused")
    names: set[str] = set()
    whole = True
    for element in root.iter(etree.Element):
        kind = etree.QName(element).localname
        if kind == "EntityContainer" and element.get("Extends"):
            whole = False
        elif kind in _CALLABLE:
            names.add(str(element.get("Name") or ""))
    return frozenset(names) if whole and names else None
