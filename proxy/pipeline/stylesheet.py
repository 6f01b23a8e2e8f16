"""An XSLT 1.0 stylesheet, compiled once, that reaches nothing but the document it transforms.

Rules
1. Files, the network and writing are denied; include and import, which are opened while compiling, are taken out.
2. A document with a DOCTYPE is refused; entities are not resolved.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lxml import etree

from proxy.messages import MAX_BUFFERED_BODY

_XSL = "http://www.w3.org/1999/XSL/Transform"
_LOADING = (f"{{{_XSL}}}include", f"{{{_XSL}}}import")


class StylesheetError(ValueError):
    """A stylesheet that does not compile, or a document that it cannot transform. `line` is 1-based, 0 if unknown."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


class Stylesheet:
    """`left_out`: names of the include and import elements that were taken out."""

    def __init__(self, text: str) -> None:
        """Raises StylesheetError."""
        xslt: Any = etree.XSLT  # its stubs do not know DENY_ALL
        access: Any = etree.XSLTAccessControl
        try:
            root: Any = _parse(text.encode())
            self.left_out: list[str] = []
            for element in [*root.iter(*_LOADING)]:
                self.left_out.append(str(element.get("href", "")))
                element.getparent().remove(element)
            self._run = xslt(root, access_control=access.DENY_ALL)
        except etree.XSLTParseError as problem:
            raise StylesheetError(_first(problem)) from problem

    def transform(self, content: bytes, parameters: Mapping[str, str]) -> bytes:
        """The document that comes out, as its xsl:output says. Raises StylesheetError."""
        document = _parse(content)
        quoted = {name: etree.XSLT.strparam(value) for name, value in parameters.items()}
        try:
            made = bytes(self._run(document, profile_run=False, **quoted))
        except (etree.XSLTError, ValueError) as problem:
            raise StylesheetError(_first(problem)) from problem
        if made.endswith(b">\n"):  # the engine's own, behind the root
            made = made[:-1]
        if len(made) > MAX_BUFFERED_BODY:
            raise StylesheetError(f"The result is larger than {MAX_BUFFERED_BODY} bytes.")
        return made


def _parse(content: bytes) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as problem:
        line = problem.lineno if isinstance(problem, etree.XMLSyntaxError) else 0
        raise StylesheetError(f"This is not XML: {problem}.", line or 0) from problem
    docinfo: Any = root.getroottree().docinfo
    if docinfo.doctype:
        raise StylesheetError("A DOCTYPE is not allowed.")
    return root


def _first(problem: Exception) -> str:
    """The engine's first complaint."""
    log = getattr(problem, "error_log", None)
    text = log[0].message if log else str(problem)
    return f"{text.strip().rstrip('.')}."
