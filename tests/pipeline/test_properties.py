"""Whatever the text: the reader says where it is wrong, the compiler never raises, the scanner never passes its end."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.pipeline.compile import Environment, Scope, compile_document
from proxy.pipeline.markup import read
from proxy.pipeline.nodes import MarkupError, Node, decode
from proxy.pipeline.scan import UnbalancedError, scan_expression
from tests.pipeline.test_markup import DOCUMENT

FRAGMENTS = [
    *("<", ">", "</", "/>", "<!--", "-->", "<![CDATA[", "]]>", "<?", "?>", "<!DOCTYPE", "=", '"', "'", "&", "&lt;"),
    *(
        "&#65;",
        "&x;",
        "@(",
        "@{",
        "(",
        ")",
        "{",
        "}",
        "{{",
        "}}",
        "{{a}}",
        "\n",
        " ",
        "\t",
        "//",
        "/*",
        "*/",
        "\\",
        '$"',
    ),
    *(
        "<policies>",
        "</policies>",
        "<inbound>",
        "</inbound>",
        "<base/>",
        "<choose>",
        "<when condition=",
        "<a",
        "a",
        "é",
    ),
    *("<set-method>", "</set-method>", "<retry count='2'", "<set-variable name='a' value=", "<cors>", "<value>"),
]
soup = st.lists(st.sampled_from(FRAGMENTS), max_size=40).map("".join)
# a real document with a few spans replaced
edits = st.lists(
    st.tuples(st.integers(0, len(DOCUMENT)), st.integers(0, 12), st.sampled_from(["", *FRAGMENTS])), max_size=4
)


def damaged(changes: list[tuple[int, int, str]]) -> str:
    text = DOCUMENT
    for start, length, replacement in changes:
        text = text[:start] + replacement + text[start + length :]
    return text


texts = st.one_of(soup, soup.map(lambda inner: f"<policies><inbound>{inner}</inbound></policies>"), edits.map(damaged))


def problem_of(action: Callable[[], object]) -> MarkupError | UnbalancedError | None:
    try:
        action()
    except (MarkupError, UnbalancedError) as problem:
        return problem
    return None


@settings(max_examples=400, deadline=None)
@given(texts)
def test_reading_ends_with_a_tree_or_a_place(text: str) -> None:
    problem = problem_of(lambda: read(text))
    if problem is None:
        check(read(text), text)
    else:
        assert 0 <= problem.offset <= len(text)
        assert str(problem)


def check(node: Node, text: str) -> None:
    assert text.startswith(f"<{node.name}", node.offset)
    for attribute in node.attributes:
        assert text.startswith(attribute.name, attribute.offset)
        assert decode(text[attribute.value.start : attribute.value.end]) == attribute.value.value
    for child in node.children:
        check(child, text)


@settings(max_examples=300, deadline=None)
@given(texts)
def test_compiling_never_raises_and_places_lie_in_the_text(text: str) -> None:
    compiled = compile_document(text, Scope("api", "x"), Environment({"a": "<x>\n"}))
    lines = text.split("\n")
    for issue in compiled.issues:
        assert issue.code != "internal", issue
        assert 1 <= issue.line <= len(lines)
        assert 1 <= issue.column <= len(lines[issue.line - 1]) + 1


@settings(max_examples=300, deadline=None)
@given(soup)
def test_a_span_ends_inside_the_text(text: str) -> None:
    text = f"@({text}"
    problem = problem_of(lambda: scan_expression(text, 0))
    if problem is None:
        assert text[scan_expression(text, 0) - 1] == ")"
    else:
        assert 0 < problem.offset <= len(text)
