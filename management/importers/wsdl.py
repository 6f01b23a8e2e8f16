"""WSDL 1.1 -> an API with one operation for each operation of a SOAP port. Read first: `import_wsdl`.

Rules: https://learn.microsoft.com/azure/api-management/api-management-api-import-restrictions#wsdl
- Pass-through (`soap`): operations are told apart by their SOAP action, `POST /?soapAction=ACTION`; one without an
  action by the first element of the body, `POST /?soapMethod=ELEMENT`. The service URL is the port's whole address.
- SOAP to REST (`http`): `POST /OPERATION` takes and gives JSON; see `soap_to_rest.py`. The service URL is the origin of
  the address, its path goes into a rewrite-uri policy.
- Names: as for OpenAPI, made of the operation's name. Descriptions are the documentation elements.
- The document must be whole: imports and includes of other files are refused. `wsdl_files.py` merges files into one.
- Schemas are stored one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from lxml import etree

from management.importers.imported import ImportedApi, ImportedOperation, ImportedSchema, ImportRefused
from management.importers.naming import Names
from management.importers.soap_service import SoapMessage, SoapOperation, SoapPort, find_port
from management.importers.wsdl_files import KNOWN, XSD
from management.importers.xml_text import children, name_of, read_xml, space_of

SCHEMA = "application/vnd.ms-azure-apim.xsd+xml"
LONGEST = 1000  # characters of a description and of a URL template


def import_wsdl(text: str, kind: str, service: str = "", endpoint: str = "") -> ImportedApi:
    """Raises ImportRefused. `kind` is soap or http; `service` and `endpoint` choose the port, empty for the first."""
    root = read_xml(text)
    if name_of(root) == "description" and space_of(root).startswith("http://www.w3.org/ns/wsdl"):
        raise ImportRefused("The document is WSDL 2.0; only WSDL 1.1 can be imported")
    if name_of(root) != "definitions":
        raise ImportRefused(f"The document is no WSDL: its root is <{name_of(root)}>, not <definitions>")
    _whole(root)
    port = find_port(root, service, endpoint)
    schemas = _schemas(root)
    if kind == "soap":
        operations = list(_passed_through(root, port, schemas))
    else:
        from management.importers.soap_to_rest import restified

        operations, components = restified(root, port)
    return ImportedApi(
        display_name=(port.service or root.get("name") or "")[:300],
        description=port.documentation[:LONGEST],
        service_url=_address(port, whole=kind == "soap"),
        operations=operations,
        schemas={} if kind == "soap" else components,
        documents=schemas if kind == "soap" else [],
        type="soap" if kind == "soap" else "http",
    )


def _whole(root: Any) -> None:
    """Refuse what lies in other files."""
    own = {each.get("targetNamespace") or "" for each in root.iter(f"{{{XSD}}}schema")}
    for element in root.iter(etree.Element):
        kind, space = name_of(element), space_of(element)
        if kind == "import" and space == space_of(root):
            location = element.get("location") or element.get("namespace") or ""
        elif kind in ("import", "include", "redefine") and space == XSD:
            location = element.get("schemaLocation") or ""
            there = (element.get("namespace") or "") in (own | KNOWN) if kind == "import" else False
            if not location or there:
                continue
        else:
            continue
        raise ImportRefused(
            f"The document is not whole: its <{kind}> of '{location[:200]}' leads to another file. Merge the files "
            "into one document (WCF services have it at ?singleWsdl)",
            "value",
            element.sourceline,
            1,
        )


def _address(port: SoapPort, whole: bool) -> str | None:
    parts = urlsplit(port.address)
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        return None
    return port.address if whole else f"{parts.scheme}://{parts.netloc}"


def _schemas(root: Any) -> list[ImportedSchema]:
    """The schema elements, each with the prefixes that it uses. They find one another by the names of the resources:
    imports are led there, and the first one of a namespace includes the others of it."""
    found = [each for types in children(root, "types") for each in types if each.tag == f"{{{XSD}}}schema"]
    ids = ["schema" if number == 1 else f"schema-{number}" for number in range(1, len(found) + 1)]
    spaces = [each.get("targetNamespace") or "" for each in found]
    first: dict[str, str] = {}
    for space, id in zip(spaces, ids, strict=True):
        first.setdefault(space, id)
    listed = []
    for element, space, id in zip(found, spaces, ids, strict=True):
        # written and read again, because a copy would lose prefixes that only stand in values
        own: Any = etree.fromstring(etree.tostring(element, with_tail=False))
        for each in own.iter(f"{{{XSD}}}import"):
            name = first.get(each.get("namespace") or "")
            if name:
                each.set("schemaLocation", name)
        if id == first[space]:
            for other, its_space in zip(ids, spaces, strict=True):
                if its_space == space and other != id:
                    own.insert(0, etree.Element(f"{{{XSD}}}include", {"schemaLocation": other}))
        listed.append(ImportedSchema(id, SCHEMA, etree.tostring(own, encoding="unicode"), space))
    return listed


def _passed_through(root: Any, port: SoapPort, schemas: list[ImportedSchema]) -> Iterator[ImportedOperation]:
    from management.importers.soap_messages import Samples

    samples = Samples.of(root, port)
    names = Names()
    media = "application/soap+xml" if port.version == "1.2" else "text/xml"
    for operation in port.operations:
        action = f"soapAction={operation.action}" if operation.action else f"soapMethod={operation.element}"
        properties: dict[str, Any] = head(operation) | {"urlTemplate": f"/?{plain(action)}"[:LONGEST]}
        for message, direction in ((operation.input, "request"), (operation.output, "response")):
            representation: dict[str, Any] = {"contentType": media} | _type(message, schemas)
            sample = samples.envelope(operation, message)
            if sample:
                representation["examples"] = {"default": {"value": sample}}
            described = {"description": message.name[:LONGEST], "headers": [], "representations": [representation]}
            if direction == "request":
                properties["request"] = described | {"queryParameters": []}
            elif message.present:
                properties["responses"] = [{"statusCode": 200} | described]
        properties.setdefault("responses", [{"statusCode": 202, "description": "", "representations": []}])
        yield ImportedOperation(names.give(operation.name, "post", operation.name, "value"), properties)


def head(operation: SoapOperation) -> dict[str, Any]:
    """What the operation resource has in either way of import."""
    described = {"description": operation.documentation[:LONGEST]} if operation.documentation else {}
    return {"displayName": operation.name[:300], "method": "POST", "templateParameters": [], **described}


def plain(text: str) -> str:
    """A part of a URL template in which nothing is a parameter."""
    return text.replace("{", "%7B").replace("}", "%7D")


def _type(message: SoapMessage, schemas: list[ImportedSchema]) -> dict[str, str]:
    """Which schema describes the body."""
    for part in message.parts:
        for schema in schemas:
            if schema.namespace == part.type.namespace:
                return {"schemaId": schema.id, "typeName": part.type.localname}
    return {}
