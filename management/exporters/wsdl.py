"""The WSDL document of a SOAP API with the gateway's address in place of the service's. Pure: text in, text out."""

from __future__ import annotations

from lxml import etree

from management.importers.soap_service import VERSIONS
from management.importers.xml_text import name_of, read_xml, space_of


def wsdl(text: str, url: str) -> str:
    """`url` is where the gateway serves the API; every SOAP port of the document gets it."""
    root = read_xml(text)
    for element in root.iter(etree.Element):
        if name_of(element) == "address" and space_of(element) in VERSIONS:
            element.set("location", url)
    made: bytes = etree.tostring(root, encoding="utf-8", xml_declaration=True)
    return made.decode()
