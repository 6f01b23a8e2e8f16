"""What a hostile body or a careless schema may cost: bounded time, no memory to speak of, no reach."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from proxy.schemas import well_formed
from proxy.schemas.flatten import Reading, SchemaError, flatten
from proxy.schemas.json_places import place
from proxy.schemas.json_schema import MOST_FINDINGS, JsonValidator
from proxy.schemas.xml_schema import XmlValidator
from tests.cpu import uncollected

SLACK = 20  # other processes share the machine
XSD = '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">{}<xs:element name="a" type="xs:int"/></xs:schema>'


def seconds(work: Callable[[], Any]) -> float:
    with uncollected():
        began = time.thread_time()
        work()
        return time.thread_time() - began


def test_a_pattern_that_explodes() -> None:
    validator = JsonValidator(flatten({"pattern": "^(a+)+(?=b)$"}, "", Reading()))
    body = b'"' + b"a" * 50_000 + b'!"'
    assert seconds(lambda: validator.content(body)) < 0.05 * SLACK
    (found,) = validator.content(body)
    assert "pattern" in found.message


def test_a_recursive_choice() -> None:
    """Each level tries two branches that go on with the same schema."""
    inner = {"x": {"$ref": "#"}}
    tree = {"anyOf": [{"properties": inner, "required": ["y"]}, {"properties": inner, "required": ["z"]}]}
    validator = JsonValidator(flatten(tree, "", Reading()))
    body = b'{"x":' * 16 + b"{}" + b"}" * 16
    assert seconds(lambda: validator.content(body)) < 0.05 * SLACK
    assert [str(each) for each in validator.content(body)] == [
        "JSON does not match a choice of the schema (anyOf, oneOf, not, if or contains). Line: 1, Position: 1"
    ]


def test_choices_in_choices() -> None:
    """No circle, but each level makes twice as many findings."""
    schemas = {f"T{n}": {"oneOf": [{"$ref": f"#/$defs/T{n + 1}"}] * 2} for n in range(12)} | {"T12": {"type": "null"}}
    validator = JsonValidator(flatten({"$ref": "#/$defs/T0", "$defs": schemas}, "", Reading()))
    assert seconds(lambda: validator.content(b"1")) < 0.05 * SLACK
    assert validator.content(b"1")


def test_choices_over_long_lists() -> None:
    schema = {"anyOf": [{"items": {"type": "string"}}, {"items": {"type": "boolean"}}], "maxItems": 10}
    validator = JsonValidator(schema)
    body = b"[" + b",".join([b"1"] * 100_000) + b"]"
    assert seconds(lambda: validator.content(body)) < 0.1 * SLACK
    (found,) = validator.content(body)
    assert found.message == "Array item count 100000 exceeds maximum count of 10."


@pytest.mark.parametrize("body", [b"[" * 100_000, b"[" * 500 + b"]" * 500, b'{"a":' * 900 + b"1" + b"}" * 900])
def test_brackets_without_end(body: bytes) -> None:
    tree = {"items": {"$ref": "#"}, "properties": {"a": {"$ref": "#"}}}
    validator = JsonValidator(flatten(tree, "", Reading()))
    with contextlib.suppress(ValueError, RecursionError):  # the policy makes "cannot be validated" of it
        validator.content(body)


def test_many_findings() -> None:
    validator = JsonValidator({"items": {"type": "string"}})
    body = b"[" + b",".join([b"1"] * 100_000) + b"]"
    assert len(validator.content(body)) == 1, "a large body has the place of one finding"
    assert len(validator.content(b"[" + b"1," * 500 + b"1]")) == MOST_FINDINGS
    assert seconds(lambda: validator.content(body)) < 0.1 * SLACK


def test_equal_names() -> None:
    validator = JsonValidator({"properties": {"a": {"type": "string"}}})
    assert validator.content(b'{"a": 1, "a": "x"}') == []
    (found,) = validator.content(b'{"a": "x", "a": 1}')
    assert found.position == 17


def test_places() -> None:
    text = '{"a": [1, {"b" : "x,]}"}],\n "c": tru\\u0065}'.replace("tru\\u0065", "true")
    assert place(text, []) == (1, 1)
    assert place(text, ["a"]) == (1, 7)
    assert place(text, ["a", 1, "b"]) == (1, 23)
    assert place(text, ["c"]) == (2, 10)
    assert place(text, ["C"], fold=True) == (2, 10)
    assert place(text, ["none"]) == (0, 0)


@pytest.mark.parametrize(
    "inside",
    [
        '<xs:include schemaLocation="{}"/>',
        '<xs:import namespace="urn:x" schemaLocation="file://{}"/>',
        '<xs:redefine schemaLocation="{}"/>',
        '<xs:include schemaLocation="http://127.0.0.1:9/x.xsd"/>',
    ],
)
def test_an_xml_schema_opens_nothing(inside: str, tmp_path: Path) -> None:
    file = tmp_path / "other.xsd"
    file.write_text(XSD.format(""))
    with pytest.raises(SchemaError, match="not one of this service"):
        XmlValidator(XSD.format(inside.format(file)))
    with pytest.raises(SchemaError, match="not one of this service"):
        XmlValidator(XSD.format('<xs:include schemaLocation="/schemas/b"/>'), {"b": XSD.format(inside.format(file))})


def test_schemas_that_include_each_other() -> None:
    both = (
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:include schemaLocation="/schemas/{}"/>'
        '<xs:element name="{}" type="xs:int"/></xs:schema>'
    )
    first, second = both.format("b", "x"), both.format("a", "y")
    validator = XmlValidator(first, {"a": first, "b": second}, "a")
    assert validator.content(b"<y>1</y>") == []
    assert validator.content(b"<y>a</y>") != []


def test_many_findings_in_xml() -> None:
    items = '<xs:sequence><xs:element name="i" type="xs:int" maxOccurs="unbounded"/></xs:sequence>'
    validator = XmlValidator(XSD.format(f'<xs:element name="r"><xs:complexType>{items}</xs:complexType></xs:element>'))
    envelope = b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>%s</s:Body></s:Envelope>'
    for count in (500, 100_000):
        right, wrong = (b"<r>%s</r>" % (each * count) for each in (b"<i>1</i>", b"<i>x</i>"))
        last = b"<r>%s<i>x</i></r>" % (b"<i>1</i>" * count)
        for check, around in ((validator.content, b"%s"), (validator.soap, envelope)):
            assert check(around % right) == []
            assert seconds(lambda check=check, body=around % wrong: check(body)) < 0.3 * SLACK  # type: ignore[misc]
            assert "atomic type" in check(around % wrong)[0].message
            (found,) = check(around % last)
            assert "atomic type" in found.message


def test_an_xml_pattern_that_explodes() -> None:
    pattern = '<xs:restriction base="xs:string"><xs:pattern value="(a{1,20}){1,20}b"/></xs:restriction>'
    validator = XmlValidator(XSD.format(f'<xs:element name="b"><xs:simpleType>{pattern}</xs:simpleType></xs:element>'))
    body = b"<b>" + b"a" * 5000 + b"</b>"

    def check() -> None:
        with pytest.raises(ValueError, match="Internal error"):  # the policy makes "cannot be validated" of it
            validator.content(body)

    assert seconds(check) < 0.3 * SLACK


def test_entities() -> None:
    laughs = "<!DOCTYPE a [<!ENTITY b0 'ha'>" + "".join(
        f"<!ENTITY b{n} '{f'&b{n - 1};' * 10}'>" for n in range(1, 12)
    )  # fmt: skip
    body = f"{laughs}]><a>&b11;</a>".encode()
    validator = XmlValidator(XSD.format(""))
    for check in (validator.content, validator.soap, well_formed.xml, well_formed.soap):
        assert seconds(lambda check=check: check(body)) < 0.05 * SLACK  # type: ignore[misc]
        assert check(body)
    with pytest.raises(SchemaError):
        XmlValidator('<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/hostname">]><a>&e;</a>')


def test_a_body_in_utf_16_and_one_that_is_not_text() -> None:
    validator = XmlValidator(XSD.format(""))
    assert validator.content("<?xml version='1.0' encoding='utf-16'?><a>1</a>".encode("utf-16")) == []
    assert validator.content(b"\x00\x01\x02") != []
    json = JsonValidator({"type": "string"})
    assert json.content(b'\xef\xbb\xbf"a"') == []
    assert json.content(b'"\xff"') != []
