"""What authors write, and what comes of it: nodes with places, or one error with its place."""

from __future__ import annotations

import time

import pytest

from proxy.pipeline.markup import MAX_CHARACTERS, MAX_DEPTH, read, read_document
from proxy.pipeline.nodes import MarkupError, Node, Piece, original_offset
from proxy.pipeline.source import Source
from tests.cpu import cpu


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
        ('<x a="@(a&b;)"/>', "@(a&b;)"),
        ('<x a="&nbsp;&nbsp"/>', "&nbsp;&nbsp"),
        ("<x b='@(c[\"d\"])' a='@{ // it's\n return 1; }'/>", "@{ // it's\n return 1; }"),
        ('<x a="@{&#xD;&#xA; // it\'s &quot;&#xD;&#xA; return 1;&#10;}"/>', "@{\r\n // it's \"\r\n return 1;\n}"),
        ('<x a="me@example.com"/>', "me@example.com"),
        ('<x a="a @(b c"/>', "a @(b c"),
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
        ("<x>a @(b<c>()) d</x>", ["a @(b<c>()) d"]),
        ("<x>a @(b</x>", ["a @(b"]),
        ("<x>&nbsp;&a</x>", ["&nbsp;&a"]),
        ("<x>a<?php ?>b</x>", ["a", "b"]),
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
        ("<a/>x", (1, 5), "one root"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a/>', (1, 1), "DOCTYPE"),
        ("<a><!DOCTYPE b></a>", (1, 4), "DOCTYPE"),
        ("<a><!-- b</a>", (1, 4), "comment does not end"),
        ("<a><![CDATA[b</a>", (1, 4), "CDATA section does not end"),
        ("<a>1 < 2</a>", (1, 6), "Write &lt;"),
        ("<a ,/>", (1, 4), "Quote the value"),
        ("<a b/>", (1, 4), "'b' has no value"),
        ("<a b='1' b='2'/>", (1, 10), "given twice"),
        ('<a b="1<2"/>', (1, 8), "Write &lt;"),
        ('<a b="1/>', (1, 7), "no closing"),
        ("<a", (1, 3), "'>' is missing"),
        ('<a b="&#0;"/>', (1, 7), "not a character"),
        ('<a b="@(c"/>', (1, 8), "'(' is never closed"),
        ('<a b="@(c"/><d/>', (1, 8), "'(' is never closed"),
        ('<a b="@(c', (1, 8), "'(' is never closed"),
        ('<a>\n<b c="@(d(1)" />\n</a>', (2, 8), "'(' is never closed"),
        ("<a>\n@(b</a>", (2, 2), "never closed"),
    ],
)
def test_errors_name_place_and_remedy(text: str, place: tuple[int, int], message: str) -> None:
    with pytest.raises(MarkupError) as caught:
        read(text)
    assert message in str(caught.value)
    assert Source(text, text).place(caught.value.offset) == place


# what is read all the same: the value of `a`, where the warning stands, what it says
@pytest.mark.parametrize(
    ("text", "value", "column", "message"),
    [
        ('<x a="O="B, Inc.", C=D" b="2"/>', 'O="B, Inc.", C=D', 9, "A quote stands inside"),
        ("<x a='it's' b='2'/>", "it's", 9, "A quote stands inside"),
        ('<x a="B @(c("d"))" b="2"/>', 'B @(c("d"))', 0, ""),
        ('<x a="${b["c"]}"/>', '${b["c"]}', 11, "A quote stands inside"),
        ('<x a="1"b="2"/>', "1", 9, "A space is missing"),
        ("<x a={{b}}/>", "{{b}}", 6, "without quotes"),
        ("<x a=1 />", "1", 6, "without quotes"),
        ("<x a=@(b[\"c\"] > 1) b='2'/>", '@(b["c"] > 1)', 6, "without quotes"),
    ],
)
def test_what_has_one_reading_is_read_with_a_warning(text: str, value: str, column: int, message: str) -> None:
    document = read_document(text)
    assert document.root is not None
    assert attribute(text) == value
    assert [each.name for each in document.root.attributes] == sorted(
        {"a"} | ({"b"} if " b=" in text or '"b=' in text else set())
    )
    if not message:
        assert document.problems == ()
        return
    (problem,) = document.problems
    assert not problem.error
    assert (problem.offset + 1, message in problem.message) == (column, True)


@pytest.mark.parametrize(
    ("text", "children"),
    [
        ("<x><!-- a <!-- b --> <c/> --><d/></x>", ["d"]),
        ("<x><!-- a <!-- b --><c/></x>", ["c"]),
        ("<x><!-- a <!-- b --><c/><!-- d --></x>", ["c"]),
        ("<x><!--> a --><c/></x>", ["c"]),
        ("<x><c/> --> <d/></x>", ["c", "d"]),
        ("<x><!-- a -- b ---><c/></x>", ["c"]),
        ("<x><!--c>\n</c--><d/></x>", ["d"]),
        ("<!-- a --><?xml version='1.0'?><?b c?><x><c/></x><?d?>", ["c"]),
    ],
)
def test_comments_and_instructions_are_passed_over(text: str, children: list[str]) -> None:
    root = read(text)
    assert [child.name for child in root.children] == children
    assert words(text) == []


def test_every_malformation_is_found_in_one_look() -> None:
    text = (
        "<!DOCTYPE x [<!ENTITY y 'z'>]>\n<x>\n<a b='1' b='2'/>\n<a b/>\n<a b=\"@(c(d)\" />\n<a>@(b</a>\n"
        '<a>1 < 2</a>\n<a>&#0;</a>\n<a b="1 < 2"/>\n<a></b>\n<a><c></a>\n</x>\ny'
    )
    source = Source(text, text)
    places = [source.place(problem.offset) for problem in read_document(text).problems]
    assert places == [(1, 1), (3, 10), (4, 4), (5, 8), (6, 5), (7, 6), (8, 4), (9, 9), (10, 4), (11, 7), (13, 1)]
    root = read_document(text).root
    assert root is not None
    assert [child.name for child in root.children] == ["a"] * 9


@pytest.mark.parametrize(
    "text",
    [
        f"<x {'b' * 40_000} ,/>",
        f"<x {'b ' * 20_000} ,/>",
        f"<x a='1'{'b' * 40_000}/>",
        f"<x a={'b' * 40_000}",
        f"<x a={'b/' * 20_000}",
        f'<x a="{"b" * 40_000}',
        f'<x a="@(1) {" " * 40_000}b',
        f"<x>{'&' * 40_000}</x>",
        f"<{'x' * 40_000}",
        f"<x></{'x' * 40_000}",
        f"{' ' * 40_000}<x/>{' ' * 40_000}y",
        f"<!DOCTYPE x [{']' * 40_000}",
        f"<set-body template='liquid'>{'<!--' * 10_000}</set-body>",
        f"<set-body template='liquid'>{'<![CDATA[' * 4_000}</set-body>",
    ],
)
def test_hostile_names_and_spaces_take_linear_time(text: str) -> None:
    with cpu(2):
        read_document.__wrapped__(text)


@pytest.mark.parametrize("piece", ["@(", "<!-- <!-- --> ", '<a b="@("/>', "<a b='c'd'/>", "<a", "</a", "< ", "&#0;"])
def test_hostile_repetition_takes_linear_time(piece: str) -> None:
    text = "<x>" + piece * (40_000 // len(piece)) + "</x>"
    with cpu(2):
        read_document.__wrapped__(text)


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
        started = time.process_time()
        action()
        best = min(best, time.process_time() - started)
    return best


def test_a_document_of_twenty_lines_is_read_in_200_microseconds() -> None:
    assert best_of(200, lambda: read_document.__wrapped__(DOCUMENT)) < 200e-6


def test_reading_again_costs_nothing() -> None:
    assert read(DOCUMENT) is read("".join(DOCUMENT))
