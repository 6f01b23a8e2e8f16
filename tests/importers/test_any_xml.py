"""Whatever an XML description says, an importer either takes it or refuses it: nothing else comes out of it."""

from __future__ import annotations

import contextlib
import copy
import random
from typing import Any

from lxml import etree

from management.importers.edmx import import_odata
from management.importers.imported import ImportRefused
from management.importers.proto_text import import_proto
from management.importers.wsdl import import_wsdl
from management.importers.wsdl_files import merged
from tests.importers.test_edmx import V4
from tests.importers.test_proto_text import TEXT
from tests.soap.shop import WSDL

WORDS = (
    *("", "x", "x:y", ":", "tns:", "{}", "-1", "unbounded", "encoded", "rpc", "http://www.w3.org/2001/XMLSchema", "é"),
    *("s:anyType", "s:schema", "tns:Add", "g:Item", "99999999999", "{a}", '"', "]]>", "s:decimal"),
)
BITS = ("", "{", "}", '"', "/*", "<", ">", "\0", "é", ";")
NAMES = (
    *("ref", "type", "base", "name", "minOccurs", "maxOccurs", "use", "style", "namespace", "element", "message"),
    *("binding", "parts", "form", "schemaLocation", "location"),
)


def _odd(text: str, chance: random.Random) -> str:
    """The document with some of it changed, doubled or gone."""
    root = etree.fromstring(text.encode())
    for _ in range(chance.randint(1, 4)):
        elements: list[Any] = list(root.iter(etree.Element))
        one, other = chance.choice(elements), chance.choice(elements)
        match chance.randrange(4):
            case 0 if one.attrib:
                one.set(chance.choice(list(one.attrib)), chance.choice(WORDS))
            case 1 if one is not root:
                one.getparent().remove(one)
            case 2 if len(list(other.iter())) < 50:
                one.append(copy.deepcopy(other))
            case _:
                one.set(chance.choice(NAMES), chance.choice(WORDS))
    return etree.tostring(root, encoding="unicode")


def test_wsdl() -> None:
    chance, taken = random.Random(7), 0
    for _ in range(150):
        text = _odd(WSDL, chance)
        for kind in ("soap", "http"):
            with contextlib.suppress(ImportRefused):
                api = import_wsdl(text, kind)
                taken += 1
                for operation in api.operations:
                    sample = operation.properties["request"]["representations"][0].get("examples")
                    if kind == "soap" and sample:
                        etree.fromstring(sample["default"]["value"].encode())
        with contextlib.suppress(ImportRefused):
            merged({"a": text}, "a")
    assert 50 < taken < 250  # both happens


def test_odata_and_protobuf() -> None:
    chance = random.Random(7)
    for source, read in ((V4, import_odata), (TEXT, import_proto)):
        for _ in range(300):
            text = list(source)
            for _ in range(chance.randint(1, 5)):
                at = chance.randrange(len(text))
                text[at : at + chance.randint(0, 6)] = chance.choice(
                    ("", "{", "}", '"', "/*", "<", ">", "\0", "é", ";")
                )
            with contextlib.suppress(ImportRefused):
                read("".join(text))
