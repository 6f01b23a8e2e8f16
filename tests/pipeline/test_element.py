"""What a factory asks for, and what comes of good, missing and bad values."""

from __future__ import annotations

import pytest

from passerelle.cases.world import World
from proxy.errors import ExpressionFailed
from proxy.pipeline.element import Element
from proxy.pipeline.issue import Issue
from proxy.pipeline.markup import read
from proxy.pipeline.source import Source
from proxy.pipeline.values import Value


def element(text: str) -> Element:
    issues: list[Issue] = []
    return Element(read(text), Source(text, text), issues, path="x[1]")


def codes(found: Element) -> list[str]:
    return [issue.code for issue in found.issues]


def test_literals() -> None:
    x = element("<x s='a' i=' 12 ' b='True' c='TWO'/>")
    assert x.literal("s") == "a"
    assert x.literal_integer("i", minimum=1, maximum=12) == 12
    assert x.literal_boolean("b") is True
    assert x.literal_choice("c", "one", "two") == "two"
    x.finish()
    assert codes(x) == []


def test_defaults() -> None:
    x = element("<x/>")
    assert x.literal("s", None) is None
    assert x.literal_integer("i", 7) == 7
    assert x.string("v", "d").value == "d"
    assert x.string("v", None) is None
    assert x.number("n", 2.5).value == 2.5
    assert x.boolean("b", True).value is True
    assert x.choice("c", "one", "two", default="two").value == "two"
    assert codes(x) == []


def test_what_is_required_and_missing() -> None:
    x = element("<x/>")
    assert (x.literal("a"), x.literal_integer("b", minimum=3), x.boolean("c").value) == ("", 3, False)
    assert codes(x) == ["missing-attribute"] * 3
    assert 'Add a="..."' in x.issues[0].message


@pytest.mark.parametrize("text", ["", "x", "1.5", "0x1", "1_0", "--1", "9" * 40, "101", "-1"])
def test_bad_integers(text: str) -> None:
    x = element(f"<x a='{text}'/>")
    x.integer("a", minimum=0, maximum=100)
    assert codes(x) == ["invalid-attribute"]


@pytest.mark.parametrize("text", ["", "x", "nan", "inf", "1e9999", "1_0"])
def test_bad_numbers(text: str) -> None:
    x = element(f"<x a='{text}'/>")
    x.number("a", minimum=0)
    assert codes(x) == ["invalid-attribute"]


def test_constants_and_expressions() -> None:
    x = element("<x a='5' b='@(2 + 3)' c='@(context.Request.Body.As&lt;string&gt;())'/>")
    exchange = World().exchange()
    constant, computed, reading = x.integer("a"), x.integer("b"), x.string("c")
    assert (constant.constant, constant.value, constant.get(exchange)) == (True, 5, 5)
    assert (computed.constant, computed.get(exchange)) == (False, 5)
    assert reading.reads == {"request"}
    assert x.reads == {"request"}
    with pytest.raises(ValueError, match="without a request"):
        _ = computed.value


def test_an_expression_outside_the_range_or_of_another_kind() -> None:
    x = element("<x a='@(5)' b='@(\"x\")'/>")
    exchange = World().exchange()
    for value in (x.integer("a", maximum=4), x.integer("b")):
        with pytest.raises(ExpressionFailed):
            value.get(exchange)


def test_a_literal_takes_no_expression() -> None:
    x = element("<x a='@(5)'>@(6)</x>")
    assert (x.literal("a"), x.literal_content()) == ("", "")
    assert codes(x) == ["expression-not-allowed"] * 2


def test_an_expression_error_stands_at_its_place_in_the_text() -> None:
    text = '<x\n  a="  @(1 +\n &quot;b&quot; + context.Nope)"/>'
    x = element(text)
    x.string("a")
    (issue,) = x.issues
    assert issue.code == "expression-syntax"
    line = text.split("\n")[issue.line - 1]
    assert issue.line == 3
    assert line[issue.column - 1 :].startswith(("context", "Nope", "."))


def test_content() -> None:
    assert element("<x> a </x>").content().value == "a"
    assert element("<x> a </x>").body_content().value == b" a "
    assert element("<x/>").content().value == ""
    exchange = World().exchange()
    assert element('<x><!-- why -->\n@("a")</x>').content().get(exchange) == "a"
    assert element('<x>\n<![CDATA[@("a")]]>\n</x>').content().get(exchange) == "a"


def test_children_are_known_and_asked_in_turn() -> None:
    x = element("<x><y a='1'/><y b='2'/><z/></x>")
    first, second = x.children("y")
    assert (first.path, second.path) == ("x[1]/y[1]", "x[1]/y[2]")
    first.literal("a")
    x.finish()
    assert codes(x) == ["unknown-element", "unknown-attribute"]


def test_what_nobody_asked_for() -> None:
    x = element("<x id='1' alpha='2' xmlns:q='u'>text</x>")
    x.literal("alfa", "")
    x.finish()
    assert codes(x) == ["unknown-attribute", "unexpected-text"]
    assert x.issues[0].message == "Attribute 'alpha' is not known here. Did you mean 'alfa'?"


def test_a_value_wraps_what_goes_wrong() -> None:
    def broken(exchange: object) -> int:
        raise KeyError("k")

    with pytest.raises(ExpressionFailed) as caught:
        Value.computed(broken, int).get(World().exchange())
    assert "KeyError" in caught.value.detail
