"""Expressions of ARM templates: what they give, and how they are refused."""

from __future__ import annotations

from typing import Any

import pytest

from passerelle.templates.expressions import Scope, evaluate
from passerelle.templates.hashes import guid, unique_string
from passerelle.templates.wrong import TemplateWrong

PARAMETERS = {"name": "Shop", "list": [1, 2, 3], "object": {"Key": {"inner": "x"}}, "no": False}
LONG = "padLeft('', 8000000, 'x')"
GROWING = (
    f"replace({LONG}, 'x', {LONG})",
    f"join(range(0, 10000), {LONG})",
    f"concat({LONG}, {LONG}, {LONG})",
    f"format('{{0}}{{0}}{{0}}', {LONG})",
    "flatten(map(range(0, 2000), lambda('n', range(0, 10000))))",
)
SCOPE = Scope({"parameters": lambda name: PARAMETERS[name]})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("[[not an expression]", "[not an expression]"),
        ("[not one either", "[not one either"),
        ("['it''s']", "it's"),
        ("[ concat ( 'a' , parameters( 'name' ), 3, true() ) ]", "aShop3True"),
        ("[CONCAT('a', toUpper('b'))]", "aB"),
        ("[concat(createArray(1), parameters('list'))]", [1, 1, 2, 3]),
        ("[parameters('list')[1]]", 2),
        ("[parameters('object').key['INNER']]", "x"),
        ("[if(equals(parameters('name'), 'Shop'), 'yes', parameters('missing'))]", "yes"),
        ("[and(true(), not(parameters('no')), or(false(), equals(1, 1)))]", True),
        ("[and(false(), parameters('missing'))]", False),
        ("[equals('a', 'A')]", False),
        ("[equals(1, true())]", False),
        ("[format('{0}-{1:D3}-{{{2}}}-{0,6}', 'a', 7, true())]", "a-007-{True}-     a"),
        ("[split('a,b;c', createArray(',', ';'))]", ["a", "b", "c"]),
        ("[join(split('a.b', '.'), '/')]", "a/b"),
        ("[substring('abcdef', 2, 3)]", "cde"),
        ("[replace(toLower('A-B'), '-', '')]", "ab"),
        ("[length(parameters('list'))]", 3),
        ("[empty('')]", True),
        ("[empty(json('{}'))]", True),
        ("[contains(parameters('object'), 'KEY')]", True),
        ("[contains('abc', 'B')]", False),
        ("[first(parameters('list'))]", 1),
        ("[last('abc')]", "c"),
        ("[skip(take(parameters('list'), 2), 1)]", [2]),
        ('[union(json(\'{"a": {"b": 1}}\'), json(\'{"a": {"c": 2}}\'))]', {"a": {"b": 1, "c": 2}}),
        ("[union(createArray(1, 2), createArray(2, 3))]", [1, 2, 3]),
        ("[intersection(createArray(1, 2), createArray(2, 3))]", [2]),
        ("[createObject('a', 1, 'b', createArray())]", {"a": 1, "b": []}),
        ("[string(createObject('a', true()))]", '{"a":true}'),
        ("[base64ToString(base64('ü'))]", "ü"),
        ("[uri('https://host/folder/file.json', 'nested/x.json')]", "https://host/folder/nested/x.json"),
        ("[uri('https://host/folder/', '/x.json')]", "https://host/folder/x.json"),
        ("[uri('https://host', 'x.json')]", "https://host/x.json"),
        ("[uri('/a/b/main.json', 'nested/x.json')]", "/a/b/nested/x.json"),
        ("[indexOf('abcABC', 'B')]", 1),
        ("[lastIndexOf('abcabc', 'B')]", 4),
        ("[lastIndexOf(createArray(1, 2, 1), 1)]", 2),
        ("[uriComponent('a b/c')]", "a%20b%2Fc"),
        ("[add(int('2'), mul(3, mod(-7, 3)))]", -1),
        ("[div(-7, 2)]", -3),
        ("[coalesce(null(), 'a')]", "a"),
        ("[padLeft('7', 3, '0')]", "007"),
        ("[range(2, 3)]", [2, 3, 4]),
        ("[map(parameters('list'), lambda('x', add(lambdaVariables('x'), 1)))]", [2, 3, 4]),
        ("[filter(parameters('list'), lambda('x', greater(lambdaVariables('x'), 1)))]", [2, 3]),
        ("[reduce(parameters('list'), 0, lambda('a', 'b', add(lambdaVariables('a'), lambdaVariables('b'))))]", 6),
        ("[sort(createArray(3, 1, 2), lambda('a', 'b', less(lambdaVariables('a'), lambdaVariables('b'))))]", [1, 2, 3]),
        ("[toObject(createArray('a'), lambda('x', lambdaVariables('x')), lambda('x', 1))]", {"a": 1}),
        ("[items(createObject('b', 2, 'a', 1))[0].key]", "a"),
        ("[tryGet(parameters('object'), 'key', 'none')]", None),
    ],
)
def test_what_it_gives(text: str, value: Any) -> None:
    found = evaluate(text, SCOPE)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[concat('a']", "column 12"),
        ("[concat('a',)]", "an argument belongs"),
        ("['a' 'b']", "more than one expression"),
        ("[parameters]", r"\(.* after parameters"),
        ("[nothing('a')]", r"no function nothing\(\)"),
        ("[listKeys('x', 'y').key]", "asks Azure"),
        ("[toLower(1)]", r"toLower\(\) does not take"),
        ("[parameters('object').other]", "no property other"),
        ("[parameters('list')[7]]", "no item 7"),
        ("[copyIndex()]", "outside of that loop"),
        ("[if('maybe', 1, 2)]", "true or false"),
        ("[" + "concat(" * 200 + ")" * 200 + "]", "deeper than"),
        ("[substring('abc', 2, 5)]", "leaves the text"),
        ("[json('{')]", "no JSON"),
        ("[reduce(range(0, 9), 99, lambda('a', 'b', mul(lambdaVariables('a'), lambdaVariables('a'))))]", "64 bits"),
        *((f"[{text}]", "would have more than") for text in GROWING),
    ],
)
def test_what_it_refuses(text: str, why: str) -> None:
    with pytest.raises(TemplateWrong, match=why):
        evaluate(text, SCOPE)


def test_no_refusal_tells_a_value() -> None:
    secret = Scope({"parameters": lambda name: "hunter2"})
    for text in ("[int(parameters('p'))]", "[parameters('p').x]", "[toLower(createArray(parameters('p')))]"):
        with pytest.raises(TemplateWrong) as refused:
            evaluate(text, secret)
        assert "hunter2" not in str(refused.value)


def test_hashes_are_those_of_azure() -> None:
    """Published pairs."""
    assert unique_string("test") == "rbgf3xv4ufgzg"
    assert unique_string("hello", "world") == "a7wkljktk6wne"
    whole = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/my-rg"
    assert unique_string(whole) == "bmg7c6xu4tw46"
    assert guid("a", "b") == guid("a-b")
