"""An XML Schema as a validator: made once, asked per request.

Rules
1. Nothing is loaded: no file, no network. `include` and `import` reach the documents that are given by name, as
   `/schemas/NAME`, and nothing else.
2. A body with a DOCTYPE is refused; entities are not resolved.
3. Any top-level element of the schema may be the root.
4. The engine collects findings eagerly, and looks for the place of each among all its siblings. So a document of more
   than MOST_TAGS tags and attributes is validated piece by piece, up to its first findings.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import quoteattr

from lxml import etree

from proxy.schemas.flatten import SHARED, SchemaError
from proxy.schemas.json_schema import MOST_FINDINGS, Finding

_XS = "http://www.w3.org/2001/XMLSchema"
_SOAP = ("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope")
_LOADING = tuple(f"{{{_XS}}}{each}" for each in ("include", "import", "redefine", "override"))
# around a schema that is included again: the engine knows a document by where it was loaded from
_AROUND = f'<xs:schema xmlns:xs="{_XS}"{{}}><xs:include schemaLocation="{{}}"/></xs:schema>'
MOST_TAGS = 2000
CHUNK = 4096  # bytes
MOST_DOCUMENTS = 100  # that one schema may include, over all levels


class XmlValidator:
    def __init__(self, text: str, others: Mapping[str, str] | None = None, name: str = "") -> None:
        """`others` are the texts of schemas that it may include, by name; `name` is its own, by which these may include
        it again. Raises SchemaError."""
        parser = _parser()
        parser.resolvers.add(_Documents(others or {}))
        root = _schema_root(text, parser)
        if name in _reach(root, others or {}):
            space = root.get("targetNamespace")
            inside = f" targetNamespace={quoteattr(space)}" if space else ""
            root = _schema_root(_AROUND.format(inside, SHARED + name), parser)
        try:
            self._schema = etree.XMLSchema(root)
        except (etree.XMLSchemaParseError, ValueError) as problem:
            raise SchemaError(f"The XML schema is not sound: {_sentence(str(problem))}") from None
        self._lock = threading.Lock()  # findings are kept with the schema

    @property
    def busy(self) -> bool:
        """Whether another thread asks it right now, so that asking would wait."""
        return self._lock.locked()

    def content(self, content: bytes) -> list[Finding]:
        """What is wrong with an XML document; nothing, if all is well. Raises ValueError when the engine gives up."""
        root = parsed(content)
        if isinstance(root, Finding):
            return [root]
        return self._findings([root]) if _small(content) else self._streamed(content)

    def soap(self, content: bytes) -> list[Finding]:
        """As `content`, of what the body of a SOAP envelope holds; a fault is SOAP's own."""
        body = soap_body(content)
        if isinstance(body, Finding):
            return [body]
        fault = str(body.tag).replace("}Body", "}Fault")
        elements = [each for each in body.iterchildren(tag=etree.Element) if each.tag != fault]
        if _small(content):
            return self._findings(elements)
        found = (self._streamed(etree.tostring(each, with_tail=False)) for each in elements)
        return next((each for each in found if each), [])

    def _streamed(self, content: bytes) -> list[Finding]:
        """The first findings of a sound document, without their places."""
        parser = _parser(self._schema)
        try:
            for start in range(0, len(content), CHUNK):
                parser.feed(content[start : start + CHUNK])
                if len(parser.feed_error_log):
                    break
            else:
                parser.close()
        except etree.XMLSyntaxError:  # it is not valid, as the log says
            pass
        found = [Finding(_sentence(each.message), each.line, each.column) for each in parser.feed_error_log]
        return found[:MOST_FINDINGS]

    def _findings(self, elements: list[Any]) -> list[Finding]:
        found: list[Finding] = []
        with self._lock:
            for element in elements:
                try:
                    sound = self._schema.validate(element)
                except etree.XMLSchemaError as problem:  # a pattern with more states than the engine looks at
                    raise ValueError(_said(problem)) from None
                if not sound:
                    log: Any = self._schema.error_log
                    found += [Finding(_sentence(each.message), each.line, each.column) for each in log]
        return found[:MOST_FINDINGS]


def _small(content: bytes) -> bool:
    return content.count(b"<") + content.count(b"=") <= MOST_TAGS


class _Documents(etree.Resolver):
    """Answers for every document that a schema includes."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        super().__init__()
        self._texts = texts

    def resolve(self, url: Any, public_id: Any, context: Any) -> Any:  # type: ignore[override]
        """Only known names get here: see `_reach`."""
        return self.resolve_string(self._texts[_name(str(url))], context, base_url=str(url))


def _schema_root(text: str, parser: Any) -> Any:
    try:
        return etree.fromstring(text.strip().encode(), parser)
    except (etree.XMLSyntaxError, ValueError) as problem:
        raise SchemaError(f"The XML schema is not XML: {_said(problem)}") from None


def _reach(root: Any, others: Mapping[str, str]) -> set[str]:
    """The names of all that a schema includes. What would load anything else is refused, for the engine opens files by
    itself where it is let."""
    reached: set[str] = set()
    waiting = [root]
    while waiting:
        for element in waiting.pop().iter(*_LOADING):
            location = element.get("schemaLocation")
            if location is None or (name := _name(location)) in reached:
                continue
            if name not in others:
                known = f"which is not one of this service. Add it as {SHARED}NAME."
                raise SchemaError(f"The schema includes '{location[:200]}', {known}")
            if len(reached) >= MOST_DOCUMENTS:
                raise SchemaError(f"The schema includes more than {MOST_DOCUMENTS} others.")
            reached.add(name)
            waiting.append(_schema_root(others[name], _parser()))
    return reached


def _name(location: str) -> str:
    """The name in "/schemas/NAME", or the last part of any other location."""
    return location.partition("?")[0].rstrip("/").rpartition("/")[2]


def _parser(schema: Any = None) -> Any:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, schema=schema)


def parsed(content: bytes) -> Any:
    """The root of an XML document, or what is wrong."""
    try:
        root = etree.fromstring(content, _parser())
    except (etree.XMLSyntaxError, ValueError) as problem:
        line, position = problem.position if isinstance(problem, etree.XMLSyntaxError) else (0, 0)
        return Finding(f"The body is not XML: {_said(problem)}", line or 0, position or 0)
    docinfo: Any = root.getroottree().docinfo
    if docinfo.doctype:
        return Finding("The body is not XML that is allowed: it has a DOCTYPE.", 1, 1)
    return root


def soap_body(content: bytes) -> Any:
    """The Body element of a SOAP 1.1 or 1.2 envelope, or what is wrong."""
    root = parsed(content)
    if isinstance(root, Finding):
        return root
    space = next((each for each in _SOAP if root.tag == f"{{{each}}}Envelope"), None)
    if space is None:
        return Finding("The root element is not a SOAP envelope.", int(root.sourceline or 0), 1)
    body = root.find(f"{{{space}}}Body")
    return Finding("The SOAP envelope has no body.", int(root.sourceline or 0), 1) if body is None else body


def _said(problem: Exception) -> str:
    return _sentence(str(getattr(problem, "msg", None) or problem))


def _sentence(text: str) -> str:
    return f"{text.strip().rstrip('.')[:400]}."
