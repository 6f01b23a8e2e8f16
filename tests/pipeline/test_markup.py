"""What authors write, and what comes of it: nodes with places, or one error with its place."""

from __future__ import annotations

import time

import pytest

from proxy.pipeline.markup import MAX_CHARACTERS, MAX_DEPTH, read, read_document
from proxy.pipeline.nodes import MarkupError, Node, Piece, original_offset
from proxy.pipeline.source import Source


def attribute(text: str, name: str = "a") -> str:
    return next(each.value.value for each in read(text).attributes if each.name == name)


def words(text: str) -> list[str]:
    return [each.value for each in read(text).content if isinstance(each, Piece)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('<x a="1"/>', "1"),
        ("<x a = '1' />", "1"),
        ("<x a='say \"1\"' />", 'say "1"'),
        ('<x a="it\'s"/>', "it's"),
        ('<x a="&quot;&lt;&gt;&amp;&apos;&#65;&#x42;"/>', "\"<>&'AB"),
        ('<x a="a&b&c=1"/>', "a&b&c=1"),
        ('<x a=""/>', ""),
        ('<x a="1\n2"/>', "1\n2"),
        ('<x a="@(d["k"] < 1 && b > 2)" b="2"/>', '@(d["k"] < 1 && b > 2)'),
        ('<x a=" @(d["k"]) " b="2"/>', ' @(d["k"]) '),
        ('<x a="@(d[&quot;k&quot;] == "v" && As&lt;J&gt;())"/>', '@(d["k"] == "v" && As<J>())'),
        ("<x a='@(d[\"k\"])'/>", '@(d["k"])'),
        ('<x a="@(b) and @(c)" d="e"/>', "@(b) and @(c)"),
        ('<x a="call @(b)"/>', "call @(b)"),
        ('<x a="@{ // "quoted"\n return "/>"; }" />', '@{ // "quoted"\n return "/>"; }'),
        ('<x a="@("&amp;")"/>', '@("&")'),
    ],
)
def test_attribute_values(text: str, value: str) -> None:
    assert attribute(text) == value


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("<x>a</x>", ["a"]),
        ("<x> \n </x>", []),
        ("<x>a&lt;b&#10;</x>", ["a<b\n"]),
        ("<x>a<!-- <b> -->c</x>", ["a", "c"]),
        ("<x><![CDATA[<a> & &amp;]]></x>", ["<a> & &amp;"]),
        ("<x> @{ var a = d < e && f; } </x>", [" @{ var a = d < e && f; } "]),
        ('<x>@("</x>")</x>', ['@("</x>")']),
        ("<x>\n<!-- why -->\n@(a < b)</x>", ["\n@(a < b)"]),
        ("<x><![CDATA[@(a < b)]]></x>", ["@(a < b)"]),
    ],
)
def test_texts(text: str, pieces: list[str]) -> None:
    assert words(text) == pieces


def test_tree_in_order() -> None:
    root = read('<?xml version="1.0" encoding="utf-8"?>\n<!-- top -->\n<a><b x="1"/>t<b><c/></b></a>\n<!-- end -->\n')
    assert [each.name if isinstance(each, Node) else each.value for each in root.content] == ["b", "t", "b"]
    assert [child.name for child in root.children[1].children] == ["c"]


def test_places_are_exact() -> None:
    text = '<a>\n  <b x="1"\n     yy="@("z")">\n\ttext @(</b>\n</a>'
    source = Source(text, text)
    child = read(text).children[0]
    assert source.place(child.offset) == (2, 3)
    assert [source.place(each.offset) for each in child.attributes] == [(2, 6), (3, 6)]
    assert source.place(child.attributes[1].value.start) == (3, 10)
    piece = child.content[0]
    assert isinstance(piece, Piece)
    assert source.place(piece.start) == (3, 18)


def test_place_inside_a_decoded_value() -> None:
    text = '<x a="@(&quot;a&quot; + b)"/>'
    piece = read(text).attributes[0].value
    assert text[original_offset(text, piece, piece.value.index("b"))] == "b"
    assert original_offset(text, piece, piece.value.index('"')) == text.index("&quot;")


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", (1, 1), "empty"),
        ("hello", (1, 1), "starts with an element"),
        ("<a></b>", (1, 4), "</b> closes nothing; <a> is open"),
        ("<a><b></a>", (1, 7), "<b> is open"),
        ("<a>", (1, 4), "never closed"),
        ("<a/><b/>", (1, 5), "one root"),
        ("<a/>x", (1, 5), "text"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a/>', (1, 1), "DOCTYPE"),
        ("<a><!DOCTYPE b></a>", (1, 4), "DOCTYPE"),
        ("<a><?php ?></a>", (1, 4), "processing instruction"),
        ('<a>\n<?xml version="1.0"?></a>', (2, 1), "processing instruction"),
        ("<a><!-- b</a>", (1, 4), "comment does not end"),
        ("<a><![CDATA[b</a>", (1, 4), "CDATA section does not end"),
        ("<a>1 < 2</a>", (1, 6), "Write &lt;"),
        ("<a b=1/>", (1, 4), "Quote the value"),
        ('<a b="1"c"/>', (1, 9), "Quote the value"),
        ("<a b/>", (1, 4), "expected here"),
        ("<a b='1' b='2'/>", (1, 10), "given twice"),
        ('<a b="1<2"/>', (1, 8), "Write &lt;"),
        ('<a b="1/>', (1, 7), "no closing"),
        ("<a", (1, 3), "'>' is missing"),
        ("<a>&nbsp;</a>", (1, 4), "&nbsp; is not defined"),
        ('<a b="&#0;"/>', (1, 7), "not a character"),
        ('<a b="@(c"/>', (1, 10), "string does not end"),
        ("<a>\n@(b</a>", (2, 2), "never closed"),
    ],
)
def test_errors_name_place_and_remedy(text: str, place: tuple[int, int], message: str) -> None:
    with pytest.raises(MarkupError) as caught:
        read(text)
    assert message in str(caught.value)
    assert Source(text, text).place(caught.value.offset) == place


def test_size_is_bounded() -> None:
    with pytest.raises(MarkupError, match="longer than"):
        read("<a>" + "x" * MAX_CHARACTERS + "</a>")


def test_depth_is_bounded() -> None:
    read("<a>" * MAX_DEPTH + "</a>" * MAX_DEPTH)
    with pytest.raises(MarkupError, match="deep"):
        read("<a>" * (MAX_DEPTH + 1) + "</a>" * (MAX_DEPTH + 1))


DOCUMENT = """<policies>
    <inbound>
        <base />
        <set-header name="X-Request" exists-action="override">
            <value>@(context.RequestId.ToString())</value>
        </set-header>
        <choose>
            <when condition="@(context.Request.Headers.GetValueOrDefault("X-A", "") == "b" && 1 < 2)">
                <set-variable name="a" value="@((string)context.Variables["b"])" />
            </when>
            <otherwise>
                <return-response>
                    <set-status code="404" reason="Not Found" />
                </return-response>
            </otherwise>
        </choose>
    </inbound>
    <backend><base /></backend>
    <outbound><base /></outbound>
</policies>"""


def best_of(times: int, action: object) -> float:
    assert callable(action)
    best = 1.0
    for _ in range(times):
        started = time.perf_counter()
        action()
        best = min(best, time.perf_counter() - started)
    return best


def test_a_document_of_twenty_lines_is_read_in_200_microseconds() -> None:
    assert best_of(200, lambda: read_document.__wrapped__(DOCUMENT)) < 200e-6


def test_reading_again_costs_nothing() -> None:
    assert read(DOCUMENT) is read("".join(DOCUMENT))
