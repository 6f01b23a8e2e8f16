"""WSDL in several files -> one document that an import takes."""

from __future__ import annotations

import pytest

from management.importers.imported import ImportRefused
from management.importers.wsdl import import_wsdl
from management.importers.wsdl_files import merged, missing
from tests.soap.shop import WSDL

BASE = "http://shop.example/a/shop.wsdl"


def parted() -> dict[str, str]:
    """The shop as a service part, a types part, a schema without a namespace and another with one."""
    head = WSDL[: WSDL.index("  <wsdl:documentation>")]
    service = WSDL[WSDL.index("  <wsdl:binding") :]
    messages = WSDL[WSDL.index("  <wsdl:message") : WSDL.index("  <wsdl:binding")]
    first, second = (each + "</s:schema>" for each in WSDL.split("</s:schema>")[:2])
    shop, goods = first[first.index("<s:schema") :], second[second.index("<s:schema") :]
    # the file has prefixes of its own
    goods = goods.replace("<s:", "<x:").replace("</s:", "</x:").replace('"s:', '"x:').replace('"g:', '"own:')
    goods = goods.replace("<x:schema", '<x:schema xmlns:x="http://www.w3.org/2001/XMLSchema" xmlns:own="urn:goods"')
    cut = shop.index('      <s:element name="Ping">')
    end = shop.index("</s:schema>")
    chameleon = (
        f'<s:schema xmlns:s="http://www.w3.org/2001/XMLSchema" elementFormDefault="qualified">'
        f'{shop[cut:end].replace("s:dateTime", "Time")}<s:simpleType name="Time"><s:restriction base="s:dateTime"/>'
        "</s:simpleType></s:schema>"
    )
    shop = shop[:cut] + shop[end:]
    shop = shop.replace(
        '<s:import namespace="urn:goods" />',
        '<s:include schemaLocation="ping.xsd"/><s:import namespace="urn:goods" schemaLocation="../goods.xsd#x"/>',
    )
    types = f"{head}<wsdl:types>{shop}</wsdl:types>{messages}</wsdl:definitions>"
    return {
        BASE: f'{head}<wsdl:import namespace="urn:shop" location="types.wsdl"/>{service}',
        "http://shop.example/a/types.wsdl": types,
        "http://shop.example/a/ping.xsd": chameleon,
        "http://shop.example/goods.xsd": goods,
    }


def test_all_that_is_missing_is_asked_for() -> None:
    files = parted()
    have = {BASE: files[BASE]}
    asked = []
    while found := missing(have, BASE):
        asked.append(found)
        have |= {name: files[name] for name in found}
    assert asked == [
        ["http://shop.example/a/types.wsdl"],
        ["http://shop.example/a/ping.xsd", "http://shop.example/goods.xsd"],
    ]
    whole = merged(have, BASE)
    for kind in ("soap", "http"):
        one, other = import_wsdl(whole, kind), import_wsdl(WSDL, kind)
        assert [each.properties["urlTemplate"] for each in one.operations] == [
            each.properties["urlTemplate"] for each in other.operations
        ]
        for left, right in zip(one.operations, other.operations, strict=True):
            assert left.policy == right.policy
            assert left.properties["responses"][0]["representations"][0].get("examples") == (
                right.properties["responses"][0]["representations"][0].get("examples")
            )


def test_a_document_that_is_whole_stays_as_it_is() -> None:
    assert missing({BASE: WSDL}, BASE) == []
    assert merged({BASE: WSDL}, BASE) is WSDL


def test_files_that_import_one_another() -> None:
    files = parted()
    for name, text in files.items():
        if name.endswith("types.wsdl"):
            files[name] = text.replace(
                "<wsdl:types>", '<wsdl:import namespace="urn:shop" location="shop.wsdl"/><wsdl:types>'
            )
    assert len(import_wsdl(merged(files, BASE), "soap").operations) == 3


@pytest.mark.parametrize(
    "location", ["https://shop.example/x.wsdl", "http://other.example/x.wsdl", "file:///etc/passwd", "ftp://a/b"]
)
def test_other_hosts_are_not_asked(location: str) -> None:
    text = WSDL.replace("<wsdl:types>", f'<wsdl:import namespace="urn:x" location="{location}"/><wsdl:types>', 1)
    assert missing({BASE: text}, BASE) == []
    with pytest.raises(ImportRefused, match="leads to another file"):
        import_wsdl(merged({BASE: text}, BASE), "soap")


def test_what_is_refused() -> None:
    files = parted()
    files["http://shop.example/goods.xsd"] = "<html>"
    with pytest.raises(ImportRefused, match=r"goods\.xsd: The document is not XML"):
        merged(files, BASE)
    files["http://shop.example/goods.xsd"] = "<html/>"
    with pytest.raises(ImportRefused, match="neither WSDL nor an XML schema"):
        merged(files, BASE)


@pytest.mark.parametrize(
    ("base", "location", "asked"),
    [
        ("shop.wsdl", "x.xsd#a", "x.xsd"),
        ("a/b/shop.wsdl", "../../../x%20y.xsd", "../x y.xsd"),
        ("../a/shop.wsdl", "./x.xsd", "../a/x.xsd"),
        ("/a/b/shop.wsdl", "../x.xsd", "/a/x.xsd"),
        ("https://h/a/shop.asmx?wsdl", "?xsd=xsd0", "https://h/a/shop.asmx?xsd=xsd0"),
        ("https://h/a/shop.asmx?wsdl", "HTTPS://H/x.xsd", "https://H/x.xsd"),
    ],
)
def test_what_a_location_means(base: str, location: str, asked: str) -> None:
    text = WSDL.replace("<s:import", f'<s:include schemaLocation="{location}"/><s:import', 1)
    assert missing({base: text}, base) == [asked]


SCHEMA = '<s:schema xmlns:s="http://www.w3.org/2001/XMLSchema"'


def test_includes_in_a_circle_of_namespaces_end() -> None:
    """Each round has another namespace, so that none of them is known."""
    many = "".join(
        f'{SCHEMA} targetNamespace="urn:{n}"><s:include schemaLocation="b.xsd"/></s:schema>' for n in range(2000)
    )
    files = {
        "a.wsdl": f'<w:definitions xmlns:w="http://schemas.xmlsoap.org/wsdl/"><w:types>{many}</w:types></w:definitions>',
        "b.xsd": f'{SCHEMA}><s:include schemaLocation="a.wsdl"/></s:schema>',
    }
    with pytest.raises(ImportRefused, match="more than 250 files"):
        merged(files, "a.wsdl")


def test_one_file_in_many_namespaces_does_not_grow_beyond_bounds() -> None:
    many = "".join(
        f'{SCHEMA} targetNamespace="urn:{n}"><s:include schemaLocation="b.xsd"/></s:schema>' for n in range(20)
    )
    files = {
        "a.wsdl": f'<w:definitions xmlns:w="http://schemas.xmlsoap.org/wsdl/"><w:types>{many}</w:types></w:definitions>',
        "b.xsd": f"{SCHEMA}><s:annotation><s:appinfo>{'x' * 1024 * 1024}</s:appinfo></s:annotation></s:schema>",
    }
    with pytest.raises(ImportRefused, match="characters with all that it takes in"):
        merged(files, "a.wsdl")
