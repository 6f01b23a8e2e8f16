"""The types of a WSDL document as trees of `Shape`, resolved by zeep, which is loaded when a WSDL document is.

Rules
- zeep gets the schemas of the document and nothing else: what it would load from elsewhere is refused.
- A tree has at most `MOST` shapes and `DEEPEST` levels; a type that contains itself ends in a shape marked `again`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lxml import etree

from management.importers.imported import ImportRefused
from management.importers.xml_text import children

if TYPE_CHECKING:
    from management.importers.soap_service import Part, SoapMessage

XSD = "http://www.w3.org/2001/XMLSchema"
MOST = 4000
DEEPEST = 40
LONGEST_REASON = 300

INTEGERS = frozenset(
    {"integer", "int", "long", "short", "byte", "nonNegativeInteger", "positiveInteger", "nonPositiveInteger",
     "negativeInteger", "unsignedInt", "unsignedLong", "unsignedShort", "unsignedByte"}
)  # fmt: skip
NUMBERS = frozenset({"decimal", "float", "double"})
FORMATS = {"dateTime": "date-time", "date": "date", "base64Binary": "byte", "anyURI": "uri", "duration": "duration"}

# What documents refer to and nobody sends along: the array of SOAP's encoding, the attributes of XML itself.
_ENCODING = b"""<schema xmlns="http://www.w3.org/2001/XMLSchema" xmlns:tns="http://schemas.xmlsoap.org/soap/encoding/"
 targetNamespace="http://schemas.xmlsoap.org/soap/encoding/"><attribute name="arrayType" type="string"/>
 <attribute name="root" type="boolean"/><attribute name="offset" type="string"/>
 <attribute name="position" type="string"/>
 <attributeGroup name="commonAttributes"><attribute name="id" type="ID"/><attribute name="href" type="anyURI"/>
 <anyAttribute processContents="lax"/></attributeGroup>
 <complexType name="Array"><sequence><any minOccurs="0" maxOccurs="unbounded" processContents="lax"/></sequence>
 <attribute ref="tns:arrayType"/><attributeGroup ref="tns:commonAttributes"/></complexType>
 <complexType name="Struct"><sequence><any minOccurs="0" maxOccurs="unbounded" processContents="lax"/></sequence>
 <attributeGroup ref="tns:commonAttributes"/></complexType></schema>"""
_XML = b"""<schema xmlns="http://www.w3.org/2001/XMLSchema" targetNamespace="http://www.w3.org/XML/1998/namespace">
 <attribute name="lang" type="string"/><attribute name="space" type="string"/><attribute name="base" type="anyURI"/>
 <attribute name="id" type="ID"/><attributeGroup name="specialAttrs"><attribute name="lang" type="string"/>
 <attribute name="space" type="string"/></attributeGroup></schema>"""
_KNOWN = {
    "http://schemas.xmlsoap.org/soap/encoding/": _ENCODING,
    "http://www.w3.org/XML/1998/namespace": _XML,
}


@dataclass(slots=True, frozen=True)
class Shape:
    """One element or attribute. `kind` is object, text, integer, number, boolean or any; an object with `text` has
    content beside its attributes, of that kind. `least` 0 means that it may be absent; `again`: here the type contains
    itself. `namespace` is empty for an unqualified one."""

    name: str
    namespace: str = ""
    kind: str = "text"
    format: str = ""
    members: tuple[Shape, ...] = ()
    text: str = ""
    many: bool = False
    least: int = 1
    nillable: bool = False
    attribute: bool = False
    again: bool = False

    def all(self) -> Iterator[Shape]:
        yield self
        for member in self.members:
            yield from member.all()


class _Closed:
    """zeep's way to the world: there is none, but for what everybody knows."""

    def load(self, url: str) -> bytes:
        known = next((text for space, text in _KNOWN.items() if str(url).rstrip("/") == space.rstrip("/")), None)
        if str(url) == "https://www.w3.org/2001/xml.xsd":
            known = _XML
        if known is None:
            raise ImportRefused(f"The schemas refer to '{str(url)[:200]}', which is not part of the document")
        return known


class Types:
    """The types of one document. Raises ImportRefused where they cannot be read."""

    def __init__(self, root: Any) -> None:
        from zeep.settings import Settings
        from zeep.xsd import Schema

        nodes = [each for types in children(root, "types") for each in types if each.tag == f"{{{XSD}}}schema"]
        for node in nodes:
            for each in list(node.iter(f"{{{XSD}}}import")):
                each.attrib.pop("schemaLocation", None)  # it is in the document, or known; see `wsdl`
        _bounded(nodes)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                make: Any = Schema  # zeep's annotations are not whole
                self._schema = make(transport=_Closed(), settings=Settings(strict=True, forbid_dtd=True))
                self._schema.add_documents(nodes, None)
        except ImportRefused:
            raise
        except Exception as problem:  # zeep raises whatever its parts raise
            raise ImportRefused(f"The schemas cannot be read: {_said(problem)}") from None

    def body(self, message: SoapMessage) -> list[Shape]:
        """The elements in the body of a message."""
        parts = [self.part(each) for each in message.parts]
        if message.wrapper is None:
            return parts
        inner = tuple(replace(each, namespace="") if part.is_type else each
                      for each, part in zip(parts, message.parts, strict=True))  # fmt: skip
        return [Shape(message.wrapper.localname, message.wrapper.namespace or "", "object", members=inner)]

    def part(self, part: Part) -> Shape:
        budget = [MOST]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if part.is_type:
                    return self._typed(Shape(part.name), self._schema.get_type(part.type), (), budget)
                return self._element(self._schema.get_element(part.type), (), budget)
        except ImportRefused:
            raise
        except Exception as problem:
            raise ImportRefused(f"'{part.type.localname}' cannot be read: {_said(problem)}") from None

    def _element(self, element: Any, above: tuple[int, ...], budget: list[int], many: bool = False) -> Shape:
        most = element.max_occurs
        shape = Shape(
            element.name,
            element.qname.namespace or "",
            many=many or most == "unbounded" or int(most) > 1,
            least=int(element.min_occurs or 0),
            nillable=bool(element.nillable),
        )
        return self._typed(shape, element.type, above, budget)

    def _typed(self, shape: Shape, type: Any, above: tuple[int, ...], budget: list[int]) -> Shape:
        from zeep.xsd.types import ComplexType

        budget[0] -= 1
        if budget[0] < 0 or len(above) > DEEPEST:
            raise ImportRefused(f"'{shape.name}' has more than {MOST} elements or {DEEPEST} levels")
        if not isinstance(type, ComplexType):
            return replace(shape, kind=_kind(type), format=_format(type))
        if id(type) in above:
            return replace(shape, kind="object", again=True)
        above = (*above, id(type))
        members: list[Shape] = []
        for attribute in _attributes(type):
            if attribute.qname is None or attribute.qname.namespace == "http://schemas.xmlsoap.org/soap/encoding/":
                continue
            members.append(
                Shape(
                    attribute.name,
                    attribute.qname.namespace or "",
                    _kind(attribute.type),
                    _format(attribute.type),
                    least=1 if attribute.required else 0,
                    attribute=True,
                )
            )
        text = ""
        wild = False
        for _, item in type.elements_nested:
            for found in self._content(item, above, budget, False, False):
                if found.name == "_value_1":
                    text = found.kind
                elif found.kind == "any" and not found.name:
                    wild = True
                else:
                    members.append(found)
        if wild and all(each.attribute for each in members):
            return replace(shape, kind="any")
        if text and not members:
            return replace(shape, kind=text)
        return replace(shape, kind="object", members=tuple(_distinct(members)), text=text)

    def _content(
        self, item: Any, above: tuple[int, ...], budget: list[int], many: bool, optional: bool
    ) -> Iterator[Shape]:
        from zeep.xsd.elements.any import Any as Wildcard
        from zeep.xsd.elements.indicators import Choice, Group, OrderIndicator

        if isinstance(item, Wildcard):
            yield Shape("", kind="any", least=0)
        elif isinstance(item, (OrderIndicator, Group)):
            many = many or item.max_occurs == "unbounded" or int(item.max_occurs) > 1
            optional = optional or isinstance(item, Choice) or int(item.min_occurs or 0) == 0
            for each in [item.child] if isinstance(item, Group) else list(item):
                yield from self._content(each, above, budget, many, optional)
        else:
            shape = self._element(item, above, budget, many)
            yield replace(shape, least=0) if optional else shape


def _bounded(nodes: list[Any]) -> None:
    """Refuse what would take zeep longer than its text says: groups that multiply, and very long types."""
    kinds = {f"{{{XSD}}}group": "group", f"{{{XSD}}}attributeGroup": "attributeGroup"}
    counted = {f"{{{XSD}}}element", f"{{{XSD}}}attribute"}
    groups: dict[tuple[str, str], list[Any]] = {}
    for node in nodes:
        for each in node:
            if each.tag in kinds and each.get("name"):
                groups.setdefault((kinds[each.tag], each.get("name")), []).append(each)
    sizes: dict[tuple[str, str], int] = {}

    def size(element: Any, depth: int) -> int:
        total = 0
        for each in element.iter(etree.Element):
            total += each.tag in counted
            if each.tag in kinds and each.get("ref"):
                key = (kinds[each.tag], each.get("ref").rpartition(":")[2])
                if key not in sizes:
                    sizes[key] = MOST + 1  # what a group that contains itself finds here
                    inner = sum(size(group, depth + 1) for group in groups.get(key, ())) if depth < DEEPEST else MOST
                    sizes[key] = min(inner, MOST + 1)
                total += sizes[key]
        return total

    for node in nodes:
        for each in node:
            if size(each, 0) > MOST:
                raise ImportRefused(f"'{each.get('name')}' has more than {MOST} elements, or contains itself")


def _distinct(members: list[Shape]) -> Iterator[Shape]:
    """Each name once: a name that may stand at several places is a list."""
    seen: dict[tuple[str, bool], int] = {}
    for each in members:
        seen[each.name, each.attribute] = seen.get((each.name, each.attribute), 0) + 1
    given = set()
    for each in members:
        key = (each.name, each.attribute)
        if key not in given:
            given.add(key)
            yield replace(each, many=True, least=0) if seen[key] > 1 else each


def _attributes(type: Any) -> list[Any]:
    return [attribute for _, attribute in type.attributes if getattr(attribute, "name", None)]


def _base(type: Any) -> str:
    """The name of the built-in type that a simple type is made of."""
    for each in type.__class__.__mro__:
        name = getattr(each, "_default_qname", None)
        if name is not None and name.namespace == XSD:
            return str(name.localname)
    return ""


def _kind(type: Any) -> str:
    base = _base(type)
    if base in INTEGERS:
        return "integer"
    if base in NUMBERS:
        return "number"
    if base == "boolean":
        return "boolean"
    return "any" if base in ("anyType", "") and not _is_simple(type) else "text"


def _is_simple(type: Any) -> bool:
    from zeep.xsd.types import AnySimpleType

    return isinstance(type, AnySimpleType)


def _format(type: Any) -> str:
    return FORMATS.get(_base(type), "")


def _said(problem: Exception) -> str:
    text = str(getattr(problem, "message", None) or problem) or type(problem).__name__
    return " ".join(text.split())[:LONGEST_REASON].rstrip(".")
