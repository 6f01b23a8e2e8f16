"""WSDL documents -> operations, schemas and policies: what comes out, what is refused, and what costs too much."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest

from management.importers import soap_messages, soap_to_rest
from management.importers.imported import ImportedApi, ImportRefused
from management.importers.wsdl import import_wsdl
from proxy.schemas.library import Library, read_document
from tests.cpu import cpu
from tests.soap.shop import WSDL


def operations(api: ImportedApi) -> dict[str, Any]:
    return {operation.id: operation.properties for operation in api.operations}


def test_pass_through() -> None:
    api = import_wsdl(WSDL, "soap")
    assert (api.display_name, api.description, api.type) == ("Shop", "Sums and goods.", "soap")
    assert api.service_url == "http://shop.example/shop.asmx"
    found = operations(api)
    templates = {name: each["urlTemplate"] for name, each in found.items()}
    assert templates == {
        "add": "/?soapAction=urn:shop/Add",
        "listgoods": "/?soapAction=urn:shop/ListGoods",
        "ping": "/?soapMethod=Ping",
    }
    add = found["add"]
    assert (add["method"], add["displayName"], add["description"]) == ("POST", "Add", "The sum of two numbers.")
    assert add["request"]["description"] == "AddIn"
    (representation,) = add["request"]["representations"]
    assert {key: representation[key] for key in ("contentType", "schemaId", "typeName")} == {
        "contentType": "text/xml",
        "schemaId": "schema",
        "typeName": "Add",
    }
    assert "<ns1:intA>0</ns1:intA>" in representation["examples"]["default"]["value"]
    assert add["responses"][0]["statusCode"] == 200
    assert [each.id for each in api.documents] == ["schema", "schema-2"]
    assert {each.content_type for each in api.documents} == {"application/vnd.ms-azure-apim.xsd+xml"}
    assert 'namespace="urn:goods" schemaLocation="schema-2"' in api.documents[0].text


def test_soap_1_2_and_the_port_that_is_asked_for() -> None:
    api = import_wsdl(WSDL, "soap", "shop", "SHOP12")
    found = operations(api)
    assert found["ping"]["urlTemplate"] == "/?soapAction=urn:shop/Ping"
    representation = found["add"]["request"]["representations"][0]
    assert representation["contentType"] == "application/soap+xml"
    assert "http://www.w3.org/2003/05/soap-envelope" in representation["examples"]["default"]["value"]
    with pytest.raises(ImportRefused, match="Shop/Shop11, Shop/Shop12") as refused:
        import_wsdl(WSDL, "soap", "Shop", "Nothing")
    assert refused.value.target == "wsdlSelector"


def test_soap_to_rest() -> None:
    api = import_wsdl(WSDL, "http")
    assert (api.type, api.service_url) == ("http", "http://shop.example")
    found = operations(api)
    assert [each["urlTemplate"] for each in found.values()] == ["/Add", "/ListGoods", "/Ping"]
    representation = found["listgoods"]["responses"][0]["representations"][0]
    assert representation["examples"]["default"]["value"] == {
        "listGoodsResponse": {
            "listGoodsResult": {
                "item": [
                    {
                        "id": 0, "name": "string", "price": {"currency": "string", "value": 0}, "inStock": True,
                        "tag": ["string"],
                    }
                ]
            }
        }
    }  # fmt: skip
    assert api.schemas["Add"] == {
        "type": "object",
        "properties": {"intA": {"type": "integer"}, "intB": {"type": "integer"}, "note": {"type": "string"}},
        "required": ["intA", "intB"],
    }
    assert api.schemas[representation["typeName"]]["properties"]["listGoodsResponse"] == {
        "$ref": "#/components/schemas/ListGoodsResponse"
    }
    assert 'rewrite-uri template="/shop.asmx"' in api.operations[0].policy


def changed(*pairs: tuple[str, str]) -> str:
    text = WSDL
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    return text


LOOP = ('<s:element name="Name" type="s:string" />', '<s:element name="Name" type="g:Item" />')


@pytest.mark.parametrize(
    ("text", "kind", "why"),
    [
        ("", "soap", "empty"),
        ("<a", "soap", "not XML.*line 1"),
        ("<a/>", "soap", "root is <a>"),
        ('<description xmlns="http://www.w3.org/ns/wsdl"/>', "soap", "WSDL 2.0"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "soap", "DOCTYPE"),
        ('<definitions xmlns="http://schemas.xmlsoap.org/wsdl/"/>', "soap", "no service"),
        (changed(("<wsdl:types>", '<wsdl:import namespace="urn:x" location="x.wsdl"/><wsdl:types>')), "soap",
         "'x.wsdl' leads to another file.*line"),
        (changed(('<s:import namespace="urn:goods" />', '<s:import namespace="urn:x" schemaLocation="x.xsd" />')),
         "soap", "'x.xsd' leads to another file"),
        (changed(('<s:import namespace="urn:goods" />', '<s:include schemaLocation="file:///etc/passwd" />')), "soap",
         "leads to another file"),
        (changed(("schemas.xmlsoap.org/soap/http", "schemas.xmlsoap.org/soap/smtp")), "soap", "not for HTTP"),
        (changed(('binding="tns:Shop11"', 'binding="tns:None"'), ('binding="tns:Shop12"', 'binding="x:None"')), "soap",
         "prefix of 'x:None'"),
        (changed(('message="tns:AddIn"', 'message="tns:Nothing"')), "soap", "message 'Nothing' is not there"),
        (changed(('type="tns:ShopPort"', 'type="tns:Nothing"')), "soap", "port type 'Nothing'"),
        (changed(LOOP), "http", "contains itself.*pass-through"),
        (changed(('use="literal"', 'use="encoded"')), "http", "SOAP encoding.*pass-through"),
        (changed(('type="g:ArrayOfItem"', 'type="g:Nothing"')), "http", "Nothing"),
    ],
)  # fmt: skip
def test_what_is_refused(text: str, kind: str, why: str) -> None:
    with pytest.raises(ImportRefused) as refused:
        import_wsdl(text, kind)
    assert re.search(why, str(refused.value)), str(refused.value)


def test_what_cannot_be_json_passes_through() -> None:
    for pair in (LOOP, ('use="literal"', 'use="encoded"'), ('type="g:ArrayOfItem"', 'type="g:Nothing"')):
        assert len(import_wsdl(changed(pair), "soap").operations) == 3


def _validator(api: ImportedApi) -> Any:
    """As the gateway makes it for validate-content."""
    documents = {
        each.id: read_document({"contentType": each.content_type, "document": {"value": each.text}})
        for each in api.documents
    }
    return Library(documents).xml("schema")


def test_the_schemas_can_be_validated_with() -> None:
    split = WSDL.index('      <s:element name="Ping">')
    parted = (
        f'{WSDL[:split]}</s:schema><s:schema targetNamespace="urn:shop" elementFormDefault="qualified">{WSDL[split:]}'
    )
    for text in (WSDL, parted):
        validator = _validator(import_wsdl(text, "soap"))
        assert not isinstance(validator, str), validator
        envelope = b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>%s</e:Body></e:Envelope>'
        good = b'<ListGoods xmlns="urn:shop"><filter exact="1"><MaxPrice xmlns="">1</MaxPrice></filter></ListGoods>'
        assert validator.soap(envelope % good) == []
        assert validator.soap(envelope % b'<Ping xmlns="urn:shop"/>') == []
        assert validator.soap(envelope % good.replace(b">1<", b">x<"))
        assert validator.soap(envelope % b'<Pong xmlns="urn:shop"/>')


def test_rpc_messages_have_a_wrapper() -> None:
    text = changed(
        ('transport="http://schemas.xmlsoap.org/soap/http"', 'style="rpc" transport="http://schemas.xmlsoap.org/soap/http"'),
        ('name="parameters" element="tns:Ping"', 'name="count" type="s:int"'),
        ('soapAction="" />\n      <wsdl:input><soap:body use="literal" />',
         'soapAction="" />\n      <wsdl:input><soap:body use="literal" namespace="urn:rpc" />'),
    )  # fmt: skip
    assert operations(import_wsdl(text, "soap"))["ping"]["urlTemplate"] == "/?soapMethod=Ping"
    policy = re.sub(r">\s+<", "><", import_wsdl(text, "http").operations[2].policy)
    assert "<ns1:Ping><count>{{ body.ping.count | Escape }}</count></ns1:Ping>" in policy
    assert 'xmlns:ns1="urn:rpc"' in policy


def test_braces_are_no_parameters() -> None:
    text = changed(("urn:shop/Add", "urn:{shop}/Add"), ("/shop.asmx", "/{a}/shop.asmx"))
    assert operations(import_wsdl(text, "soap"))["add"]["urlTemplate"] == "/?soapAction=urn:%7Bshop%7D/Add"
    assert 'template="/%7Ba%7D/shop.asmx"' in import_wsdl(text, "http").operations[0].policy


def test_a_document_without_service_or_address() -> None:
    text = WSDL[: WSDL.index("  <wsdl:service")] + "</wsdl:definitions>"
    api = import_wsdl(text, "soap")
    assert (api.display_name, api.service_url, len(api.operations)) == ("Shop", None, 3)


def test_a_small_text_does_not_become_a_large_policy() -> None:
    """Types that use types that use types: 2 to the power of 20 elements, if they were all written out."""
    types = "".join(
        f'<s:complexType name="T{n}"><s:sequence><s:element name="a" type="g:T{n + 1}"/>'
        f'<s:element name="b" type="g:T{n + 1}"/></s:sequence></s:complexType>'
        for n in range(20)
    )
    last = '<s:complexType name="T20"><s:sequence/></s:complexType>'
    text = changed(
        ('<s:complexType name="Filter">', f'{types}{last}<s:complexType name="Filter">'),
        ('type="g:Filter"', 'type="g:T0"'),
    )
    with cpu(5):
        with pytest.raises(ImportRefused, match="4000 elements"):
            import_wsdl(text, "http")
        assert len(import_wsdl(text, "soap").operations) == 3


def test_zeep_is_loaded_with_the_first_document() -> None:
    code = (
        "import sys, management.app, management.importers.wsdl, proxy.check, proxy.config.gateway\n"
        "sys.exit('zeep' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def sharing(members: int, count: int) -> str:
    """`count` operations with messages of one type with `members` elements."""
    elements = "".join(f'<s:element name="Member{n}" type="s:string"/>' for n in range(members))
    return f"""<w:definitions xmlns:w="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://www.w3.org/2001/XMLSchema"
      xmlns:p="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:t="urn:t" targetNamespace="urn:t"><w:types>
      <s:schema targetNamespace="urn:t" elementFormDefault="qualified"><s:element name="Large"><s:complexType>
      <s:sequence>{elements}</s:sequence></s:complexType></s:element></s:schema></w:types>
      <w:message name="M"><w:part name="parameters" element="t:Large"/></w:message><w:portType name="P">
      {"".join(f'<w:operation name="Do{n}"><w:input message="t:M"/></w:operation>' for n in range(count))}
      </w:portType><w:binding name="B" type="t:P">
      <p:binding transport="http://schemas.xmlsoap.org/soap/http"/>
      {
        "".join(
            f'<w:operation name="Do{n}"><p:operation soapAction="urn:t/{n}"/><w:input><p:body use="literal"/>'
            f"</w:input></w:operation>"
            for n in range(count)
        )
    }</w:binding>
      <w:service name="S"><w:port name="Q" binding="t:B"><p:address location="http://t.example/"/></w:port></w:service>
      </w:definitions>"""


def test_operations_that_share_a_large_type_do_not_multiply_it(monkeypatch: pytest.MonkeyPatch) -> None:
    text = sharing(100, 20)
    assert len(import_wsdl(text, "http").operations) == 20
    monkeypatch.setattr(soap_to_rest, "LARGEST_WHOLE", 100_000)
    with pytest.raises(ImportRefused, match="All policies would have more than"):
        import_wsdl(text, "http")
    monkeypatch.setattr(soap_messages, "LARGEST_WHOLE", 20_000)
    api = import_wsdl(text, "soap")
    examples = [each["request"]["representations"][0].get("examples") for each in operations(api).values()]
    assert len(examples) == 20
    assert 0 < sum(each is not None for each in examples) < 10
