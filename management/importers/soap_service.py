"""What a WSDL 1.1 document says of services, ports, bindings and messages, without its types. Pure reading of the tree.

A port is one address with one SOAP binding; the first one that fits is taken, SOAP 1.1 before 1.2 where none is named.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from management.importers.imported import ImportRefused
from management.importers.xml_text import children, name_of, space_of, text_of

VERSIONS = {"http://schemas.xmlsoap.org/wsdl/soap/": "1.1", "http://schemas.xmlsoap.org/wsdl/soap12/": "1.2"}
ENVELOPES = {"1.1": "http://schemas.xmlsoap.org/soap/envelope/", "1.2": "http://www.w3.org/2003/05/soap-envelope"}
MOST_OPERATIONS = 2000


@dataclass(slots=True, frozen=True)
class Part:
    """A part of a message: an element of a schema, or (`is_type`) a type."""

    name: str
    type: etree.QName
    is_type: bool = False


@dataclass(slots=True, frozen=True)
class SoapMessage:
    """`parts` are those of the body. `wrapper` is the element around the parts of an rpc message."""

    name: str = ""
    parts: tuple[Part, ...] = ()
    wrapper: etree.QName | None = None
    encoded: bool = False
    headers: tuple[Part, ...] = ()
    present: bool = True


@dataclass(slots=True, frozen=True)
class SoapOperation:
    name: str
    action: str
    documentation: str
    input: SoapMessage
    output: SoapMessage

    @property
    def element(self) -> str:
        """The local name of the first element in the body of a request."""
        if self.input.wrapper is not None:
            return str(self.input.wrapper.localname)
        part = self.input.parts[0] if self.input.parts else None
        return self.name if part is None else part.name if part.is_type else str(part.type.localname)


@dataclass(slots=True, frozen=True)
class SoapPort:
    service: str
    name: str
    address: str
    version: str  # of SOAP: 1.1 or 1.2
    documentation: str
    operations: list[SoapOperation] = field(default_factory=list)


def find_port(root: Any, service: str = "", endpoint: str = "") -> SoapPort:
    """The port of these names, without case; empty ones mean the first. Raises ImportRefused with what there is."""
    ports = [(each, port) for each in children(root, "service") for port in children(each, "port")]
    if not ports:
        return _unbound(root)
    fitting = [
        (each, port)
        for each, port in ports
        if (not service or (each.get("name") or "").lower() == service.lower())
        and (not endpoint or (port.get("name") or "").lower() == endpoint.lower())
    ]
    if not fitting:
        known = ", ".join(f"{each.get('name')}/{port.get('name')}" for each, port in ports[:20])
        target = "wsdlSelector"
        raise ImportRefused(f"There is no endpoint '{service}/{endpoint}'; the document has {known}", target)
    soap = [(each, port, binding) for each, port in fitting if (binding := _soap_binding(root, port)) is not None]
    if not soap:
        bindings = {each.get("name") for each in children(root, "binding")}
        told = ", ".join(
            f"{port.get('name')}{'' if _local(port) in bindings else f' (there is no binding {_local(port)})'}"
            for _, port in fitting[:20]
        )
        raise ImportRefused(f"None of the endpoints {told} has a SOAP 1.1 or 1.2 binding over HTTP")
    first = next((each for each in soap if _version(each[2]) == "1.1"), soap[0]) if not endpoint else soap[0]
    owner, port, binding = first
    address = next((each.get("location") or "" for each in port if name_of(each) == "address"), "")
    told = text_of(next(iter(children(owner, "documentation")), None))
    told = told or text_of(next(iter(children(root, "documentation")), None))
    return SoapPort(
        owner.get("name") or "",
        port.get("name") or "",
        address.strip(),
        _version(binding),
        told,
        _operations(root, binding),
    )


def _unbound(root: Any) -> SoapPort:
    """A document without services: its first SOAP binding, with no address."""
    for binding in children(root, "binding"):
        if _version(binding):
            name = root.get("name") or binding.get("name") or ""
            told = text_of(next(iter(children(root, "documentation")), None))
            return SoapPort(name, "", "", _version(binding), told, _operations(root, binding))
    raise ImportRefused("The document has no service with a SOAP endpoint; its bindings may stand in another file")


def qname(element: Any, text: str) -> etree.QName:
    """The name that `prefix:local` means at this place. Raises ImportRefused."""
    prefix, _, local = text.strip().rpartition(":")
    if prefix and prefix not in element.nsmap:
        raise ImportRefused(f"The prefix of '{text[:100]}' is not declared", "value", element.sourceline, 1)
    space = element.nsmap.get(prefix or None)
    try:
        return etree.QName(space, local)
    except ValueError:
        raise ImportRefused(f"'{text[:100]}' is not a name", "value", element.sourceline, 1) from None


def _version(binding: Any) -> str:
    return next((VERSIONS[space_of(each)] for each in children(binding, "binding") if space_of(each) in VERSIONS), "")


def _soap_binding(root: Any, port: Any) -> Any:
    wanted = qname(port, port.get("binding") or "")
    found = _named(children(root, "binding"), wanted.localname)
    return found if found is not None and _version(found) else None


def _local(port: Any) -> str:
    return str(qname(port, port.get("binding") or "").localname)


def _named(elements: Iterable[Any], name: str) -> Any:
    return next((each for each in elements if each.get("name") == name), None)


def _operations(root: Any, binding: Any) -> list[SoapOperation]:
    holder = next(each for each in children(binding, "binding") if space_of(each) in VERSIONS)
    transport, style = holder.get("transport") or "", (holder.get("style") or "document").strip()
    if transport and not transport.rstrip("/").lower().endswith("/http"):
        raise ImportRefused(
            f"The binding '{binding.get('name')}' is for the transport '{transport[:100]}', not for HTTP",
            "value",
            holder.sourceline,
            1,
        )
    kind = qname(binding, binding.get("type") or "")
    port_type = _named(children(root, "portType"), kind.localname)
    if port_type is None:
        place = binding.sourceline
        raise ImportRefused(f"The port type '{kind.localname}' of the binding is not there", "value", place, 1)
    abstract: dict[str, list[Any]] = {}
    for each in children(port_type, "operation"):
        abstract.setdefault(each.get("name") or "", []).append(each)
    messages = {each.get("name") or "": each for each in reversed(children(root, "message"))}
    found = []
    for bound in children(binding, "operation"):
        own = _matching(abstract.get(bound.get("name") or "", []), bound)
        if own is None:
            why = f"The operation '{bound.get('name')}' is bound, but not in the port type '{kind.localname}'"
            raise ImportRefused(why, "value", bound.sourceline, 1)
        found.append(_operation(messages, bound, own, style))
    if not found:
        raise ImportRefused(f"The binding '{binding.get('name')}' has no operations", "value", binding.sourceline, 1)
    if len(found) > MOST_OPERATIONS:
        raise ImportRefused(f"The binding '{binding.get('name')}' has more than {MOST_OPERATIONS} operations")
    return found


def _matching(same: list[Any], bound: Any) -> Any:
    """The abstract operation of a bound one; overloads are told apart by the names of their input and output."""

    def messages(operation: Any) -> list[str]:
        return [child.get("name") or "" for kind in ("input", "output") for child in children(operation, kind)]

    return next((each for each in same if messages(each) == messages(bound)), same[0] if same else None)


def _operation(declared: dict[str, Any], bound: Any, abstract: Any, style: str) -> SoapOperation:
    name = (bound.get("name") or "").strip()
    if not name:
        raise ImportRefused("An operation has no name", "value", bound.sourceline, 1)
    soap = next((each for each in children(bound, "operation") if space_of(each) in VERSIONS), None)
    action = (soap.get("soapAction") or "").strip() if soap is not None else ""
    style = ((soap.get("style") if soap is not None else "") or style).strip()
    return SoapOperation(
        name,
        action,
        text_of(next(iter(children(abstract, "documentation")), None)),
        _message(declared, bound, abstract, "input", style, name),
        _message(declared, bound, abstract, "output", style, name + "Response"),
    )


def _message(
    declared: dict[str, Any], bound: Any, abstract: Any, direction: str, style: str, wrapper: str
) -> SoapMessage:
    """`declared` are the messages of the document by name."""
    end = next(iter(children(abstract, direction)), None)
    if end is None:
        return SoapMessage(present=False)
    wanted = qname(end, end.get("message") or "")
    message = declared.get(wanted.localname)
    if message is None:
        raise ImportRefused(f"The message '{wanted.localname}' is not there", "value", end.sourceline, 1)
    parts = {part.name: part for part in _parts(message)}
    soap = next(iter(children(bound, direction)), None)
    soap = soap if soap is not None else []
    # the body may stand inside a MIME part
    inner = [each for child in soap for each in (child, *child.iter()) if space_of(each) in VERSIONS]
    body = next((each for each in inner if name_of(each) == "body"), None)
    headers = []
    for each in inner:
        if name_of(each) == "header" and each.get("message") and each.get("part"):
            held = declared.get(qname(each, each.get("message")).localname)
            listed = {part.name: part for part in _parts(held)} if held is not None else {}
            if each.get("part") in listed:
                headers.append(listed[each.get("part")])
            if held is message:
                parts.pop(each.get("part"), None)
    if body is not None and body.get("parts") is not None:
        chosen = body.get("parts").split()
        parts = {name: part for name, part in parts.items() if name in chosen}
    space = (body.get("namespace") or "") if body is not None else ""
    return SoapMessage(
        wanted.localname,
        tuple(parts.values()),
        etree.QName(space or None, wrapper) if style == "rpc" else None,
        body is not None and (body.get("use") or "literal").strip() == "encoded",
        tuple(dict.fromkeys(headers)),
    )


def _parts(message: Any) -> Iterable[Part]:
    for part in children(message, "part"):
        element, type = part.get("element"), part.get("type")
        if element or type:
            yield Part(part.get("name") or "", qname(part, element or type), not element)
